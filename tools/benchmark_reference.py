"""The reference's way to prepare and read data, to be measured against: rewritten from what its code does.

BEAT 2022 (`dataloaders/preprocessing.ipynb`, then `dataloaders/beat.py`): every 8th line of the BVH and every 4th frame
of the face are written out as text again, and all numbers at full rate are gathered in lists for mean and deviation; at
the first training the labels are looked up for every frame among all intervals, and overlapping windows are pickled
into an LMDB. (There with pyarrow.serialize, which has left pyarrow.)

Shapes: T frames at 15 fps, D columns.
"""

import csv
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import librosa
import lmdb
import numpy as np
import textgrid

from dataloaders.recordings import Recording
from emage.motion.layout import get_layout

FPS, SAMPLE_RATE = 15, 16000
BVH_STEP, FACE_STEP = 8, 4  # 120 -> 15 and 60 -> 15 fps
WINDOW_FRAMES, STRIDE_FRAMES = 34, 10
_MAP_BYTES = 1 << 36
_MOTION_LINE = "Frame Time"  # the line before the motion
_PAD, _UNKNOWN = 0, 3


def prepare_recording(recording: Recording, folder: Path) -> None:
    """Stage A: rewrites one recording at 15 fps below `folder`, as text."""
    for name in ("bvh_rot", "bvh_full", "bvh_rot_vis", "facial52", "wave16k", "text", "emo", "sem"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    waveform, _ = librosa.load(recording.paths["wav"], sr=SAMPLE_RATE)
    np.save(folder / "wave16k" / f"{recording.id}.npy", waveform)
    audio_samples = list(np.load(folder / "wave16k" / f"{recording.id}.npy"))
    for kind, name, ending in (("textgrid", "text", "TextGrid"), ("emotion", "emo", "csv"), ("semantic", "sem", "txt")):
        shutil.copy(recording.paths[kind], folder / name / f"{recording.id}.{ending}")
    face = json.loads(recording.paths["json"].read_text(encoding="utf-8"))
    weights = [frame["weights"] for frame in face["frames"]]
    kept = {"names": face["names"], "frames": face["frames"][::FACE_STEP]}
    (folder / "facial52" / f"{recording.id}.json").write_text(json.dumps(kept), encoding="utf-8")
    motion = _prepare_motion(recording, folder)
    for values in (audio_samples, weights, motion):
        array = np.array(values)
        np.mean(array, axis=0), np.std(array, axis=0)


def _prepare_motion(recording: Recording, folder: Path) -> list[np.ndarray]:
    """Writes the three text files of the motion and returns every line at full rate."""
    stored = {column: place for place, column in enumerate(get_layout("beat_full").columns)}
    layout = get_layout("beat_141")
    joints = [[stored[column] for column in layout.columns[layout.joint_slice(joint)]] for joint in layout.joints]
    lines = recording.paths["bvh"].read_text(encoding="utf-8").splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith(_MOTION_LINE)) + 1
    outputs = {
        name: (folder / name / f"{recording.id}.bvh").open("w") for name in ("bvh_rot", "bvh_full", "bvh_rot_vis")
    }
    every_row = []
    for name in ("bvh_full", "bvh_rot_vis"):
        outputs[name].writelines(lines[:first])
    for i, line in enumerate(lines[first:]):
        row = np.array(line.split(), dtype=float)
        every_row.append(row)
        if i % BVH_STEP:
            continue
        outputs["bvh_full"].write(line)
        visible, selected, text = np.zeros_like(row), np.zeros(0), ""
        for columns in joints:
            visible[columns] = row[columns]
            selected = np.concatenate([selected, row[columns]])
            text = _row_text(selected)  # after every joint, not once at the end: most of the time goes here
        outputs["bvh_rot_vis"].write(_row_text(visible))
        outputs["bvh_rot"].write(text)
    for file in outputs.values():
        file.close()
    return every_row


def _row_text(row: np.ndarray) -> str:
    text = np.array2string(
        row, max_line_width=np.inf, precision=6, suppress_small=False, separator=" ", threshold=len(row)
    )
    return text[1:-1] + "\n"


