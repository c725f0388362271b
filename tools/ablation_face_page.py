"""The page of an ablation of the face: what FLAME corpora add, how fairly that was measured, and where they add nothing."""

from typing import Any

from ablation_budget import NUM_VALIDATIONS
from ablation_face_plan import EMOCA, PRETRAINED, SINGINGHEAD, TARGET
from ablation_face_results import DECIDING, MEASURES
from ablation_results import mean
from ablation_table import DASH, difference, number, table, with_interval

NAMES = {
    TARGET: "target only",
    EMOCA: "+ EMOCA set",
    SINGINGHEAD: "+ SingingHead set",
    PRETRAINED: "FLAME pretraining, then target",
}
DIGITS = {"face_mae_mouth": 4, "face_mae_all": 4}
KNOWN_BY_HEART = (
    1.25  # times the training loss: a validation loss above it says that too few recordings are what limits
)


def results_page(results: dict[str, Any]) -> str:
    """The whole page in Markdown."""
    parts = [
        _head(results),
        _fairness(results),
        _scores(results),
        _verdict(results),
        _seeds(results),
        _remarks(results),
    ]
    return "\n\n".join(parts) + "\n"


def _head(results: dict[str, Any]) -> str:
    counts, machine = results["counts"], results["machine"]
    sets = "; ".join(
        f"{name}: {row['recordings']} recordings of {row['speakers']} speakers, {row['minutes']:.0f} min"
        for name, row in results["corpora"].items()
    )
    targets = "; ".join(
        f"{_percent(entry['share'])}: {entry['recordings']['train']} recordings, {entry['train_minutes']:.1f} min"
        for entry in results["shares"]
    )
    return "\n".join(
        [
            "# What faces with FLAME codes add to the face of BEAT: the synthetic corpora",
            "",
            f"Written by `python tools/ablate_face.py -c {results['config']}`; every number, seed by seed with commit, command, config"
            " and seconds, is in [face.json](face.json).",
            "",
            f"- Target: ARKit weights in the BEAT layout, 15 fps. To train on: {targets}. Judged on {counts['recordings']} test recordings,"
            f" {counts['motion_s']:.0f} s.",
            f"- FLAME sets, other people and sentences, with a tracker's noise; to train on: {sets}.",
            f"- {len(results['seeds'])} training seed(s); {machine['device']}, {machine['cores']} cores, torch {machine['torch']}.",
        ]
    )


def _fairness(results: dict[str, Any]) -> str:
    budget, verdict = results["budget"], results["verdict"]
    rows = []
    for entry in results["shares"]:
        for arm, found in entry["arms"].items():
            seeds = found["seeds"]
            rows.append(
                [
                    _percent(entry["share"]),
                    NAMES[arm],
                    str(seeds[0]["steps"]),
                    _percent(entry["target_windows_share"][arm]),
                    number(mean([row["training_cpu_s"] for row in seeds]), 0),
                    ", ".join(str(row["best_step"]) for row in seeds),
                    number(mean([row["last_train_loss"] for row in seeds]), 2) if arm in (TARGET, PRETRAINED) else DASH,
                    number(mean([row["last_val_loss"] for row in seeds]), 2),
                    number(mean([row["best_val_loss"] for row in seeds]), 2),
                ]
            )
    head = ["share", "", "steps", "windows of the target", "training, s", "best steps", "last training loss",
            "last validation loss", "best"]  # fmt: skip
    pretrained = f"of the pretrained arm, {budget['steps']['pretraining']} steps of pretraining"
    even = "" if verdict["training_is_even"] else " That is NOT even; read the rest with care."
    furthest = max(verdict["training_unevenness"].values(), key=abs)
    return "\n".join(
        [
            "## How fair",
            "",
            f"One network ({results['shares'][0]['arms'][TARGET]['seeds'][0]['parameters'] / 1e6:.2f} M parameters), one rate, one loss and"
            f" the same training seconds of one core for every arm, aimed at {budget['seconds']:.0f} s ({pretrained} count); of each"
            f" training the best of {NUM_VALIDATIONS} validations on the target. Arms differ by at most {100 * abs(furthest):.0f} % from"
            f" the target's seconds.{even} The same recordings make a share for all arms and seeds. The validation split"
            f" ({results['shares'][0]['recordings']['val']} recordings) and every choice that was made with it are the same for all.",
            "",
            table(head, rows),
        ]
    )


def _scores(results: dict[str, Any]) -> str:
    lines = [
        "## Numbers",
        "",
        "Mean over the seeds ± their standard deviation, [95 % interval: recordings and seeds drawn again]. MAE (weights): lower is better;"
        " correlation and F1: higher.",
    ]
    head = ["", *(name for name, _ in MEASURES.values())]
    for entry in results["shares"]:
        rows = [
            [NAMES[arm], *(with_interval(found["measures"][key], _digits(key)) for key in MEASURES)]
            for arm, found in entry["arms"].items()
        ]
        rows += [
            [name, *(number(results[row][key], _digits(key)) for key in MEASURES)]
            for name, row in (("mean face", "mean_face"), ("real face", "real"))
        ]
        lines += ["", f"### {_percent(entry['share'])} of the target's recordings", "", table(head, rows)]
    return "\n".join(lines)


