"""The tree that BEAT's own preprocessing writes: `{train,val,test}/{bvh_full,facial52,wave16k,text,emo,sem}/<id>.*`.

Known faults of that tree, from its notebook, are read over and written down as notices of the recording:

- `bvh_full` keeps the header of the 120 fps file: Frame Time 0.008333 and its number of frames, at 15 fps;
- it also keeps one row too many: the first row of the file stands before the thinned rows;
- a recording that the split cuts in two (`_a`, `_b`) has its bvh_full cut at a LINE number that counts the header, so
  28.7 s too early, and keeps the uncut TextGrid, csv and txt in both halves.

Source: dataloaders/preprocessing.ipynb of BEAT 2022.
"""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from dataloaders.clip import Sources
from dataloaders.corpora.beat import (
    CAPTURE_KINDS,
    Annotations,
    existing_folder,
    read_annotations,
    require_captures,
    told,
)
from dataloaders.labels import Interval
from dataloaders.recordings import Recording, RecordingName, parse_id, select_speakers
from dataloaders.splits import SPLITS
from emage.audio import check_audio, resample_audio
from emage.config import DataConfig
from emage.errors import InputError, collected_warnings
from emage.motion.arkit import read_arkit
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.bvh_reader import parse_header, read_lines
from emage.text import Word

FOLDERS = {  # folder -> kind of file, ending
    "bvh_full": ("bvh", ".bvh"),
    "facial52": ("json", ".json"),
    "wave16k": ("wav", ".npy"),
    "text": ("textgrid", ".textgrid"),
    "emo": ("emotion", ".csv"),
    "sem": ("semantic", ".txt"),
}
TREE_FPS = 15.0
WAVE_RATE = 16000
SECOND_HALF = "bvh_b"  # of a first half: the file that holds the rest of its motion

_THINNED = 8  # one row of 120 fps out of so many is kept
_HEADER_LINES = 431  # of every BVH in BEAT; the notebook counts on it
_MAX_LONGER, _CLOSE = 1.2, 0.05  # as for the raw corpus: how far motion and sound may differ


def find_recordings(data_config: DataConfig) -> list[Recording]:
    """The recordings of all subsets below `data.root`, sorted by id.

    Raises:
        InputError: `data.root` is missing or no such tree, a recording is in two subsets, an unknown speaker in
            `data.speakers`.
    """
    root = existing_folder("data.root", data_config.root)
    found: dict[str, Recording] = {}
    for subset in SPLITS:
        paths: dict[str, dict[str, Path]] = {}
        for folder, (kind, ending) in FOLDERS.items():
            for path in sorted((root / subset / folder).glob("*")):
                if path.suffix.lower() == ending and not path.name.startswith(".") and _is_id(path.stem):
                    paths.setdefault(path.stem, {})[kind] = path
        for recording_id, kinds in paths.items():
            if not kinds.keys() & set(CAPTURE_KINDS):
                continue
            if recording_id in found:
                other = found[recording_id].subset
                raise InputError(f"recording {recording_id} is there twice: in {other} and in {subset}; remove one")
            found[recording_id] = Recording.from_id(recording_id, kinds, subset)
    if not found:
        raise InputError(f"data.root: {root}: no recordings; expected <root>/{{train,val,test}}/bvh_full/<id>.bvh")
    for recording in found.values():
        rest = found.get(recording.id.removesuffix("_a") + "_b") if recording.id.endswith("_a") else None
        if rest and "bvh" in rest.paths:
            recording.paths[SECOND_HALF] = rest.paths["bvh"]
    return select_speakers([found[recording_id] for recording_id in sorted(found)], data_config.speakers)


def read_sources(recording: Recording, data_config: DataConfig) -> Sources:
    """Reads the files of one recording.

    Raises:
        InputError: the motion, the face or the sound is missing, or a file is broken.
    """
    require_captures(recording)
    name = parse_id(recording.id)
    waveform = resample_audio(_read_wave(recording.paths["wav"]), WAVE_RATE, data_config.sample_rate)
    with collected_warnings() as doubts:
        bvh, notices = _read_thinned_bvh(recording, name)
    fps, rate_notices = tree_rate(bvh, len(waveform) / data_config.sample_rate, path=recording.paths["bvh"])
    face = read_arkit(recording.paths["json"])
    annotations = read_annotations(recording)
    if name.half == "b":
        annotations = _second_half(annotations, name.half_cut_s)
    return Sources(
        recording_id=recording.id,
        speaker=recording.speaker,
        bvh=bvh,
        motion_fps=fps,
        face=face,
        waveform=waveform,
        sample_rate=data_config.sample_rate,
        words=annotations.words,
        phones=annotations.phones,
        emotion=annotations.emotion,
        semantic=annotations.semantic,
        notices=[*told(doubts, recording.paths["bvh"]), *notices, *rate_notices, *face.notices, *annotations.notices],
    )


