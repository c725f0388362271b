"""`emage view`: results side by side as a page, and as a video."""

import argparse
import logging
import sys
from pathlib import Path

from emage.audio import SAMPLE_RATE, read_audio
from emage.errors import InputError
from emage.viewer.page import write_page
from emage.viewer.shown import Sound, load_shown, sound_beside
from emage.words import TimedWord, read_words

WORD_ENDINGS = (".words.json", ".TextGrid", ".srt", ".vtt")

logger = logging.getLogger(__name__)


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
    words = _words(arguments.words, first)
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


def _words(given: Path | None, first: Path) -> list[TimedWord]:
    if given is not None:
        return read_words(given)
    beside = [first.with_name(first.stem + ending) for ending in WORD_ENDINGS]
    return next((read_words(path) for path in beside if path.is_file()), [])
