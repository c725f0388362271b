"""`emage evaluate singinghead`: its arguments, and what it writes for people."""

import argparse
import sys
from pathlib import Path
from typing import Any

from emage.singinghead_suite.suite import FRAME_INTERVAL, IMAGE_SIZE, evaluate_singinghead

EXIT_LEFT_OUT = 3  # as tools/build_cache.py: done, but not with everything
EXAMPLES = """examples:
  emage evaluate singinghead --root eval_folder
  emage evaluate singinghead --root eval_folder --flame models/flame

eval_folder/input_audio/<id>.wav
eval_folder/generated/gt_videos/<id>.mp4            the real ones
eval_folder/generated/<method>_videos/<id>.mp4      also <method>_generated_videos
FLAME codes (<id>.npz with expcodes and posecodes, or the corpus's .pkl) and landmarks (<id>.npy, frames x 68 x 2) lie
beside the videos or in gt_flame/, <method>_flame/, <method>_landmarks/.

exit code: 0 all files were used, 3 some were left out (listed with their reasons), 1 nothing could be done
"""


def add_singinghead_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds `singinghead` to the commands of an argparse parser; the parsed arguments hold `run`.

    Args:
        subparsers: what `parser.add_subparsers()` gave.
    """
    parser = subparsers.add_parser(
        "singinghead",
        help="SingingHead's 2D and 3D benchmarks over a folder of results",
        description="Scores every method of a folder of results against the real recordings; writes"
        " metric_results/<method>.json with the published values and the corrected ones.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the eval_folder")
    parser.add_argument("--flame", type=Path, metavar="MODEL_DIR", help="folder of the licensed FLAME model")
    size = f"width and height of the frames in pixels ({IMAGE_SIZE})"
    parser.add_argument("--image-size", type=int, default=IMAGE_SIZE, metavar="N", help=size)
    interval = f"every n-th frame at 30 fps is looked at ({FRAME_INTERVAL})"
    parser.add_argument("--frame-interval", type=int, default=FRAME_INTERVAL, metavar="N", help=interval)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the chance levels (0)")
    parser.set_defaults(run=run_singinghead)
    return parser


def run_singinghead(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0, or 3 if something was left out."""
    report = evaluate_singinghead(
        arguments.root,
        flame=arguments.flame,
        image_size=arguments.image_size,
        frame_interval=arguments.frame_interval,
        seed=arguments.seed,
    )
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if report.all_used else EXIT_LEFT_OUT
