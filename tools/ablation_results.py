"""The files of a finished ablation -> one dict for docs/results/synthetic.json, with a verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation_budget import unevenness
from ablation_plan import CAMN, ITERATIVE, MASKED, MEAN_POSE, ONE_PASS, Plan
from ablation_steps import Done

from emage.checkpoint import read_json, weights_hash
from emage.config import config_to_dict, load_config

MEASURES = {
    "fgd_network": "FGD",
    "beat_align": "BC",
    "beat_align_excess": "BC over chance",
    "l1_diversity": "L1 diversity, cm",
    "face_mae_all": "face MAE",
    "jaw_open_correlation": "jawOpen correlation",
}
VALUES = ("value", "low", "high", "seed_std", "ground_truth", "reason")
EVEN = 0.1  # training seconds that differ by less, as a share, are called equal


def collect(
    plan: Plan,
    trained: Mapping[str, Done],
    *,
    checkpoints: Mapping[str, Mapping[int, Path]],
    budget: dict[str, Any],
) -> dict[str, Any]:
    """Everything that the page shows, as plain values.

    Args:
        plan: of the ablation.
        trained: name of a training's step -> what it took.
        checkpoints: system -> seed -> folder of its training.
        budget: seconds, steps, rate.
    """
    systems: dict[str, Any] = {}
    for system in (MEAN_POSE, CAMN, ONE_PASS, ITERATIVE):
        report = read_json(plan.scores_folder(system) / "metrics.json")
        systems[system] = {
            "measures": {key: {name: report["measures"][key][name] for name in VALUES} for key in MEASURES},
            "difference_to_camn": _differences(report),
            "seeds": [
                seed_row(plan, system, seed, folder, trained, rate=budget["rate"])
                for seed, folder in checkpoints.get(system, {}).items()
            ],
        }
    report = read_json(plan.scores_folder(ITERATIVE) / "metrics.json")
    network = report["details"]["fgd_network"]["network"]
    results = {
        "config": str(plan.config),
        "overrides": list(plan.overrides),
        "seeds": list(plan.seeds),
        "budget": budget,
        "counts": report["counts"],
        "fgd_network": {name: network[name] for name in ("weights_sha256", "steps", "layout", "features", "fps")},
        "floor": report["split_half"]["fgd_network"],
        "real": {key: report["measures"][key]["ground_truth"] for key in MEASURES},
        "mismatched_audio": {key: report["measures"][key]["controls"]["mismatched_audio"] for key in MEASURES},
        "systems": systems,
        "causes": {
            system: [read_json(plan.causes_file(system, seed)) for seed in plan.seeds] for system in (CAMN, ITERATIVE)
        },
    }
    return {**results, "verdict": verdict(results)}


def seed_row(
    plan: Plan, system: str, seed: int, folder: Path, trained: Mapping[str, Done], *, rate: float
) -> dict[str, Any]:
    """One training of one system: how it was made and what test.py says of it."""
    done = trained[f"CaMN seed {seed} rate {rate:g}" if system == CAMN else f"{MASKED} seed {seed}"]
    tested = read_json(plan.made(system, seed) / "metrics.json")
    info = read_json(folder / "best" / "info.json")
    return {
        "seed": seed,
        **{key: tested["measures"][key]["value"] for key in MEASURES},
        "training_cpu_s": done.cpu_s,
        "training_wall_s": done.wall_s,
        "was_killed": done.was_killed,
        "generation_s": tested["seconds"]["generation"],
        "device": tested["seconds"]["device"],
        "steps": read_json(folder / "last" / "info.json")["steps"],
        "best_step": info["best_step"],
        "best_val_loss": info["best_val_loss"],
        "parameters": info["parameters"],
        "weights_sha256": weights_hash(folder / "best"),
        "commit": done.commit,
        "test_commit": trained[f"test of {system} seed {seed}"].commit,
        "generation": tested["config"]["generation"],
        "command": done.command,
        "config": config_to_dict(load_config(folder / "best" / "config.yaml")),
    }


def _differences(report: dict[str, Any]) -> dict[str, Any]:
    """Of the system minus CaMN on the same recordings; empty for CaMN itself."""
    found = {}
    for key in MEASURES:
        for row in report["measures"][key]["compare"].values():
            found[key] = {name: row[name] for name in ("difference", "low", "high", "told_apart")}
    return found


def verdict(results: dict[str, Any]) -> dict[str, Any]:
    """What the numbers say of the two systems; None where a number is missing.

    Returns:
        `fgd_below_without_overlap`: the interval of the iterative transformer's FGD ends below where CaMN's begins, and every
        seed of the one lies below every seed of the other. `training_unevenness`: seconds of the transformer with its
        tokenizers over CaMN's, less 1.
    """
    ours, theirs = (results["systems"][name] for name in (ITERATIVE, CAMN))
    high, low = ours["measures"]["fgd_network"]["high"], theirs["measures"]["fgd_network"]["low"]
    fgd = {
        name: [row["fgd_network"] for row in results["systems"][name]["seeds"]] for name in (ITERATIVE, ONE_PASS, CAMN)
    }
    apart = None if high is None or low is None else bool(high < low)
    every_seed = max(fgd[ITERATIVE]) < min(fgd[CAMN])
    seconds = {name: mean([row["training_cpu_s"] for row in results["systems"][name]["seeds"]]) for name in fgd}
    uneven = unevenness(results["budget"]["tokenizers_s"] + seconds[ITERATIVE], seconds[CAMN])
    return {
        "fgd_below_without_overlap": None if apart is None else apart and every_seed,
        "every_seed_below_every_seed": every_seed,
        "iterative_below_one_pass": mean(fgd[ITERATIVE]) < mean(fgd[ONE_PASS]),
        "training_unevenness": uneven,
        "training_is_even": abs(uneven) <= EVEN,
    }


def mean(values: list[float]) -> float:
    """Of at least one."""
    return sum(values) / len(values)
