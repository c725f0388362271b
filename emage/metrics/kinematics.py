"""How a motion moves: speed, acceleration and jerk of the joints, how its speeds are distributed, and CCA.

None has a best value by itself: the real motion's value is the goal, and less jerk than that is a motion smoothed away.
`genea` repeats the published numerical evaluations of the GENEA challenge 2020 (positions in cm at 30 fps).

Shapes: T frames, J joints, D columns, N resamples.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio

VARIANTS = ("corrected", "genea")
GENEA_MAX_SPEED = 49.0  # cm/s; faster ones are dropped
MAX_SPEED_CM_S = 400.0  # of the corrected histogram; its last bin holds all that is faster
BIN_WIDTH_CM_S = 1.0
CCA_COMPONENTS = 10  # principal components of each side that the corrected CCA may combine
CCA_ITERATIONS = 1500
MIN_STD = 1e-8  # a column that moves less is constant
DERIVATIVES = ("speed", "acceleration", "jerk")
_UNITS = {"speed": "cm_s", "acceleration": "cm_s2", "jerk": "cm_s3"}
PERCENTILES = (50, 95)


def derivative(positions: ArrayLike, fps: float, order: int) -> np.ndarray:
    """Length of a time derivative of each joint's position.

    Args:
        positions: (T, J, 3).
        fps: frames per second.
        order: 1 speed, 2 acceleration, 3 jerk.

    Returns:
        (T - order, J) units per second^order; no rows where there are too few frames.
    """
    positions = _check_positions(positions)
    return np.linalg.norm(np.diff(positions, n=order, axis=0), axis=-1) * fps**order


def speed(positions: ArrayLike, fps: float) -> np.ndarray:
    """Mean speed of each joint over time, (T, J, 3) -> (J,) units per second; 0 for fewer than 2 frames."""
    return _mean_over_time(derivative(positions, fps, 1))


def acceleration(positions: ArrayLike, fps: float) -> np.ndarray:
    """Mean acceleration of each joint over time, (T, J, 3) -> (J,) units per second^2; 0 for fewer than 3 frames.

    Source: GENEA 2020 numerical evaluations, which have 30 fps written in.
    """
    return _mean_over_time(derivative(positions, fps, 2))


def jerk(positions: ArrayLike, fps: float) -> np.ndarray:
    """Mean jerk of each joint over time, (T, J, 3) -> (J,) units per second^3; 0 for fewer than 4 frames.

    Source: GENEA 2020 numerical evaluations, which have 30 fps written in.
    """
    return _mean_over_time(derivative(positions, fps, 3))


def speed_histogram(
    positions: ArrayLike, fps: float, width: float, variant: str = "corrected", skip_joints: int = 0
) -> np.ndarray:
    """Counts of the joints' speeds, all joints together.

    Args:
        positions: (T, J, 3).
        fps: frames per second.
        width: of a bin, units per second.
        variant: `genea`: bins from 0 to 49, faster ones are dropped; `corrected`: from 0 to 400, the last bin holds all
            that is faster.
        skip_joints: the first joints of the file, which are left out; the published code leaves out 8.

    Returns:
        (bins,) whole numbers, float64.

    Raises:
        InputError: another variant, a width that is not positive, or positions of another shape.
    """
    if variant not in VARIANTS:
        raise InputError(f"speed histogram: got variant {variant!r}; choose one of {', '.join(VARIANTS)}")
    if width <= 0:
        raise InputError(f"speed histogram: got a bin width of {width}; it must be positive")
    values = derivative(positions, fps, 1)[:, skip_joints:]
    if variant == "genea":
        return np.histogram(values, bins=np.arange(0, GENEA_MAX_SPEED + width, width))[0].astype(np.float64)
    edges = np.append(np.arange(0, MAX_SPEED_CM_S, width), np.inf)
    return np.histogram(values, bins=edges)[0].astype(np.float64)


def hellinger(counts_a: ArrayLike, counts_b: ArrayLike) -> float:
    """Hellinger distance of two histograms over the same bins; lower is better.

    Args:
        counts_a: (bins,), need not sum to one.
        counts_b: (bins,).

    Returns:
        From 0 (equal) to 1 (no bin in common). Two empty histograms are equal; an empty one has no bin in common with
        one that is not.

    Raises:
        InputError: histograms of different lengths, or with negative or infinite counts.
    """
    a, b = np.asarray(counts_a, dtype=np.float64).ravel(), np.asarray(counts_b, dtype=np.float64).ravel()
    if a.shape != b.shape or not all(np.isfinite(x).all() and (x >= 0).all() for x in (a, b)):
        raise InputError(f"hellinger: got {len(a)} and {len(b)} bins; expected as many in both, no count below 0")
    if not a.sum() or not b.sum():
        return 0.0 if a.sum() == b.sum() else 1.0
    return float(_hellinger(a[None], b[None])[0])


def cca(pred: ArrayLike, target: ArrayLike, variant: str = "corrected") -> float:
    """Canonical correlation: how well one linear combination of the generated columns follows one of the real ones.

    Args:
        pred: (T, ...) generated motion, flattened to (T, D).
        target: (T, ...) real motion.
        variant: `genea`: fitted and read on the same frames, so it nears 1 as D nears T for anything that is smooth;
            `corrected`: at most 10 principal components a side, fitted on one half of the recording and read on the
            other, both ways, so unrelated motion scores about 0.

    Returns:
        Correlation, -1 to 1, higher is better; 0 where a side is constant or there are too few frames.

    Raises:
        InputError: another variant, different numbers of frames, or values that are not finite.

    Source: GENEA 2020 numerical evaluations ("global" CCA).
    """
    if variant not in VARIANTS:
        raise InputError(f"cca: got variant {variant!r}; choose one of {', '.join(VARIANTS)}")
    sides = [np.asarray(side, dtype=np.float64) for side in (pred, target)]
    if len(sides[0]) != len(sides[1]):
        raise InputError(
            f"cca: {len(sides[0])} generated frames beside {len(sides[1])} real ones; bring both to one length"
        )
    for side in sides:
        check_finite(side, "cca: a motion")
    flat = [side.reshape(len(side), -1) if side.size else np.zeros((0, 1)) for side in sides]
    moving = [side[:, side.std(axis=0) > MIN_STD] if len(side) else side[:, :0] for side in flat]
    if variant == "genea":
        return _canonical_correlation(moving, moving)
    half = len(flat[0]) // 2
    folds = [([side[:half] for side in moving], [side[half:] for side in moving])]
    folds.append(folds[0][::-1])
    return float(np.mean([_canonical_correlation(*_reduced(fitted, read)) for fitted, read in folds]))


class Kinematics(RecordingSums):
    """Speed, acceleration and jerk of generated motion, and the Hellinger distance of its speeds from the real ones.

    Means are over frames and joints; a percentile is that of a recording, averaged over the recordings by their frames.

    Args:
        fps: frames per second.
        width_cm_s: of the bins of the speed histogram.
        variant: of the histogram, `corrected` or `genea`.
        skip_joints: of the histogram, see `speed_histogram`.
    """

    limits = {"hellinger": (0.0, 1.0)}

    def __init__(
        self, fps: float, *, width_cm_s: float = BIN_WIDTH_CM_S, variant: str = "corrected", skip_joints: int = 0
    ) -> None:
        super().__init__()
        self.fps = fps
        self.width_cm_s = width_cm_s
        self.variant = variant
        self.skip_joints = skip_joints
        self.score_names = tuple(
            f"{name}_{kind}_{_UNITS[name]}"
            for name in DERIVATIVES
            for kind in ("mean", *(f"p{p}" for p in PERCENTILES))
        ) + ("hellinger",)

    def update(
        self, generated_cm: ArrayLike, reference_cm: ArrayLike | None = None, *, recording_id: str | None = None
    ) -> None:
        """Adds a recording.

        Args:
            generated_cm: (T, J, 3) joint positions in the world.
            reference_cm: (T', J, 3) the real ones, same joints; without them it has no part in the Hellinger distance.
            recording_id: its name; None: its number.

        Raises:
            InputError: another shape, other joints, or values that are not finite.
        """
        generated = _check_positions(generated_cm)
        summary: dict[str, Any] = {}
        for order, name in enumerate(DERIVATIVES, 1):
            values = derivative(generated, self.fps, order)  # (T - order, J)
            count = values.size
            summary[f"{name}_count"] = count
            summary[f"{name}_mean"] = values.sum()
            marks = np.percentile(values, PERCENTILES) if count else np.zeros(len(PERCENTILES))
            summary |= {f"{name}_p{p}": count * mark for p, mark in zip(PERCENTILES, marks, strict=True)}
        counts = self.histogram(generated)
        summary |= {"generated": counts, "reference": np.zeros_like(counts), "paired": np.zeros_like(counts)}
        if reference_cm is not None:
            reference = _check_positions(reference_cm)
            if reference.shape[1] != generated.shape[1]:
                raise InputError(
                    f"kinematics: {generated.shape[1]} generated joints beside {reference.shape[1]} real ones; "
                    "give the same joints of both"
                )
            summary |= {"reference": self.histogram(reference), "paired": counts}
        self._add(recording_id, **summary)

    def histogram(self, positions_cm: ArrayLike) -> np.ndarray:
        """Counts of speeds in the bins of this metric, (bins,)."""
        return speed_histogram(positions_cm, self.fps, self.width_cm_s, self.variant, self.skip_joints)

    def histograms(self) -> dict[str, Any]:
        """For a picture: `edges_cm_s` (the lower edge of each bin), `generated` and `reference` counts, plain lists."""
        rows = self._summaries.values()
        sums = (
            {side: np.sum([row[side] for row in rows], axis=0) for side in ("generated", "reference")} if rows else {}
        )
        edges = np.arange(len(sums["generated"]) if rows else 0) * self.width_cm_s
        return {"edges_cm_s": edges.tolist(), **{side: counts.tolist() for side, counts in sums.items()}}

    def compute(self) -> dict[str, Any]:
        """The scores, units in their names; None where no recording is long enough (or has a reference)."""
        return {**super().compute(), "fps": self.fps, "width_cm_s": self.width_cm_s, "variant": self.variant}

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        scores = {
            f"{name}_{kind}_{_UNITS[name]}": ratio(sums[f"{name}_{kind}"], sums[f"{name}_count"])
            for name in DERIVATIVES
            for kind in ("mean", *(f"p{p}" for p in PERCENTILES))
        }
        return {**scores, "hellinger": _hellinger(sums["paired"], sums["reference"])}


class CCA(RecordingSums):
    """Canonical correlation, the mean over the recordings of each one's own.

    Args:
        variant: `corrected` or `genea` (there the published "global" value is one fit over all recordings: `cca` of the
            recordings joined).
    """

    score_names = ("cca",)
    limits = {"cca": (-1.0, 1.0)}

    def __init__(self, variant: str = "corrected") -> None:
        super().__init__()
        self.variant = variant

    def update(self, pred: ArrayLike, target: ArrayLike, *, recording_id: str | None = None) -> None:
        """Adds a recording; see `cca` for the arguments."""
        self._add(recording_id, cca=cca(pred, target, self.variant), count=1)

    def compute(self) -> dict[str, Any]:
        """`cca` (None without recordings) and its variant."""
        return {**super().compute(), "variant": self.variant}

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"cca": ratio(sums["cca"], sums["count"])}


def _check_positions(positions: ArrayLike) -> np.ndarray:
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError(f"kinematics: positions of shape {positions.shape}; expected (frames, joints, 3)")
    check_finite(positions, "kinematics: a motion")
    return positions


def _mean_over_time(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=0) if len(values) else np.zeros(values.shape[1])


def _hellinger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of histograms (N, bins); NaN where one is empty."""
    p, q = ratio(a, a.sum(axis=-1, keepdims=True)), ratio(b, b.sum(axis=-1, keepdims=True))
    # 1 - sum sqrt(pq) = sum (sqrt p - sqrt q)^2 / 2, which does not lose its digits where the two are close.
    return np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=-1) / 2)


