"""Is the masked transformer better than CaMN, at equal training seconds, and does it know the causes of the synthetic corpus?

Trains both with several seeds, judges them and writes docs/results/synthetic.md and synthetic.json. Both get audio, words, speaker and
emotion, no face and no seed frames, the same recordings and the same seconds of one core; the tokenizers, trained once, count for
the transformer. CaMN gets the best of three learning rates, by the validation split and the first seed. An ablation that was
killed goes on where it was when the same command is given again.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablation_budget import Cost
from ablation_machine import commit, describe_machine, training_seconds
from ablation_page import results_page
from ablation_plan import BASELINE_CONFIG, CAMN, DECODINGS, ITERATIVE, MASKED, MEAN_POSE, ONE_PASS, RATES, Plan
from ablation_results import collect
from ablation_steps import Done, Journal, Runner, Step, claim

from emage.checkpoint import read_json
from emage.errors import InputError, one_line_errors
from emage.motion.atomic import write_text_atomic

EXAMPLE = """
examples, from the project's root:
  python tools/ablate.py -c configs/demo/masked_transformer.yaml
  python tools/ablate.py -c configs/demo/masked_transformer.yaml --out runs/quick --seconds 60 --seeds 1 --results runs/quick
"""


def run_all(plan: Plan, runner: Runner, journal: Journal) -> dict[str, Any]:
    """Everything up to the numbers; returns them."""
    prepared: dict[str, Done] = {}
    for steps in plan.prepare():
        prepared |= runner.run(steps)
    tokenizers_s = sum(training_seconds(done) for name, done in prepared.items() if name.startswith("tokenizer of "))
    budget = plan_budget(plan, runner, journal, tokenizers_s)
    steps, first = budget["steps"], plan.seeds[0]
    masked_trainings = [plan.masked(seed, steps[MASKED]) for seed in plan.seeds]
    camn_trainings = [plan.camn(first, steps[CAMN], rate) for rate in RATES]
    both = itertools.zip_longest(masked_trainings, camn_trainings)  # in turn, so that both have the same neighbours
    trained = runner.run([step for pair in both for step in pair if step])
    losses = {rate: validation_loss(plan.camn_folder(first, rate)) for rate in RATES}
    rate = journal.fact("rate of CaMN", min(losses, key=lambda rate: losses[rate]))
    masked = {seed: plan.out / MASKED / f"seed_{seed}" for seed in plan.seeds}
    still = ("tools/ablation_still.py", "-c", str(plan.config), "--out", str(plan.made(MEAN_POSE)), *plan.overrides)
    judged = [plan.camn(seed, steps[CAMN], rate) for seed in plan.seeds[1:]] + [Step(MEAN_POSE, still)]
    for seed, folder in masked.items():
        judged.append(plan.causes(ITERATIVE, seed, folder, None))
        judged += [plan.test(system, seed, folder, None, *how) for system, how in DECODINGS.items()]
    trained |= runner.run(judged)
    camn = {seed: plan.camn_folder(seed, rate) for seed in plan.seeds}
    more = [plan.test(CAMN, seed, folder, BASELINE_CONFIG) for seed, folder in camn.items()]
    more += [plan.causes(CAMN, seed, folder, BASELINE_CONFIG) for seed, folder in camn.items()]
    trained |= runner.run(more)
    others = {MEAN_POSE: CAMN, CAMN: None, ONE_PASS: CAMN, ITERATIVE: CAMN}
    runner.run([plan.scores(system, other) for system, other in others.items()])
    budget |= {
        "tokenizers_s": tokenizers_s,
        "rate": rate,
        "validation_losses": {f"{k:g}": v for k, v in losses.items()},
    }
    return collect(plan, trained, checkpoints={CAMN: camn, ONE_PASS: masked, ITERATIVE: masked}, budget=budget)


def plan_budget(plan: Plan, runner: Runner, journal: Journal, tokenizers_s: float) -> dict[str, Any]:
    """How many steps each system gets for equal seconds; decided once."""
    calibration = plan.calibration()
    # Runs of one length beside each other: a step costs more when the other core works too, as it does later.
    took: dict[str, Done] = {}
    for steps in zip(*calibration.values(), strict=True):
        took |= runner.run(list(steps))
    costs = {
        name: Cost.of_runs(*(training_seconds(took[step.name]) for step in steps))
        for name, steps in calibration.items()
    }
    own_s = tokenizers_s + costs[MASKED].seconds(plan.load().optim.max_steps)
    total_s = journal.fact("seconds", plan.seconds or own_s)
    steps = {MASKED: costs[MASKED].steps(total_s - tokenizers_s), CAMN: costs[CAMN].steps(total_s)}
    steps = journal.fact("steps", steps)
    costs_rows = {name: {"fixed_s": cost.fixed_s, "step_s": cost.step_s} for name, cost in costs.items()}
    print(f"== budget: {total_s:.0f} s of one core each, {tokenizers_s:.0f} s of it for the tokenizers; steps {steps}")
    return {"seconds": total_s, "steps": steps, "costs": costs_rows}


def validation_loss(run: Path) -> float:
    """The lowest of a training, whose weights its `best` holds.

    Raises:
        InputError: it has no validation split.
    """
    loss = read_json(run / "best" / "info.json").get("best_val_loss")
    if loss is None:
        raise InputError(f"{run}: no validation loss; the corpus needs recordings in its val split")
    return float(loss)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-c", "--config", required=True, type=Path, metavar="FILE", help="YAML file of the masked transformer")
    add("--out", type=Path, default=Path("runs/ablate"), metavar="DIR", help="default %(default)s")
    add("--results", type=Path, default=Path("docs/results"), metavar="DIR", help="of the page; default %(default)s")
    add("--seconds", type=float, metavar="N", help="of training that each gets; default: what the config's steps take")
    add("--seeds", type=int, default=3, metavar="N", help="trainings of each system; default %(default)s")
    add("--at-once", type=int, default=2, metavar="N", help="processes beside each other; default %(default)s")
    add("--check", action="store_true", help="exit code 1 if the transformer's FGD is not below CaMN's without overlap")
    add("overrides", nargs="*", metavar="key=value", help="config values of all models, e.g. data.root=DIR")
    return parser


def _check(arguments: argparse.Namespace) -> None:
    for name in ("seeds", "at_once"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name.replace('_', '-')}: got {getattr(arguments, name)}; at least 1 is needed")
    if arguments.seconds is not None and arguments.seconds <= 0:
        raise InputError(
            f"--seconds: got {arguments.seconds:g}; give the seconds of one core that each system may train"
        )
    if not Path("train.py").is_file():
        raise InputError("train.py: not here; start the ablation from the project's root: python tools/ablate.py ...")


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the ablation."""
    arguments = _parser().parse_intermixed_args(argv)
    _check(arguments)
    started = time.monotonic()
    plan = Plan(
        arguments.config, arguments.out, tuple(range(arguments.seeds)), arguments.seconds, tuple(arguments.overrides)
    )
    if plan.load().model.name != MASKED:
        raise InputError(f"-c {plan.config}: a config of {plan.load().model.name}; give one of a {MASKED}")
    decides = {
        "config": str(plan.config),
        "seeds": list(plan.seeds),
        "seconds": plan.seconds,
        "overrides": list(plan.overrides),
    }
    with claim(plan.out) as lock:
        journal = Journal(plan.out, decides, commit())
        results = run_all(plan, Runner(plan.out, journal, lock, at_once=arguments.at_once), journal)
    results["machine"] = describe_machine(time.monotonic() - started)
    write_text_atomic(arguments.results / "synthetic.json", json.dumps(results, indent=1) + "\n")
    page = results_page(results)
    write_text_atomic(arguments.results / "synthetic.md", page)
    print(page)
    print(f"written: {arguments.results / 'synthetic.md'}, {arguments.results / 'synthetic.json'}")
    return 1 if arguments.check and not results["verdict"]["fgd_below_without_overlap"] else 0


if __name__ == "__main__":
    sys.exit(main())
