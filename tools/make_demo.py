"""The whole road on this machine: corpus, cache, training, generation, numbers and a picture (`make demo`).

Each step is a command that a person could type, and is printed. A demo that was stopped goes on where it was. The exit
code is 1 if a step fails, or if the trained model is no better than the untrained one or a person who does not move.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.corpora.synthetic_plan import DEMO_CORPUS
from dataloaders.corpus import Corpus
from emage.checkpoint import Bundle, load_bundle, read_json
from emage.config import load_config
from emage.errors import InputError, one_line_errors
from emage.evaluation import FGDNetwork, Pair, evaluate, load_fgd_network
from emage.motion.atomic import write_text_atomic
from emage.motion.convert import convert
from emage.performance import Performance

EXAMPLE = """
examples, from the project's root:
  python tools/make_demo.py
  python tools/make_demo.py --out runs/tiny --recordings 24 optim.max_steps=20
"""
CAMN, FGD_NETWORK = "configs/demo/camn.yaml", "configs/demo/motion_autoencoder.yaml"
MASKED = "configs/demo/masked_transformer.yaml"
PARTS = ("upper", "hands", "lower", "face")
FLOOR, TRAINED, UNTRAINED, MEAN_POSE = "split-half floor of the real data", "CaMN", "untrained CaMN", "mean pose"
MAIN = "masked transformer"
DEFAULT_OUT = Path("runs/demo")
MAIN_STEPS = 650  # of the transformer, to keep the demo short; its config trains half as long again, and better


def commands(out: Path, corpus_options: list[str], overrides: list[str]) -> list[list[dict[str, list[str]]]]:
    """The steps of the demo: stages one after the other, each of lanes beside each other, each of named steps in order.

    Args:
        out: folder of the demo.
        corpus_options: further arguments of tools/make_corpus.py.
        overrides: `key=value` items for training and testing.
    """
    overrides = [*_data_overrides(out), *overrides]
    fgd_folder = out / "motion_autoencoder"

    def train(config: str, name: str, *more: str, steps: int | None = None) -> list[str]:
        fewer = [] if steps is None else [f"optim.max_steps={steps}"]
        return ["train.py", "-c", config, f"output_dir={out / name}", *fewer, *overrides, *more]

    def test(config: str, name: str, *more: str) -> list[str]:
        folder, measured_with = out / name, f"metrics.fgd.checkpoint={fgd_folder / 'best'}"
        command = ["test.py", "-c", config, "--checkpoint", str(folder / "best"), f"output_dir={folder}"]
        return [*command, measured_with, *overrides, *more]

    tokenizers = {f"tokenizer of {part}": train(f"configs/demo/vqvae_{part}.yaml", f"vqvae_{part}") for part in PARTS}
    over = [f"model.tokenizers.{part}={out / f'vqvae_{part}' / 'best'}" for part in PARTS] if out != DEFAULT_OUT else []
    controls_off = ("metrics.intervals=false", "metrics.controls=false")  # it is a control itself
    corpus_length = ("--seconds", f"{DEMO_CORPUS.seconds:g}")
    first = {
        "corpus": ["tools/make_corpus.py", "--out", str(out / "corpus"), *corpus_length, *corpus_options],
        "cache": ["tools/build_cache.py", "-c", CAMN, *overrides],
    }
    networks = {"FGD network": train(FGD_NETWORK, fgd_folder.name), **tokenizers}
    # Lanes of about the same length; the transformer needs all tokenizers.
    first_networks = [
        {name: networks[name] for name in names}
        for names in (
            ("tokenizer of hands", "tokenizer of lower"),
            ("FGD network", "tokenizer of upper", "tokenizer of face"),
        )
    ]
    baseline = {
        "CaMN": train(CAMN, "camn"),
        "untrained CaMN": train(CAMN, "camn_untrained", "optim.max_steps=0"),
        "test of CaMN": test(CAMN, "camn"),
    }
    main = {MAIN: train(MASKED, "masked_transformer", *over, steps=MAIN_STEPS)}
    last = [
        {f"test of {MAIN}": test(MASKED, "masked_transformer")},
        {"test of untrained CaMN": test(CAMN, "camn_untrained", *controls_off)},
    ]
    return [[first], first_networks, [main, baseline], last]


def _data_overrides(out: Path) -> list[str]:
    return [] if out == DEFAULT_OUT else [f"data.root={out / 'corpus'}", f"data.cache_dir={out / 'cache'}"]


def run_stage(lanes: list[dict[str, list[str]]], logs: Path) -> dict[str, float]:
    """Runs lanes of steps beside each other; returns the seconds of each step.

    One lane alone prints what its steps print; of several, each step's output goes to a file, whose name is printed.

    Raises:
        InputError: a step failed; the other lanes finish the step that they are in and stop.
    """
    if len(lanes) == 1:
        return {name: run_step(name, command) for name, command in lanes[0].items()}
    stopped = threading.Event()

    def run_lane(lane: dict[str, list[str]]) -> dict[str, float]:
        seconds = {}
        try:
            for name, command in lane.items():
                if stopped.is_set():
                    break
                seconds[name] = run_step(name, command, log=logs / f"{name.replace(' ', '_')}.log")
        except InputError:
            stopped.set()
            raise
        return seconds

    with ThreadPoolExecutor(len(lanes)) as pool:
        results = [future.result() for future in [pool.submit(run_lane, lane) for lane in lanes]]
    return {name: seconds for lane in results for name, seconds in lane.items()}


def run_step(name: str, command: list[str], *, log: Path | None = None) -> float:
    """Runs a Python command in a process of its own; returns its seconds.

    Args:
        name: of the step.
        command: arguments of Python.
        log: file that its output goes to; None: where ours goes.

    Raises:
        InputError: it failed.
    """
    place = "" if log is None else f"\n   its output: {log}"
    print(f"\n== {name}\n   python {shlex.join(command)}{place}", flush=True)
    started = time.monotonic()
    # One thread: networks this small gain a third from a second one, and lose a factor of ten as soon as anything else
    # runs beside them; and the numbers are then the same on every run.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with contextlib.ExitStack() as stack:
        output = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(log.open("w", encoding="utf-8"))
        options = {"stdout": output, "stderr": None if output is None else subprocess.STDOUT}
        code = subprocess.run([sys.executable, *command], env=environment, check=False, **options).returncode
    seconds = time.monotonic() - started
    if code:
        said = "" if log is None else ": " + (log.read_text(encoding="utf-8").strip().splitlines() or [""])[-1]
        raise InputError(
            f"the step {name!r} ended with exit code {code}{said}; mend it, then start the same command again"
        )
    print(f"== {name}: {seconds:.1f} s", flush=True)
    return seconds


def mean_pose_pairs(corpus: Corpus, bundle: Bundle) -> Iterator[Pair]:
    """The control that any generator should beat: whatever is said, the person stands still in the mean pose."""
    layout, pose = bundle.config.model.layout, bundle.statistics.mean_pose
    still = convert(pose, MOTION_LAYOUT, layout)  # (D,)
    for entry in corpus.usable("test"):
        streams = corpus.clip_streams(entry, bundle.vocabulary)
        motion = convert(torch.from_numpy(streams["motion_full"]), MOTION_LAYOUT, layout)  # (T, D)
        skeleton = bundle.skeletons[streams["speaker"]]
        reference = Performance(motion, layout, None, corpus.cache.fps, skeleton, fill=pose)
        generated = dataclasses.replace(reference, motion=still.expand(len(motion), -1))
        yield Pair(entry.id, generated, reference, streams["waveform"])


def score_mean_pose(out: Path, overrides: list[str]) -> dict[str, Any]:
    """What test.py would say of a generator that does not move."""
    config = load_config(CAMN, [*_data_overrides(out), *overrides])
    network: FGDNetwork = load_fgd_network(out / "motion_autoencoder" / "best", f"python train.py -c {FGD_NETWORK}")
    pairs = mean_pose_pairs(Corpus.open(config), load_bundle(out / "camn" / "best"))
    variant = config.metrics.beat_align.variant
    return evaluate(pairs, network, sample_rate=config.data.sample_rate, beat_align=variant, seed=config.seed)


def make_table(
    main: dict[str, Any], camn: dict[str, Any], untrained: dict[str, Any], still: dict[str, Any]
) -> dict[str, Any]:
    """The demo's result from the metrics of its four generators.

    Returns:
        rows (name, fgd, bc with its chance and excess, face error, seconds of generation), what they were measured with,
        and `passed`: both trained models are nearer to the real motion than both controls.
    """
    rows = [
        _row(FLOOR, main["split_half_floor"]["split_half_mean"], main["beat_align_reference"], None),
        *(
            _row(name, made["fgd"]["fgd"], made["beat_align"], made.get("seconds", {}).get("generation"))
            for name, made in ((MAIN, main), (TRAINED, camn), (UNTRAINED, untrained), (MEAN_POSE, still))
        ),
    ]
    fgd = {row["name"]: row["fgd"] for row in rows}
    return {
        "rows": rows,
        "passed": max(fgd[MAIN], fgd[TRAINED]) < min(fgd[UNTRAINED], fgd[MEAN_POSE]),
        "floor_by_mean_pose": None if fgd[FLOOR] is None else fgd[FLOOR] / fgd[MEAN_POSE],
        "bc_variant": camn["beat_align"]["variant"],
        "fgd_network": camn["fgd"]["network"],
        "test": camn["counts"],
    }


def _row(name: str, fgd: float | None, beats: dict[str, Any], seconds: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "fgd": fgd,
        "bc": beats["beat_align"],
        "bc_chance": beats["chance_shifted"],
        "bc_chance_random_beats": beats["chance_random"],
        "bc_excess": beats["excess_over_shifted"],
        "seconds": seconds,
    }


def table_lines(table: dict[str, Any]) -> list[str]:
    """The table as text."""
    test = table["test"]
    lines = [f"{'':34}{'FGD':>8}{'BC ' + table['bc_variant']:>15}{'chance':>9}{'excess':>9}{'seconds':>10}"]
    for row in table["rows"]:
        numbers = [(row["fgd"], 8, ".3f"), (row["bc"], 15, ".3f"), (row["bc_chance"], 9, ".3f")]
        numbers += [(row["bc_excess"], 9, "+.3f"), (row["seconds"], 10, ".1f")]
        lines.append(
            f"{row['name']:34}" + "".join(f"{_number(value, form):>{width}}" for value, width, form in numbers)
        )
    return [
        *lines,
        f"{test['recordings']} test recordings, {test['motion_s']:.0f} s. Seconds: to generate all of them. BC chance: the same"
        " beats, shifted in time.",
        "The FGD floor lies between different recordings: a model that hears the very speech it is compared with may beat it.",
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the demo."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default %(default)s")
    parser.add_argument("--recordings", metavar="N", help="size of the corpus; default: that of tools/make_corpus.py")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values, e.g. optim.max_steps=100")
    arguments = parser.parse_intermixed_args(argv)
    if not Path(CAMN).is_file():
        raise InputError(f"{CAMN}: not here; start the demo from the project's root: python tools/make_demo.py")
    out, overrides = arguments.out, arguments.overrides
    corpus_options = ["--recordings", arguments.recordings] if arguments.recordings else []
    started = time.monotonic()
    step_seconds: dict[str, float] = {}
    for stage in commands(out, corpus_options, overrides):
        step_seconds |= run_stage(stage, out / "logs")
    metrics = [read_json(out / name / "metrics.json") for name in ("masked_transformer", "camn", "camn_untrained")]
    table = make_table(*metrics, score_mean_pose(out, overrides))
    table |= {"step_seconds": step_seconds, "cores": os.cpu_count()}
    write_text_atomic(out / "table.json", json.dumps(table, indent=1) + "\n")
    draw = [
        "tools/draw_overview.py",
        "-c",
        CAMN,
        "--results",
        str(out / "masked_transformer" / "test"),
        "--table",
        str(out / "table.json"),
    ]
    run_step("picture", [*draw, "--out", str(out / "overview.png"), *_data_overrides(out), *overrides])
    print()
    for line in table_lines(table):
        print(line)
    written = f"{out}/table.json, {out}/overview.png, {out}/masked_transformer/test/, {out}/camn/test/"
    print(f"written: {written}  ({time.monotonic() - started:.0f} s in all)")
    if not table["passed"]:
        print(
            f"error: {MAIN} and {TRAINED} are not below {UNTRAINED} and {MEAN_POSE} in FGD: the training failed",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
