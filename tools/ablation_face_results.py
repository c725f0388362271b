"""The files of a finished ablation of the face -> one dict for docs/results/face.json, with a verdict."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation_face_plan import ARMS, EMOCA, PRETRAINED, PRETRAINING, TARGET, FacePlan
from ablation_machine import training_seconds
from ablation_results import EVEN, VALUES, mean
from ablation_steps import Done

from dataloaders.face_corpus import FaceCorpus
from emage.checkpoint import read_json, weights_hash
from emage.config import config_to_dict, load_config

# Measure -> name for people, and whether more is better. The first three decide.
MEASURES = {
    "face_mae_mouth": ("lip-channel MAE", False),
    "jaw_open_correlation": ("jawOpen correlation", True),
    "lip_closure_f1": ("lip closure F1", True),
    "face_mae_all": ("MAE of all channels", False),
}
DECIDING = tuple(MEASURES)[:3]
LAST_STEPS = 20  # whose mean is the training loss at the end


def collect(plan: FacePlan, took: Mapping[str, Done], budget: dict[str, Any]) -> dict[str, Any]:
    """Everything that the page shows, as plain values.

    Args:
        plan: of the ablation.
        took: name of a training's step -> what it took.
        budget: seconds and steps.
    """
    shares = [
        {
            "share": share,
            **target_size(plan, share),
            "arms": {arm: _arm(plan, arm, share, took) for arm in ARMS},
        }
        for share in plan.shares
    ]
    report = read_json(plan.scores_folder(TARGET, plan.shares[0]) / "metrics.json")
    results = {
        "config": str(plan.config),
        "overrides": list(plan.overrides),
        "seeds": list(plan.seeds),
        "budget": budget,
        "counts": report["counts"],
        "real": {key: report["measures"][key]["ground_truth"] for key in MEASURES},
        "mean_face": {key: report["measures"][key]["controls"]["mean_pose"] for key in MEASURES},
        "corpora": flame_sizes(plan),
        "shares": shares,
    }
    return {**results, "verdict": verdict(results)}


def target_size(plan: FacePlan, share: float) -> dict[str, Any]:
    """How much of the target a share is, and how often each arm draws from it."""
    drawn = {}
    for arm in ARMS:
        config = load_config(plan.beside(arm), [*plan.overrides, f"mixture.train_share={share:g}"])
        corpus = FaceCorpus.open(config)
        drawn[arm] = corpus.shares()[0].item()
    own = corpus.members[0]  # the same in every arm
    frames = sum(own.cache.num_frames(entry.recording_id) for entry in own.entries["train"])
    counts = {split: len(own.entries[split]) for split in ("train", "val", "test")}
    return {"recordings": counts, "train_minutes": frames / own.cache.fps / 60, "target_windows_share": drawn}


def flame_sizes(plan: FacePlan) -> dict[str, Any]:
    """Name -> recordings and minutes of the FLAME corpora's train splits, as the pretraining has them."""
    found = {}
    for member in FaceCorpus.open(plan.load(PRETRAINING)).members:
        ids = [entry.recording_id for entry in member.entries["train"]]
        minutes = sum(map(member.cache.num_frames, ids)) / member.cache.fps / 60
        speakers = {member.cache.known[key].speaker for key in ids}
        found[member.name] = {"recordings": len(ids), "minutes": minutes, "speakers": len(speakers)}
    return found


def _arm(plan: FacePlan, arm: str, share: float, took: Mapping[str, Done]) -> dict[str, Any]:
    report = read_json(plan.scores_folder(arm, share) / "metrics.json")
    return {
        "measures": {key: {name: report["measures"][key][name] for name in VALUES} for key in MEASURES},
        "difference_to_target": {
            key: {name: row[name] for name in ("difference", "low", "high", "told_apart")}
            for key in MEASURES
            for row in report["measures"][key]["compare"].values()
        },
        "seeds": [seed_row(plan, arm, share, seed=seed, took=took) for seed in plan.seeds],
    }


