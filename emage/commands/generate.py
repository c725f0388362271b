"""`emage generate`: a sound file in, files that other programs load out."""

import argparse
import dataclasses
import logging
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from emage.audio import SAMPLE_RATE, read_audio
from emage.completion import GIVEN_PARTS
from emage.emotions import EMOTIONS, emotion_labels
from emage.errors import InputError
from emage.generation import Generator, load_pretrained
from emage.kept_motion import KeptMotion, read_kept
from emage.motion.resample import frame_count
from emage.result_files import DEFAULT_FORMATS, ENDINGS, FACE_ONLY, Result, save_result
from emage.words import TimedWord, align_text, read_words, spoken
from emage.words.alignment import text_or_file

RATES = (15, 30, 60)
_SPAN = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*-\s*(\d+\.?\d*|\.\d+)\s*")
DECODING = ("steps", "temperature", "guidance")  # options of models that draw
EXAMPLES = """examples:
  emage generate speech.wav
  emage generate speech.mp3 --text "what is said" --fps 30 --out out
  emage generate speech.wav --words whisper.json --emotion moods.csv --mp4
  emage generate speech.wav --keep out/speech.bvh --keep-parts RightArm,RightForeArm,RightHand --keep-time 2-5 --seed 1
  emage generate speech.wav --checkpoint runs/demo/masked_transformer/best

writes out/<stem>.bvh .json .csv .npz .words.json .html; what each is good for: docs/using_results.md
an emotion timeline holds rows of start_s,end_s,emotion
"""

logger = logging.getLogger(__name__)


def add_generate_parser(commands: Any) -> argparse.ArgumentParser:
    """Adds `generate` to the commands of an argparse parser; the parsed arguments hold `run`."""
    parser = commands.add_parser(
        "generate",
        help="motion and face for a sound file, as BVH, ARKit json, Live Link csv, npz and a page to look at",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="wav, flac, mp3, ogg or opus, any rate and length")
    known = "folder of a trained generator (the model inside the package)"
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help=known)
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder of the results (out)")
    _add_words(parser)
    _add_person(parser)
    _add_keeping(parser)
    _add_files(parser)
    parser.set_defaults(run=run_generate)
    return parser


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
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of models that draw (0)")
    group.add_argument("--samples", type=int, default=1, metavar="N", help="so many takes, of models that draw (1)")
    group.add_argument("--steps", type=int, metavar="N", help="decoding steps, 1 = one pass (the model's own)")
    group.add_argument(
        "--temperature", type=float, metavar="X", help="0 = the most probable, 1 = as learned (the model's own)"
    )
    group.add_argument(
        "--guidance", type=float, metavar="X", help="1 = off, above: the speech counts for more (the model's own)"
    )
    group.add_argument("--fps", type=int, choices=RATES, help="frames per second of the files (the model's own)")
    group.add_argument("--device", default="cpu", help="where the network runs, e.g. cuda (cpu)")


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("editing", "some of an older motion stays as it is, the rest is made around it")
    group.add_argument(
        "--keep", type=Path, metavar="FILE", help="a BVH, e.g. of an earlier take; it begins with the sound"
    )
    parts = f"comma separated joints, or parts: {', '.join(GIVEN_PARTS)} (all)"
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


