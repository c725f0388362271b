"""BEAT2: body and face of BEAT in SMPL-X, `<root>/{smplxflame_30/<id>.npz, wave16k/<id>.wav, textgrid/<id>.TextGrid}`.

55 joints as axis-angle and the place of the root in metres, 100 expression coefficients and the jaw, all at 30 fps.
`train_test_split.csv` (id, type) decides the splits; without it `data.splits` does, else all is train. Recordings of the
type `additional` are in no split until `data.splits.train` names them.

Source: the BEAT2 release of EMAGE (Liu et al. 2024).
"""

import csv
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from dataloaders.clip import FaceCodes, SmplxPoses, Sources
from dataloaders.corpora.beat import existing_folder
from dataloaders.labels import Interval, emotion_from_take
from dataloaders.recordings import Recording, parse_id, select_speakers
from emage.audio import read_audio_noted
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.layout import get_layout
from emage.motion.skeleton import SMPLX_JOINTS
from emage.text import Word, read_alignment

FOLDERS = {"npz": ("smplxflame_30", ".npz"), "wav": ("wave16k", ".wav"), "textgrid": ("textgrid", ".TextGrid")}
SPLIT_FILE = "train_test_split.csv"
SUBSETS = ("train", "val", "test", "additional")
UNLISTED = "unlisted"
LAYOUT = "flame_103"
MAX_ARRAY_BYTES = 1 << 30  # an hour of 165 numbers in float64 at 30 fps has 143 MB
_JAW = SMPLX_JOINTS.index("jaw")
_SHAPES = {"poses": (None, 3 * len(SMPLX_JOINTS)), "trans": (None, 3), "expressions": (None, 100)}
_CM_PER_M = 100.0


def find_recordings(data_config: DataConfig) -> list[Recording]:
    """The recordings below `data.root` that have a motion or a sound, sorted by id.

    Raises:
        InputError: `data.root` is missing or holds no such tree; a split file that cannot be read; an unknown speaker
            in `data.speakers`.
    """
    root = existing_folder("data.root", data_config.root)
    paths: dict[str, dict[str, Path]] = {}
    for kind, (folder, ending) in FOLDERS.items():
        for path in sorted((root / folder).glob("*")):
            if path.suffix.lower() == ending.lower() and not path.name.startswith("."):
                paths.setdefault(path.stem, {})[kind] = path
    paths = {name: kinds for name, kinds in paths.items() if kinds.keys() & {"npz", "wav"}}
    if not paths:
        raise InputError(f"data.root: {root}: no recordings; expected <root>/smplxflame_30/<id>.npz")
    split = _read_split(root / SPLIT_FILE)
    recordings = [
        Recording.from_id(name, paths[name], split.get(name, UNLISTED) if split else "train") for name in sorted(paths)
    ]
    return select_speakers(recordings, data_config.speakers)


def corpus_notices(recordings: list[Recording], data_config: DataConfig) -> list[str]:
    """What is odd about the corpus as a whole: recordings that the split file does not name, or names in vain."""
    split = _read_split(Path(data_config.root) / SPLIT_FILE)
    found = {recording.id for recording in recordings}
    unlisted = sorted(recording.id for recording in recordings if recording.subset == UNLISTED)
    absent = sorted(split.keys() - found)
    notices = []
    if unlisted:
        notices.append(f"{len(unlisted)} recordings are not in {SPLIT_FILE}, so in no split: {', '.join(unlisted[:5])}")
    if absent and not data_config.speakers:
        notices.append(f"{SPLIT_FILE} names {len(absent)} recordings that are not here, e.g. {absent[0]}")
    return notices


