"""The face in ARKit weights: errors by group of channels, whether jaw and lips follow the speech, velocity and MSE.

Channels are addressed by name. Weights are 0 to 1 without a unit; a rate of change is per second.

Shapes: T frames, C channels (51, or 52 with tongueOut), N resamples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics import lip_closure
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.text import Word

_PREFIXES = {
    "jaw": ("jaw",),
    "mouth": ("mouth",),
    "brow": ("brow",),
    "eye": ("eye",),
    "cheek_nose": ("cheek", "nose"),
}
CHANNEL_GROUPS: dict[str, tuple[str, ...]] = {
    **{group: tuple(name for name in ARKIT_51 if name.startswith(starts)) for group, starts in _PREFIXES.items()},
    "all": ARKIT_51,
}
JAW = "jawOpen"
MAX_LAG_S = 0.5
LVD_VARIANTS = ("corrected", "evaltools", "emage2024", "talkshow")
MIN_STD = 1e-6  # a jaw that moves less does not move


def group_errors(pred: ArrayLike, target: ArrayLike, group: str = "all") -> tuple[float, float]:
    """Mean absolute and root mean square error of a group of channels, both in weights; lower is better.

    Args:
        pred: (T, 51) in ARKIT_51 order or (T, 52) in ARKIT_52 order.
        target: (T, 51 or 52) the real face.
        group: of CHANNEL_GROUPS.

    Returns:
        (MAE, RMSE).

    Raises:
        InputError: another group, or shapes that do not fit.
    """
    if group not in CHANNEL_GROUPS:
        raise InputError(f"face: got channel group {group!r}; choose one of {', '.join(CHANNEL_GROUPS)}")
    pred, target = _check(pred, target)
    difference = (pred - target)[:, _columns(CHANNEL_GROUPS[group])]
    return float(np.abs(difference).mean()), float(np.sqrt(np.square(difference).mean()))


def jaw_correlation(
    pred: ArrayLike, target: ArrayLike, fps: float, max_lag_s: float = MAX_LAG_S, *, valid: ArrayLike | None = None
) -> tuple[float, float]:
    """How well the jaw follows the real one, and how late.

    Args:
        pred: (T, 51 or 52).
        target: (T, 51 or 52).
        fps: frames per second.
        max_lag_s: how far the two are shifted against each other.
        valid: (T,) bool, frames that count; None: all.

    Returns:
        Pearson correlation of jawOpen without a shift, and the shift in seconds at which it is greatest (positive: the
        generated jaw is late), between the frames by a parabola. Both NaN where a jaw does not move.

    Raises:
        InputError: shapes that do not fit.
    """
    pred, target = _check(pred, target)
    column = _columns((JAW,))
    a, b = pred[:, column].ravel(), target[:, column].ravel()
    counted = np.ones(len(a), bool) if valid is None else np.asarray(valid, bool)
    if counted.sum() < 3 or min(a[counted].std(), b[counted].std()) < MIN_STD:
        return float("nan"), float("nan")
    furthest = min(round(max_lag_s * fps), len(a) // 2)  # half of the frames are left, so that none wins by chance
    lags = range(-furthest, furthest + 1)

    def shifted(values: np.ndarray, lag: int) -> np.ndarray:
        return values[max(lag, 0) : len(values) + min(lag, 0)]

    followed = np.zeros(len(lags))
    for place, lag in enumerate(lags):
        both = shifted(counted, lag) & shifted(counted, -lag)
        followed[place] = _correlation(shifted(a, lag)[both], shifted(b, -lag)[both])
    best = int(followed.argmax())
    lag = float(lags[best])
    if 0 < best < len(lags) - 1:
        left, middle, right = followed[best - 1 : best + 2]
        curvature = left - 2 * middle + right
        lag += 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(followed[furthest]), lag / fps


def lvd(pred: ArrayLike, target: ArrayLike, fps: float = 1.0, variant: str = "corrected") -> float:
    """Difference of velocities, of weights or of vertices; lower is better.

    Args:
        pred: (T, ...) generated.
        target: (T, ...) real.
        fps: frames per second, for `corrected`.
        variant: `corrected`: mean over steps and columns of |velocity of pred - velocity of target|, per second;
            `evaltools`: the same sum per frame and divided by T (there are T - 1 steps); `emage2024`: what the
            published trainer computes, the mean absolute error of the positions, no velocity; `talkshow`: mean over
            steps of the sum over points (..., 3) of | |v_pred| - |v_target| |, per frame.

    Returns:
        The score in the units of the arguments (`corrected`: per second); NaN for fewer than 2 frames.

    Raises:
        InputError: another variant, or shapes that do not fit.
    """
    if variant not in LVD_VARIANTS:
        raise InputError(f"lvd: got variant {variant!r}; choose one of {', '.join(LVD_VARIANTS)}")
    pred, target = _check_alike(pred, target, "lvd")
    if len(pred) < 2:
        return float("nan")
    if variant == "emage2024":
        return float(np.abs(pred[1:] - target[1:]).mean())
    steps_pred, steps_target = np.diff(pred, axis=0), np.diff(target, axis=0)
    if variant == "talkshow":
        if pred.shape[-1] != 3:
            raise InputError(f"lvd: talkshow compares points (frames, points, 3); got shape {pred.shape}")
        difference = np.linalg.norm(steps_pred, axis=-1) - np.linalg.norm(steps_target, axis=-1)
        return float(np.abs(difference).reshape(len(difference), -1).sum(axis=1).mean())
    difference = np.abs(steps_pred - steps_target)
    return float(difference.sum() / pred.size) if variant == "evaltools" else float(difference.mean() * fps)


def mse(pred: ArrayLike, target: ArrayLike) -> float:
    """Mean squared error of weights or vertices, in their units squared; NaN without frames."""
    pred, target = _check_alike(pred, target, "mse")
    return float(np.square(pred - target).mean()) if pred.size else float("nan")


class ArkitFace(RecordingSums):
    """The metrics of this file over recordings. Errors and velocities weigh every frame alike, the jaw every recording.

    `lip_closure_*` need phones (lip_closure.py); whether lips are closed is told by the real face's own bilabials.

    Args:
        fps: frames per second.
    """

    limits = {"lip_closure_f1": (0.0, 1.0), "jaw_open_correlation": (-1.0, 1.0)}

    def __init__(self, fps: float) -> None:
        super().__init__()
        self.fps = fps
        self.score_names = (
            *(f"{kind}_{group}" for group in CHANNEL_GROUPS for kind in ("mae", "rmse")),
            *("mse", "lvd_per_s", "lvd_emage2024", "jaw_open_correlation", "jaw_open_lag_s"),
            *("lip_closure_f1", "lip_closure_precision", "lip_closure_recall"),
        )

    def update(
        self,
        pred: ArrayLike,
        target: ArrayLike,
        *,
        valid: ArrayLike | None = None,
        phones: Sequence[Word] = (),
        recording_id: str | None = None,
    ) -> None:
        """Adds a recording.

        Args:
            pred: (T, 51 or 52) generated weights.
            target: (T, 51 or 52) real weights.
            valid: (T, 51) bool, weights that both files hold; the others, steps from or to them, and phones at which
                a channel of the lips is among them count nowhere. None: all.
            phones: when which phone sounds; empty: the recording has no part in `lip_closure_*`.
            recording_id: its name; None: its number.

        Raises:
            InputError: shapes that do not fit, or values that are not finite.
        """
        pred, target = _check(pred, target)
        valid = np.ones(pred.shape, bool) if valid is None else np.asarray(valid, bool)
        if valid.shape != pred.shape:
            raise InputError(f"face: valid is {valid.shape}; expected {pred.shape}, one for each weight")
        summary: dict[str, Any] = {}
        for group, names in CHANNEL_GROUPS.items():
            columns = _columns(names)
            difference, counted = np.abs(pred - target)[:, columns], valid[:, columns]
            summary[f"mae_{group}"], summary[f"frames_{group}"] = _sum_of_means(difference, counted)
            summary[f"rmse_{group}"], _ = _sum_of_means(np.square(difference), counted)
        steps = np.abs(np.diff(pred, axis=0) - np.diff(target, axis=0))  # velocities, as `lvd` compares them
        summary["lvd_per_s"], summary["steps"] = _sum_of_means(steps * self.fps, valid[1:] & valid[:-1])
        summary["lvd_emage2024"], summary["steps_emage2024"] = _sum_of_means(np.abs(pred - target)[1:], valid[1:])
        jaw = valid[:, _columns((JAW,))[0]]
        correlation, lag_s = jaw_correlation(pred, target, self.fps, valid=jaw)
        summary |= {"jaws": not np.isnan(correlation), "correlation": np.nan_to_num(correlation)}
        summary |= {"lag_s": np.nan_to_num(lag_s)}
        phones = lip_closure.phones_within(phones, valid, self.fps)
        apertures = lip_closure.lip_aperture(pred), lip_closure.lip_aperture(target)
        threshold = lip_closure.closure_threshold(apertures[1], phones, self.fps)
        summary |= lip_closure.closure_counts(apertures[0], phones, self.fps, threshold=threshold)
        self._add(recording_id, **summary)

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        scores = {}
        for group in CHANNEL_GROUPS:
            scores[f"mae_{group}"] = ratio(sums[f"mae_{group}"], sums[f"frames_{group}"])
            scores[f"rmse_{group}"] = np.sqrt(ratio(sums[f"rmse_{group}"], sums[f"frames_{group}"]))
        return {
            **scores,
            "mse": ratio(sums["rmse_all"], sums["frames_all"]),
            "lvd_per_s": ratio(sums["lvd_per_s"], sums["steps"]),
            "lvd_emage2024": ratio(sums["lvd_emage2024"], sums["steps_emage2024"]),
            "jaw_open_correlation": ratio(sums["correlation"], sums["jaws"]),
            "jaw_open_lag_s": ratio(sums["lag_s"], sums["jaws"]),
            **lip_closure.closure_scores(sums),
        }

    def compute(self) -> dict[str, Any]:
        """The scores; `lip_closure_*` is None without phones, `jaw_*` where no jaw moves."""
        return {**super().compute(), "fps": self.fps}


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's of two rows of one length; 0 where one stands still."""
    if not len(a):
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def _sum_of_means(values: np.ndarray, counted: np.ndarray) -> tuple[float, int]:
    """The sum over rows (T, C) of the mean of the values that count, and how many rows have any."""
    number = counted.sum(axis=1)
    total = np.where(counted, values, 0).sum(axis=1)
    return float((total / np.maximum(number, 1)).sum()), int((number > 0).sum())


def _columns(names: Sequence[str]) -> list[int]:
    return [ARKIT_51.index(name) for name in names]


def _check(pred: ArrayLike, target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as (T, 51): the tongue, which BEAT has not, is no part of the errors."""
    sides = [np.asarray(side, dtype=np.float64) for side in (pred, target)]
    widths = (len(ARKIT_51), len(ARKIT_52))
    if any(side.ndim != 2 or side.shape[1] not in widths for side in sides) or len(sides[0]) != len(sides[1]):
        raise InputError(
            f"face: weights of shape {sides[0].shape} and {sides[1].shape}; expected (frames, 51 or 52), as many frames"
            " in both"
        )
    for side, what in zip(sides, ("generated", "real"), strict=True):
        check_finite(side, f"face: the {what} face")
    return sides[0][:, : len(ARKIT_51)], sides[1][:, : len(ARKIT_51)]


def _check_alike(pred: ArrayLike, target: ArrayLike, what: str) -> tuple[np.ndarray, np.ndarray]:
    pred, target = np.asarray(pred, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if pred.shape != target.shape or pred.ndim < 2:
        raise InputError(f"{what}: got shapes {pred.shape} and {target.shape}; expected (frames, ...) twice the same")
    return pred, target
