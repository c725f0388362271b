"""BEAT as it is released: `<root>/<speaker>/<id>.{bvh,json,wav,TextGrid}`, with csv and txt there or in a second tree.

Faults of the release that are known and read over all the same are written down as notices of the recording.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataloaders.clip import Sources
from dataloaders.labels import Interval, emotion_from_take, read_emotion_csv, read_semantic_txt
from dataloaders.recordings import Recording, parse_id, select_speakers
from emage.audio import read_audio
from emage.config import DataConfig
from emage.errors import InputError, collected_warnings
from emage.motion.arkit import read_arkit
from emage.motion.bvh import BvhMotion, read_bvh
from emage.text import Word, read_alignment

logger = logging.getLogger(__name__)

ENDINGS = {
    ".bvh": "bvh",
    ".json": "json",
    ".wav": "wav",
    ".textgrid": "textgrid",
    ".csv": "emotion",
    ".txt": "semantic",
}
CAPTURE_KINDS = ("bvh", "json", "wav")  # one of these makes a recording, all three are needed to use it
RAW_FPS = 120.0

# A header is believed unless the motion would outlast the sound by this factor ...
_MAX_LONGER = 1.2
# ... and the rate of the release brings both this close together.
_CLOSE = 0.05


def find_recordings(data_config: DataConfig) -> list[Recording]:
    """The recordings below `data.root`, sorted by id; labels in `data.annotation_root` go before those beside them.

    Raises:
        InputError: `data.root` or `data.annotation_root` is missing, holds no recording, or one file twice; an unknown
            speaker in `data.speakers`.
    """
    root = existing_folder("data.root", data_config.root)
    paths: dict[str, dict[str, Path]] = {}
    for recording_id, kind, path in _corpus_files(root):
        _add_path(paths, recording_id, kind=kind, path=path)
    captured = {recording_id for recording_id, kinds in paths.items() if kinds.keys() & set(CAPTURE_KINDS)}
    if not captured:
        raise InputError(
            f"data.root: {root}: no recordings; expected <root>/<speaker>/<id>.bvh, e.g. 2/2_scott_0_1_1.bvh"
        )
    if data_config.annotation_root:
        annotations: dict[str, dict[str, Path]] = {}
        for recording_id, kind, path in _corpus_files(
            existing_folder("data.annotation_root", data_config.annotation_root)
        ):
            if kind not in CAPTURE_KINDS:
                _add_path(annotations, recording_id, kind=kind, path=path)
        for recording_id in captured & annotations.keys():
            paths[recording_id] |= annotations[recording_id]
    recordings = [Recording.from_id(recording_id, paths[recording_id]) for recording_id in sorted(captured)]
    return select_speakers(recordings, data_config.speakers)


def read_sources(recording: Recording, data_config: DataConfig) -> Sources:
    """Reads the files of one recording.

    Raises:
        InputError: the motion, the face or the sound is missing, or a file is broken.
    """
    require_captures(recording)
    waveform = read_audio(recording.paths["wav"], data_config.sample_rate)
    with collected_warnings() as doubts:
        bvh = read_bvh(recording.paths["bvh"])
    face = read_arkit(recording.paths["json"])
    fps, notices = motion_rate(bvh, len(waveform) / data_config.sample_rate)
    annotations = read_annotations(recording)
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
        notices=[*told(doubts, recording.paths["bvh"]), *notices, *face.notices, *annotations.notices],
    )


def told(doubts: list[str], path: Path) -> list[str]:
    """Warnings about a file as notices of its recording, which name no path."""
    return [doubt.removeprefix(str(path)).removeprefix(": ").removeprefix(", ") for doubt in doubts]


def motion_rate(bvh: BvhMotion, audio_s: float) -> tuple[float, list[str]]:
    """The true frame rate of a BVH of the release, and a notice if its header does not say it plainly.

    Some headers say 24 fps over a recording at 120 (29_hanieh_1_4_4): the sound tells.
    """
    at_release_rate_s = bvh.num_frames / RAW_FPS
    if bvh.duration_s > _MAX_LONGER * audio_s and abs(at_release_rate_s - audio_s) <= _CLOSE * audio_s:
        return RAW_FPS, [
            f"the BVH header says {bvh.fps:g} fps, which gives {bvh.duration_s:.1f} s to {audio_s:.1f} s of sound; "
            f"read at {RAW_FPS:g} fps"
        ]
    if abs(bvh.frame_time_s * bvh.fps - 1) > 1e-6:
        return bvh.fps, [f"Frame Time {bvh.frame_time_s:g} read as 1/{bvh.fps:g}"]
    return bvh.fps, []


@dataclass
class Annotations:
    """The labels of a recording, with defaults where a file is missing; times in seconds."""

    words: list[Word]
    phones: list[Word]
    emotion: list[Interval]
    semantic: list[Interval]
    notices: list[str]


def read_annotations(recording: Recording) -> Annotations:
    """Reads TextGrid, csv and txt; a missing one becomes a notice and a default.

    Raises:
        InputError: a file is there but broken.
    """
    name = parse_id(recording.id)
    paths = recording.paths
    notices = []
    words: list[Word] = []
    phones: list[Word] = []
    if "textgrid" in paths:
        words, phones = read_alignment(paths["textgrid"])
    else:
        notices.append("no TextGrid: no words")
    if "emotion" in paths:
        emotion, emotion_notices = read_emotion_csv(paths["emotion"])
        notices += emotion_notices
    else:
        number = emotion_from_take(name.take, name.is_conversation)
        emotion = [Interval(0.0, math.inf, number, "from the take number")]
        notices.append(f"no emotion csv: emotion {number} from take {name.take}")
    if "semantic" in paths:
        semantic = read_semantic_txt(paths["semantic"])
    else:
        semantic = []
        notices.append("no semantic txt: semantic score 0")
    return Annotations(words, phones, emotion, semantic, notices)


def require_captures(recording: Recording) -> None:
    """Refuses a recording without motion, face or sound.

    Raises:
        InputError: names what is missing and what is there.
    """
    missing = [kind for kind in CAPTURE_KINDS if kind not in recording.paths]
    if missing:
        there = ", ".join(str(path) for path in recording.paths.values())
        raise InputError(f"{recording.id}: no {' and no '.join(missing)} file; there is {there}")


def existing_folder(key: str, value: str) -> Path:
    """The folder that a config key names.

    Raises:
        InputError: it is not set or not there.
    """
    if not value:
        raise InputError(f"{key}: not set; name the folder of the corpus, e.g. {key}=data/beat_english_v0.2.1")
    if not Path(value).is_dir():
        raise InputError(f"{key}: {value}: no such folder; docs/data.md says where each corpus is asked for")
    return Path(value)


def _add_path(paths: dict[str, dict[str, Path]], recording_id: str, *, kind: str, path: Path) -> None:
    known = paths.setdefault(recording_id, {})
    if kind in known:
        raise InputError(f"recording {recording_id} is there twice: {known[kind]} and {path}; remove one")
    known[kind] = path


def _corpus_files(root: Path) -> Iterator[tuple[str, str, Path]]:
    """(recording id, kind, path) of every file in the root and its folders that has a recording's name."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    for folder in (root, *folders):
        for path in sorted(folder.iterdir()):
            kind = ENDINGS.get(path.suffix.lower())
            if kind is None or path.name.startswith("."):
                continue
            try:
                parse_id(path.stem)
            except InputError as error:
                if kind == "bvh":
                    logger.warning("%s: passed over: %s", path, error)
                continue
            yield path.stem, kind, path
