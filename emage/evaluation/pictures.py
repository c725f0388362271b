"""What a report draws: histograms, and the best and worst recording as curves and stick figures.

Shapes: T frames, J joints.
"""

from typing import Any

import numpy as np

from emage.evaluation.ranking import rank_recordings
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
    """Plain values for `emage.viewer.report`."""
    pictures: dict[str, Any] = {"histograms": {}, "examples": [], "ranking": [], "skeleton": None}
    if "kinematics" in scores.metrics:
        pictures["histograms"] = scores.metrics["kinematics"].histograms()
    pictures["skeleton"] = _skeleton(store, plan)
    ranking = rank_recordings(results["per_recording"], real, store)
    pictures["ranking"] = ranking
    chosen = [("best", ranking[0]), ("worst", ranking[-1])] if len(ranking) > 1 else []
    if not chosen and store.ids:
        chosen = [("only", {"id": store.ids[0], "rank": None})]
    for name, row in chosen:
        pictures["examples"].append({"name": name, **row, **_example(store, system, row["id"], plan)})
    return pictures


def _skeleton(store: Store, plan: Plan) -> dict[str, Any] | None:
    """Mean real pose in the frame of the hips and the bones between the scored joints."""
    total, count = 0.0, 0
    for take in store.references():
        if take.has_body:
            total, count = total + take.local_cm.sum(axis=0, dtype=np.float64), count + len(take.local_cm)
    return {"positions_cm": _rounded(total / count), "parents": list(plan.parents)} if count else None


def _example(store: Store, system: str, key: str, plan: Plan) -> dict[str, Any]:
    """Curves and poses of one recording, generated and real."""
    takes = {"generated": store.take(key, system), "reference": store.take(key, REFERENCE)}
    example: dict[str, Any] = {"fps": plan.fps, "onsets_s": [], "poses": None, "wrist_speed": None, "jaw": None}
    sound = store.sound(key)
    if sound.onsets_s:
        example["onsets_s"] = _rounded(sound.onsets_s.get("beat_align", np.zeros(0)), 2)
    if all(take.has_body for take in takes.values()):
        num_frames = min(len(take.local_cm) for take in takes.values())
        wrists = [plan.joints.index(joint) for joint in WRISTS if joint in plan.joints]
        if wrists:
            speeds = {side: _wrist_speed(take, wrists, plan.fps) for side, take in takes.items()}
            example["wrist_speed"] = {side: _curve(values, plan.fps) for side, values in speeds.items()}
        frames = np.linspace(0, num_frames - 1, min(NUM_POSES, num_frames) + 1)[1:].round().astype(int)
        example["poses"] = {
            "time_s": _rounded(frames / plan.fps, 2),
            **{side: _rounded(take.local_cm[frames]) for side, take in takes.items()},
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
