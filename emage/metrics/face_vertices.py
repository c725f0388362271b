"""The face in vertices of a FLAME mesh: lip error, dynamics of the upper face, and mean errors, each variant named.

Papers use one name for different formulas, so every number says its variant and its unit. Vertices come in metres, as
FLAME has them, and results are in millimetres. Values of different index lists (lips, upper face) do not compare.

Shapes: T frames, V vertices, I indices.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio

MM = 1000.0  # per metre
LVE_VARIANTS = ("max_l2", "max_squared", "rms")
FDD_VARIANTS = ("corrected", "codetalker")


def lip_vertex_error(pred_m: ArrayLike, target_m: ArrayLike, lips: Sequence[int], variant: str = "max_l2") -> float:
    """Error of the worst lip vertex of each frame (LVE); lower is better.

    Args:
        pred_m: (T, V, 3) metres.
        target_m: (T, V, 3) metres.
        lips: (I,) indices of the lip vertices.
        variant: `max_l2`: mean over frames of the greatest distance, mm; `max_squared` (FaceFormer, CodeTalker,
            UniTalker): mean of its square, mm^2 (some papers call that mm); `rms` (ARTalk): root of that mean, mm.

    Returns:
        mm, or mm^2 for `max_squared`.

    Raises:
        InputError: another variant, an index outside the mesh, or shapes that do not fit.
    """
    if variant not in LVE_VARIANTS:
        raise InputError(f"lve: got variant {variant!r}; choose one of {', '.join(LVE_VARIANTS)}")
    worst = _distances_mm(pred_m, target_m, lips).max(axis=1)  # (T,)
    if variant == "max_l2":
        return float(worst.mean())
    squared = float(np.square(worst).mean())
    return squared if variant == "max_squared" else float(np.sqrt(squared))


def mean_vertex_error(pred_m: ArrayLike, target_m: ArrayLike, vertices: Sequence[int] | None = None) -> float:
    """Mean distance of vertices, mm: all of them (MVE), those of a face mask (VE), or of the upper face (UFVE)."""
    return float(_distances_mm(pred_m, target_m, vertices).mean())


def upper_face_dynamics(
    pred_m: ArrayLike,
    target_m: ArrayLike,
    upper: Sequence[int],
    template_m: ArrayLike | None = None,
    variant: str = "corrected",
) -> float:
    """How much the upper face's liveliness differs from the real one's (FDD).

    Args:
        pred_m: (T, V, 3) metres.
        target_m: (T, V, 3) metres.
        upper: (I,) indices of the upper face; repeats count.
        template_m: (V, 3) the face at rest; `codetalker` needs it.
        variant: `corrected`: per vertex the standard deviation over time of its position about its mean (root of the
            summed variances), |real - generated|, mean over vertices, mm; `codetalker`: per vertex that of the SQUARED
            displacement from the template, real minus generated, mean, mm^2: signed, so that faces which move too much
            and too little cancel out.

    Returns:
        0 is best. mm, or mm^2 for `codetalker`.

    Raises:
        InputError: another variant, no template, an index outside the mesh, or shapes that do not fit.
    """
    if variant not in FDD_VARIANTS:
        raise InputError(f"fdd: got variant {variant!r}; choose one of {', '.join(FDD_VARIANTS)}")
    pred, target = _check(pred_m, target_m, upper)
    if variant == "corrected":
        spread = [np.sqrt(side.var(axis=0).sum(axis=-1)) for side in (pred, target)]  # (I,)
        return float(np.abs(spread[1] - spread[0]).mean() * MM)
    if template_m is None:
        raise InputError("fdd: codetalker measures from the face at rest; give template_m (vertices, 3)")
    rest = np.asarray(template_m, dtype=np.float64)[list(upper)]
    spread = [np.square(side - rest).sum(axis=-1).std(axis=0) for side in (pred, target)]
    return float((spread[1] - spread[0]).mean() * MM**2)


class FaceVertices(RecordingSums):
    """The metrics of this file over recordings; errors weigh every frame alike, FDD every recording.

    Args:
        fps: frames per second.
        lips: indices of the lip vertices.
        face: indices of the face mask.
        upper: indices of the upper face.
        template_m: (V, 3) the face at rest, for CodeTalker's FDD; None leaves that out.
    """

    def __init__(
        self,
        fps: float,
        *,
        lips: Sequence[int],
        face: Sequence[int],
        upper: Sequence[int],
        template_m: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        self.fps = fps
        self.lips, self.face, self.upper = (list(map(int, indices)) for indices in (lips, face, upper))
        self.template_m = template_m
        self.score_names = (
            *("lve_max_l2_mm", "lve_max_squared_mm2", "lve_rms_mm", "mve_mm", "ve_mm", "upper_face_mm"),
            *("lvd_mm_s", "mse_mm2", "fdd_mm", "fdd_codetalker_mm2"),
        )

    def update(self, pred_m: ArrayLike, target_m: ArrayLike, *, recording_id: str | None = None) -> None:
        """Adds a recording: (T, V, 3) metres, generated and real.

        Raises:
            InputError: no frame, shapes that do not fit, or values that are not finite.
        """
        distance = _distances_mm(pred_m, target_m, None)  # (T, V)
        worst = distance[:, self._inside(self.lips, distance.shape[1])].max(axis=1)
        pred, target = np.asarray(pred_m, dtype=np.float64), np.asarray(target_m, dtype=np.float64)
        velocity = np.abs(np.diff(pred, axis=0) - np.diff(target, axis=0)).mean(axis=(1, 2)) * MM * self.fps
        fdd = upper_face_dynamics(pred, target, self.upper)
        codetalker = 0.0
        if self.template_m is not None:
            codetalker = upper_face_dynamics(pred, target, self.upper, self.template_m, "codetalker")
        self._add(
            recording_id,
            frames=len(distance),
            steps=len(velocity),
            recordings=1,
            templates=self.template_m is not None,
            worst=worst.sum(),
            worst_squared=np.square(worst).sum(),
            mve=distance.mean(axis=1).sum(),
            ve=distance[:, self._inside(self.face, distance.shape[1])].mean(axis=1).sum(),
            upper=distance[:, self.upper].mean(axis=1).sum(),
            velocity=velocity.sum(),
            squared=np.square(distance).mean(axis=1).sum() / 3,
            fdd=fdd,
            codetalker=codetalker,
        )

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        squared = ratio(sums["worst_squared"], sums["frames"])
        return {
            "lve_max_l2_mm": ratio(sums["worst"], sums["frames"]),
            "lve_max_squared_mm2": squared,
            "lve_rms_mm": np.sqrt(squared),
            "mve_mm": ratio(sums["mve"], sums["frames"]),
            "ve_mm": ratio(sums["ve"], sums["frames"]),
            "upper_face_mm": ratio(sums["upper"], sums["frames"]),
            "lvd_mm_s": ratio(sums["velocity"], sums["steps"]),
            "mse_mm2": ratio(sums["squared"], sums["frames"]),
            "fdd_mm": ratio(sums["fdd"], sums["recordings"]),
            "fdd_codetalker_mm2": ratio(sums["codetalker"], sums["templates"]),
        }

    def compute(self) -> dict[str, Any]:
        """The scores, units in their names; `fdd_codetalker_mm2` is None without a template."""
        return {**super().compute(), "fps": self.fps, "num_lip_vertices": len(self.lips)}

    @staticmethod
    def _inside(indices: list[int], num_vertices: int) -> list[int]:
        _check_indices(indices, num_vertices)
        return indices


def _check(pred_m: ArrayLike, target_m: ArrayLike, vertices: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Both as (T, I, 3)."""
    pred, target = np.asarray(pred_m, dtype=np.float64), np.asarray(target_m, dtype=np.float64)
    if pred.shape != target.shape or pred.ndim != 3 or pred.shape[2] != 3 or not pred.size:
        raise InputError(
            f"face vertices: got shapes {pred.shape} and {target.shape}; expected (frames, vertices, 3) twice"
        )
    for side, what in ((pred, "generated"), (target, "real")):
        check_finite(side, f"face vertices: the {what} face")
    if vertices is None:
        return pred, target
    _check_indices(vertices, pred.shape[1])
    return pred[:, list(vertices)], target[:, list(vertices)]


def _check_indices(vertices: Sequence[int], num_vertices: int) -> None:
    if not len(vertices) or min(vertices) < 0 or max(vertices) >= num_vertices:
        raise InputError(
            f"face vertices: {len(vertices)} indices into a mesh of {num_vertices} vertices; expected some, 0 to "
            f"{num_vertices - 1}"
        )


def _distances_mm(pred_m: ArrayLike, target_m: ArrayLike, vertices: Sequence[int] | None) -> np.ndarray:
    """(T, I) distances, mm."""
    pred, target = _check(pred_m, target_m, vertices)
    return np.linalg.norm(pred - target, axis=-1) * MM