def run_generate(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0 once every file is there."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    begun = time.monotonic()
    formats = [name.strip() for name in arguments.formats.split(",") if name.strip()]
    formats += ["mp4"] if arguments.mp4 else []
    unknown = [name for name in formats if name not in ENDINGS]
    if unknown or not formats:
        raise InputError(f"--formats: got {arguments.formats!r}; choose from {', '.join(ENDINGS)}")
    if arguments.samples < 1:
        raise InputError(f"--samples: got {arguments.samples}; it must be at least 1")
    waveform = read_audio(arguments.audio, SAMPLE_RATE)
    generator = load_pretrained(arguments.checkpoint, arguments.device)
    kept = find_kept(arguments, generator, len(waveform) / SAMPLE_RATE)
    words = find_words(arguments, waveform)
    takes = _takes(generator, arguments)
    bvh = {
        "unit": arguments.bvh_unit,
        "up": arguments.bvh_up,
        "root_motion": not arguments.in_place,
        "t_pose": arguments.t_pose,
    }
    paths: list[Path] = []
    for take, options in enumerate(takes, 1):
        performance = _generate(generator, arguments, waveform, words, options, kept)
        if performance.face is None and set(formats) & set(FACE_ONLY):
            logger.info("this model makes no face: %s are left out", " and ".join(FACE_ONLY))
        stem = arguments.audio.stem + (f"_{take}" if len(takes) > 1 else "")
        result = Result(performance, waveform, SAMPLE_RATE, words, bvh)
        paths += save_result(result, arguments.out, stem, formats)
    seconds = time.monotonic() - begun
    lines = [str(path) for path in paths]
    duration = len(waveform) / SAMPLE_RATE
    sys.stdout.write("\n".join([*lines, f"{duration:.2f} s of speech in {seconds:.1f} s: {len(paths)} files"]) + "\n")
    return 0


def find_words(arguments: argparse.Namespace, waveform: np.ndarray) -> list[TimedWord]:
    """The words of --textgrid, --words or --text; a transcript that does not fit is told on stderr."""
    if arguments.textgrid is not None:
        if not arguments.textgrid.name.lower().endswith(".textgrid"):
            raise InputError(f"--textgrid: {arguments.textgrid} is no .TextGrid; word times of other files: --words")
        return read_words(arguments.textgrid, len(waveform) / SAMPLE_RATE)
    if arguments.words is not None:
        return read_words(arguments.words, len(waveform) / SAMPLE_RATE)
    if arguments.text is None:
        return []
    alignment = align_text(text_or_file(arguments.text), waveform, SAMPLE_RATE, language=arguments.language)
    if alignment.problem is not None:
        logger.warning("warning: %s", alignment.problem)
    return alignment.words


def find_kept(arguments: argparse.Namespace, generator: Generator, duration_s: float) -> KeptMotion | None:
    """The motion of --keep; None without."""
    if arguments.keep is None:
        alone = [option for option in ("keep_parts", "keep_time") if getattr(arguments, option) is not None]
        if alone:
            raise InputError(f"--{alone[0].replace('_', '-')}: of which motion? give its BVH with --keep FILE")
        return None
    if generator.completer is None:
        name = generator.bundle.config.model.name
        raise InputError(f"--keep: {name} cannot complete given motion; give a checkpoint of a masked_transformer")
    span_s = None
    if arguments.keep_time is not None:
        found = _SPAN.fullmatch(arguments.keep_time)
        if found is None:
            raise InputError(f"--keep-time: got {arguments.keep_time!r}; expected two times in seconds, e.g. 2-5")
        span_s = float(found[1]), float(found[2])
    parts = ("all",)
    if arguments.keep_parts is not None:
        parts = tuple(name.strip() for name in arguments.keep_parts.split(",") if name.strip())
    bundle = generator.bundle
    first = bundle.skeletons[bundle.speakers.labels[0]]
    skeleton = bundle.skeletons.get(arguments.speaker, first)  # an unknown speaker is told when the motion is made
    return read_kept(arguments.keep, skeleton=skeleton, duration_s=duration_s, names=parts, span_s=span_s)


def _takes(generator: Generator, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Options of `generate` for each sample: its seed and how to decode, if the model draws."""
    changed = {name: getattr(arguments, name) for name in DECODING if getattr(arguments, name) is not None}
    if generator.draws:
        options = dataclasses.replace(generator.bundle.config.generation, **changed)
        return [{"seed": arguments.seed + number, "options": options} for number in range(arguments.samples)]
    name = generator.bundle.config.model.name
    if arguments.samples > 1:
        raise InputError(f"--samples: {name} does not draw, every take would be the same; leave it out")
    if changed:
        raise InputError(f"--{next(iter(changed))}: {name} does not draw and has no such option; leave it out")
    return [{}]


def _generate(
    generator: Generator,
    arguments: argparse.Namespace,
    waveform: np.ndarray,
    words: list[TimedWord],
    options: dict[str, Any],
    kept: KeptMotion | None,
) -> Any:
    """One performance at the rate that was asked for."""
    duration_s = len(waveform) / SAMPLE_RATE
    num_frames = frame_count(duration_s, generator.fps)
    emotion = emotion_labels(arguments.emotion, num_frames, generator.fps)
    given = None if kept is None else kept.given(generator.layout, generator.fps, num_frames)
    is_told = any(value is not None for value in (arguments.textgrid, arguments.words, arguments.text))
    said = spoken(words) if is_told else None  # nothing told is not the same as nothing said
    performance = generator.generate(
        waveform, SAMPLE_RATE, words=said, speaker=arguments.speaker, emotion=emotion, given=given, **options
    )
    if arguments.fps is None or arguments.fps == performance.fps:
        return performance
    performance = performance.resample(arguments.fps, frame_count(duration_s, arguments.fps))
    return performance if kept is None else kept.put_into(performance)
