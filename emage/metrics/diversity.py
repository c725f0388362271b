"""Diversity: how far a motion strays from its own mean (L1), how far recordings differ, and how far seeds differ.

None of them knows the audio: noise is the most diverse motion. Only the distance to the real data's value means much.

`corrected` L1: mean over frames AND columns of |x - mean over frames|, in the units of x, whatever the layout's width.
`beat2022` L1: the published sum over columns, divided by the frames alone (some 2000 for 141 columns in degrees). The
    published code also writes |x - mean| over its argument, and the 2024 trainer then hands that to the beat alignment:
    `overwritten_by_l1_diversity` gives what it saw. Nothing here alters an argument.

Shapes: T frames, D columns, S samples, C recordings.
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio, score_or_none

VARIANTS = ("corrected", "beat2022")
NUM_SEGMENTS = 4  # of a recording, for its pairwise diversity


def l1_diversity(x: ArrayLike, variant: str = "corrected") -> float:
    """Mean absolute distance of a motion from its own mean.

    Args:
        x: (T, ...) one recording, degrees or positions (take the root translation out first).
        variant: `corrected` or `beat2022`.

    Returns:
        In the units of x; 0 for one frame.

    Raises:
        InputError: another variant, no frame, or values that are not finite.

    Source: the released metric code of BEAT 2022 (L1div).
    """
    _check_variant(variant)
    total, weight = _l1_sums(x, variant)
    return total / weight


def overwritten_by_l1_diversity(x: ArrayLike) -> np.ndarray:
    """What the published L1 diversity leaves in its argument, (T, ...): the distances from the mean over frames."""
    x = np.asarray(x, dtype=np.float64)
    return np.abs(x - x.mean(axis=0))


def pairwise_diversity(samples: ArrayLike) -> float:
    """Mean distance between different motions of one length.

    Args:
        samples: (C, T, ...) at least two motions.

    Returns:
        Mean over all pairs of the root mean square difference, in the units of the samples; NaN with fewer than two.
    """
    samples = np.asarray(samples, dtype=np.float64)
    flat = samples.reshape(len(samples), -1) if samples.size else samples.reshape(0, 1)
    check_finite(flat, "pairwise diversity: a motion")
    pairs = [np.sqrt(np.square(a - b).mean()) for a, b in combinations(flat, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def multimodality(samples: ArrayLike) -> float:
    """How far the motions differ that one input gives under several seeds.

    Args:
        samples: (S, T, ...) the motions of one recording, one a seed.

    Returns:
        As `pairwise_diversity`; 0 for a deterministic system.
    """
    return pairwise_diversity(samples)


class L1Diversity(RecordingSums):
    """L1 diversity over recordings, every frame weighs the same.

    Args:
        variant: `corrected` or `beat2022`.
    """

    score_names = ("l1_diversity",)
    limits = {"l1_diversity": (0.0, np.inf)}

    def __init__(self, variant: str = "corrected") -> None:
        super().__init__()
        _check_variant(variant)
        self.variant = variant

    def update(self, x: ArrayLike, *, recording_id: str | None = None) -> None:
        """Adds a recording (T, ...)."""
        total, weight = _l1_sums(x, self.variant)
        self._add(recording_id, total=total, weight=weight)

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"l1_diversity": ratio(sums["total"], sums["weight"])}

    def compute(self) -> dict[str, Any]:
        """`l1_diversity` (None without recordings) and its variant."""
        return {**super().compute(), "variant": self.variant}


class Multimodality(RecordingSums):
    """Multimodality over recordings: the mean of the recordings' own. None if no recording has two samples."""

    score_names = ("multimodality",)
    limits = {"multimodality": (0.0, np.inf)}

    def update(self, samples: ArrayLike, *, recording_id: str | None = None) -> None:
        """Adds what the seeds made of one recording, (S, T, ...)."""
        value = multimodality(samples)
        known = not np.isnan(value)
        self._add(recording_id, total=value if known else 0.0, weight=known)

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"multimodality": ratio(sums["total"], sums["weight"])}