def _reduced(fitted: list[np.ndarray], read: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each side on its first principal components, found in the half that is fitted."""
    out: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for known, new in zip(fitted, read, strict=True):
        mean = known.mean(axis=0) if len(known) else np.zeros(known.shape[1])
        axes = _principal_axes(known - mean)
        out[0].append((known - mean) @ axes.T)
        out[1].append((new - mean) @ axes.T)
    return out


def _principal_axes(centred: np.ndarray) -> np.ndarray:
    """The first principal axes (CCA_COMPONENTS, D) of (T, D), by the smaller of its two products: far faster than SVD."""
    num_frames, dim = centred.shape
    if not centred.size:
        return centred[:0]
    if num_frames >= dim:
        return np.linalg.eigh(centred.T @ centred)[1].T[::-1][:CCA_COMPONENTS]
    return np.linalg.svd(centred, full_matrices=False)[2][:CCA_COMPONENTS]


def _canonical_correlation(fitted: list[np.ndarray], read: list[np.ndarray]) -> float:
    """Fits CCA on one pair of (T, D) and correlates another pair along it; 0 where nothing varies."""
    if min(len(fitted[0]), len(read[0])) < 2 or any(side.std(axis=0).max(initial=0) <= MIN_STD for side in fitted):
        return 0.0
    from sklearn.cross_decomposition import CCA as CanonicalCorrelation  # slow to import, and only needed here

    model = CanonicalCorrelation(n_components=1, max_iter=CCA_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not always converge; the published value is what it then has
        model.fit(*fitted)
    along = [np.ravel(side) for side in model.transform(*read)]
    if any(side.std() <= MIN_STD for side in along):
        return 0.0
    return float(np.corrcoef(*along)[0, 1])
