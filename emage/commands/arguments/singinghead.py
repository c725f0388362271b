"""The arguments of `emage evaluate singinghead`."""

import argparse
from pathlib import Path

from emage.commands.arguments import numbers
from emage.singinghead_suite import FRAME_INTERVAL, IMAGE_SIZE

DESCRIPTION = """Scores every method of a folder of results against the real recordings; writes metric_results/<method>.json
with the published values and the corrected ones."""
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage evaluate singinghead`; the parsed arguments hold `run`."""
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the eval_folder")
    parser.add_argument("--flame", type=Path, metavar="MODEL_DIR", help="folder of the licensed FLAME model")
    size = f"width and height of the frames in pixels ({IMAGE_SIZE})"
    pixels = numbers.number("--image-size", int, 1, 10**5, "pixels")
    parser.add_argument("--image-size", type=pixels, default=IMAGE_SIZE, metavar="N", help=size)
    interval = f"every n-th frame at 30 fps is looked at ({FRAME_INTERVAL})"
    frames = numbers.number("--frame-interval", int, 1, 10**6, "a number of frames")
    parser.add_argument("--frame-interval", type=frames, default=FRAME_INTERVAL, metavar="N", help=interval)
    parser.add_argument("--seed", type=numbers.seed, default=0, metavar="N", help="of the chance levels (0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from emage.singinghead_suite.command import run_singinghead

    return run_singinghead(arguments)
