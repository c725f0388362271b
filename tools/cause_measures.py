"""Measures of single causes in a motion: do the hands meet the stresses, which gesture is made, how far and by which hand.

All take plain arrays, so that they can be tested on made-up motion.

Shapes: T frames, J joints, N events, F features, G gestures.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

WRISTS = ("RightHand", "LeftHand")  # in this order wherever hands are columns
CHEST = "Spine3"
SMOOTH_S = 0.07  # of a path before its speed is taken: a stroke lasts 0.28 s, trembling is no stroke
TOLERANCE_S = 0.1  # a stroke meets its syllable if the hand is fastest this close to it
PEAK_SHARE = 0.5  # of the recording's fastest movement: a slower one (going back, getting ready) is no stroke
SHIFT_STEP_S = 0.2  # between the circular shifts that chance is taken from
NEAREST_SHIFT_S = 0.6  # a smaller shift is not yet chance
SMALLEST_SPREAD = 1e-3  # of a feature of poses
EXTENT_S = 0.2  # to both sides of a stroke's time: all of the stroke, nothing of its preparation


def hand_speed_cm_s(positions_cm: np.ndarray, joint_names: Sequence[str], fps: float) -> np.ndarray:
    """Speed of both wrists against the chest, (T, 2): right, left. The swaying of the body does not count.

    Args:
        positions_cm: (T, J, 3).
        joint_names: of the J joints.
        fps: frames per second.
    """
    return np.linalg.norm(np.gradient(hand_paths_cm(positions_cm, joint_names, fps), 1 / fps, axis=0), axis=-1)


def hand_paths_cm(positions_cm: np.ndarray, joint_names: Sequence[str], fps: float) -> np.ndarray:
    """Both wrists against the chest, (T, 2, 3), without trembling."""
    names = list(joint_names)
    paths = positions_cm[:, [names.index(name) for name in WRISTS]] - positions_cm[:, [names.index(CHEST)]]
    return gaussian_filter1d(paths, SMOOTH_S * fps, axis=0, mode="nearest")


def stroke_times_s(speed_cm_s: np.ndarray, fps: float) -> np.ndarray:
    """When the hands stroke: peaks of the faster hand's speed, between the frames by a parabola.

    Args:
        speed_cm_s: (T, 2).
        fps: frames per second.

    Returns:
        (N,) seconds, ascending.
    """
    speed = speed_cm_s.max(axis=1)
    if len(speed) < 3:
        return np.zeros(0)
    least = PEAK_SHARE * speed.max()
    left, middle, right = speed[:-2], speed[1:-1], speed[2:]
    frames = np.flatnonzero((middle > left) & (middle >= right) & (middle >= least)) + 1
    left, middle, right = speed[frames - 1], speed[frames], speed[frames + 1]
    return (frames + 0.5 * (left - right) / (left - 2 * middle + right)) / fps


def num_met(strokes_s: np.ndarray, events_s: np.ndarray, tolerance_s: float = TOLERANCE_S) -> int:
    """How many events have a stroke within the tolerance."""
    if not len(strokes_s) or not len(events_s):
        return 0
    return int((np.abs(np.subtract.outer(events_s, strokes_s)).min(axis=1) <= tolerance_s).sum())


def chance_met(
    strokes_s: np.ndarray, events_s: np.ndarray, duration_s: float, tolerance_s: float = TOLERANCE_S
) -> float:
    """The same for strokes that are shifted circularly in time, the mean over all shifts: what rhythm alone gives."""
    shifts = np.arange(NEAREST_SHIFT_S, duration_s - NEAREST_SHIFT_S, SHIFT_STEP_S)
    if not len(shifts):
        return float("nan")
    return float(np.mean([num_met((strokes_s + shift) % duration_s, events_s, tolerance_s) for shift in shifts]))


def extents_cm(paths_cm: np.ndarray, events_s: np.ndarray, fps: float) -> np.ndarray:
    """How far each hand travels at each event, (N, 2) cm: the diagonal of the box that its path fills.

    Args:
        paths_cm: (T, 2, 3).
        events_s: (N,).
        fps: frames per second.
    """
    rows = [np.zeros((0, paths_cm.shape[1]))]
    for event_s in events_s:
        inside = _frames_between(event_s - EXTENT_S, event_s + EXTENT_S, len(paths_cm), fps)
        path = paths_cm[inside]  # (n, 2, 3)
        rows.append(np.linalg.norm(path.max(axis=0) - path.min(axis=0), axis=-1)[None])
    return np.concatenate(rows)


def _frames_between(start_s: float, end_s: float, num_frames: int, fps: float) -> slice:
    first = min(max(round(start_s * fps), 0), num_frames - 1)
    return slice(first, max(min(round(end_s * fps) + 1, num_frames), first + 1))


class NearestPose:
    """Tells which gesture a pose belongs to: the one whose mean pose is nearest, every feature in its own spread.

    Args:
        poses: gesture -> (N, F) examples.
    """

    def __init__(self, poses: Mapping[str, np.ndarray]) -> None:
        self.names = sorted(poses)
        self.means = np.stack([np.mean(poses[name], axis=0) for name in self.names])  # (G, F)
        inner = np.concatenate([poses[name] - np.mean(poses[name], axis=0) for name in self.names])
        # A feature that hardly varies must not decide alone.
        self.spread = inner.std(axis=0) + 0.1 * inner.std() + SMALLEST_SPREAD

    def name(self, pose: np.ndarray) -> str:
        """Of a pose (F,)."""
        return self.names[int(np.square((self.means - pose) / self.spread).sum(axis=1).argmin())]


def mirrored(positions_cm: np.ndarray, joint_names: Sequence[str]) -> np.ndarray:
    """The mirror image of positions (T, J, 3) whose sideways axis is the first one: left joints become right ones."""
    names = list(joint_names)
    other = [names.index(_other_side(name)) for name in names]
    return positions_cm[:, other] * np.array([-1.0, 1.0, 1.0])


def _other_side(name: str) -> str:
    if name.startswith("Right"):
        return "Left" + name[len("Right") :]
    return "Right" + name[len("Left") :] if name.startswith("Left") else name
