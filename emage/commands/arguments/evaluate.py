"""The arguments of `emage evaluate`, and its suites."""

import argparse
from pathlib import Path

from emage.commands.arguments import numbers, singinghead
from emage.sound_endings import SOUND_HELP

DEFAULT_OUT = "runs/evaluation"
EXAMPLES = """examples:
  emage evaluate --generated my_system --reference real --audio real/wav
  emage evaluate --generated my_system --reference real --compare other_system --fgd-checkpoint runs/beat/fgd/best --out report
  emage evaluate singinghead --root eval_folder

Folders hold <id>.bvh (any hierarchy; joints are known by BEAT's names, Mixamo's, SMPL-X's, Unreal's and others) and <id>.json
or .csv (ARKit weights of BEAT, Live Link Face or Audio2Face), with all that lies below them, of any frame rate; recordings are
paired by their ids. Sub-folders that hold the same ids are seeds. <id>.json or .csv (face), .wav or another sound file,
.TextGrid and .txt (BEAT's semantic labels) beside the reference are used too.

exit code: 0 all recordings were used, 3 something was left out (listed with its reason), 1 nothing could be done
"""
DESCRIPTION = """Scores the motion of any system against the real one, beside four controls: the real motion, the system's
motion to other speech, the mean pose, and the real frames in random order. Writes metrics.json, metrics.csv and report.html."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage evaluate` and its suites; the parsed arguments hold `run`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add = parser.add_argument
    add("--generated", type=Path, metavar="DIR", help="what the system made: <id>.bvh and <id>.json (or .csv)")
    add("--reference", type=Path, metavar="DIR", help="what the people did: <id>.bvh and <id>.json (or .csv)")
    add(
        "--audio",
        type=Path,
        metavar="DIR",
        help=f"the speech, <id>.wav ({SOUND_HELP}); by default that beside the reference",
    )
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
    rate = numbers.number("--fps", float, 1, 1000, "frames per second")
    add("--fps", type=rate, metavar="N", help="frame rate of the evaluation; by default that of the generated files")
    frames = numbers.number("--window-frames", int, 1, 10**6, "a number of frames")
    add("--window-frames", type=frames, metavar="N", help="frames of the generator's windows; without it no seam score")
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
    add("--seed", type=numbers.seed, default=0, metavar="N", help="of chance levels and resamples (0)")
    add("--no-intervals", action="store_true", help="leave confidence intervals and paired differences out (faster)")
    parser.set_defaults(run=run, suite=None)
    suites = parser.add_subparsers(dest="suite", required=False, metavar="SUITE")
    singinghead.add_arguments(
        suites.add_parser("singinghead", help="SingingHead's 2D and 3D benchmarks over a folder of results")
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from emage.evaluation.command import run_folders

    return run_folders(arguments)
