"""Semantic-relevant gesture recall (SRGR): which joints are where they should be when the gesture means something.

A joint of a frame is recalled if its three angles together are less than a threshold away from the real ones; frames
count by their semantic score.

`corrected`: the share of the recalled joints among all, weighted by the semantic score: 1 at most, and the real motion
    scores 1. Angles are compared on the circle (359 and -1 degrees are one).
`beat2022`: the published sum, divided by a constant 0.165 (the mean semantic score of the authors' data) in place of
    the mean of the data at hand. It can exceed 1; the 2024 code is the same.

Shapes: T frames, D columns (three a joint), J joints.
"""

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio

VARIANTS = ("corrected", "beat2022")
PUBLISHED_MEAN_SEMANTIC = 0.165
THRESHOLD_DEG = 4.0  # of the published test; the published class has 0.1 by default


def srgr(
    pred_deg: ArrayLike,
    target_deg: ArrayLike,
    semantic: ArrayLike,
    threshold_deg: float = THRESHOLD_DEG,
    variant: str = "corrected",
) -> float:
    """Semantic-relevant gesture recall of one recording; higher is better.

    Args:
        pred_deg: (T, D) Euler degrees, three columns a joint.
        target_deg: (T, D) of the real motion.
        semantic: (T,) semantic score of each frame, 0 where nothing is meant.
        threshold_deg: a joint is recalled if its absolute differences sum to less.
        variant: `corrected` or `beat2022`.

    Returns:
        The score; `corrected` is NaN where no frame means anything.

    Raises:
        InputError: another variant, shapes that do not fit, no frame, or values that are not finite.

    Source: BEAT (Liu et al., ECCV 2022), section 5.2 and the released metric code.
    """
    _check_variant(variant)
    recalled, weight = _sums(pred_deg, target_deg, semantic, threshold_deg=threshold_deg, variant=variant)
    return float(ratio(recalled, weight))


class SRGR(RecordingSums):
    """SRGR over recordings; every frame (`beat2022`) or every unit of semantic score (`corrected`) weighs the same.

    Args:
        variant: `corrected` or `beat2022`.
        threshold_deg: see `srgr`.
    """

    score_names = ("srgr",)
    limits = {"srgr": (0.0, np.inf)}

    def __init__(self, variant: str = "corrected", threshold_deg: float = THRESHOLD_DEG) -> None:
        super().__init__()
        _check_variant(variant)
        self.variant = variant
        self.threshold_deg = threshold_deg

    def update(
        self, pred_deg: ArrayLike, target_deg: ArrayLike, *, semantic: ArrayLike, recording_id: str | None = None
    ) -> None:
        """Adds a recording; see `srgr` for the arguments."""
        recalled, weight = _sums(pred_deg, target_deg, semantic, threshold_deg=self.threshold_deg, variant=self.variant)
        self._add(recording_id, recalled=recalled, weight=weight)

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"srgr": ratio(sums["recalled"], sums["weight"])}

    def compute(self) -> dict[str, object]:
        """`srgr` (None where no frame means anything), and how it was taken."""
        return {**super().compute(), "variant": self.variant, "threshold_deg": self.threshold_deg}


def _check_variant(variant: str) -> None:
    if variant not in VARIANTS:
        raise InputError(f"srgr: got variant {variant!r}; choose one of {', '.join(VARIANTS)}")


def _sums(
    pred_deg: ArrayLike, target_deg: ArrayLike, semantic: ArrayLike, *, threshold_deg: float, variant: str
) -> tuple[float, float]:
    """Numerator and denominator of the score."""
    pred, target = np.asarray(pred_deg, dtype=np.float64), np.asarray(target_deg, dtype=np.float64)
    semantic = np.asarray(semantic, dtype=np.float64).reshape(-1)
    if pred.shape != target.shape or len(pred) != len(semantic) or len(pred) == 0 or pred[0].size % 3:
        raise InputError(
            f"srgr: motions of shape {pred.shape} and {target.shape} with {len(semantic)} semantic scores; expected "
            "(frames, 3 * joints) twice and one score a frame"
        )
    for values, what in ((pred, "generated motion"), (target, "real motion"), (semantic, "semantic score")):
        check_finite(values, f"srgr: {what}")
    difference = np.abs(pred - target).reshape(len(pred), -1, 3)  # (T, J, 3)
    if variant == "corrected":
        difference = np.abs((difference + 180) % 360 - 180)
    success = difference.sum(axis=2) < threshold_deg  # (T, J)
    # A share of at most 1 before the sum: rounding then cannot lift the score above 1.
    recalled = float((success.mean(axis=1) * semantic).sum())
    weight = PUBLISHED_MEAN_SEMANTIC * len(success) if variant == "beat2022" else float(semantic.sum())
    return recalled, weight