def _verdict(results: dict[str, Any]) -> str:
    rows = []
    for row in results["verdict"]["arms"]:
        found = next(entry for entry in results["shares"] if entry["share"] == row["share"])["arms"][row["arm"]]
        clear = [MEASURES[key][0] for key in MEASURES if row["without_overlap"][key]]
        rows.append(
            [
                _percent(row["share"]),
                NAMES[row["arm"]],
                *(difference(found["difference_to_target"].get(key), _digits(key)) for key in MEASURES),
                ", ".join(clear) or "none",
            ]
        )
    return "\n".join(
        [
            "## Less the target only",
            "",
            "On the same recordings (bold: told apart from 0). Without overlap: the intervals above do not meet, and every seed is"
            " better than every seed of the target only.",
            "",
            table(["share", "", *(name for name, _ in MEASURES.values()), "better without overlap in"], rows),
        ]
    )


def _seeds(results: dict[str, Any]) -> str:
    rows = [
        [_percent(entry["share"]), NAMES[arm], str(row["seed"]), *(number(row[key], _digits(key)) for key in MEASURES)]
        for entry in results["shares"]
        for arm, found in entry["arms"].items()
        for row in found["seeds"]
    ]
    return "\n".join(
        ["## Seed by seed", "", table(["share", "", "seed", *(name for name, _ in MEASURES.values())], rows)]
    )


def _remarks(results: dict[str, Any]) -> str:
    return "\n".join(["## What the numbers say", "", *(f"- {line}" for line in remarks(results))])


def remarks(results: dict[str, Any]) -> list[str]:
    """Sentences that follow from the numbers, the unwelcome ones too."""
    verdict = results["verdict"]
    smallest = _percent(min(entry["share"] for entry in results["shares"]))
    names = " and ".join(NAMES[arm] for arm in verdict["clear_arms"])
    measures = ", ".join(MEASURES[key][0] for key in DECIDING)
    found = [
        f"At {smallest} of the recordings the target only is beaten without overlap in every deciding measure ({measures}) by: {names}."
        if verdict["few_recordings_help"]
        else f"At {smallest} of the recordings NEITHER {NAMES[EMOCA]} NOR {NAMES[PRETRAINED]} beats the target only without"
        f" overlap in every deciding measure ({measures})."
    ]
    for entry in results["shares"]:
        found += [_of_share(entry, verdict), _why(entry, verdict)]
    if any(row["was_killed"] for entry in results["shares"] for arm in entry["arms"].values() for row in arm["seeds"]):
        found.append("A training was killed and went on: of its first part the seconds are not counted.")
    found.append(
        "All sets are made by one synthesiser from one table of mouth shapes; voices, sentences, people, codes and frame rate differ, the"
        " relation of sound and mouth does not. So this shows what the road can give, and is no forecast for captured corpora."
    )
    found.append("One choice of recordings makes each share: the seeds say nothing about how much that choice matters.")
    return found


def _of_share(entry: dict[str, Any], verdict: dict[str, Any]) -> str:
    """Where each arm is better, worse, or neither."""
    parts = []
    for row in verdict["arms"]:
        if row["share"] != entry["share"]:
            continue
        sides = {
            side: [MEASURES[key][0] for key in DECIDING if row["told_apart"][key] == told]
            for side, told in (("better in", "better"), ("WORSE in", "worse"), ("not told apart in", ""))
        }
        parts.append(
            f"{NAMES[row['arm']]} is "
            + ", ".join(f"{side} {' and '.join(keys)}" for side, keys in sides.items() if keys)
        )
    return f"{_percent(entry['share'])}: {'; '.join(parts)}."


def _why(entry: dict[str, Any], verdict: dict[str, Any]) -> str:
    """What limits the target only: its recordings, or the training; and what an arm that does not help spends its time on."""
    seeds = entry["arms"][TARGET]["seeds"]
    keys = ("last_train_loss", "last_val_loss", "best_val_loss")
    train, last, best = (mean([row[key] for row in seeds]) for key in keys)
    numbers = f"its training loss ends at {train:.2f}, its validation loss at {last:.2f} (best {best:.2f})"
    said = (
        f"the target only learns its recordings by heart ({numbers}): the speech of others is what it lacks."
        if last > KNOWN_BY_HEART * train
        else f"the target only does not learn its recordings by heart ({numbers}): there is less for others to add."
    )
    for row in verdict["arms"]:
        arm = row["arm"]
        if row["share"] != entry["share"] or any(row["told_apart"][key] == "better" for key in DECIDING):
            continue
        steps = [entry["arms"][name]["seeds"][0]["steps"] for name in (arm, TARGET)]
        if arm == PRETRAINED:
            said += f" {NAMES[arm]} does not help: it has {steps[0]} steps on the target where the target only has {steps[1]}."
        else:
            own = entry["target_windows_share"][arm]
            said += (
                f" {NAMES[arm]} does not help: {_percent(own)} of the windows in its {steps[0]} steps are the target's."
            )
    return f"Why, at {_percent(entry['share'])}: {said}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _digits(key: str) -> int:
    return DIGITS.get(key, 3)