def seed_row(plan: FacePlan, arm: str, share: float, *, seed: int, took: Mapping[str, Done]) -> dict[str, Any]:
    """One training: how it was made and how it is judged."""
    steps = [took[plan.name(arm, share, seed)]]
    if arm == PRETRAINED:
        steps.insert(0, took[plan.pretrain(seed, 1).name])
    folder = plan.trained(arm, share, seed)
    scored = read_json(plan.scores_folder(arm, share) / f"seed_{seed}" / "metrics.json")
    info = read_json(folder / "best" / "info.json")
    validation = read_rows(folder / "validation.jsonl")
    losses = [row["loss"] for row in read_rows(folder / "losses.jsonl")[-LAST_STEPS:]]
    return {
        "seed": seed,
        **{key: scored["measures"][key]["value"] for key in MEASURES},
        "training_cpu_s": sum(training_seconds(done) for done in steps),
        "training_wall_s": sum(done.wall_s for done in steps),
        "was_killed": any(done.was_killed for done in steps),
        "steps": read_json(folder / "last" / "info.json")["steps"],
        "best_step": info["best_step"],
        "best_val_loss": info["best_val_loss"],
        "last_val_loss": validation[-1]["loss"],
        "last_train_loss": mean(losses),  # of every corpus of the mixture
        "parameters": info["parameters"],
        "weights_sha256": weights_hash(folder / "best"),
        "commit": steps[-1].commit,
        "commands": [done.command for done in steps],
        "config": config_to_dict(load_config(folder / "best" / "config.yaml")),
    }


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a jsonl file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def verdict(results: dict[str, Any]) -> dict[str, Any]:
    """What the numbers say of every arm against the target alone.

    Returns:
        `arms`: a row for each share and arm but the target: `without_overlap` (measure -> the intervals do not meet, and every
        seed is better than every seed of the target alone; None where an interval is missing), `told_apart` (measure -> "better",
        "worse" or "": by the paired difference). `few_recordings_help`: at the smallest share, + EMOCA or the pretrained arm
        beats the target alone without overlap in every deciding measure. `training_is_even`: every arm's mean seconds lie
        within EVEN of the target's.
    """
    rows = []
    for entry in results["shares"]:
        target = entry["arms"][TARGET]
        for arm, found in entry["arms"].items():
            if arm != TARGET:
                compared = {key: (without_overlap(found, target, key), told_apart(found, key)) for key in MEASURES}
                rows.append(
                    {
                        "share": entry["share"],
                        "arm": arm,
                        "without_overlap": {key: pair[0] for key, pair in compared.items()},
                        "told_apart": {key: pair[1] for key, pair in compared.items()},
                    }
                )
    smallest = min(entry["share"] for entry in results["shares"])
    candidates = [row for row in rows if row["share"] == smallest and row["arm"] in (EMOCA, PRETRAINED)]
    clear = [row["arm"] for row in candidates if all(row["without_overlap"][key] for key in DECIDING)]
    uneven = {
        f"{arm} {100 * entry['share']:g} %": _seconds(found) / _seconds(entry["arms"][TARGET]) - 1
        for entry in results["shares"]
        for arm, found in entry["arms"].items()
        if arm != TARGET
    }
    return {
        "arms": rows,
        "few_recordings_help": bool(clear),
        "clear_arms": clear,
        "training_unevenness": uneven,
        "training_is_even": max(map(abs, uneven.values())) <= EVEN,
    }


def without_overlap(ours: dict[str, Any], theirs: dict[str, Any], key: str) -> bool | None:
    """Whether an arm is better than another with room between their intervals and between all of their seeds."""
    sign = 1 if MEASURES[key][1] else -1
    a, b = ours["measures"][key], theirs["measures"][key]
    if None in (a["low"], a["high"], b["low"], b["high"]):
        return None
    worst, best = min(sign * a["low"], sign * a["high"]), max(sign * b["low"], sign * b["high"])
    seeds = [[sign * row[key] for row in arm["seeds"]] for arm in (ours, theirs)]
    return bool(worst > best and min(seeds[0]) > max(seeds[1]))


def told_apart(arm: dict[str, Any], key: str) -> str:
    """ "better" or "worse" than the target alone on the same recordings; "" where it cannot be told."""
    row = arm["difference_to_target"].get(key)
    if row is None or not row["told_apart"]:
        return ""
    return "better" if (row["difference"] > 0) == MEASURES[key][1] else "worse"


def _seconds(arm: dict[str, Any]) -> float:
    return mean([row["training_cpu_s"] for row in arm["seeds"]])
