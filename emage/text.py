"""Spoken words and phones with their times, and which of them sounds in each frame.

The reader takes every TextGrid that Praat itself takes: Praat reads quoted strings, free-standing numbers and <flags>
in their order and passes over all else as comment, so that the long and the short form are one token stream.
Source: Praat manual, "TextGrid file formats".

Shapes: T frames.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emage.errors import InputError

# What aligners write where nobody speaks; "spn" and "<unk>" are speech and stay.
SILENCE_MARKS = frozenset({"", "sil", "<sil>", "sp", "<eps>"})

_TOKEN = re.compile(r'"(?:[^"]|"")*"|![^\n]*|[^\s"]+|"')
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTERVALS, _POINTS = "IntervalTier", "TextTier"


class Word(NamedTuple):
    """One word (or phone) and when it sounds; the end does not belong to it."""

    text: str
    start_s: float
    end_s: float


def normalise_word(word: str) -> str:
    """Lower case without punctuation at either end: `"Hello,"` -> `hello`, `don’t` -> `don't`; `...` becomes empty."""
    word = word.lower().replace("\u2019", "'")
    first = next((i for i, letter in enumerate(word) if letter.isalnum()), len(word))
    last = next((i for i in range(len(word), first, -1) if word[i - 1].isalnum()), first)
    return word[first:last]


def read_textgrid(path: str | Path, tier: str = "words") -> list[Word]:
    """Reads one interval tier of a TextGrid, without its silences.

    Args:
        path: a TextGrid, long or short form, UTF-8 or UTF-16.
        tier: name of the tier; upper or lower case does not matter.

    Returns:
        The marked intervals in their order.

    Raises:
        InputError: the file is corrupt (names the line) or has no interval tier of that name (names the tiers).
    """
    return _words_tier(_read_tiers(Path(path)), tier, path)


def read_alignment(path: str | Path) -> tuple[list[Word], list[Word]]:
    """Reads the tiers `words` and `phones` of a TextGrid; one without phones gives an empty list of them.

    Raises:
        InputError: as `read_textgrid`.
    """
    tiers = _read_tiers(Path(path))
    return _words_tier(tiers, "words", path), _spoken(tiers, "phones") or []


def read_phones(path: str | Path) -> list[Word]:
    """Reads the tier `phones` as `read_textgrid` does; a file without one gives an empty list.

    Raises:
        InputError: the file is corrupt (names the line).
    """
    return _spoken(_read_tiers(Path(path)), "phones") or []


def word_indices(words: Sequence[Word], num_frames: int, fps: float) -> np.ndarray:
    """Says which word sounds in each frame: the one with start <= t < end at t = frame / fps.

    Args:
        words: in any order; where two overlap, the one that starts later is heard.
        num_frames: T.
        fps: frames per second.

    Returns:
        (T,) int32 index into `words`, -1 in silence.
    """
    times_s = np.arange(num_frames) / fps
    first = np.searchsorted(times_s, [word.start_s for word in words], side="left")
    stop = np.searchsorted(times_s, [word.end_s for word in words], side="left")
    indices = np.full(num_frames, -1, dtype=np.int32)
    for i in sorted(range(len(words)), key=lambda i: words[i].start_s):
        indices[first[i] : stop[i]] = i
    return indices


_Tiers = list[tuple[str, list[Word] | None]]  # name and intervals of each; None for a tier of points


def _spoken(tiers: _Tiers, tier: str) -> list[Word] | None:
    """The marked intervals of the first interval tier of a name; None if there is none."""
    for name, intervals in tiers:
        if intervals is not None and name.strip().lower() == tier.lower():
            return [word for word in intervals if word.text.lower() not in SILENCE_MARKS]
    return None


def _words_tier(tiers: _Tiers, tier: str, path: str | Path) -> list[Word]:
    words = _spoken(tiers, tier)
    if words is None:
        found = ", ".join(repr(name) + ("" if intervals is not None else " (points)") for name, intervals in tiers)
        raise InputError(
            f"{path}: no interval tier {tier!r}; the file has {found or 'no tiers'}; rename or add the tier"
        )
    return words


@dataclass
class _Tokens:
    """The strings, numbers and flags of a TextGrid with the place of each, taken one after the other."""

    path: Path
    text: str

    def __post_init__(self) -> None:
        self._matches: Iterator[re.Match[str]] = _TOKEN.finditer(self.text)
        self._place = 0

    def _error(self, message: str) -> InputError:
        line = self.text.count("\n", 0, self._place) + 1
        return InputError(f"{self.path}: line {line}: corrupt TextGrid: {message}; export the file again")

    def _next(self, expected: str) -> str:
        for match in self._matches:
            token = match.group()
            self._place = match.start()
            if token[0] in '"<' or _NUMBER.fullmatch(token):
                return token
        self._place = len(self.text.rstrip())
        raise self._error(f"the file ends where {expected} should stand")

    def string(self, what: str) -> str:
        token = self._next(what)
        if token == '"':
            raise self._error(f"the quoted text of {what} does not end")
        if token[0] != '"':
            raise self._error(f"got {token} where {what} should stand in quotes")
        return token[1:-1].replace('""', '"')

    def number(self, what: str) -> float:
        token = self._next(what)
        if not _NUMBER.fullmatch(token):
            raise self._error(f"got {token[:40]} where the number {what} should stand")
        return float(token)

    def count(self, what: str) -> int:
        value = self.number(what)
        if value < 0 or value != int(value):
            raise self._error(f"got {value:g} as {what}")
        return int(value)

    def has_tiers(self) -> bool:
        return self._next("<exists>") == "<exists>"

    def interval(self) -> Word:
        start_s, end_s = self.number("xmin of an interval"), self.number("xmax of an interval")
        if end_s < start_s:
            raise self._error(f"an interval from {start_s:g} s to {end_s:g} s")
        return Word(self.string("the text of an interval").strip(), start_s, end_s)


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line}: neither UTF-8 nor UTF-16; save the TextGrid as UTF-8") from error


def _read_tiers(path: Path) -> _Tiers:
    """Every tier of the file, in its order."""
    tokens = _Tokens(path, _read_text(path).replace("\r\n", "\n").replace("\r", "\n"))
    if not tokens.string("the file type").startswith("ooTextFile") or tokens.string("the object class") != "TextGrid":
        raise InputError(f'{path}: line 1: no TextGrid: expected "ooTextFile" and "TextGrid" in the first two lines')
    tokens.number("xmin"), tokens.number("xmax")
    tiers: _Tiers = []
    if not tokens.has_tiers():
        return tiers
    for _ in range(tokens.count("the number of tiers")):
        kind, name = tokens.string("the class of a tier"), tokens.string("the name of a tier")
        tokens.number("xmin of a tier"), tokens.number("xmax of a tier")
        size = tokens.count("the size of a tier")
        if kind == _INTERVALS:
            tiers.append((name, [tokens.interval() for _ in range(size)]))
        elif kind == _POINTS:
            for _ in range(size):
                tokens.number("the time of a point"), tokens.string("the mark of a point")
            tiers.append((name, None))
        else:
            raise InputError(f"{path}: tier {name!r}: unknown class {kind!r}; expected {_INTERVALS} or {_POINTS}")
    return tiers
