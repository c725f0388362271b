"""Metric objects -> the results of an evaluation: values with intervals, controls, flags, and why something is missing.

Shapes: J joints.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emage import __version__
from emage.errors import InputError
from emage.evaluation.controls import GROUND_TRUTH, IMPOSTORS
from emage.evaluation.joint_motion import JointMotion
from emage.evaluation.measures import MEASURES, Measure, badness
from emage.evaluation.pictures import make_pictures
from emage.evaluation.ranking import per_recording
from emage.evaluation.store import Store
from emage.evaluation.systems import BEAT_VARIANTS, Plan, SystemScores
from emage.metrics import Multimodality
from emage.metrics.confidence import Interval, intervals, paired_differences

AS_GOOD = 0.01  # relative: a control that is so close does as well as the system
ROUNDING = 1e-9  # of a value
CHANCES = ("chance_random", "chance_shifted")


@dataclass
class Scored:
    """All metric objects of an evaluation.

    Attributes:
        plan: what was taken.
        seeds: of the system that is judged, one or one a seed.
        compare: the same of other systems.
        controls: by name.
        multimodality: None with one seed.
        motion: how fast each joint moves.
    """

    plan: Plan
    seeds: list[SystemScores]
    compare: dict[str, list[SystemScores]] = field(default_factory=dict)
    controls: dict[str, SystemScores] = field(default_factory=dict)
    multimodality: Multimodality | None = None
    motion: JointMotion | None = None


def make_results(
    scored: Scored, store: Store, system: str, *, options: Any, facts: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results (for metrics.json) and what report.html draws.

    Args:
        scored: the metric objects.
        store: the recordings.
        system: name in the store of the system (its first seed).
        options: `scoring.Options`.
        facts: further entries of the results.
    """
    tables = _Tables(scored, options)
    measures = {measure.key: tables.row(measure) for measure in MEASURES}
    reasons = {key: row["reason"] for key, row in measures.items() if row["value"] is None}
    details, not_scored = _details(scored, options.seed)
    results = {
        "version": __version__,
        **{name: value for name, value in facts.items() if name != "not_scored"},
        "fps": scored.plan.fps,
        "sample_rate": scored.plan.sample_rate,
        "seed": options.seed,
        "num_seeds": len(scored.seeds),
        "measures": measures,
        "flagged": [key for key, row in measures.items() if row["flags"]],
        "reasons": reasons,
        **details,
        "joints": list(scored.plan.joints),
        "per_recording": per_recording(scored.seeds[0], store),
        "per_joint": _per_joint(scored),
        "not_scored": [*facts.get("not_scored", []), *not_scored],
    }
    pictures = make_pictures(scored.seeds[0], store, system, scored.plan, results, scored.controls.get(GROUND_TRUTH))
    return results, pictures


