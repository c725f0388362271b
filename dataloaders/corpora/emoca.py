"""EMOCA codes of talking faces ("3DTalking"): `<root>/{trainset,testset}/<V0-GRID ...>/<sequence>/` with 11 files each.

Codes of a monocular tracker at 25 fps beside 16 kHz speech: expression 50, global head rotation 3, jaw 3. All eleven
files are read and checked; expression and pose go on, and the identity as the median over the sequence, since the
tracker's wanders. Shipped folders decide train and test, validation speakers are taken out of train.

Source: the data set card of 3DTalking (EngineeringAI-LAB), and what its loader expects.
"""

import math
import re
from pathlib import Path

import numpy as np
import torch

from dataloaders.clip import FaceCodes, Sources
from dataloaders.corpora.array_file import read_array
from dataloaders.corpora.beat import existing_folder
from dataloaders.corpora.subsets import is_val_speaker, shared_speakers
from dataloaders.recordings import Recording, select_speakers
from emage.audio import read_audio_noted
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.array_pickle import read_array_pickle
from emage.motion.layout import get_layout

FOLDERS = {"trainset": "train", "testset": "test"}
COLLECTIONS = ("V0-GRID", "V1-RAVDESS", "V2-MEAD", "V3-VoxCeleb2", "V4-HDTF", "V5-CelebV-HQ")
CODE_FPS, WAVE_RATE = 25.0, 16000
LAYOUT = "emoca_56"
METADATA, AUDIO = "metadata.pkl", "audio.wav"
MAX_METADATA_BYTES = 2**20

# Shape of one row of each array that has a row a frame; of identity and texture one row, or none, is taken too.
FRAME_ROWS = {
    "expcode.npy": (50,),
    "posecode.npy": (6,),
    "cam.npy": (3,),
    "detailcode.npy": (128,),
    "lightcode.npy": (9, 3),
    "shapecode.npy": (100,),
    "texcode.npy": (50,),
}
_STATIC = ("shapecode.npy", "texcode.npy")
ENVELOPE, IMAGE, IMAGE_SHAPE = "envelope.npy", "refimg.npy", (3, 224, 224)
FILES = (AUDIO, METADATA, ENVELOPE, IMAGE, *FRAME_ROWS)

# Some arrays of the release have 376 rows whatever the length of the sequence: the first T are the sequence's.
FIXED_ROWS = 376
_MAX_ROWS_APART, _MAX_SHARE_APART = 2, 0.05
_MAX_AUDIO_APART_S, _MAX_AUDIO_SHARE_APART = 1.0, 0.1  # beyond both it is the sound of something else
_SPEAKERS = (  # the collections whose ids name the speaker
    re.compile(r"V0-(?P<speaker>s\d+)-(?P<number>\d+)"),
    re.compile(r"V1-(?:Song|Speech)-(?P<speaker>Actor_\d+)-(?P<number>\d+)"),
    re.compile(r"V2-(?P<speaker>[MW]\d+)-\w+-(?P<number>\d+)"),
)
UNKNOWN = "unknown"


def find_recordings(data_config: DataConfig) -> list[Recording]:
    """The sequences below `data.root`, sorted by id; a missing testset is no fault.

    Raises:
        InputError: `data.root` is missing or holds no such tree; an unknown speaker in `data.speakers`.
    """
    root = existing_folder("data.root", data_config.root)
    found: dict[str, Recording] = {}
    for folder, subset in FOLDERS.items():
        for collection in COLLECTIONS:
            homes = (path for path in (root / folder / collection).glob("[!.]*") if path.is_dir())
            for home in sorted(homes):  # a hidden one is what a killed writer left
                # The two trees count on their own: a name that both have is two sequences.
                name = home.name if home.name not in found else f"{home.name}@{folder}"
                found[name] = _recording(name, home, collection, subset)
    if not found:
        raise InputError(
            f"data.root: {root}: no sequences; expected <root>/{{trainset,testset}}/<{COLLECTIONS[0]} ...>/<sequence>/"
        )
    return select_speakers([found[name] for name in sorted(found)], data_config.speakers)


def corpus_notices(recordings: list[Recording], data_config: DataConfig) -> list[str]:
    """What is odd about the corpus as a whole: folders that are not read, speakers in two splits."""
    root = Path(data_config.root)
    others = sorted(
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in (root / folder).glob("[!.]*")
        if path.is_dir() and path.name not in COLLECTIONS
    )
    notices = [f"folders that are no collection of this corpus are passed over: {', '.join(others)}"] if others else []
    return notices + shared_speakers(recording for recording in recordings if recording.speaker_name != UNKNOWN)


