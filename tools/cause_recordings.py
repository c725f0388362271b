"""The recordings that causes are measured on: what was said, what moved because of it, and what a motion looks like.

Shapes: T frames, S samples, J joints, P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from cause_measures import CHEST, hand_paths_cm, hand_speed_cm_s, mirrored, stroke_times_s

from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.corpora.synthetic_causes import CauseEvent, read_causes
from dataloaders.corpora.synthetic_gestures import KEYWORD_HOLD_S, STROKE_S
from dataloaders.corpora.synthetic_text import KEYWORDS, Keyword
from dataloaders.corpus import Corpus
from dataloaders.splits import SplitEntry
from emage.errors import InputError
from emage.export import performance_to_bvh
from emage.performance import Performance
from emage.text import Word

FINGERTIPS = ("Hand", "HandIndex3", "HandMiddle3", "HandPinky3", "HandThumb3")
POSE_S = 0.1  # to both sides of the time that a pose is taken at; the shortest hold lasts 0.32 s
POINTS = tuple(side + name for side in ("Right", "Left") for name in FINGERTIPS)  # what a gesture is told by


@dataclass(frozen=True)
class Slot:
    """A place of the text where a keyword with a gesture, or its twin of the same sound without one, stands.

    Attributes:
        word: index of the word.
        keyword: the pair.
        is_keyword: which of the two stands there.
        time_s: the middle of the word.
        apex_s: the middle of the time that the keyword's gesture is held, or would be.
    """

    word: int
    keyword: Keyword
    is_keyword: bool
    time_s: float
    apex_s: float


@dataclass(frozen=True, eq=False)
class CauseRecording:
    """One recording of the synthetic corpus with its causes.

    Attributes:
        id: its name.
        speaker: label.
        handedness: right, left or both: with which hands the speaker beats.
        emotion: (T,) labels.
        waveform: (S,).
        words: what is said.
        stresses_s: times of the loud syllables, each of which causes a stroke.
        slots: keywords and twins.
        performance: what the person did.
    """

    id: str
    speaker: str
    handedness: str
    emotion: np.ndarray
    waveform: np.ndarray
    words: list[Word]
    stresses_s: np.ndarray
    slots: list[Slot]
    performance: Performance


@dataclass(frozen=True, eq=False)
class Moves:
    """What the measures need of one motion.

    Attributes:
        fps: frames per second.
        paths_cm: (T, 2, 3) both wrists against the chest.
        speed_cm_s: (T, 2) theirs.
        points_cm: (T, P, 3) hands and fingertips against the chest, right ones first.
        mirrored_cm: the same of the mirror image.
        face: (T, 51), or None.
    """

    fps: float
    paths_cm: np.ndarray
    speed_cm_s: np.ndarray
    points_cm: np.ndarray
    mirrored_cm: np.ndarray
    face: np.ndarray | None

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.paths_cm) / self.fps

    @property
    def strokes_s(self) -> np.ndarray:
        """When the hands stroke."""
        return stroke_times_s(self.speed_cm_s, self.fps)

    def pose(self, time_s: float, *, left_handed: bool) -> np.ndarray | None:
        """Hands and fingers around a time as of a right-handed person, (3 P,) cm; None behind the end."""
        points = self.mirrored_cm if left_handed else self.points_cm
        first, last = round((time_s - POSE_S) * self.fps), round((time_s + POSE_S) * self.fps)
        return points[first : last + 1].mean(axis=0).ravel() if last < len(points) else None


def moves_of(performance: Performance) -> Moves:
    """Follows hands and fingers of a performance."""
    bvh = performance_to_bvh(performance)
    positions, names = bvh.positions().numpy(), list(bvh.names)
    face = None if performance.face is None else np.asarray(performance.face)
    return Moves(
        performance.fps,
        hand_paths_cm(positions, names, performance.fps),
        hand_speed_cm_s(positions, names, performance.fps),
        _points(positions, names),
        _points(mirrored(positions, names), names),
        face,
    )


def _points(positions_cm: np.ndarray, names: list[str]) -> np.ndarray:
    return positions_cm[:, [names.index(name) for name in POINTS]] - positions_cm[:, [names.index(CHEST)]]


def read_recordings(corpus: Corpus, split: str, limit: int | None = None) -> list[CauseRecording]:
    """The recordings of a split with their causes.

    Args:
        corpus: opened; its `data.root` holds the `<id>.causes.json`.
        split: train, val or test.
        limit: no more than so many, spread evenly over the split.

    Raises:
        InputError: recordings that are not of the synthetic corpus.
    """
    entries = corpus.usable(split)
    if limit is not None and limit < len(entries):
        entries = [entries[k * len(entries) // limit] for k in range(limit)]
    return [_read(corpus, entry) for entry in entries]


def _read(corpus: Corpus, entry: SplitEntry) -> CauseRecording:
    streams = corpus.clip_streams(entry)
    speaker, words = streams["speaker"], streams["word_list"]
    path = Path(corpus.config.data.root) / speaker / f"{entry.recording_id}.causes.json"
    events = read_causes(path)
    lasting = {e.cause: e.values for e in events if e.values}
    if not {"speaker", "emotion"} <= lasting.keys():
        raise InputError(f"{path}: it does not say what speaker and emotion cause; make the corpus anew")
    motion, face = torch.from_numpy(streams["motion_full"]), torch.from_numpy(streams["face"])
    performance = Performance(motion, MOTION_LAYOUT, face, corpus.cache.fps, corpus.skeletons[speaker])
    stresses = [e.time_s for e in events if e.cause == "stress" and _moves_arm(e)]
    return CauseRecording(
        entry.id,
        speaker,
        str(lasting["speaker"]["handedness"]),
        streams["emotion"],
        streams["waveform"],
        words,
        np.array(stresses),
        [
            _slot(e, words, float(lasting["emotion"]["tempo"]), path)
            for e in events
            if e.cause in ("keyword", "homophone")
        ],
        performance,
    )


def _moves_arm(event: CauseEvent) -> bool:
    return any(target.endswith("Arm") for movement in event.movements for target in movement.targets)


def _slot(event: CauseEvent, words: Sequence[Word], tempo: float, path: Path) -> Slot:
    """The word of an event, found by its text and time."""
    pair = next((pair for pair in KEYWORDS if event.what in (pair.word, pair.twin)), None)
    near = [i for i, word in enumerate(words) if word.text == event.what and word.start_s <= event.time_s < word.end_s]
    if pair is None or len(near) != 1:
        raise InputError(f"{path}: {event.what!r} at {event.time_s:g} s is no keyword of the text beside it")
    word = words[near[0]]
    apex_s = event.time_s + (STROKE_S + KEYWORD_HOLD_S) / 2 / tempo
    return Slot(near[0], pair, event.cause == "keyword", (word.start_s + word.end_s) / 2, apex_s)


def other_keyword(word: str) -> str:
    """The keyword whose gesture shall stand in for that of `word`."""
    names = [pair.word for pair in KEYWORDS]
    return names[(names.index(word) + 1) % len(names)]
