"""`emage evaluate`: its arguments, and what it prints for people."""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from emage.errors import InputError
from emage.evaluation.controls import IMPOSTORS
from emage.evaluation.fgd_network import load_fgd_network
from emage.evaluation.folders import Folders
from emage.evaluation.read_folders import evaluate_folders
from emage.evaluation.scoring import Evaluation, Options
from emage.evaluation.write import FILES

EXIT_LEFT_OUT = 3  # as tools/build_cache.py: done, but not with everything
DEFAULT_OUT = "runs/evaluation"
SHOWN_ROWS = 12
EXAMPLES = """examples:
  emage evaluate --generated my_system --reference real --audio real/wav
  emage evaluate --generated my_system --reference real --compare other_system --fgd-checkpoint runs/beat/fgd/best --out report
  emage evaluate singinghead --root eval_folder

Folders hold <id>.bvh (any hierarchy; joints are known by BEAT's names, Mixamo's, SMPL-X's, Unreal's and others) and <id>.json
or .csv (ARKit weights of BEAT, Live Link Face or Audio2Face), with all that lies below them, of any frame rate; recordings are
paired by their ids. Sub-folders that hold the same ids are seeds. <id>.json or .csv (face), .wav, .TextGrid and .txt (BEAT's
semantic labels) beside the reference are used too.

exit code: 0 all recordings were used, 3 something was left out (listed with its reason), 1 nothing could be done
"""
DESCRIPTION = """Scores the motion of any system against the real one, beside four controls: the real motion, the system's
motion to other speech, the mean pose, and the real frames in random order. Writes metrics.json, metrics.csv and report.html."""


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage evaluate` to its parser; the parsed arguments hold `run`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add = parser.add_argument
    add("--generated", type=Path, metavar="DIR", help="what the system made: <id>.bvh and <id>.json (or .csv)")
    add("--reference", type=Path, metavar="DIR", help="what the people did: <id>.bvh and <id>.json (or .csv)")
    add("--audio", type=Path, metavar="DIR", help="the speech, <id>.wav; by default that beside the reference")
    add(
        "--textgrid",
        type=Path,
        metavar="DIR",
        help="<id>.TextGrid with a tier `phones`; by default those beside the reference",
    )
    add(
        "--fgd-checkpoint",
        type=Path,
        metavar="DIR",
        help="a trained motion_autoencoder; without it FGD is of the windows alone",
    )
    add("--fps", type=float, metavar="N", help="frame rate of the evaluation; by default that of the generated files")
    add("--window-frames", type=int, metavar="N", help="frames of the generator's windows; without it no seam score")
    add("--out", type=Path, default=Path(DEFAULT_OUT), metavar="DIR", help="where the report goes (%(default)s)")
    add(
        "--compare",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR",
        help="other systems, for paired differences",
    )
    add("--seed", type=int, default=0, metavar="N", help="of chance levels and resamples (0)")
    add("--no-intervals", action="store_true", help="leave confidence intervals and paired differences out (faster)")
    parser.set_defaults(run=run_folders, suite=None)


def run_folders(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0, or 3 if something was left out."""
    for name in ("generated", "reference"):
        if getattr(arguments, name) is None:
            raise InputError(f"--{name}: not given; emage evaluate --generated DIR --reference DIR (see --help)")
    if arguments.fps is not None and not 1 <= arguments.fps <= 1000:
        raise InputError(f"--fps: got {arguments.fps:g}; expected frames per second, 1 to 1000")
    if arguments.window_frames is not None and arguments.window_frames < 1:
        raise InputError(f"--window-frames: got {arguments.window_frames}; expected at least 1")
    network = None
    if arguments.fgd_checkpoint is not None:
        command = "python train.py -c configs/beat/motion_autoencoder.yaml"
        network = load_fgd_network(arguments.fgd_checkpoint, command, key="--fgd-checkpoint")
    folders = Folders.find(
        arguments.generated,
        arguments.reference,
        audio=arguments.audio,
        textgrid=arguments.textgrid,
        compare=arguments.compare,
    )
    with torch.no_grad():
        evaluation = evaluate_folders(
            folders,
            fgd_network=network,
            fps=arguments.fps,
            window_frames=arguments.window_frames,
            options=Options(seed=arguments.seed, intervals=not arguments.no_intervals),
            facts={
                "generated": str(arguments.generated),
                "reference": str(arguments.reference),
                "audio": None if arguments.audio is None else str(arguments.audio),
            },
        )
    evaluation.write(arguments.out)
    sys.stdout.write("\n".join(summary_lines(evaluation)) + "\n")
    sys.stdout.write(f"written: {', '.join(str(arguments.out / name) for name in FILES)}\n")
    return 0 if evaluation.all_used else EXIT_LEFT_OUT


def summary_lines(evaluation: Evaluation) -> list[str]:
    """A table for people: value, interval, controls, flags; then what is missing and why."""
    results = evaluation.results
    counts = results["counts"]
    head = ["", "value", "95 % interval", "real", *(name.replace("_", " ") for name in IMPOSTORS), ""]
    rows = [head]
    for row in results["measures"].values():
        if row["value"] is None:
            continue
        interval = "-" if row["low"] is None else f"{_short(row['low'])} .. {_short(row['high'])}"
        controls = [_short(row["controls"].get(name)) for name in IMPOSTORS]
        flags = "! " + ", ".join(flag["control"].replace("_", " ") for flag in row["flags"]) if row["flags"] else ""
        rows.append([row["label"], _short(row["value"]), interval, _short(row["ground_truth"]), *controls, flags])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    lines = [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{cell:>{w}}" for cell, w in zip(row[1:-1], widths[1:], strict=True)),
                row[-1],
            ]
        )
        for row in rows
    ]
    lines += [f"{counts['recordings']} recordings, {counts['motion_s']:.1f} s, {results['fps']:g} fps"]
    if results["flagged"]:
        lines.append(
            "!: this control does as well as the system, so the number says nothing about what the control lacks"
        )
    lines += _by_reason(
        "no", ((results["measures"][key]["label"], reason) for key, reason in results["reasons"].items())
    )
    left_out = _by_reason("left out:", ((f"{r['id']} ({r['metric']})", r["reason"]) for r in evaluation.left_out))
    lines += left_out[:SHOWN_ROWS]
    if len(left_out) > SHOWN_ROWS:
        lines.append(f"left out: {len(left_out) - SHOWN_ROWS} more reasons; see not_scored in metrics.json")
    return lines + [f"notice: {notice}" for notice in results.get("notices", [])]


def _by_reason(start: str, rows: Any) -> list[str]:
    """One line for all that have the same reason."""
    found: dict[str, list[str]] = {}
    for name, reason in rows:
        found.setdefault(reason, []).append(name)
    lines = []
    for reason, names in found.items():
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        lines.append(f"{start} {', '.join(names[:6])}{more}: {reason}")
    return lines


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
