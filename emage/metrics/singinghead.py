"""SingingHead's 3D metrics: FLAME codes and vertices of a generated face against the real one.

Several samples may be generated of one recording; `mean` metrics average over them, `min` metrics take the best one, so
a `min` compares with one of the same number of samples only. Vertices are those of expression and jaw alone (the head
held still), in metres; codes are the 59 values of `emage.motion.flame_file`.

`published` is the released code with its faults; `corrected` stands beside each fault:

    metric      published                                            corrected
    ve min      the best sample per FRAME AND VERTEX                 the best sample per recording
    ve, fdd     a vertex that the mask lists twice counts twice      once
    fdd         movement of |position|^2, so it hangs on the origin  of |position - template|^2 (CodeTalker's)
    fdd         signed: too much here makes up for too little there  `absolute` beside the signed one
    diversity   grows with the number of frames and values           per frame
    *dist pose  axis-angle values, which jump at half a turn         `pose_distance_deg`, angle of the head rotation
    BA          frames compared with hops                            seconds (see `singinghead_beats`)

Shapes: B batch, N samples of one recording, T frames, V vertices, M vertices of a mask, D = 59 columns.

Source: Wu et al., "SingingHead: A Large-scale 4D Dataset for Singing Head Animation" (2025), released metric code; FDD
after CodeTalker (Xing et al., CVPR 2023).
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist

from emage.errors import InputError
from emage.metrics.recording_means import RecordingMeans
from emage.metrics.singinghead_beats import beat_alignment, check_variant
from emage.motion import rotation
from emage.motion.flame_file import FLAME_59_DIM, flame_columns

__all__ = [
    "SingingDiversity",
    "SingingFaceMotion",
    "SingingFaceVertices",
    "beat_alignment",
    "diversity",
    "fdd",
    "lve",
    "meandist",
    "mindist",
    "pose_distance_deg",
    "ve",
]

KINDS = ("mean", "min")
HEAD = flame_columns("global", "neck")


def lve(pred: ArrayLike, gt: ArrayLike, mask: ArrayLike, kind: str = "mean") -> float:
    """Lip vertex error: the largest distance of a lip vertex, mean over frames.

    Args:
        pred: (B, N, T, V * 3), or (B, T, V * 3), generated vertices.
        gt: (B, T, V * 3) real ones.
        mask: (M,) indices of the lip vertices.
        kind: `mean` over samples, or `min`: of each recording its best sample.

    Returns:
        The unit of the vertices (not squared). Known faults: none.

    Raises:
        InputError: shapes that do not fit, an index out of range, values that are not finite, another kind.
    """
    per_sample = [[distance.max(axis=1).mean() for distance in item] for item in _distances(pred, gt, mask)]
    return _over_samples(per_sample, kind)


def ve(pred: ArrayLike, gt: ArrayLike, mask: ArrayLike, kind: str = "mean", *, variant: str = "published") -> float:
    """Face vertex error: mean distance of the vertices.

    Args:
        pred: (B, N, T, V * 3), or (B, T, V * 3).
        gt: (B, T, V * 3).
        mask: (M,) indices of the face vertices; published: one that occurs twice counts twice.
        kind: `mean` over samples, or `min` (see the file's docstring).
        variant: `published` or `corrected`.

    Returns:
        The unit of the vertices.

    Raises:
        InputError: as `lve`, or another variant.
    """
    check_variant(variant)
    if variant == "corrected":
        per_sample = [[distance.mean() for distance in item] for item in _distances(pred, gt, np.unique(mask))]
        return _over_samples(per_sample, kind)
    _check_kind(kind)
    per_item = []
    for item in _distances(pred, gt, mask):
        best: np.ndarray | None = None
        means = []
        for distance in item:
            means.append(distance.mean())
            best = distance if best is None or kind == "mean" else np.minimum(best, distance)
        per_item.append(np.mean(means) if kind == "mean" else best.mean())
    return float(np.mean(per_item))


def fdd(
    pred: ArrayLike, gt: ArrayLike, mask: ArrayLike, *, template: ArrayLike | None = None, variant: str = "published"
) -> float:
    """Dynamics deviation of the upper face: how much the real face moves there, less how much the generated one does.

    Movement of a vertex is the standard deviation over time (unbiased) of a squared length: of its POSITION as
    published, of its displacement from the template if corrected.

    Args:
        pred: (B, N, T, V * 3), or (B, T, V * 3).
        gt: (B, T, V * 3).
        mask: (M,) indices of the upper face; published: one that occurs twice counts twice.
        template: (V * 3,) or (V, 3) the face at rest; `corrected` and `absolute` need it.
        variant: `published`, `corrected`, or `absolute`: as corrected, with the absolute difference of each vertex, so
            that too little movement here does not make up for too much there.

    Returns:
        The squared unit of the vertices; signed (above 0: the generated face moves too little) unless `absolute`.

    Raises:
        InputError: as `lve`, another variant, or no template where it is needed.
    """
    if variant != "absolute":
        check_variant(variant)
    pred, gt, mask = _checked(pred, gt, mask)
    rest = np.zeros(gt.shape[-1])
    if variant != "published":
        if template is None:
            raise InputError(f"fdd: the variant {variant} needs the template, the face at rest")
        rest = np.asarray(template, dtype=np.float64).reshape(-1)
        if len(rest) != gt.shape[-1]:
            raise InputError(f"fdd: a template of {len(rest)} values for vertices of {gt.shape[-1]}")
        mask = np.unique(mask)
    rest = rest.reshape(-1, 3)[mask]
    differences = []
    for samples, real in zip(pred, gt, strict=True):
        real_movement = _movement(_masked(real, mask) - rest)  # (M,)
        for sample in samples:
            difference = real_movement - _movement(_masked(sample, mask) - rest)
            differences.append((np.abs(difference) if variant == "absolute" else difference).mean())
    return float(np.mean(differences))


def diversity(params: ArrayLike, *, variant: str = "published") -> float:
    """How far the samples of one recording lie apart: mean over pairs of their L2 distance, mean over recordings.

    Args:
        params: (B, N, T, D) of anything: the 59 codes, the head's 6, landmarks, vertices.
        variant: `published`: distance of whole recordings, which grows with the square root of T; `corrected`: per
            frame, mean over frames.

    Returns:
        0 for a single sample.

    Raises:
        InputError: another shape, values that are not finite, or another variant.
    """
    check_variant(variant)
    params = _finite(params, "params")
    if params.ndim != 4 or 0 in params.shape:
        raise InputError(f"diversity: params have shape (batch, samples, frames, values): got {params.shape}")
    if params.shape[1] == 1:
        return 0.0
    if variant == "published":
        return float(np.mean([pdist(item.reshape(len(item), -1)).mean() for item in params]))
    first, second = np.triu_indices(params.shape[1], k=1)
    return float(np.mean([np.linalg.norm(item[first] - item[second], axis=-1).mean() for item in params]))


def mindist(params: ArrayLike, params_gt: ArrayLike) -> float:
    """Distance of the best sample: L2 over the values, mean over frames, minimum over samples, mean over recordings.

    Args:
        params: (B, N, T, D), or (B, T, D): the 59 codes, or the head's 6 for the published `mindist_pose`.
        params_gt: (B, T, D).

    Returns:
        In the unit of the values: the 59 mix unitless codes and radians, as published.

    Raises:
        InputError: shapes that do not fit, or values that are not finite.
    """
    return _over_samples(_code_distances(params, params_gt), "min")


def meandist(params: ArrayLike, params_gt: ArrayLike) -> float:
    """As `mindist`, with the mean over samples."""
    return _over_samples(_code_distances(params, params_gt), "mean")


def pose_distance_deg(params: ArrayLike, params_gt: ArrayLike, kind: str = "mean") -> float:
    """Angle between the head rotations (global, then neck), mean over frames; the corrected `*dist_pose`.

    Args:
        params: (B, N, T, 59), or (B, T, 59).
        params_gt: (B, T, 59).
        kind: `mean` over samples, or `min`.

    Returns:
        Degrees.

    Raises:
        InputError: as `mindist`, or codes that are not 59.
    """
    params, params_gt = _paired_codes(params, params_gt)
    if params.shape[-1] != FLAME_59_DIM:
        raise InputError(f"pose distance: codes have {FLAME_59_DIM} values: got {params.shape[-1]}")
    angles = rotation.angle_between(_head_rotation(params), _head_rotation(params_gt)[:, None])  # (B, N, T)
    return _over_samples(torch.rad2deg(angles).mean(dim=-1).tolist(), kind)


def _head_rotation(params: np.ndarray) -> torch.Tensor:
    globally, neck = (
        rotation.axis_angle_to_matrix(torch.from_numpy(params[..., flame_columns(part)])) for part in ("global", "neck")
    )
    return globally @ neck


class SingingFaceMotion(RecordingMeans):
    """The metrics of FLAME codes, means over recordings; `*_deg` and `diversity_per_frame` are the corrected ones."""

    score_names = (
        *("mindist", "meandist", "mindist_pose", "meandist_pose", "diversity", "diversity_pose"),
        *("mindist_pose_deg", "meandist_pose_deg", "diversity_per_frame"),
    )

    def update(
        self, params: ArrayLike, params_gt: ArrayLike, *, recording_id: str | None = None
    ) -> dict[str, float | None]:
        """Adds a recording: params (N, T, 59), params_gt (T, 59). Returns its own values."""
        params, params_gt = np.asarray(params)[None], np.asarray(params_gt)[None]
        head, head_gt = params[..., HEAD], params_gt[..., HEAD]
        row = {
            "mindist": mindist(params, params_gt),
            "meandist": meandist(params, params_gt),
            "mindist_pose": mindist(head, head_gt),
            "meandist_pose": meandist(head, head_gt),
            "diversity": diversity(params),
            "diversity_pose": diversity(head),
            "mindist_pose_deg": pose_distance_deg(params, params_gt, "min"),
            "meandist_pose_deg": pose_distance_deg(params, params_gt, "mean"),
            # of one sample it is not a number
            "diversity_per_frame": diversity(params, variant="corrected") if params.shape[1] > 1 else None,
        }
        return self._add_row(recording_id, row)


class SingingFaceVertices(RecordingMeans):
    """The metrics of vertices, means over recordings; names with a unit are corrected, the others published, in metres.

    Args:
        lips: (M,) vertex indices.
        face: (M,).
        upper_face: (M,) FLAME's forehead, then its eye region: repeats count in the published FDD.
    """

    score_names = (
        *("lve_mean", "lve_min", "ve_mean", "ve_min", "fdd"),
        *("lve_mean_mm", "lve_min_mm", "ve_mean_mm", "ve_min_mm", "fdd_mm2", "fdd_absolute_mm2"),
    )

    def __init__(self, lips: np.ndarray, face: np.ndarray, upper_face: np.ndarray) -> None:
        super().__init__()
        self.lips, self.face, self.upper_face = lips, face, upper_face

    def update(
        self, vertices: ArrayLike, vertices_gt: ArrayLike, *, template: ArrayLike, recording_id: str | None = None
    ) -> dict[str, float | None]:
        """Adds a recording: vertices (N, T, V, 3), vertices_gt (T, V, 3), the person at rest (V, 3), all in metres."""
        vertices, vertices_gt = np.asarray(vertices), np.asarray(vertices_gt)
        pred, gt = vertices.reshape(1, *vertices.shape[:2], -1), vertices_gt.reshape(1, len(vertices_gt), -1)
        row = {
            "lve_mean": lve(pred, gt, self.lips),
            "lve_min": lve(pred, gt, self.lips, "min"),
            "ve_mean": ve(pred, gt, self.face),
            "ve_min": ve(pred, gt, self.face, "min"),
            "fdd": fdd(pred, gt, self.upper_face),
        }
        row |= {
            "lve_mean_mm": row["lve_mean"] * 1e3,
            "lve_min_mm": row["lve_min"] * 1e3,
            "ve_mean_mm": ve(pred, gt, self.face, variant="corrected") * 1e3,
            "ve_min_mm": ve(pred, gt, self.face, "min", variant="corrected") * 1e3,
            "fdd_mm2": fdd(pred, gt, self.upper_face, template=template, variant="corrected") * 1e6,
            "fdd_absolute_mm2": fdd(pred, gt, self.upper_face, template=template, variant="absolute") * 1e6,
        }
        return self._add_row(recording_id, row)


class SingingDiversity(RecordingMeans):
    """Published diversity of vertices and landmarks with the head in motion, means over recordings, metres."""

    score_names = ("diversity_lmk", "diversity_verts", "diversity_face")

    def update(
        self,
        vertices: ArrayLike,
        *,
        landmarks: ArrayLike | None = None,
        face: ArrayLike | None = None,
        recording_id: str | None = None,
    ) -> dict[str, float | None]:
        """Adds a recording: vertices (N, T, V, 3), landmarks (N, T, P, 3) and face (M,) indices, None if not known."""
        vertices = np.asarray(vertices)
        points = (landmarks, vertices, None if face is None else vertices[:, :, np.asarray(face)])
        flat = [None if p is None else np.asarray(p).reshape(1, *vertices.shape[:2], -1) for p in points]
        values = [None if p is None else diversity(p) for p in flat]
        return self._add_row(recording_id, dict(zip(self.score_names, values, strict=True)))


def _distances(pred: ArrayLike, gt: ArrayLike, mask: ArrayLike) -> Iterator[Iterator[np.ndarray]]:
    """For each recording its samples' distances (T, M), made one at a time: at full size they are large."""
    pred, gt, mask = _checked(pred, gt, mask)
    for samples, real in zip(pred, gt, strict=True):
        target = _masked(real, mask)
        yield (np.linalg.norm(_masked(sample, mask) - target, axis=-1) for sample in samples)


def _masked(vertices: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(T, V * 3) -> (T, M, 3) float64."""
    return vertices.reshape(len(vertices), -1, 3)[:, mask].astype(np.float64)


def _movement(displacement: np.ndarray) -> np.ndarray:
    """(T, M, 3) -> (M,) standard deviation over time of the squared length; 0 for one frame."""
    if len(displacement) < 2:
        return np.zeros(displacement.shape[1])
    return np.square(displacement).sum(axis=-1).std(axis=0, ddof=1)


def _checked(pred: ArrayLike, gt: ArrayLike, mask: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pred, gt = _with_samples(np.asarray(pred), np.asarray(gt), "vertices")
    if gt.shape[-1] % 3:
        raise InputError(f"vertices: {gt.shape[-1]} values a frame are no x, y, z")
    mask = np.asarray(mask)
    if mask.ndim != 1 or mask.dtype.kind not in "iu" or not len(mask):
        raise InputError(f"mask: expected a list of vertex indices, got {mask.dtype} {mask.shape}")
    if mask.min() < 0 or mask.max() >= gt.shape[-1] // 3:
        raise InputError(f"mask: index {mask.max()} of {gt.shape[-1] // 3} vertices; the mask is of another model")
    return pred, gt, mask


def _with_samples(pred: np.ndarray, gt: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays with their shapes checked, pred with an axis of samples."""
    if pred.ndim == 3:
        pred = pred[:, None]
    if pred.ndim != 4 or gt.ndim != 3 or (pred.shape[0], *pred.shape[2:]) != gt.shape or 0 in pred.shape:
        raise InputError(
            f"{what}: generated {pred.shape} beside real {gt.shape}; expected (batch, samples, frames, values) and"
            " (batch, frames, values)"
        )
    return _finite(pred, what, keep_dtype=True), _finite(gt, what, keep_dtype=True)


def _paired_codes(params: ArrayLike, params_gt: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    params, params_gt = _with_samples(np.asarray(params), np.asarray(params_gt), "codes")
    return params.astype(np.float64), params_gt.astype(np.float64)


def _code_distances(params: ArrayLike, params_gt: ArrayLike) -> list[list[float]]:
    params, params_gt = _paired_codes(params, params_gt)
    return np.linalg.norm(params - params_gt[:, None], axis=-1).mean(axis=-1).tolist()


def _finite(values: ArrayLike, what: str, *, keep_dtype: bool = False) -> np.ndarray:
    values = np.asarray(values) if keep_dtype else np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{what}: NaN or infinity at {tuple(map(int, np.argwhere(~np.isfinite(values))[0]))}")
    return values


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InputError(f"SingingHead metric: kind {kind!r}; choose one of {', '.join(KINDS)}")


def _over_samples(per_sample: list[list[float]], kind: str) -> float:
    """(B, N) values of samples -> their mean, or the mean over recordings of the smallest."""
    _check_kind(kind)
    return float(np.mean([np.mean(row) if kind == "mean" else np.min(row) for row in per_sample]))
