"""The files of the synthetic sets in the layouts of EMOCA codes and SingingHead, as their readers look for them.

Both layouts hold pickles: a number in EMOCA's metadata, a mapping of arrays in SingingHead. They are the only ones that
the project writes, since the layouts are not ours.
"""

import os
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dataloaders.corpora.emoca import AUDIO, ENVELOPE, FILES, FRAME_ROWS, IMAGE, IMAGE_SHAPE, METADATA
from dataloaders.corpora.singinghead import ARCHIVES, MEMBERS
from dataloaders.corpora.synthetic_files import write_wav
from dataloaders.corpora.synthetic_speech import SAMPLE_RATE
from emage.audio import rms_envelope
from emage.motion.atomic import write_text_atomic
from emage.motion.rotation import compose_axis_angle

if TYPE_CHECKING:
    from dataloaders.corpora.synthetic_faces import TrackedFace

SEGMENTS = ".segments"  # where SingingHead's members wait for the zips
_ZIP_TIME = (2020, 1, 1, 0, 0, 0)
_CAMERA = (5.1, 0.0, 0.03)
_PROTOCOL = 4


def is_sequence_there(home: Path) -> bool:
    """Whether a sequence is whole: its folder gets its name last."""
    return all((home / name).is_file() for name in FILES)


def write_sequence(home: Path, face: "TrackedFace", *, rng: np.random.Generator) -> None:
    """Writes the eleven files of an EMOCA sequence; the folder is there whole or not at all."""
    partial = home.with_name(f".{home.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left behind by a run that was killed
    partial.mkdir(parents=True)
    num_frames = len(face.expression)
    head = compose_axis_angle(torch.from_numpy(face.head), torch.from_numpy(face.neck)).numpy()
    arrays = {
        "expcode.npy": face.expression,
        "posecode.npy": np.concatenate([head, face.jaw], axis=1),
        "cam.npy": _CAMERA + rng.normal(0, 0.01, (num_frames, 3)),
        **{
            name: rng.normal(0, 0.3, row) + rng.normal(0, 0.05, (num_frames, *row))
            for name, row in FRAME_ROWS.items()
            if name in ("shapecode.npy", "texcode.npy", "detailcode.npy", "lightcode.npy")
        },
        ENVELOPE: rms_envelope(face.waveform, SAMPLE_RATE, SAMPLE_RATE, window_s=0.02),
    }
    for name, values in arrays.items():
        np.save(partial / name, values.astype(np.float32))
    np.save(partial / IMAGE, rng.integers(0, 256, IMAGE_SHAPE, dtype=np.uint8))
    (partial / METADATA).write_bytes(pickle.dumps(num_frames, protocol=_PROTOCOL))
    write_wav(partial / AUDIO, face.waveform)
    shutil.rmtree(home, ignore_errors=True)
    partial.rename(home)


def is_segment_there(out: Path, name: str) -> bool:
    """Whether a segment waits for the zips, or they are made."""
    if all((out / archive).is_file() for archive in ARCHIVES.values()):
        return True
    return all((out / SEGMENTS / member.format(name)).is_file() for member in MEMBERS.values())


def write_segment(out: Path, name: str, face: "TrackedFace") -> None:
    """Writes the three members of a SingingHead segment to where they wait for the zips; the codes come last."""
    folder = out / SEGMENTS
    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / MEMBERS["vocals"].format(name), face.waveform)
    write_wav(folder / MEMBERS["accompaniment"].format(name), face.music)
    codes = {
        "expcodes": face.expression.astype(np.float32),
        "posecodes": np.concatenate([face.head, face.neck, face.jaw], axis=1).astype(np.float32),
    }
    path = folder / MEMBERS["flame"].format(name)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(pickle.dumps(codes, protocol=_PROTOCOL))
    os.replace(partial, path)


def archive_segments(out: Path, by_split: dict[str, list[str]]) -> None:
    """Packs the waiting segments into the zips and writes the lists; the same segments give the same bytes."""
    if not (out / SEGMENTS).is_dir():
        return
    names = sorted(name for ids in by_split.values() for name in ids)
    for kind, archive in ARCHIVES.items():
        partial = out / f".{archive}.partial"
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as file:
            for name in names:
                member = MEMBERS[kind].format(name)
                info = zipfile.ZipInfo(f"{archive.removesuffix('.zip')}/{member}", _ZIP_TIME)
                file.writestr(info, (out / SEGMENTS / member).read_bytes())
        os.replace(partial, out / archive)
    for split, ids in by_split.items():
        write_text_atomic(out / f"{split}.txt", "".join(f"{name}\n" for name in ids))
    shutil.rmtree(out / SEGMENTS)