def build_windows(recordings: list[Recording], folder: Path, database: Path) -> tuple[int, float]:
    """Stage B: pickles the overlapping windows of all prepared recordings into an LMDB.

    Returns:
        How many windows, and how many minutes they were cut from.
    """
    words: dict[str, int] = {}
    count, minutes = 0, 0.0
    environment = lmdb.open(str(database), map_size=_MAP_BYTES)
    with environment.begin(write=True) as transaction:
        for recording in recordings:
            windows, num_frames = _windows(recording, folder, words)
            minutes += num_frames / FPS / 60
            for window in windows:
                transaction.put(f"{count:05d}".encode(), pickle.dumps(window, protocol=pickle.HIGHEST_PROTOCOL))
                count += 1
    environment.close()
    return count, minutes


def _windows(recording: Recording, folder: Path, words: dict[str, int]) -> tuple[list[list[np.ndarray]], int]:
    waveform = np.load(folder / "wave16k" / f"{recording.id}.npy")
    motion = np.array([line.split() for line in (folder / "bvh_rot" / f"{recording.id}.bvh").open()], dtype=float)
    face = json.loads((folder / "facial52" / f"{recording.id}.json").read_text(encoding="utf-8"))
    weights = np.array([frame["weights"] for frame in face["frames"]])
    seconds = min(len(waveform) // SAMPLE_RATE, len(motion) // FPS, len(weights) // FPS)
    num_frames = seconds * FPS
    labels = _labels_per_frame(recording, folder, num_frames, words)
    window_samples = int(WINDOW_FRAMES / FPS * SAMPLE_RATE)
    windows = []
    for start in range(0, num_frames - WINDOW_FRAMES + 1, STRIDE_FRAMES):
        stop, sample = start + WINDOW_FRAMES, int(start * SAMPLE_RATE / FPS)
        rows = [labels[name][start:stop] for name in ("word", "emotion", "semantic")]
        speaker = np.array([int(recording.speaker) - 1]) if recording.speaker.isdecimal() else np.zeros(1, dtype=int)
        windows.append(
            [motion[start:stop], waveform[sample : sample + window_samples], weights[start:stop], *rows, speaker]
        )
    return windows, num_frames


def _labels_per_frame(
    recording: Recording, folder: Path, num_frames: int, words: dict[str, int]
) -> dict[str, np.ndarray]:
    """Looks every frame up among all intervals, as the reference does."""
    tier = textgrid.TextGrid.fromFile(str(folder / "text" / f"{recording.id}.TextGrid"))[0]
    with (folder / "emo" / f"{recording.id}.csv").open() as file:
        emotions = [(float(row[1]), float(row[2]), int(row[4])) for row in csv.reader(file) if row]
    with (folder / "sem" / f"{recording.id}.txt").open() as file:
        meanings = [(float(row[1]), float(row[2]), float(row[4])) for row in csv.reader(file, delimiter="\t") if row]
    labels: dict[str, list[Any]] = {"word": [], "emotion": [], "semantic": []}
    for frame in range(num_frames):
        time_s, word, emotion, semantic = frame / FPS, _UNKNOWN, 0, 0.0
        for interval in tier:
            if interval.minTime <= time_s <= interval.maxTime:
                word = words.setdefault(interval.mark, len(words) + _UNKNOWN + 1) if interval.mark != " " else _PAD
                break
        for start_s, end_s, score in emotions:
            if start_s <= time_s <= end_s:
                emotion = score
                break
        for start_s, end_s, score in meanings:
            if start_s <= time_s <= end_s:
                semantic = score
                break
        for name, value in (("word", word), ("emotion", emotion), ("semantic", semantic)):
            labels[name].append(value)
    return {name: np.array(values) for name, values in labels.items()}


class PickledWindows:
    """The reference's data set: one pickled window a key. It reads only what `build_windows` wrote in the same run."""

    def __init__(self, database: Path, num_windows: int) -> None:
        self._environment = lmdb.open(str(database), readonly=True, lock=False)
        self._num_windows = num_windows

    def __len__(self) -> int:
        return self._num_windows

    def __getitem__(self, index: int) -> list[np.ndarray]:
        with self._environment.begin() as transaction:
            return pickle.loads(transaction.get(f"{index:05d}".encode()))
