"""A plain transcript, given as text or as the path of a text file."""

import json
import re
from difflib import get_close_matches
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
_COMMON_ENDINGS = ("txt", "text", "srt", "vtt", "json", "textgrid", "rtf", "docx")
_FEW_WORDS = 4  # an ending makes a path of so few words, whatever they are
_WORDS_ABOUT_FILES = frozenset(
    "open read see save load find file files named called delete rename please is are was".split()
)
_SHORT_WORD = 4  # letters
_ROOTED = re.compile(r"(?:~|\.{1,2})?[/\\]\S|\.{1,2}[/\\]|[A-Za-z]:[/\\]")
_SENTENCE_END = (".", "!", "?", "…")
_PUNCTUATED = re.compile(r"[.!?…;:,][\"'”’)]*\s")
_QUOTES = ('""', "''", "“”", "‘’", "``", "„“", "«»", "<>")
_PUNCTUATION = ".,;:!?\"'()"
_CUE_TIME = re.compile(r"^\s*\d+:\d{2}(?::\d{2})?[.,]\d+\s*-->", re.MULTILINE)


def text_or_file(text: str) -> str:
    """The text itself, or what the file of that path holds, without markup and what is not spoken.

    A text is taken for a path if there is such a file, or if it is one line that looks like one, in quotes or not:

    - it begins as a path does (`./`, `../`, `~/`, `/`, `C:\\`) and does not end as a sentence does;
    - it ends in the ending of a text, sound or document (`.txt`, `.srt`, `.wav`) and has a word with a slash that is no
      speech, or no punctuation between its words. A text of more than four words without such a slash that speaks of
      files (`please open the file named readme.txt`) is none;
    - it is a single word with an ending that is a misspelt `.txt`, `.srt` and so on (`speech.tx`);
    - it is a single word with a backslash, or with a slash and no speech. It is speech if it ends in a full stop, or its
      folder does not exist and one of its parts is `or`, or each is a number or has at most four letters
      (`and/or`, `24/7`, `he/she`). So `transcripts/take1` is a path.

    Other words with a dot (`example.com`, `Node.js`) are speech.

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
    raise InputError(f"--text: {text}: no such file; correct the path, or give the text itself, ending in a full stop")


def _looks_like_path(text: str) -> bool:
    """The rule of `text_or_file` for a text that is no file."""
    text = _without_quotes(text.strip())
    words = text.split()
    if not words or len(text.splitlines()) > 1 or "\0" in text:
        return False
    if _ROOTED.match(text) and (len(words) == 1 or not text.endswith(_SENTENCE_END)):
        return True
    with_slash = [word for word in words if "/" in word or "\\" in word]
    if text.lower().endswith(_TEXT_ENDINGS):
        if any(map(_is_path_word, with_slash)):
            return True
        names_file = len(words) <= _FEW_WORDS or _WORDS_ABOUT_FILES.isdisjoint(text.lower().split())
        return names_file and not _PUNCTUATED.search(text)
    if len(words) > 1 or not text.isascii() or text.endswith(_SENTENCE_END):
        return False
    return _is_path_word(text) if with_slash else _has_misspelt_ending(text)


def _without_quotes(text: str) -> str:
    """The text without the quotation marks around it, if they are a pair."""
    is_quoted = len(text) > 2 and text[0] + text[-1] in _QUOTES and text.count(text[0]) <= 2
    return text[1:-1].strip() if is_quoted else text


def _is_path_word(word: str) -> bool:
    """Whether a word with a slash is a path, and not several words of speech (`and/or`)."""
    parts = [part.strip(_PUNCTUATION).lower() for part in word.split("/")]
    if "<" in word or "{" in word:
        return False  # markup, `</i>`
    if "\\" in word or not all(parts):
        return True
    try:
        if Path(word).parent.is_dir():
            return True
    except (OSError, ValueError):  # too long for a path
        pass
    if "or" in parts:
        return False
    return not all(part.isdecimal() or (part.isalpha() and len(part) <= _SHORT_WORD) for part in parts)


def _has_misspelt_ending(word: str) -> bool:
    stem, _, ending = word.lower().rpartition(".")
    return bool(re.fullmatch(r"[\w-]+", stem)) and bool(get_close_matches(ending, _COMMON_ENDINGS, 1, 0.75))


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
