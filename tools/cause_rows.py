"""Motions under every condition -> a row for each cause, with intervals over the recordings and the real motion beside it.

What each row holds is said at its function. Every number is a ratio of sums over the recordings, so that its interval comes
from drawing recordings again (emage.metrics.confidence).

Shapes: N events.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from cause_measures import NearestPose, chance_met, extents_cm, num_met
from cause_recordings import CauseRecording, Moves, moves_of, other_keyword

from dataloaders.corpora.synthetic_people import EMOTION_STYLES
from dataloaders.corpora.synthetic_text import KEYWORDS
from emage.metrics.confidence import intervals
from emage.metrics.face import jaw_correlation
from emage.metrics.recording_sums import RecordingSums, ratio

SLOT_TOLERANCE_S = 0.15  # a keyword's stroke meets its vowel, a slot is known by the middle of its word
RIGHT, LEFT = 0, 1  # columns of the hands
LARGE, SMALL = "anger", "sadness"  # the emotions of the largest and of the smallest gestures


class Share(RecordingSums):
    """A ratio of sums over recordings, and of what chance would give."""

    score_names = ("share", "chance", "excess")

    def update(self, part: float, whole: float, *, chance: float = np.nan, recording_id: str) -> None:
        """Adds a recording: `part` of `whole`, and the part that chance gives."""
        self._add(recording_id, part=part, whole=whole, chance=chance)

    def _scores(self, sums: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        share, chance = (ratio(sums[name], sums["whole"]) for name in ("part", "chance"))
        return {"share": share, "chance": chance, "excess": share - chance}


def share_row(share: Share, seed: int) -> dict[str, Any]:
    """`share` with its interval, and `chance` and `excess` with its interval where chance was measured."""
    found = intervals(share, seed=seed)
    row: dict[str, Any] = {"share": found["share"].value, "low": found["share"].low, "high": found["share"].high}
    if found["chance"].value is not None:
        excess = found["excess"]
        row |= {"chance": found["chance"].value}
        row |= {"excess": excess.value, "excess_low": excess.low, "excess_high": excess.high}
    return row


class CauseRows:
    """Measures conditions against the causes of the recordings.

    Args:
        recordings: those that are generated.
        examples: recordings whose real keyword gestures say what each one looks like (the train split).
        seed: of the intervals.
    """

    def __init__(
        self, recordings: Sequence[CauseRecording], examples: Sequence[CauseRecording], *, seed: int = 0
    ) -> None:
        self.recordings, self.seed = recordings, seed
        self.real = [moves_of(recording.performance) for recording in recordings]
        self.nearest = NearestPose(_keyword_poses(examples))

    def measure(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """Rows of all causes.

        Args:
            moves: condition (of causes.conditions) -> motion of each recording.
        """
        moves = {"real": self.real, **moves}
        return {
            "stress": self.stress(moves),
            "homophone": self.homophone(moves),
            "keyword": self.keyword(moves),
            "emotion": self.emotion(moves),
            "speaker": self.speaker(moves),
            "mouth": self.mouth(moves),
        }

    def stress(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """Share of the loud syllables at which a hand strokes (fastest within 0.1 s), and what shifted strokes would meet.

        `recall_kept_without_words`: the share without words over that with them.
        """
        names = ("real", "matched", "mismatched", "without_words", "without_audio_and_words")
        rows = {name: self._met(moves[name], lambda recording: recording.stresses_s) for name in names if name in moves}
        rows["num_strokes"] = int(sum(len(recording.stresses_s) for recording in self.recordings))
        if "without_words" in rows:
            rows["recall_kept_without_words"] = _over(rows["without_words"]["share"], rows["matched"]["share"])
        return rows

    def homophone(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """Share of the slots of the text at which a hand strokes: where a keyword stands, and where its twin does.

        `keyword` and `twin` are of the texts as they are; `keyword_made_twin` and `twin_made_keyword` are the same slots of
        the same sound with the other word in the text. `chance` comes from shifted strokes.
        """

        def at(name: str, is_keyword: bool) -> dict[str, Any]:
            def times(recording: CauseRecording) -> np.ndarray:
                return np.array([slot.time_s for slot in recording.slots if slot.is_keyword is is_keyword])

            return self._met(moves[name], times, tolerance_s=SLOT_TOLERANCE_S)

        rows = {
            "real": {"keyword": at("real", True), "twin": at("real", False)},
            "generated": {
                "keyword": at("matched", True),
                "keyword_made_twin": at("homophones_swapped", True),
                "twin": at("matched", False),
                "twin_made_keyword": at("homophones_swapped", False),
            },
        }
        counts = {
            f"num_{kind}s": self._num_slots(is_keyword) for kind, is_keyword in (("keyword", True), ("twin", False))
        }
        return {**rows, **counts}

    def keyword(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """Which keyword's gesture is seen where it should be held: the nearest mean pose of hands and fingers in the train split.

        `real` and `matched`: share of the keywords with their own gesture. `other_keyword`: share with the gesture of the
        word that stands in the text instead; `still_the_old_one`: with that of the word that is heard. Chance is 1 / 6.
        """

        def own(word: str) -> str:
            return word

        return {
            "real": self._gestures(moves["real"], own),
            "matched": self._gestures(moves["matched"], own),
            "other_keyword": self._gestures(moves["other_keyword"], other_keyword),
            "still_the_old_one": self._gestures(moves["other_keyword"], own),
            "chance": 1 / len(KEYWORDS),
            "num_keywords": self._num_slots(True),
        }

    def emotion(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """How far the hands travel at the stresses with one emotion's label, over the same with another's.

        `ratio` is of all recordings with the label of the largest gestures and of the smallest; `rule` is the ratio of the
        angles that the corpus is made with; `larger` the share of the recordings in which the first is larger.
        """
        large, small = (self._extents(moves[name], hand="larger") for name in (LARGE, SMALL))
        styles = {style.name: style for style in EMOTION_STYLES}
        extent, larger = Share(), Share()
        for recording, a, b in zip(self.recordings, large, small, strict=True):
            extent.update(a.sum(), b.sum(), recording_id=recording.id)
            if len(a):
                larger.update(float(a.sum() > b.sum()), 1, recording_id=recording.id)
        ratio_row, larger_row = share_row(extent, self.seed), share_row(larger, self.seed)
        return {
            "labels": [LARGE, SMALL],
            "ratio": ratio_row["share"],
            "low": ratio_row["low"],
            "high": ratio_row["high"],
            "rule": styles[LARGE].amplitude / styles[SMALL].amplitude,
            "larger": larger_row["share"],
            f"{LARGE}_cm": float(np.concatenate(large).mean()),
            f"{SMALL}_cm": float(np.concatenate(small).mean()),
        }

    def speaker(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """Share of the strokes at stresses that the hand of the given label makes, of speakers who beat with one hand.

        `swapped`: with the label of somebody who uses the other hand; who does not heed the label gets 1 - `matched`.
        """
        return {
            "real": self._label_hand(moves["real"], swapped=False),
            "matched": self._label_hand(moves["matched"], swapped=False),
            "swapped": self._label_hand(moves["speaker_swapped"], swapped=True),
        }

    def mouth(self, moves: Mapping[str, Sequence[Moves]]) -> dict[str, Any]:
        """Correlation of jawOpen with the real one, the mean over the recordings; the real jaw of another recording beside it."""
        rows: dict[str, Any] = {}
        for name in ("matched", "mismatched", "without_words", "without_audio_and_words"):
            if name in moves and all(one.face is not None for one in moves[name]):
                rows[name] = self._jaw(moves[name])
        rows["another_real_face"] = self._jaw([*self.real[1:], *self.real[:1]])
        return rows

    def _met(
        self,
        moves: Sequence[Moves],
        times: Callable[[CauseRecording], np.ndarray],
        tolerance_s: float | None = None,
    ) -> dict[str, Any]:
        share = Share()
        options = {} if tolerance_s is None else {"tolerance_s": tolerance_s}
        for recording, one in zip(self.recordings, moves, strict=True):
            events_s, strokes_s = times(recording), one.strokes_s
            chance = chance_met(strokes_s, events_s, one.duration_s, **options)
            share.update(
                num_met(strokes_s, events_s, **options), len(events_s), chance=chance, recording_id=recording.id
            )
        return share_row(share, self.seed)

    def _num_slots(self, is_keyword: bool) -> int:
        return sum(slot.is_keyword is is_keyword for recording in self.recordings for slot in recording.slots)

    def _gestures(self, moves: Sequence[Moves], wanted: Callable[[str], str]) -> dict[str, Any]:
        share = Share()
        for recording, one in zip(self.recordings, moves, strict=True):
            poses = _poses(recording, one)
            right = sum(self.nearest.name(pose) == wanted(word) for word, pose in poses)
            share.update(right, len(poses), recording_id=recording.id)
        return share_row(share, self.seed)

    def _extents(self, moves: Sequence[Moves], *, hand: str) -> list[np.ndarray]:
        """(N,) of each recording for `larger`, (N, 2) for `both`."""
        found = [
            extents_cm(one.paths_cm, recording.stresses_s, one.fps)
            for recording, one in zip(self.recordings, moves, strict=True)
        ]
        return found if hand == "both" else [rows.max(axis=1, initial=0) for rows in found]

    def _label_hand(self, moves: Sequence[Moves], *, swapped: bool) -> dict[str, Any]:
        share = Share()
        for recording, extents in zip(self.recordings, self._extents(moves, hand="both"), strict=True):
            if recording.handedness == "both":
                continue
            is_right = (recording.handedness == "right") is not swapped
            own, other = (RIGHT, LEFT) if is_right else (LEFT, RIGHT)
            with_own = (extents[:, own] > extents[:, other]).sum()
            share.update(with_own, len(extents), recording_id=recording.id)
        return share_row(share, self.seed)

    def _jaw(self, moves: Sequence[Moves]) -> dict[str, Any]:
        share = Share()
        for recording, one, real in zip(self.recordings, moves, self.real, strict=True):
            num_frames = min(len(one.face), len(real.face))
            correlation, _ = jaw_correlation(one.face[:num_frames], real.face[:num_frames], real.fps)
            # A jaw that does not move follows nothing.
            share.update(0.0 if np.isnan(correlation) else correlation, 1, recording_id=recording.id)
        row = share_row(share, self.seed)
        return {"correlation": row["share"], "low": row["low"], "high": row["high"]}


def _poses(recording: CauseRecording, moves: Moves) -> list[tuple[str, np.ndarray]]:
    """Each keyword of a recording with the pose of the hands while its gesture is held."""
    left = recording.handedness == "left"
    poses = [
        (slot.keyword.word, moves.pose(slot.apex_s, left_handed=left)) for slot in recording.slots if slot.is_keyword
    ]
    return [(word, pose) for word, pose in poses if pose is not None]


def _keyword_poses(recordings: Sequence[CauseRecording]) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {}
    for recording in recordings:
        for word, pose in _poses(recording, moves_of(recording.performance)):
            found.setdefault(word, []).append(pose)
    return {word: np.stack(poses) for word, poses in found.items()}


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
