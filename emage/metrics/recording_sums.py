"""The shape that most metrics share: each recording adds a few numbers, and the scores are functions of their sums.

So memory does not grow with the frames, the order of the recordings never matters, and a resample of the recordings
(see confidence.py) costs one matrix product.

Shapes: R recordings, N resamples.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Element by element; NaN where the denominator is 0, that is where nothing was scored."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)


def score_or_none(value: float) -> float | None:
    """A plain float for json; None for NaN, which json does not know."""
    return None if np.isnan(value) else float(value)


def check_finite(values: np.ndarray, what: str) -> None:
    """Raises an InputError that names the first frame with a NaN or infinity; frames are the first dimension."""
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1) if values.size else np.ones(0, bool)
    if not finite.all():
        raise InputError(f"{what} holds a value that is not finite in frame {int(np.argmin(finite))}; repair the file")


class RecordingSums:
    """Base of such metrics. A subclass names its scores, has an `update` that calls `_add`, and writes `_scores`."""

    score_names: tuple[str, ...] = ()
    limits: ClassVar[dict[str, tuple[float, float]]] = {}  # what a score can be; intervals are cut there
    num_resamples: ClassVar[int] = 1000  # of the recordings, for its intervals

    def __init__(self) -> None:
        self._summaries: dict[str, dict[str, np.ndarray]] = {}

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Sorted, so that results do not depend on the order in which recordings came."""
        return tuple(sorted(self._summaries))

    def compute(self) -> dict[str, Any]:
        """The scores over all recordings so far (None where nothing could be scored), and how many there are."""
        if self._summaries:
            scores = self.resampled(np.ones((1, len(self._summaries))))
            values = {name: score_or_none(scores[name][0]) for name in self.score_names}
        else:
            values = dict.fromkeys(self.score_names)
        return {**values, "num_recordings": len(self._summaries)}

    def per_recording(self) -> dict[str, dict[str, float | None]]:
        """Recording id -> its own scores."""
        if not self._summaries:
            return {}
        scores = self.resampled(np.eye(len(self._summaries)))
        return {
            key: {name: score_or_none(scores[name][row]) for name in self.score_names}
            for row, key in enumerate(self.recording_ids)
        }

    def scored(self) -> dict[str, np.ndarray]:
        """Score name -> (R,) bool, which recordings have a part in it; in the order of `recording_ids`."""
        if not self._summaries:
            return {name: np.zeros(0, bool) for name in self.score_names}
        scores = self.resampled(np.eye(len(self._summaries)))
        return {name: ~np.isnan(scores[name]) for name in self.score_names}

    def resampled(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Scores of resamples of the recordings.

        Args:
            counts: (N, R) how often each recording was drawn, in the order of `recording_ids`.

        Returns:
            Score name -> (N,); NaN where nothing could be scored.
        """
        rows = [self._summaries[key] for key in self.recording_ids]
        sums = {}
        for name in rows[0]:
            column = np.stack([row[name] for row in rows])  # (R, ...)
            sums[name] = np.tensordot(counts, column, axes=1)  # (N, ...)
        return {name: np.asarray(values, dtype=np.float64) for name, values in self._scores(sums).items()}

    def _scores(self, sums: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Sums of the summaries, (N, ...) each -> every score, (N,)."""
        raise NotImplementedError

    def _check_new(self, recording_id: str | None) -> str:
        """The recording's name, or its number if it has none."""
        key = f"recording_{len(self._summaries):06d}" if recording_id is None else str(recording_id)
        if key in self._summaries:
            raise InputError(f"{type(self).__name__}: recording {key} was added twice; give each one id")
        return key

    def _add(self, recording_id: str | None, **summary: ArrayLike) -> None:
        """Keeps what a recording adds to the sums; the keys and shapes are those of every other recording."""
        key = self._check_new(recording_id)
        self._summaries[key] = {name: np.array(value, dtype=np.float64) for name, value in summary.items()}
