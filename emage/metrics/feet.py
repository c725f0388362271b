"""Feet: do they slide while they stand, and do they sink into the floor?

A foot joint stands while it is near the lowest height that it reaches in the recording (so that ankles and toes of any
skeleton are told by one number), or while the labels that are given say so.

Shapes: T frames, F foot joints, N resamples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emage.errors import InputError
from emage.metrics.recording_sums import RecordingSums, check_finite, ratio
from emage.motion.contact import CONTACT_JOINTS
from emage.motion.skeleton import canonical_name

CONTACT_HEIGHT_CM = 3.0  # above the joint's own resting height
RESTING_PERCENTILE = 5.0  # of a joint's heights; the lowest one of all may be a glitch
UP_AXIS = 1  # Y, as in BVH files


def standing(positions_cm: ArrayLike, max_height_cm: float = CONTACT_HEIGHT_CM, up_axis: int = UP_AXIS) -> np.ndarray:
    """Which foot joints stand on the floor, frame by frame.

    Args:
        positions_cm: (T, F, 3) foot joints in the world.
        max_height_cm: above the joint's resting height (5th percentile of its heights).
        up_axis: which of the three coordinates is the height.

    Returns:
        (T, F) bool.
    """
    height = _check(positions_cm)[..., up_axis]
    resting = np.percentile(height, RESTING_PERCENTILE, axis=0) if len(height) else np.zeros(height.shape[1])
    return height <= resting + max_height_cm


def foot_sliding(
    positions_cm: ArrayLike, fps: float, contact: ArrayLike | None = None, up_axis: int = UP_AXIS
) -> float:
    """Mean horizontal speed of the foot joints while they stand, cm/s; lower is better.

    Args:
        positions_cm: (T, F, 3) foot joints in the world.
        fps: frames per second.
        contact: (T, F) bool, e.g. of the real motion; None: `standing`.
        up_axis: which of the three coordinates is the height.

    Returns:
        cm/s over the steps that begin and end in contact; NaN where there is none.

    Raises:
        InputError: shapes that do not fit, or values that are not finite.
    """
    total, count = _sliding(positions_cm, fps, contact, up_axis=up_axis)
    return float(ratio(total, count))


def floor_penetration(positions_cm: ArrayLike, floor_cm: float, up_axis: int = UP_AXIS) -> float:
    """Mean depth of the lowest foot joint below the floor, cm; frames above it count 0. Lower is better.

    Args:
        positions_cm: (T, F, 3) foot joints in the world.
        floor_cm: height of the floor, e.g. `floor_height` of the real motion.
        up_axis: which of the three coordinates is the height.

    Returns:
        cm; NaN without frames.
    """
    depth = _depth(positions_cm, floor_cm, up_axis)
    return float(depth.mean()) if len(depth) else float("nan")


def floor_height(positions_cm: ArrayLike, up_axis: int = UP_AXIS) -> float:
    """Where the floor is: the lowest resting height of a foot joint, cm, (T, F, 3) of the real motion."""
    height = _check(positions_cm)[..., up_axis]
    if not height.size:
        raise InputError("feet: the floor of a motion without frames or feet; give one with both")
    return float(np.percentile(height, RESTING_PERCENTILE, axis=0).min())


class Feet(RecordingSums):
    """Foot sliding and floor penetration over recordings.

    Args:
        fps: frames per second.
        up_axis: which of the three coordinates is the height.
    """

    score_names = ("foot_sliding_cm_s", "floor_penetration_cm", "floor_penetration_share", "contact_share")
    limits = {
        "foot_sliding_cm_s": (0.0, np.inf),
        "floor_penetration_cm": (0.0, np.inf),
        "floor_penetration_share": (0.0, 1.0),
        "contact_share": (0.0, 1.0),
    }

    def __init__(self, fps: float, *, up_axis: int = UP_AXIS) -> None:
        super().__init__()
        self.fps = fps
        self.up_axis = up_axis

    def update(
        self,
        positions_cm: ArrayLike,
        *,
        joint_names: Sequence[str],
        reference_cm: ArrayLike | None = None,
        recording_id: str | None = None,
    ) -> None:
        """Adds a recording.

        Args:
            positions_cm: (T, J, 3) of the generated motion in the world.
            joint_names: J names; ankles and toes are taken, in any of BEAT's spellings.
            reference_cm: (T', J, 3) of the real motion: says where the floor is. Without it the motion's own feet do,
                and then no motion sinks far.
            recording_id: its name; None: its number.

        Raises:
            InputError: no ankle or toe among the names, or values that are not finite.
        """
        places = [place for place, name in enumerate(joint_names) if canonical_name(name) in CONTACT_JOINTS]
        if not places:
            raise InputError(f"feet: none of {', '.join(CONTACT_JOINTS)} among the joints; foot metrics need one")
        feet = _check(np.asarray(positions_cm)[:, places])
        real = feet if reference_cm is None else _check(np.asarray(reference_cm)[:, places])
        sliding, steps = _sliding(feet, self.fps, None, up_axis=self.up_axis)
        depth = _depth(feet, floor_height(real, self.up_axis), self.up_axis) if len(real) else np.zeros(0)
        self._add(
            recording_id,
            sliding=sliding,
            steps=steps,
            depth=depth.sum(),
            below=(depth > 0).sum(),
            frames=len(depth),
            contact=standing(feet, up_axis=self.up_axis).sum(),
            labels=feet.shape[0] * feet.shape[1],
        )

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            "foot_sliding_cm_s": ratio(sums["sliding"], sums["steps"]),
            "floor_penetration_cm": ratio(sums["depth"], sums["frames"]),
            "floor_penetration_share": ratio(sums["below"], sums["frames"]),
            "contact_share": ratio(sums["contact"], sums["labels"]),
        }

    def compute(self) -> dict[str, Any]:
        """The scores, units in their names (None where nothing stands), and what contact means."""
        return {**super().compute(), "contact_height_cm": CONTACT_HEIGHT_CM}


def _check(positions_cm: ArrayLike) -> np.ndarray:
    positions = np.asarray(positions_cm, dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError(f"feet: positions of shape {positions.shape}; expected (frames, foot joints, 3)")
    check_finite(positions, "feet: a motion")
    return positions


def _sliding(positions_cm: ArrayLike, fps: float, contact: ArrayLike | None, *, up_axis: int) -> tuple[float, float]:
    """Sum of the horizontal speeds in contact, and how many they are."""
    positions = _check(positions_cm)
    contact = standing(positions, up_axis=up_axis) if contact is None else np.asarray(contact, dtype=bool)
    if contact.shape != positions.shape[:2]:
        raise InputError(f"feet: contact labels of shape {contact.shape} for positions of shape {positions.shape}")
    steps = np.diff(np.delete(positions, up_axis, axis=2), axis=0)  # (T-1, F, 2)
    speed = np.linalg.norm(steps, axis=-1) * fps
    stands = contact[1:] & contact[:-1]
    return float(speed[stands].sum()), float(stands.sum())


def _depth(positions_cm: ArrayLike, floor_cm: float, up_axis: int) -> np.ndarray:
    """Depth of the lowest foot joint below the floor, (T,)."""
    lowest = _check(positions_cm)[..., up_axis].min(axis=1)
    return np.maximum(floor_cm - lowest, 0)
