"""`emage view`: results side by side as a page, and as a video."""

import argparse
import logging
import sys
from pathlib import Path

from emage.audio import SAMPLE_RATE, read_audio
from emage.errors import InputError
from emage.output_paths import check_outputs
from emage.viewer.page import write_page
from emage.viewer.shown import Sound, beside, find_result, load_shown, result_stem, sound_beside
from emage.words import read_words

PAGE_ENDINGS, FACE_ENDINGS = (".html", ".htm"), (".json", ".csv")
WORD_ENDINGS = (".words.json", ".TextGrid", ".srt", ".vtt")

logger = logging.getLogger(__name__)


def run_view(arguments: argparse.Namespace) -> int:
    """Runs the command; the exit code is 0 once the files are there."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    results = [find_result(path) for path in arguments.results]
    first = results[0]
    audio = arguments.audio or sound_beside(first)
    words = arguments.words or _words_beside(first)
    page = arguments.out or beside(first, "_view.html")
    video = page.with_suffix(".mp4") if arguments.mp4 else None
    _check_out(page, video, [*(file for path in results for file in _files_of(path)), audio, words])
    shown = [load_shown(path) for path in results]
    if arguments.names is not None:
        names = [name.strip() for name in arguments.names.split(",")]
        if len(names) != len(shown):
            raise InputError(f"--names: got {len(names)} names for {len(shown)} results")
        for result, name in zip(shown, names, strict=True):
            result.name = name
    if audio is None:
        logger.info("no sound: none was given with --audio, and none of the name lies beside %s", first)
    sound = None if audio is None else Sound(read_audio(audio, SAMPLE_RATE), SAMPLE_RATE)
    duration_s = None if sound is None else len(sound.waveform) / sound.sample_rate
    timed = [] if words is None else read_words(words, duration_s)
    written = [path for path in (page, video) if path is not None]
    replaced = [path for path in written if path.exists()]
    title = result_stem(first) if arguments.out is None else page.stem
    write_page(page, shown, sound=sound, words=timed, title=title, theme=arguments.theme)
    if video is not None:
        from emage.viewer.video import write_video

        theme = "light" if arguments.theme == "auto" else arguments.theme
        write_video(video, shown, sound=sound, words=timed, theme=theme)
    for path in replaced:
        logger.info("replaced: %s", path)
    sys.stdout.write("\n".join(map(str, written)) + "\n")
    return 0


def _check_out(page: Path, video: Path | None, inputs: list[Path | None]) -> None:
    """Refuses a page that is no .html file, and outputs over what is read."""
    if page.suffix.lower() not in PAGE_ENDINGS:
        raise InputError(f"--out: got {page}; the page is an .html file (--mp4 adds a video beside it)")
    check_outputs([page, video], inputs, remedy="give another --out")


def _files_of(result: Path) -> list[Path]:
    """What a result may be read from."""
    return [result, *(beside(result, ending) for ending in FACE_ENDINGS if result.suffix.lower() == ".bvh")]


def _words_beside(result: Path) -> Path | None:
    return next((path for path in (beside(result, ending) for ending in WORD_ENDINGS) if path.is_file()), None)