class PairwiseDiversity:
    """Mean distance between segments of DIFFERENT recordings: does the system do the same whatever is said?

    Of each recording a few segments are kept, spread evenly over it; segments of one recording are not compared.

    Args:
        window_frames: frames of a segment.
        num_segments: segments kept of each recording.
    """

    score_names = ("pairwise_diversity",)
    limits = {"pairwise_diversity": (0.0, np.inf)}
    num_resamples = 1000

    def __init__(self, window_frames: int = 34, num_segments: int = NUM_SEGMENTS) -> None:
        self.window_frames = window_frames
        self.num_segments = num_segments
        self._segments: dict[str, np.ndarray] = {}

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(self._segments))

    def update(self, x: ArrayLike, *, recording_id: str | None = None) -> None:
        """Adds a recording (T, D); one that is shorter than a segment is counted and not scored."""
        key = f"recording_{len(self._segments):06d}" if recording_id is None else str(recording_id)
        if key in self._segments:
            raise InputError(f"PairwiseDiversity: recording {key} was added twice; give each one id")
        x = np.asarray(x, dtype=np.float32)
        check_finite(x, f"pairwise diversity: {key}")
        last = len(x) - self.window_frames
        starts = np.unique(np.linspace(0, last, self.num_segments).round().astype(int)) if last >= 0 else []
        rows = [x[start : start + self.window_frames].reshape(-1) for start in starts]
        self._segments[key] = np.array(rows, dtype=np.float32).reshape(len(rows), -1 if rows else 0)

    def compute(self) -> dict[str, Any]:
        """`pairwise_diversity` (None with fewer than two scored recordings) in the units of the motion."""
        num_scored = int(sum(len(rows) > 0 for rows in self._segments.values()))
        value = self.resampled(np.ones((1, len(self._segments))))["pairwise_diversity"][0] if num_scored else np.nan
        return {
            "pairwise_diversity": score_or_none(value),
            "num_recordings": len(self._segments),
            "num_recordings_scored": num_scored,
            "window_frames": self.window_frames,
        }

    def scored(self) -> dict[str, np.ndarray]:
        """Which recordings have a segment, (R,) bool in the order of `recording_ids`."""
        return {"pairwise_diversity": np.array([len(self._segments[key]) > 0 for key in self.recording_ids], bool)}

    def resampled(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Of resamples of the recordings, (N, R) how often each is drawn; copies of one recording are not compared."""
        if not any(len(rows) for rows in self._segments.values()):
            return {"pairwise_diversity": np.full(len(counts), np.nan)}
        distance, pairs = self._distances()  # (R, R) sums over segment pairs, and how many
        total = np.einsum("nr,rs,ns->n", counts, distance, counts, optimize=True)
        number = np.einsum("nr,rs,ns->n", counts, pairs, counts, optimize=True)
        return {"pairwise_diversity": ratio(total, number)}

    def _distances(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the distances between the segments of each two recordings, and how many they are."""
        rows = [self._segments[key] for key in self.recording_ids]
        owner = np.repeat(np.arange(len(rows)), [len(segments) for segments in rows])
        member = np.eye(len(rows))[owner]  # (segments, R)
        flat = np.concatenate([segments for segments in rows if len(segments)]).astype(np.float64)
        flat -= flat.mean(axis=0)  # so that the squares below lose no digits to the pose that all share
        square = np.square(flat).sum(axis=1)
        distance = np.sqrt(np.maximum(square[:, None] + square - 2 * flat @ flat.T, 0) / flat.shape[1])
        other = (owner[:, None] != owner).astype(np.float64)
        return member.T @ (distance * other) @ member / 2, member.T @ other @ member / 2


def _check_variant(variant: str) -> None:
    if variant not in VARIANTS:
        raise InputError(f"l1 diversity: got variant {variant!r}; choose one of {', '.join(VARIANTS)}")


def _l1_sums(x: ArrayLike, variant: str) -> tuple[float, float]:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim < 2 or not x.size:
        raise InputError(f"l1 diversity: got an array of shape {x.shape}; expected (frames, columns) with a frame")
    check_finite(x, "l1 diversity: the motion")
    total = float(np.abs(x - x.mean(axis=0)).sum())
    return total, float(len(x) if variant == "beat2022" else x.size)
