"""The arguments of `emage generate`."""

import argparse
from pathlib import Path

from emage.commands.arguments import numbers
from emage.config_checks import MAX_GUIDANCE, MAX_STEPS, MAX_TEMPERATURE
from emage.emotions import EMOTIONS
from emage.result_files import DEFAULT_FORMATS, ENDINGS
from emage.sound_endings import SOUND_HELP

MIN_FPS, MAX_FPS = 1, 240
MAX_SAMPLES = 10_000
EXAMPLES = """examples:
  emage generate speech.wav
  emage generate speech.mp3 --text "what is said" --fps 29.97 --out out
  emage generate speech.wav --words whisper.json --emotion moods.csv --mp4
  emage generate speech.wav --keep out/speech.bvh --keep-parts RightArm,RightForeArm --keep-time 2-5 --seed 1 --out out2
  emage generate speech.wav --checkpoint runs/demo/masked_transformer/best

writes out/<stem>.bvh .json .csv .npz .words.json .html; what each is good for: docs/using_results.md
an emotion timeline holds rows of start_s,end_s,emotion
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `emage generate`; the parsed arguments hold `run`."""
    parser.epilog = EXAMPLES
    parser.add_argument("audio", type=Path, metavar="AUDIO", help=f"{SOUND_HELP}; any rate")
    known = "folder of a trained generator (the model inside the package)"
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help=known)
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder of the results (out)")
    _add_words(parser)
    _add_person(parser)
    _add_keeping(parser)
    _add_files(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from emage.commands.generate import run_generate

    return run_generate(arguments)


def _add_words(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("words", "what is said; without, the model hears the sound alone")
    words = group.add_mutually_exclusive_group()
    words.add_argument("--textgrid", type=Path, metavar="FILE", help="a TextGrid, e.g. of the Montreal Forced Aligner")
    words.add_argument("--words", type=Path, metavar="FILE", help="word times: Whisper's json, srt, vtt or words.json")
    words.add_argument("--text", metavar="TEXT_OR_FILE", help="a plain transcript; its words are found in the sound")
    group.add_argument("--language", default="en", metavar="CODE", help="of --text; only en is aligned by phones (en)")


def _add_person(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who and how")
    group.add_argument("--speaker", metavar="NAME", help="whose style and skeleton (the model's first)")
    known = f"{', '.join(EMOTIONS)}, or a timeline file (neutral)"
    group.add_argument("--emotion", default=EMOTIONS[0], metavar="EMOTION", help=known)
    known = "seed of the sampling noise, 0 to 2^63 - 1, of models that draw (0)"
    group.add_argument("--seed", type=numbers.seed, default=0, metavar="N", help=known)
    samples = numbers.number("--samples", int, 1, MAX_SAMPLES, "a number of takes")
    group.add_argument(
        "--samples", type=samples, default=1, metavar="N", help="number of takes, of models that draw (1)"
    )
    steps = numbers.number("--steps", int, 1, MAX_STEPS, "a number of steps")
    known = f"decoding steps, 1 = one pass, at most {MAX_STEPS} (the model's own)"
    group.add_argument("--steps", type=steps, metavar="N", help=known)
    temperature = numbers.number("--temperature", float, 0, MAX_TEMPERATURE, "a number")
    known = f"0 = the most probable, 1 = as learned, at most {MAX_TEMPERATURE:g} (the model's own)"
    group.add_argument("--temperature", type=temperature, metavar="X", help=known)
    guidance = numbers.number("--guidance", float, 0, MAX_GUIDANCE, "a number")
    known = f"1 = off, above: the speech counts for more, at most {MAX_GUIDANCE:g} (the model's own)"
    group.add_argument("--guidance", type=guidance, metavar="X", help=known)
    rate = numbers.number("--fps", float, MIN_FPS, MAX_FPS, "frames per second")
    known = f"frames per second of the files, {MIN_FPS} to {MAX_FPS}, e.g. 24, 25, 29.97 or 60 (the model's own)"
    group.add_argument("--fps", type=rate, metavar="RATE", help=known)
    group.add_argument("--device", default="cpu", help="where the network runs, e.g. cuda (cpu)")


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("editing", "keep part of an earlier motion and generate the rest around it")
    group.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="a BVH, e.g. of an earlier take; it begins with the sound; axes, unit, rest pose and names may differ",
    )
    parts = "comma separated joints, or parts: upper, hands, lower, all (all)"
    group.add_argument("--keep-parts", metavar="LIST", help=parts)
    group.add_argument("--keep-time", metavar="A-B", help="seconds, e.g. 2-5 (as long as file and sound last)")


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    known = f"comma separated, of {', '.join(ENDINGS)} ({','.join(DEFAULT_FORMATS)})"
    group.add_argument("--formats", default=",".join(DEFAULT_FORMATS), metavar="LIST", help=known)
    group.add_argument("--mp4", action="store_true", help="a video too (same as adding mp4 to --formats)")
    group.add_argument("--bvh-unit", choices=("cm", "m"), default="cm", help="unit of length of the BVH (cm)")
    group.add_argument("--bvh-up", choices=("y", "z"), default="y", help="axis of the BVH that points up (y)")
    group.add_argument("--in-place", action="store_true", help="BVH: the root stays where it is on the ground")
    group.add_argument("--t-pose", action="store_true", help="BVH: the first frame shows the T-pose")
