"""`emage generate`: a sound file in, files that other programs load out."""

import argparse
import dataclasses
import logging
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from emage.audio import SAMPLE_RATE, read_audio
from emage.config_checks import check_seed
from emage.emotions import emotion_labels
from emage.errors import InputError, warn_input
from emage.generation import Generator, load_pretrained
from emage.kept_motion import KeptMotion, read_kept
from emage.motion.resample import frame_count
from emage.output_paths import check_outputs
from emage.performance_file import is_performance_file
from emage.result_files import ENDINGS, FACE_ONLY, Result, result_paths, save_result
from emage.words import TimedWord, align_text, read_words, spoken
from emage.words.alignment import text_or_file

_SPAN = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*-\s*(\d+\.?\d*|\.\d+)\s*")
DECODING = ("steps", "temperature", "guidance")  # options of models that draw

logger = logging.getLogger(__name__)


def run_generate(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0 once every file is there."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    begun = time.monotonic()
    formats = [name.strip() for name in arguments.formats.split(",") if name.strip()]
    formats += ["mp4"] if arguments.mp4 else []
    unknown = [name for name in formats if name not in ENDINGS]
    if unknown or not formats:
        raise InputError(f"--formats: got {arguments.formats!r}; choose from {', '.join(ENDINGS)}")
    check_seed("--seed and --samples: the last seed", arguments.seed + arguments.samples - 1)
    waveform = read_audio(arguments.audio, SAMPLE_RATE)
    generator = load_pretrained(arguments.checkpoint, arguments.device)
    _check_length(arguments, len(waveform) / SAMPLE_RATE, generator.fps)
    kept = find_kept(arguments, generator, len(waveform) / SAMPLE_RATE)
    words = find_words(arguments, waveform)
    takes = _takes(generator, arguments)
    _check_outputs(arguments, formats)
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
        stem = _stem(arguments, take)
        result = Result(performance, waveform, SAMPLE_RATE, words, bvh)
        for path in result_paths(arguments.out, stem, formats):
            if path.exists():
                logger.info("replaced: %s", path)
        paths += save_result(result, arguments.out, stem, formats)
    seconds = time.monotonic() - begun
    lines = [str(path) for path in paths]
    duration = len(waveform) / SAMPLE_RATE
    sys.stdout.write("\n".join([*lines, f"{duration:.2f} s of speech in {seconds:.1f} s: {len(paths)} files"]) + "\n")
    return 0


def _stem(arguments: argparse.Namespace, take: int) -> str:
    """What the file names of a take begin with."""
    return arguments.audio.stem + (f"_{take}" if arguments.samples > 1 else "")


def _check_outputs(arguments: argparse.Namespace, formats: list[str]) -> None:
    """Refuses --out where a file of the result would replace an input, e.g. the motion of --keep."""
    stems = [_stem(arguments, take + 1) for take in range(arguments.samples)]
    outputs = [path for stem in stems for path in result_paths(arguments.out, stem, formats)]
    inputs = [arguments.audio, arguments.textgrid, arguments.words, arguments.text, arguments.emotion, arguments.keep]
    check_outputs(outputs, inputs, remedy="give another --out")
    if os.path.realpath(arguments.out) == os.path.realpath(arguments.audio.parent):
        for stem in stems:
            _spare_recording(arguments.out, stem, formats)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: the folder {arguments.out} cannot be made: {error.strerror}; give another") from error


def _spare_recording(folder: Path, stem: str, formats: list[str]) -> None:
    """Refuses to replace files beside the sound unless they are an earlier result: corpora keep motion and face there."""
    if is_performance_file(folder / f"{stem}{ENDINGS['npz']}"):
        return
    for path in result_paths(folder, stem, formats):
        if path.exists():
            raise InputError(f"{path}: it lies beside the sound and may be its recording; give another --out")


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
        warn_input(f"--text: {alignment.problem}")
    return alignment.words


def _check_length(arguments: argparse.Namespace, duration_s: float, model_fps: float) -> None:
    """Raises InputError if the sound has no frame at the rate of the model or at that of --fps."""
    for fps, remedy in (
        (model_fps, "give a longer recording"),
        (arguments.fps, "raise --fps or give a longer recording"),
    ):
        if fps is not None and math.isfinite(fps) and fps > 0 and frame_count(duration_s, fps) < 1:
            raise InputError(
                f"{arguments.audio}: its {duration_s:.3g} s are less than one frame at {fps:g} fps ({1 / fps:.3g} s);"
                f" {remedy}"
            )


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
