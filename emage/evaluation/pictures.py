"""What a report draws: histograms, and the best and worst recording as curves and stick figures.

Shapes: T frames, J joints.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emage.evaluation.ranking import per_recording, rank_recordings
from emage.evaluation.store import REFERENCE, Store
from emage.evaluation.systems import Plan, SystemScores
from emage.evaluation.take import Take
from emage.metrics.kinematics import derivative
from emage.motion.layout import ARKIT_51

WRISTS = ("LeftHand", "RightHand")
NUM_POSES, MAX_POINTS = 6, 400


def make_pictures(
    scores: SystemScores, store: Store, system: str, plan: Plan, results: dict[str, Any], real: SystemScores | None
) -> dict[str, Any]:
    """Plain values for `emage.viewer.report`.

    Returns:
        histograms of speed; skeleton (mean real pose as points of a picture, parents); ranking of the recordings with the
        measures that it is by and the real values of these; examples (the best and worst recording).
    """
    pictures: dict[str, Any] = {"histograms": {}, "examples": [], "skeleton": None}
    if "kinematics" in scores.metrics:
        pictures["histograms"] = scores.metrics["kinematics"].histograms()
    pose = mean_local_pose(store)
    view = None if pose is None else View.of(pose, plan)
    if view is not None:
        pictures["skeleton"] = {"points": _rounded(view.points(pose)), "parents": list(plan.parents)}
    real_values = {} if real is None else per_recording(real, store)
    ranking, ranked_by = rank_recordings(results["per_recording"], real_values)
    pictures |= {"ranking": ranking, "ranked_by": ranked_by}
    pictures["real"] = {
        key: {name: row[key] for name, row in real_values.items() if row.get(key) is not None} for key in ranked_by
    }
    chosen = [("best", ranking[0]), ("worst", ranking[-1])] if len(ranking) > 1 else []
    if not chosen:
        chosen = [("only", {"id": store.ids[0], "rank": None})]
    for name, row in chosen:
        pictures["examples"].append({"name": name, **row, **_example(store, system, row["id"], plan=plan, view=view)})
    return pictures


@dataclass(frozen=True)
class View:
    """Seen from the front: which coordinates go right and up in a picture.

    Attributes:
        across: the coordinate that a person's left and right differ in.
        sign: 1 if it grows towards the person's left, which is the right of the picture.
        up: the coordinate of the height.
    """

    across: int
    sign: int
    up: int

    @classmethod
    def of(cls, pose_cm: np.ndarray, plan: Plan) -> "View":
        """For people who stand as in a pose (J, 3)."""
        spread = np.zeros(3)
        for place, joint in enumerate(plan.joints):
            other = joint.replace("Left", "Right")
            if joint.startswith("Left") and other in plan.joints:
                spread += pose_cm[place] - pose_cm[plan.joints.index(other)]
        across = max((axis for axis in range(3) if axis != plan.up_axis), key=lambda axis: abs(spread[axis]))
        return cls(across, 1 if spread[across] >= 0 else -1, plan.up_axis)

    def points(self, positions_cm: np.ndarray) -> np.ndarray:
        """(..., J, 3) -> (..., J, 2)."""
        return np.stack([self.sign * positions_cm[..., self.across], positions_cm[..., self.up]], axis=-1)


def mean_local_pose(store: Store) -> np.ndarray | None:
    """Mean real pose in the frame of the hips, (J, 3) cm."""
    total, count = 0.0, 0
    for take in store.references():
        if take.has_body:
            total, count = total + take.local_cm.sum(axis=0, dtype=np.float64), count + len(take.local_cm)
    return total / count if count else None


def _example(store: Store, system: str, key: str, *, plan: Plan, view: View | None) -> dict[str, Any]:
    """Curves and poses of one recording, generated and real."""
    takes = {"generated": store.take(key, system), "reference": store.take(key, REFERENCE)}
    example: dict[str, Any] = {"fps": plan.fps, "onsets_s": [], "poses": None, "wrist_speed": None, "jaw": None}
    sound = store.sound(key)
    if sound.onsets_s:
        example["onsets_s"] = _rounded(sound.onsets_s.get("beat_align", np.zeros(0)), 2)
    if view is not None and all(take.has_body for take in takes.values()):
        num_frames = min(len(take.local_cm) for take in takes.values())
        wrists = [plan.joints.index(joint) for joint in WRISTS if joint in plan.joints]
        if wrists:
            speeds = {side: _wrist_speed(take, wrists, plan.fps) for side, take in takes.items()}
            example["wrist_speed"] = {side: _curve(values, plan.fps) for side, values in speeds.items()}
        frames = np.linspace(0, num_frames - 1, min(NUM_POSES, num_frames) + 1)[1:].round().astype(int)
        example["poses"] = {
            "time_s": _rounded(frames / plan.fps, 2),
            **{side: _rounded(view.points(take.local_cm[frames])) for side, take in takes.items()},
        }
    if all(take.has_face for take in takes.values()):
        jaw = ARKIT_51.index("jawOpen")
        example["jaw"] = {side: _curve(take.face[:, jaw], plan.fps) for side, take in takes.items()}
    return example


def _wrist_speed(take: Take, wrists: list[int], fps: float) -> np.ndarray:
    return derivative(take.local_cm[:, wrists], fps, 1).mean(axis=1)


def _curve(values: np.ndarray, fps: float) -> dict[str, list[float]]:
    """Seconds and values; of a long curve the mean of neighbours, so that it stays a picture."""
    step = max(len(values) // MAX_POINTS, 1)
    means = [float(values[start : start + step].mean()) for start in range(0, len(values), step)]
    return {"time_s": _rounded(np.arange(len(means)) * step / fps, 2), "value": _rounded(np.array(means), 3)}


def _rounded(values: np.ndarray, digits: int = 1) -> list:
    return np.asarray(values, dtype=np.float64).round(digits).tolist()