class _Tables:
    """Scores of every metric of every system, computed once each."""

    def __init__(self, scored: Scored, options: Any) -> None:
        self._scored, self._options = scored, options
        self._own: dict[str, dict[str, Interval]] = {}
        self._control: dict[tuple[str, str], dict[str, Any]] = {}
        self._difference: dict[tuple[str, str], dict[str, Interval] | str] = {}

    def row(self, measure: Measure) -> dict[str, Any]:
        """One entry of `measures`."""
        own = self._system(measure)
        value = None if own is None else own.value
        row: dict[str, Any] = {
            "label": measure.label,
            "group": measure.group,
            "unit": measure.unit,
            "better": measure.better,
            "value": value,
            "low": None if own is None else own.low,
            "high": None if own is None else own.high,
            "standard_error": None if own is None else own.standard_error,
            "seed_std": None if own is None else own.seed_std,
            "num_recordings": 0 if own is None else own.num_recordings,
            "reason": self._reason(measure, own),
        }
        controls = {name: self._of_control(name, measure) for name in self._scored.controls}
        row["ground_truth"] = controls.pop(GROUND_TRUTH, None)
        row["controls"] = controls
        if measure.metric in BEAT_VARIANTS and own is not None:
            row["chance"] = {name: self._interval(measure.metric)[name].value for name in CHANCES}
        row["flags"] = self._flags(measure, value, row["ground_truth"], controls)
        row["compare"] = {name: self._comparison(name, measure) for name in self._scored.compare}
        return row

    def _system(self, measure: Measure) -> Interval | None:
        if measure.metric == "multimodality":
            many = self._scored.multimodality
            return None if many is None else intervals(many, seed=self._options.seed)[measure.score]
        if measure.metric not in self._scored.seeds[0].metrics:
            return None
        return self._interval(measure.metric)[measure.score]

    def _interval(self, metric: str) -> dict[str, Interval]:
        if metric not in self._own:
            self._own[metric] = self._intervals([scores.metrics[metric] for scores in self._scored.seeds])
        return self._own[metric]

    def _intervals(self, metrics: list[Any]) -> dict[str, Interval]:
        if self._options.intervals:
            return intervals(metrics, seed=self._options.seed)
        return {name: _without_interval(metrics, name) for name in metrics[0].score_names}

    def _of_control(self, name: str, measure: Measure) -> float | None:
        metric = self._scored.controls[name].metrics.get(measure.metric)
        if metric is None or not metric.recording_ids:
            return None
        if (name, measure.metric) not in self._control:
            self._control[name, measure.metric] = metric.compute()
        return self._control[name, measure.metric][measure.score]

    def _reason(self, measure: Measure, own: Interval | None) -> str:
        reasons = self._scored.plan.reasons
        if measure.metric == "multimodality" and own is None:
            return "one seed: give several folders with the same recordings"
        if own is None:
            return reasons.get(measure.metric, "not taken")
        if own.value is None and measure.score.startswith("lip_closure"):
            return "no phones are known (--textgrid)"
        if own.value is None and measure.metric == "pairwise_diversity":
            return "it needs two recordings that are as long as a window"
        return own.reason

    def _flags(
        self, measure: Measure, value: float | None, real: float | None, controls: dict[str, float | None]
    ) -> list[dict[str, str]]:
        """Controls that do as well as the system: such a number says nothing about the system."""
        own, flags = badness(measure, value, real), []
        if own is None:
            return flags
        # A control that is only rounded otherwise (the same frames, added up in another order) does as well, on any machine.
        slack = AS_GOOD * abs(own) + ROUNDING * max(abs(value), abs(real or 0.0))
        for name in IMPOSTORS:
            control = badness(measure, controls.get(name), real)
            if control is None:
                continue
            if control <= own + slack:
                flags.append({"control": name, "how": "does as well" if control >= own - slack else "does better"})
            elif self._not_told_apart(name, measure):
                flags.append({"control": name, "how": "cannot be told apart"})
        return flags

    def _not_told_apart(self, control: str, measure: Measure) -> bool:
        if not self._options.intervals:
            return False
        difference = self._differences(control, measure, [self._scored.controls[control]])
        return difference is not None and difference.excludes_zero is False

    def _comparison(self, name: str, measure: Measure) -> dict[str, Any]:
        """Another system's value and the system's own minus it, on the same recordings."""
        others = self._scored.compare[name]
        if measure.metric not in others[0].metrics:
            return {"value": None, "difference": None, "low": None, "high": None, "told_apart": None}
        metrics = [scores.metrics[measure.metric] for scores in others]
        values = [metric.compute()[measure.score] for metric in metrics]
        value = None if None in values else float(np.mean(values))
        paired = self._differences(name, measure, others) if self._options.intervals else None
        return {
            "value": value,
            "difference": None if paired is None else paired.value,
            "low": None if paired is None else paired.low,
            "high": None if paired is None else paired.high,
            "told_apart": None if paired is None else paired.excludes_zero,
        }

    def _differences(self, name: str, measure: Measure, others: list[SystemScores]) -> Interval | None:
        key = (name, measure.metric)
        if key not in self._difference:
            own = [scores.metrics[measure.metric] for scores in self._scored.seeds]
            try:
                other = [scores.metrics[measure.metric] for scores in others]
                self._difference[key] = paired_differences(own, other, seed=self._options.seed)
            except InputError as error:  # a control that lacks a recording, e.g. no other one has a face
                self._difference[key] = str(error)
        found = self._difference[key]
        return None if isinstance(found, str) else found[measure.score]


def _without_interval(metrics: list[Any], name: str) -> Interval:
    values = [metric.compute()[name] for metric in metrics]
    known = None not in values
    spread = float(np.std(values, ddof=1)) if known and len(values) > 1 else None
    return Interval(
        value=float(np.mean(values)) if known else None,
        low=None,
        high=None,
        standard_error=None,
        bias=None,
        seed_std=spread,
        num_recordings=int(metrics[0].scored()[name].sum()) if metrics[0].recording_ids else 0,
        num_seeds=len(metrics),
        num_draws=0,
        level=0.0,
        reason="" if known else "nothing could be scored",
    )


def _details(scored: Scored, seed: int) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What each metric says of itself: counts, variants, what FGD was measured with, its split-half floor."""
    own, plan, rows = scored.seeds[0].metrics, scored.plan, []
    details: dict[str, Any] = {"details": {name: metric.compute() for name, metric in own.items()}}
    if plan.network is not None and "fgd_network" in own:
        details["details"]["fgd_network"]["network"] = plan.network.describe()
    for name, space in plan.spaces.items():
        details["details"][name]["space"] = space.describe()
    floors = {name: own[name].split_half(seed=seed) for name in ("fgd_network", *plan.spaces) if name in own}
    if any(floor["split_half_mean"] is None for floor in floors.values()):
        rows.append({"id": "all", "metric": "split_half_floor", "reason": "it needs windows in at least 2 recordings"})
    details["split_half"] = floors
    if GROUND_TRUTH in scored.controls:
        real = scored.controls[GROUND_TRUTH].metrics
        details["ground_truth"] = {name: real[name].compute() for name in BEAT_VARIANTS if name in real}
    return details, rows


def _per_joint(scored: Scored) -> dict[str, dict[str, float]]:
    """Joint -> mean speed, acceleration and jerk of both sides."""
    if scored.motion is None or scored.motion.means("generated", "speed") is None:
        return {}
    table: dict[str, dict[str, float]] = {joint: {} for joint in scored.plan.joints}
    for side in ("generated", "reference"):
        for name in ("speed", "acceleration", "jerk"):
            means = scored.motion.means(side, name)
            for joint, value in zip(scored.plan.joints, means if means is not None else (), strict=False):
                table[joint][f"{name}_{side}"] = float(value)
    return table
