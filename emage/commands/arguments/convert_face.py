"""The arguments of `emage convert-face`."""

import argparse
from pathlib import Path

from emage.commands.arguments import numbers

TARGETS = ("arkit", "flame50", "flame100")
METHODS = ("auto", "refined", "fitted", "bounded")  # of emage.motion.arkit_flame
EXAMPLES = """examples:
  emage convert-face face.json face.npz --to flame50 --map face_map.safetensors
  emage convert-face phone.csv face.json --to arkit
  emage convert-face 2_scott_0_1_1.npz face.json --to arkit --map mat_final.npy
  emage convert-face trainset/V0-GRID/V0-s1-00001 face.json --to arkit --map face_map.safetensors --report cost.json

An ARKit .json is BEAT's, ours or Audio2Face's, a .csv is Live Link Face's or Audio2Face's. Frames in which the phone lost
the face leave a gap in a .json, and are False in `valid` of an .npz.
A map is fitted on pairs of your own by tools/fit_face_map.py, or is the published matrix of BEAT2_Tools (mat_final.npy).
FLAME to FLAME (flame50, flame100) needs none.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage convert-face`; the parsed arguments hold `run`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "source", type=Path, metavar="IN", help="ARKit .json or .csv, FLAME .npz or .pkl, or an EMOCA folder"
    )
    parser.add_argument("target", type=Path, metavar="OUT", help=".json for arkit, .npz for flame50 and flame100")
    parser.add_argument("--to", required=True, choices=TARGETS)
    parser.add_argument("--map", type=Path, metavar="FILE", help="fitted map (.safetensors) or published matrix (.npy)")
    parser.add_argument("--method", choices=METHODS, default="auto", help="of FLAME to ARKit (default %(default)s)")
    parser.add_argument(
        "--fps",
        type=numbers.number("--fps", float, 1, 1000, "frames per second"),
        help="where the file does not say (default 30)",
    )
    parser.add_argument("--report", type=Path, metavar="JSON", help="what the conversion cost, as json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from emage.commands.convert_face import run_convert_face

    return run_convert_face(arguments)
