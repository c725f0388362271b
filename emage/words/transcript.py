"""A plain transcript, given as text or as the path of a text file."""

import json
import re
from pathlib import Path

from emage.errors import InputError
from emage.text_encoding import read_text
from emage.words.markup import plain_text
from emage.words.unspoken import blank_unspoken, warn_removed

TIMED_ENDINGS = {".srt": "--words", ".vtt": "--words", ".json": "--words", ".textgrid": "--textgrid"}
_TEXT_ENDINGS = (
    *TIMED_ENDINGS,
    *(
        ".txt .text .md .rst .rtf .doc .docx .odt .pages .pdf .csv .tsv .lab .trs .ass .ssa .sbv .lrc .ttml .xml .html".split()
    ),
    *(".htm .yaml .yml .log .wav .mp3 .m4a .flac .ogg .opus .mp4".split()),
)
_MOST_PATH_WORDS = 4  # a path of more words is taken for a sentence that names a file
_ROOTED = re.compile(r"(?:~|\.{1,2})?[/\\]|[A-Za-z]:[/\\]")
_CUE_TIME = re.compile(r"^\s*\d+:\d{2}(?::\d{2})?[.,]\d+\s*-->", re.MULTILINE)


def text_or_file(text: str) -> str:
    """The text itself, or what the file of that path holds, without markup and what is not spoken.

    A text is taken for a path if there is such a file, or if it looks like one: a single word with a slash or the ending
    of a text file, or a few words on one line with such an ending or a path's beginning (`./`, `/`, `C:\\`).

    Raises:
        InputError: a path without a file; an empty file, a file that is no text, or one that holds the times of words
            (srt, vtt, TextGrid, json).
    """
    path = _path_of(text)
    if path is None:
        return _spoken(text, "--text")
    content = read_text(path)
    if not content.strip():
        raise InputError(f"{path}: the transcript is empty; write what is said into it, or leave --text out")
    option = _option_of(path, content)
    if option is not None:
        raise InputError(f"{path}: it holds times of words, not a plain transcript; give it with {option}")
    return _spoken(content, str(path))


def _spoken(text: str, name: str) -> str:
    (spoken,), removed = blank_unspoken([plain_text(text).text])
    warn_removed(removed, name)
    return spoken


def _path_of(text: str) -> Path | None:
    """The path of a file that exists; None for a text that is no path."""
    try:
        path = Path(text)
        if path.is_file():
            return path
        is_folder = bool(text.strip()) and path.is_dir()
    except (OSError, ValueError):  # too long for a path, or a zero in it
        is_folder = False
    if not _looks_like_path(text):
        return None
    if is_folder:
        raise InputError(f"--text: {text} is a folder; give a text file or the text itself")
    raise InputError(f"--text: {text}: no such file; correct the path, or give the text itself")


def _looks_like_path(text: str) -> bool:
    words = text.split()
    if not words or len(text.strip().splitlines()) > 1 or len(words) > _MOST_PATH_WORDS or "\0" in text:
        return False
    if words[-1].lower().endswith(_TEXT_ENDINGS) or _ROOTED.match(words[0]):
        return True
    return len(words) == 1 and text.isascii() and ("/" in text or "\\" in text)


def _option_of(path: Path, content: str) -> str | None:
    """The option that reads a file with times; None for a plain transcript."""
    by_ending = TIMED_ENDINGS.get(path.suffix.lower())
    start = content.lstrip()
    if by_ending is not None or "ooTextFile" in start[:100]:
        return by_ending or "--textgrid (its name should end in .TextGrid)"
    if start.startswith("WEBVTT") or _CUE_TIME.search(content):
        return "--words (its name should end in .srt or .vtt)"
    if start[0] not in "{[":
        return None
    try:
        is_json = isinstance(json.loads(content), dict | list)
    except (ValueError, RecursionError):
        return None
    return "--words (its name should end in .json)" if is_json else None
