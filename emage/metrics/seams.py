"""Seams: does a motion jump where one generated window ends and the next begins?

Shapes: T frames, J joints, N resamples.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio


def velocity_jumps(positions_cm: ArrayLike, fps: float) -> np.ndarray:
    """Change of velocity at each frame, mean over the joints: (T, J, 3) -> (T,) cm/s; 0 at the first and last frame."""
    positions = np.asarray(positions_cm, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError(f"seams: positions of shape {positions.shape}; expected (frames, joints, 3)")
    check_finite(positions, "seams: the motion")
    jumps = np.zeros(len(positions))
    if len(positions) > 2:
        jumps[1:-1] = np.linalg.norm(np.diff(positions, n=2, axis=0), axis=-1).mean(axis=1) * fps
    return jumps


def seam_score(positions_cm: ArrayLike, fps: float, border_frames: Sequence[int]) -> float:
    """Velocity jump at the window borders over that inside the windows; 1: no seam can be seen, lower is not better.

    Args:
        positions_cm: (T, J, 3) joint positions.
        fps: frames per second.
        border_frames: the first frame of each window but the first. The step into it touches two frames, itself and the
            one before; both count as border.

    Returns:
        The ratio; NaN where there is no border or nothing moves inside.

    Raises:
        InputError: a border outside the motion, or values that are not finite.
    """
    at_border, inside, num_border, num_inside = _sums(positions_cm, fps, border_frames)
    return float(ratio(ratio(at_border, num_border), ratio(inside, num_inside)))


class Seams(RecordingSums):
    """Seam score over recordings.

    Args:
        fps: frames per second.
    """

    score_names = ("seam_score", "border_jump_cm_s", "inside_jump_cm_s")
    limits = dict.fromkeys(score_names, (0.0, np.inf))

    def __init__(self, fps: float) -> None:
        super().__init__()
        self.fps = fps

    def update(self, positions_cm: ArrayLike, *, border_frames: Sequence[int], recording_id: str | None = None) -> None:
        """Adds a recording; see `seam_score` for the arguments."""
        names = ("border", "inside", "num_border", "num_inside")
        self._add(recording_id, **dict(zip(names, _sums(positions_cm, self.fps, border_frames), strict=True)))

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        border = ratio(sums["border"], sums["num_border"])
        inside = ratio(sums["inside"], sums["num_inside"])
        return {"seam_score": ratio(border, inside), "border_jump_cm_s": border, "inside_jump_cm_s": inside}


def _sums(positions_cm: ArrayLike, fps: float, border_frames: Sequence[int]) -> tuple[float, float, float, float]:
    jumps = velocity_jumps(positions_cm, fps)
    borders = np.asarray(list(border_frames), dtype=int)
    outside = borders[(borders < 1) | (borders >= len(jumps))]
    if len(outside):
        raise InputError(f"seams: border frame {outside[0]} lies outside the {len(jumps)} frames of the motion")
    is_border = np.zeros(len(jumps), dtype=bool)
    is_border[borders] = is_border[borders - 1] = True
    measured = np.zeros(len(jumps), dtype=bool)
    measured[1:-1] = True  # a change of velocity needs a frame on either side
    at_border, inside = measured & is_border, measured & ~is_border
    return float(jumps[at_border].sum()), float(jumps[inside].sum()), float(at_border.sum()), float(inside.sum())
