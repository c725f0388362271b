"""The arguments of `emage view`."""

import argparse
from pathlib import Path

from emage.sound_endings import SOUND_HELP

EXAMPLES = """examples:
  emage view out/speech.bvh --audio speech.wav
  emage view real.bvh out/speech.npz other/speech.bvh --names real,ours,theirs --audio speech.wav --out compare.html
  emage view out/speech.npz --audio speech.wav --mp4

a RESULT is a .bvh (its face, .json or .csv of the same name, lies beside it) or a .npz of ours; sound and words of the
first result's name are taken if none are given. The page that `emage generate` wrote, <stem>.html, is kept
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage view`; the parsed arguments hold `run`."""
    parser.epilog = EXAMPLES
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT")
    parser.add_argument("--audio", type=Path, metavar="FILE", help=f"the speech: {SOUND_HELP}")
    parser.add_argument("--words", type=Path, metavar="FILE", help="words.json, TextGrid, srt, vtt or Whisper's json")
    parser.add_argument("--names", metavar="A,B", help="what stands above the results (their file names)")
    parser.add_argument(
        "--out", type=Path, metavar="HTML", help="the page, .html (<stem>_view.html beside the first result)"
    )
    parser.add_argument("--theme", choices=("auto", "light", "dark"), default="auto", help="(auto: as the browser)")
    parser.add_argument("--mp4", action="store_true", help="a video too, of the same name")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from emage.commands.view import run_view

    return run_view(arguments)
