"""Recordings at one frame rate -> every metric of every system and control.

Shapes: T frames, J joints.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emage.config_checks import check_seed
from emage.errors import InputError
from emage.evaluation.controls import Controls
from emage.evaluation.joint_motion import JointMotion
from emage.evaluation.results import Scored, make_results
from emage.evaluation.store import REFERENCE, Store
from emage.evaluation.systems import Plan, SystemScores, missing_inputs
from emage.evaluation.take import STRIDE_FRAMES, WINDOW_FRAMES
from emage.evaluation.write import write_evaluation
from emage.metrics import Multimodality
from emage.metrics.beat_published import emage2024_joints, joint_speed
from emage.metrics.fgd_windows import principal_windows

logger = logging.getLogger(__name__)
ALL = "all"  # as the id of a row of `not_scored`: it concerns every recording
SPACES = {"fgd_rot6d": "window_rot6d", "fgd_raw": "window_cm"}


@dataclass(frozen=True)
class Options:
    """How an evaluation is made.

    Attributes:
        sample_rate: that audio is brought to.
        seed: of chance levels, split halves, draws and shuffles.
        intervals: bootstrap intervals and paired differences; without them a report takes a fraction of the time.
        controls: the four controls of `controls`.
        progress: shows a bar.
    """

    sample_rate: int = 16000
    seed: int = 0
    intervals: bool = True
    controls: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_seed("seed", self.seed))  # as int


@dataclass
class Evaluation:
    """What was found.

    Attributes:
        results: plain values for json; see docs/metrics.md.
        pictures: what report.html draws beside them, plain values too.
    """

    results: dict[str, Any]
    pictures: dict[str, Any] = field(default_factory=dict)

    @property
    def all_used(self) -> bool:
        """Whether nothing of any recording was left out."""
        return not self.left_out

    @property
    def left_out(self) -> list[dict[str, str]]:
        """Rows (id, metric, reason) about single recordings; what concerns all of them is no fault of a file."""
        return [row for row in self.results["not_scored"] if row["id"] != ALL]

    def write(self, folder: str | Path) -> list[Path]:
        """Writes metrics.json, metrics.csv and report.html into a folder, and returns the three."""
        return write_evaluation(self.results, self.pictures, Path(folder))


class UnscorableRecording(Exception):
    """A metric refused a recording, or failed on it.

    Attributes:
        recording_id: which one.
        error: what was raised.
    """

    def __init__(self, recording_id: str, error: Exception) -> None:
        super().__init__(f"{recording_id}: {error}")
        self.recording_id, self.error = recording_id, error


@dataclass
class Systems:
    """Who is judged: names in the store.

    Attributes:
        generated: one name, or one a seed.
        compare: name of another system -> its names in the store, one or one a seed.
    """

    generated: list[str]
    compare: dict[str, list[str]] = field(default_factory=dict)


def score_store(store: Store, plan: Plan, systems: Systems, options: Options, *, facts: dict[str, Any]) -> Evaluation:
    """Scores all recordings of a store.

    Args:
        store: the recordings.
        plan: what they are measured with; it is completed here.
        systems: who is judged.
        options: how.
        facts: further entries of the results; `not_scored` and `notices` are added to.

    Raises:
        InputError: there is no recording.
        UnscorableRecording: one of them cannot be scored; the others can be, without it.
    """
    if not store.ids:
        raise InputError("evaluation: there is no recording to score")
    complete_plan(plan, store)
    seeds = [SystemScores(plan) for _ in systems.generated]
    others = {name: [SystemScores(plan) for _ in names] for name, names in systems.compare.items()}
    controls = Controls(store, plan, options.seed, impostors=options.controls)
    motion, many = JointMotion(plan.fps), Multimodality() if len(seeds) > 1 else None
    for key in tqdm(store.ids, "scoring", unit="recording", disable=None if options.progress else True):
        try:
            reference, sound, borders = store.take(key, REFERENCE), store.sound(key), store.border_frames(key)
            real = plan.real_windows(reference) if reference.has_body else {}
            listed = [(systems.generated, seeds), *((systems.compare[name], others[name]) for name in others)]
            for names, scores in listed:
                for name, score in zip(names, scores, strict=True):
                    score.update(key, store.take(key, name), reference, sound, border_frames=borders, real_windows=real)
            takes = [store.take(key, name) for name in systems.generated]
            if takes[0].has_body and reference.has_body:
                motion.update(takes[0].positions_cm, reference.positions_cm)
            if many is not None and all(take.has_body for take in takes):
                num_frames = min(len(take.window_cm) for take in takes)
                many.update(np.stack([take.window_cm[:num_frames] for take in takes]), recording_id=key)
            controls.update(key, systems.generated[0], real, alone=facts.get("shifted_sound", {}).get(key))
        except Exception as error:
            raise UnscorableRecording(key, error) from error
    scored = Scored(
        plan=plan,
        seeds=seeds,
        compare=others,
        controls=controls.scores,
        multimodality=many,
        motion=motion,
    )
    facts = {name: value for name, value in facts.items() if name != "shifted_sound"}
    results, pictures = make_results(scored, store, systems.generated[0], options=options, facts=facts)
    return Evaluation(results, pictures)


def complete_plan(plan: Plan, store: Store) -> None:
    """Finds the spaces of FGD without a network and the mean speeds, and notes which metrics cannot be taken."""
    has = {key: store.has(key) for key in store.ids}
    sounds = [store.sound(key) for key in store.ids]
    plan.reasons |= missing_inputs(has, sounds, any(store.border_frames(key) for key in store.ids))
    plan.check_joints()
    for name, array in SPACES.items():
        if name in plan.reasons:
            continue
        try:
            takes = (take for take in store.references() if take.has_body)
            plan.spaces[name] = principal_windows(
                (getattr(take, array) for take in takes), window_frames=WINDOW_FRAMES, stride_frames=STRIDE_FRAMES
            )
        except InputError as error:
            plan.reasons[name] = str(error).removeprefix("fgd: ")
    plan.mean_speed = _mean_speed(store, plan.fps)
    if plan.mean_speed is None:
        plan.reasons.setdefault("beat_align_emage2024", "it divides by mean speeds, and no recording has two frames")
    elif "beat_align_emage2024" not in plan.reasons:
        plan.reasons |= _still_joints(plan)


def _mean_speed(store: Store, fps: float) -> np.ndarray | None:
    """Mean speed of each joint over all real frames, (J,) cm/s."""
    total, count = 0.0, 0
    for take in store.references():
        if take.has_body and len(take.positions_cm) > 1:
            total = total + joint_speed(take.positions_cm.astype(np.float64), fps).sum(axis=0)
            count += len(take.positions_cm)
    return total / count if count else None


def _still_joints(plan: Plan) -> dict[str, str]:
    places = emage2024_joints(plan.joints, len(plan.joints))
    still = [plan.joints[place] for place in places if not plan.mean_speed[place] > 0]
    plan.mean_speed = np.maximum(plan.mean_speed, np.finfo(np.float32).tiny)  # of joints that it does not listen to
    if not still:
        return {}
    return {
        "beat_align_emage2024": f"it divides by mean speeds, and {', '.join(still[:3])} of the reference never move"
    }