def read_sources(recording: Recording, data_config: DataConfig) -> Sources:
    """Reads and checks the eleven files of one sequence.

    Raises:
        InputError: a file is missing or broken, or what they hold does not belong together.
    """
    missing = [name for name in FILES if name not in recording.paths]
    if missing:
        raise InputError(f"{recording.id}: no {', no '.join(missing)}; each sequence has {len(FILES)} files")
    waveform, notices = read_audio_noted(recording.paths[AUDIO], data_config.sample_rate)
    arrays, array_notices = _read_frames(recording)
    num_frames = len(arrays["expcode.npy"])
    audio_s, frames_s = len(waveform) / data_config.sample_rate, num_frames / CODE_FPS
    apart_s = abs(audio_s - frames_s)
    if apart_s > max(_MAX_AUDIO_APART_S, _MAX_AUDIO_SHARE_APART * max(audio_s, frames_s)):
        raise InputError(
            f"{recording.paths[AUDIO]}: {audio_s:.2f} s of sound to {num_frames} frames, {frames_s:.2f} s; "
            "they cannot be of one sequence"
        )
    notices += array_notices + _check_the_rest(recording, round(audio_s * WAVE_RATE))
    codes = np.concatenate([arrays["expcode.npy"], arrays["posecode.npy"]], axis=1)  # the columns of emoca_56
    assert codes.shape[1] == get_layout(LAYOUT).dim
    return Sources(
        recording_id=recording.id,
        speaker=recording.speaker,
        bvh=None,
        motion_fps=CODE_FPS,
        face=FaceCodes(torch.from_numpy(codes.astype(np.float32)), LAYOUT, CODE_FPS),
        waveform=waveform,
        sample_rate=data_config.sample_rate,
        notices=notices,
        shape_code=np.median(arrays["shapecode.npy"], axis=0).astype(np.float32),
    )


def _recording(name: str, home: Path, collection: str, subset: str) -> Recording:
    """What the id of a sequence tells; V3 to V5 do not tell who speaks."""
    match = next((match for pattern in _SPEAKERS if (match := pattern.fullmatch(home.name))), None)
    group = collection.split("-")[0]
    speaker_name = match["speaker"] if match else UNKNOWN
    speaker = f"{group}-{speaker_name}"
    tail = home.name.rsplit("-", 1)[-1]
    number = int(tail) if tail.isdecimal() else 0
    if subset == "train" and is_val_speaker(speaker if match else name):
        subset = "val"
    paths = {file: home / file for file in FILES if (home / file).is_file()}
    return Recording(name, speaker, speaker_name, "english", number, paths, subset)


def _read_frames(recording: Recording) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays with a row a frame, cut to the frames that all of them have, and what was cut."""
    arrays = {}
    for name, row in FRAME_ROWS.items():
        values = read_array(recording.paths[name])
        if name in _STATIC and values.shape == row:
            values = values[None]
        if values.shape[1:] != row or values.ndim != 1 + len(row) or not len(values):
            expected = ", ".join(map(str, row))
            raise InputError(f"{recording.paths[name]}: shape {values.shape}; expected (frames, {expected})")
        arrays[name] = values
    lengths = {name: len(a) for name, a in arrays.items() if len(a) > 1 or name not in _STATIC}
    num_frames = min(lengths.values())
    notices = []
    for name, length in lengths.items():
        if length == num_frames:
            continue
        if length != FIXED_ROWS and length - num_frames > max(_MAX_ROWS_APART, _MAX_SHARE_APART * num_frames):
            counts = ", ".join(f"{key.removesuffix('.npy')} {value}" for key, value in lengths.items())
            raise InputError(f"{recording.paths[name]}: {length} rows, the shortest has {num_frames} ({counts})")
        arrays[name] = arrays[name][:num_frames]
        notices.append(f"{name} has {length} rows: the first {num_frames} are read")
    return arrays, notices


def _check_the_rest(recording: Recording, num_samples: int) -> list[str]:
    """Checks the files that are not used further: loudness, picture, metadata."""
    path = recording.paths[ENVELOPE]
    envelope, notices = read_array(path), []
    if envelope.ndim != 1:
        raise InputError(f"{path}: shape {envelope.shape}; expected one row, a number a sample")
    if abs(len(envelope) - num_samples) > WAVE_RATE / CODE_FPS:
        notices.append(f"{ENVELOPE} has {len(envelope)} values to {num_samples} samples: it is not used")
    path = recording.paths[IMAGE]
    image = read_array(path, kinds="fu")
    if image.shape != IMAGE_SHAPE or (image.dtype.kind == "u" and image.dtype != np.uint8):
        raise InputError(f"{path}: {image.dtype} {image.shape}; expected float or uint8 {IMAGE_SHAPE}")
    path = recording.paths[METADATA]
    metadata = read_array_pickle(path, max_bytes=MAX_METADATA_BYTES)
    whole = isinstance(metadata, int) or (isinstance(metadata, float) and math.isfinite(metadata))
    if not whole and not isinstance(metadata, dict):
        raise InputError(f"{path}: holds a {type(metadata).__name__}; expected a number or a dict")
    return notices
