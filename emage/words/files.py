"""Words with times from a file, whatever program wrote it."""

from pathlib import Path

from emage.errors import InputError
from emage.text import read_textgrid
from emage.words.subtitles import read_subtitles
from emage.words.timed import TimedWord
from emage.words.whisper import read_word_json


def _read_textgrid_words(path: str | Path) -> list[TimedWord]:
    return [TimedWord(word.text, word.start_s, word.end_s, 1.0) for word in read_textgrid(path)]


READERS = {
    ".textgrid": _read_textgrid_words,
    ".json": read_word_json,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
}


def read_words(path: str | Path) -> list[TimedWord]:
    """Reads a TextGrid (tier `words`), a json of Whisper or of ours, or subtitles (.srt, .vtt).

    Raises:
        InputError: another kind of file, or as its reader says.
    """
    reader = READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(f"{path}: words are read from {', '.join(READERS)}; give a plain transcript as text instead")
    return reader(path)
