"""`emage view`: results side by side as a page, and as a video."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from emage.audio import SAMPLE_RATE, read_audio
from emage.errors import InputError
from emage.viewer.page import write_page
from emage.viewer.shown import Sound, load_shown, sound_beside
from emage.words import TimedWord, read_words

WORD_ENDINGS = (".words.json", ".TextGrid", ".srt", ".vtt")
EXAMPLES = """examples:
  emage view out/speech.bvh --audio speech.wav
  emage view real.bvh out/speech.npz other/speech.bvh --names real,ours,theirs --audio speech.wav --out compare.html
  emage view out/speech.npz --audio speech.wav --mp4

a RESULT is a .bvh (its face, .json or .csv of the same name, lies beside it) or a .npz of ours; sound and words of the
first result's name are taken if none are given
"""

logger = logging.getLogger(__name__)


def add_view_parser(commands: Any) -> argparse.ArgumentParser:
    """Adds `view` to the commands of an argparse parser; the parsed arguments hold `run`."""
    parser = commands.add_parser(
        "view",
        help="one self-contained page that plays results side by side with their sound",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT")
    parser.add_argument("--audio", type=Path, metavar="FILE", help="the speech")
    parser.add_argument("--words", type=Path, metavar="FILE", help="words.json, TextGrid, srt, vtt or Whisper's json")
    parser.add_argument("--names", metavar="A,B", help="what stands above the results (their file names)")
    parser.add_argument("--out", type=Path, metavar="HTML", help="the page (beside the first result, <stem>.html)")
    parser.add_argument("--theme", choices=("auto", "light", "dark"), default="auto", help="(auto: as the browser)")
    parser.add_argument("--mp4", action="store_true", help="a video too, of the same name")
    parser.set_defaults(run=run_view)
    return parser


def run_view(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0 once the files are there."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    shown = [load_shown(path) for path in arguments.results]
    if arguments.names is not None:
        names = [name.strip() for name in arguments.names.split(",")]
        if len(names) != len(shown):
            raise InputError(f"--names: got {len(names)} names for {len(shown)} results")
        for result, name in zip(shown, names, strict=True):
            result.name = name
    first = arguments.results[0]
    audio = arguments.audio or sound_beside(first)
    if audio is None:
        logger.info("no sound: none was given with --audio, and none of the name lies beside %s", first)
    sound = None if audio is None else Sound(read_audio(audio, SAMPLE_RATE), SAMPLE_RATE)
    words = _words(arguments.words, first, None if sound is None else len(sound.waveform) / sound.sample_rate)
    page = arguments.out or first.with_suffix(".html")
    write_page(page, shown, sound=sound, words=words, title=page.stem, theme=arguments.theme)
    paths = [page]
    if arguments.mp4:
        from emage.viewer.video import write_video

        paths.append(page.with_suffix(".mp4"))
        theme = "light" if arguments.theme == "auto" else arguments.theme
        write_video(paths[-1], shown, sound=sound, words=words, theme=theme)
    sys.stdout.write("\n".join(map(str, paths)) + "\n")
    return 0


def _words(given: Path | None, first: Path, duration_s: float | None) -> list[TimedWord]:
    if given is not None:
        return read_words(given, duration_s)
    beside = [first.with_name(first.stem + ending) for ending in WORD_ENDINGS]
    return next((read_words(path, duration_s) for path in beside if path.is_file()), [])
