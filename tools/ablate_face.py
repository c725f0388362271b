"""What do faces with FLAME codes add to the face of BEAT, at equal training seconds, and does it matter how much of BEAT there is?

The target is the synthetic corpus with all, a quarter and a tenth of its train recordings. Four arms, several seeds each: target only;
a set of EMOCA codes beside it; a set in SingingHead's layout beside it; pretraining on both sets, then fine-tuning on the target. All
get the same seconds of one core (the pretraining counts), the same network, rate and loss. They are judged on the target's test split.
Written are docs/results/face.md and face.json. An ablation that was killed goes on where it was when the same command is given again.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablation_budget import Cost
from ablation_face_page import results_page
from ablation_face_plan import (
    ARMS,
    PRETRAINED,
    PRETRAINING,
    PRETRAINING_PART,
    SHARES,
    TARGET,
    FacePlan,
)
from ablation_face_results import collect
from ablation_machine import commit, describe_machine, training_seconds
from ablation_steps import Done, Journal, Runner, claim

from emage.errors import InputError, one_line_errors
from emage.motion.atomic import write_text_atomic

FIXED_KEYS = (
    "data.",
    "mixture.",
    "seed",
    "output_dir",
    "model.init",
    "optim.max_steps",
)  # said by the configs or the ablation
EXAMPLE = """
examples, from the project's root:
  python tools/ablate_face.py -c configs/demo/face.yaml
  python tools/ablate_face.py -c configs/demo/face.yaml --out runs/quick --seconds 30 --seeds 1 --shares 0.1 --results runs/quick
"""


def run_all(plan: FacePlan, runner: Runner, journal: Journal) -> dict[str, Any]:
    """Everything up to the numbers; returns them."""
    for steps in plan.prepare():
        runner.run(steps)
    budget = plan_budget(plan, runner, journal)
    steps = budget["steps"]
    took: dict[str, Done] = dict(runner.run([plan.pretrain(seed, steps[PRETRAINING]) for seed in plan.seeds]))
    # Arms by turns: whatever else the machine does for a while then costs all of them alike.
    runs = [(arm, share, seed) for share in plan.shares for seed in plan.seeds for arm in ARMS]
    took |= runner.run([plan.arm(*run, steps[run[0]]) for run in runs])
    runner.run([plan.predict(*run) for run in runs])
    runner.run([plan.scores(arm, share) for share in plan.shares for arm in ARMS])
    return collect(plan, took, budget)


def plan_budget(plan: FacePlan, runner: Runner, journal: Journal) -> dict[str, Any]:
    """How many steps each arm gets for equal seconds; decided once."""
    calibration = plan.calibration()
    took = runner.run([step for steps in calibration.values() for step in steps])
    costs = {
        name: Cost.of_runs(*(training_seconds(took[step.name]) for step in steps))
        for name, steps in calibration.items()
    }
    steps = {arm: costs[arm].steps(plan.seconds) for arm in ARMS if arm != PRETRAINED}
    steps[PRETRAINING] = costs[PRETRAINING].steps(PRETRAINING_PART * plan.seconds)
    steps[PRETRAINED] = costs[TARGET].steps(plan.seconds - costs[PRETRAINING].seconds(steps[PRETRAINING]))
    steps = journal.fact("steps", steps)
    print(f"== budget: {plan.seconds:.0f} s of one core a training; steps {steps}", flush=True)
    rows = {name: {"fixed_s": cost.fixed_s, "step_s": cost.step_s} for name, cost in costs.items()}
    return {"seconds": plan.seconds, "pretraining_part": PRETRAINING_PART, "steps": steps, "costs": rows}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-c", "--config", required=True, type=Path, metavar="FILE", help="YAML file of a face trunk on the target")
    add("--out", type=Path, default=Path("runs/ablate_face"), metavar="DIR", help="default %(default)s")
    add("--results", type=Path, default=Path("docs/results"), metavar="DIR", help="of the page; default %(default)s")
    add("--seconds", type=float, default=100.0, metavar="N", help="of each training; default %(default)g")
    add("--seeds", type=int, default=3, metavar="N", help="trainings of each arm and share; default %(default)s")
    add("--shares", type=float, nargs="+", default=SHARES, metavar="N", help="of the target's recordings, 0 to 1")
    add("--at-once", type=int, default=2, metavar="N", help="processes beside each other; default %(default)s")
    add(
        "--check", action="store_true", help="exit code 1 if neither + EMOCA nor pretraining wins at the smallest share"
    )
    add("overrides", nargs="*", metavar="key=value", help="config values of all trainings, e.g. optim.lr=3e-4")
    return parser


def _check(arguments: argparse.Namespace) -> None:
    for name in ("seeds", "at_once"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name.replace('_', '-')}: got {getattr(arguments, name)}; at least 1 is needed")
    if arguments.seconds <= 0:
        raise InputError(f"--seconds: got {arguments.seconds:g}; give the seconds of one core that each training gets")
    for share in arguments.shares:
        if not 0 < share <= 1:
            raise InputError(f"--shares: got {share:g}; a share of the recordings lies above 0 and is at most 1")
    for item in arguments.overrides:
        if item.startswith(FIXED_KEYS):
            raise InputError(f"{item}: the configs and the ablation say that; change it in {arguments.config}")
    if not Path("train.py").is_file():
        raise InputError(
            "train.py: not here; start the ablation from the project's root: python tools/ablate_face.py ..."
        )


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the ablation."""
    arguments = _parser().parse_intermixed_args(argv)
    _check(arguments)
    started = time.monotonic()
    seeds, shares = tuple(range(arguments.seeds)), tuple(sorted(set(arguments.shares), reverse=True))
    plan = FacePlan(arguments.config, arguments.out, arguments.seconds, seeds, shares, tuple(arguments.overrides))
    if plan.load().model.name != "face":
        raise InputError(f"-c {plan.config}: a config of {plan.load().model.name}; give one of a face trunk")
    decides = {
        "config": str(plan.config),
        "seconds": plan.seconds,
        "seeds": list(plan.seeds),
        "shares": list(plan.shares),
        "overrides": list(plan.overrides),
    }
    with claim(plan.out) as lock:
        journal = Journal(plan.out, decides, commit())
        results = run_all(plan, Runner(plan.out, journal, lock, at_once=arguments.at_once), journal)
    results["machine"] = describe_machine(time.monotonic() - started)
    write_text_atomic(arguments.results / "face.json", json.dumps(results, indent=1) + "\n")
    page = results_page(results)
    write_text_atomic(arguments.results / "face.md", page)
    print(page)
    print(f"written: {arguments.results / 'face.md'}, {arguments.results / 'face.json'}")
    return 1 if arguments.check and not results["verdict"]["few_recordings_help"] else 0


if __name__ == "__main__":
    sys.exit(main())