def tree_rate(bvh: BvhMotion, audio_s: float, *, path: Path) -> tuple[float, list[str]]:
    """The frame rate of a bvh_full: 15 as the format has it, checked against the sound.

    Raises:
        InputError: neither 15 fps nor the header's rate gives the motion a length that fits the sound.
    """
    if bvh.fps == TREE_FPS:
        return TREE_FPS, []
    said = f"the BVH header says Frame Time {bvh.frame_time_s:g}, {bvh.fps:g} fps"
    at_tree_rate_s = bvh.num_frames / TREE_FPS
    if at_tree_rate_s <= _MAX_LONGER * audio_s:
        return TREE_FPS, [f"{said}; read at {TREE_FPS:g} fps, the rate of this format"]
    if abs(bvh.duration_s - audio_s) <= _CLOSE * audio_s:
        return bvh.fps, [f"{said}, and the sound of {audio_s:.1f} s agrees; not the {TREE_FPS:g} fps of this format"]
    raise InputError(
        f"{path}: {said}: {bvh.duration_s:.1f} s of motion, or {at_tree_rate_s:.1f} s at the {TREE_FPS:g} fps of this "
        f"format, to {audio_s:.1f} s of sound; write the true Frame Time into the file"
    )


def _read_thinned_bvh(recording: Recording, name: RecordingName) -> tuple[BvhMotion, list[str]]:
    """The rows of a bvh_full that belong to the recording, and how they were found."""
    path = recording.paths["bvh"]
    bvh = read_bvh(path, trust_frame_count=False)
    num_rows = bvh.num_frames
    num_said = parse_header(read_lines(path), path).num_frames
    if num_rows == num_said:
        return bvh, []
    num_thinned = 1 + _rounded_up(num_said - 1, _THINNED)  # with the row too many
    cut = round(name.half_cut_s * TREE_FPS)
    cut_by_line = cut - _HEADER_LINES  # rows that the notebook leaves to the first half
    count = f"`Frames:` says {num_said} (of the recording at 120 fps)"
    if name.half is None and num_rows == num_thinned:
        return _with_rows(bvh, bvh.values[1:]), [f"{count}: the {num_rows - 1} thinned rows are read"]
    if name.half == "b" and num_rows == num_thinned - cut_by_line:
        rows = bvh.values[1 + cut - cut_by_line :]
        return _with_rows(bvh, rows), [f"{count}, cut too early: the last {len(rows)} rows are read"]
    if name.half == "a" and num_rows == cut_by_line:
        if SECOND_HALF not in recording.paths:
            raise InputError(
                f"{path}: cut too early, {num_rows} rows; the rest belongs in a `_b` file, which is not there"
            )
        rest = read_bvh(recording.paths[SECOND_HALF], trust_frame_count=False)
        rows = torch.cat([bvh.values[1:], rest.values[: 1 + cut - cut_by_line]])
        return _with_rows(bvh, rows), [f"{count}, cut too early: {len(rows)} rows are read, with the `_b` file's first"]
    if num_rows == _rounded_up(num_said, _THINNED):
        return bvh, [f"{count}: the {num_rows} thinned rows are read"]
    raise InputError(
        f"{path}: `Frames:` says {num_said}, but {num_rows} rows follow, where thinning to {TREE_FPS:g} fps leaves "
        f"{num_thinned}: the file is cut off; make it again, or correct `Frames:` if these are all"
    )


def _with_rows(bvh: BvhMotion, values: torch.Tensor) -> BvhMotion:
    return dataclasses.replace(bvh, values=values)


def _rounded_up(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _second_half(annotations: Annotations, cut_s: float) -> Annotations:
    """Labels of the uncut recording, counted from the beginning of its second half."""

    def words(uncut: list[Word]) -> list[Word]:
        return [Word(text, max(a - cut_s, 0.0), b - cut_s) for text, a, b in uncut if b > cut_s]

    def intervals(uncut: list[Interval]) -> list[Interval]:
        return [
            i._replace(start_s=max(i.start_s - cut_s, 0.0), end_s=i.end_s - cut_s) for i in uncut if i.end_s > cut_s
        ]

    return Annotations(
        words(annotations.words),
        words(annotations.phones),
        intervals(annotations.emotion),
        intervals(annotations.semantic),
        annotations.notices,
    )


def _read_wave(path: Path) -> np.ndarray:
    try:
        samples = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no npy file of samples: {error}") from error
    if samples.ndim != 1 or samples.dtype.kind not in "fi":
        raise InputError(f"{path}: shape {samples.shape}, {samples.dtype}; expected one row of float samples")
    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    return check_audio(samples.astype(np.float32), path)


def _is_id(stem: str) -> bool:
    """Whether a file is a recording's; npy_mean_2.npy and the like are the tree's own statistics."""
    try:
        parse_id(stem)
    except InputError:
        return False
    return True