def read_sources(recording: Recording, data_config: DataConfig) -> Sources:
    """Reads the files of one recording.

    Raises:
        InputError: the motion or the sound is missing, or a file is broken.
    """
    missing = [FOLDERS[kind][0] for kind in ("npz", "wav") if kind not in recording.paths]
    if missing:
        raise InputError(f"{recording.id}: no file in {' and none in '.join(missing)}")
    arrays, fps = _read_arrays(recording.paths["npz"])
    waveform, notices = read_audio_noted(recording.paths["wav"], data_config.sample_rate)
    words: list[Word] = []
    phones: list[Word] = []
    if "textgrid" in recording.paths:
        words, phones = read_alignment(recording.paths["textgrid"])
    else:
        notices.append("no TextGrid: no words")
    name = parse_id(recording.id)
    emotion = emotion_from_take(name.take, name.is_conversation)
    axis_angle = torch.from_numpy(arrays["poses"]).unflatten(1, (len(SMPLX_JOINTS), 3))  # (N, J, 3)
    codes = torch.cat([torch.from_numpy(arrays["expressions"]), axis_angle[:, _JAW]], dim=1)
    assert codes.shape[1] == get_layout(LAYOUT).dim
    return Sources(
        recording_id=recording.id,
        speaker=recording.speaker,
        bvh=None,
        motion_fps=fps,
        poses=SmplxPoses(axis_angle, torch.from_numpy(arrays["trans"]) * _CM_PER_M, fps),
        face=FaceCodes(codes, LAYOUT, fps),
        waveform=waveform,
        sample_rate=data_config.sample_rate,
        words=words,
        phones=phones,
        emotion=[Interval(0.0, math.inf, emotion, "from the take number")],
        notices=notices,
        shape_code=arrays.get("betas"),
    )


def _read_arrays(path: Path) -> tuple[dict[str, np.ndarray], float]:
    """poses, trans, expressions (float32, of equal length), betas if there, and the frame rate."""
    arrays: dict[str, np.ndarray] = {}
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            for name in (*_SHAPES, "betas", "mocap_frame_rate"):
                if name in archive.files:
                    arrays[name] = archive[name]
    except (OSError, ValueError, EOFError, AttributeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as npz of arrays ({error}); copy it again") from error
    for name, (_, width) in _SHAPES.items():
        if name not in arrays:
            raise InputError(f"{path}: no {name}; it holds {', '.join(arrays) or 'nothing that is known'}")
        values = arrays[name]
        if values.dtype.kind != "f" or values.ndim != 2 or values.shape[1] != width or not len(values):
            raise InputError(f"{path}: {name} is {values.dtype} {values.shape}; expected (frames, {width})")
        if not np.isfinite(values).all():
            frame = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise InputError(f"{path}: {name} holds NaN or infinity, first in frame {frame}")
        arrays[name] = values.astype(np.float32)
    lengths = {name: len(arrays[name]) for name in _SHAPES}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: {', '.join(f'{n} {k}' for n, k in lengths.items())} frames; they must be the same")
    fps = float(arrays.pop("mocap_frame_rate", 30.0))
    if not 1 <= fps <= 1000:
        raise InputError(f"{path}: mocap_frame_rate is {fps}; expected frames per second")
    betas = arrays.get("betas")
    if betas is not None and (betas.dtype.kind != "f" or not np.isfinite(betas).all()):
        raise InputError(f"{path}: betas are {betas.dtype} {betas.shape}; expected finite numbers")
    if betas is not None:
        arrays["betas"] = betas.reshape(-1).astype(np.float32)
    return arrays, fps


def _check_sizes(path: Path) -> None:
    """Refuses an npz that unpacks to more than a recording can have, before anything is unpacked."""
    with zipfile.ZipFile(path) as archive:
        num_bytes = sum(info.file_size for info in archive.infolist())
    if num_bytes > MAX_ARRAY_BYTES:
        raise InputError(f"{path}: unpacks to {num_bytes} bytes; a recording has {MAX_ARRAY_BYTES} at most")


def _read_split(path: Path) -> dict[str, str]:
    """Recording id -> subset; empty where there is no split file."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    split = {}
    for number, row in enumerate(rows, 2):
        name, subset = (row.get("id") or "").strip(), (row.get("type") or "").strip()
        if not name or subset not in SUBSETS:
            raise InputError(f"{path}, line {number}: {row}; expected id and type, one of {', '.join(SUBSETS)}")
        split[name] = subset
    return split
