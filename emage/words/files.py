"""Words with times from a file, whatever program wrote it."""

from pathlib import Path

from emage.errors import InputError
from emage.text import read_textgrid
from emage.words.subtitles import read_subtitles
from emage.words.syllables import spread
from emage.words.timed import TimedWord, within_sound
from emage.words.whisper import read_word_json


def _read_textgrid_words(path: str | Path) -> list[TimedWord]:
    words = []
    for interval in read_textgrid(path):
        parts = interval.text.split()
        times = spread(parts, [(interval.start_s, interval.end_s)])
        words += [
            TimedWord(part, *time, 1.0 if len(parts) == 1 else 0.5) for part, time in zip(parts, times, strict=True)
        ]
    return words


READERS = {
    ".textgrid": _read_textgrid_words,
    ".json": read_word_json,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
}


def read_words(path: str | Path, duration_s: float | None = None) -> list[TimedWord]:
    """Reads a TextGrid (a tier of words), a json of Whisper or of ours, or subtitles (.srt, .vtt).

    Args:
        path: the file.
        duration_s: length of the sound that the words belong to. Words that begin after its end are left out with a
            warning, and a word that goes over its end is cut there.

    Raises:
        InputError: another kind of file, or as its reader says.
    """
    reader = READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: words are read from {', '.join(READERS)}; give a plain transcript as text instead, with --text"
        )
    words = reader(path)
    return words if duration_s is None else within_sound(words, duration_s, path)
