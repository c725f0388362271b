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

from emage.errors import InputError, warn_input
from emage.text_encoding import read_text

# What aligners write where nobody speaks; "spn" and "<unk>" are speech and stay.
SILENCE_MARKS = frozenset({"", "sil", "<sil>", "sp", "<eps>", "<p>", "<p:>", "#", "{sl}"})
# What aligners call their tiers. MFA and FAVE, P2FA: alone or beside the name of a speaker; WebMAUS, SPPAS: alone.
_SPEAKERS_TIERS = {"words": ("words", "word"), "phones": ("phones", "phone")}
_LONE_TIERS = {"words": ("ort-mau", "ort", "tokensalign"), "phones": ("mau", "phonalign")}

_TOKEN = re.compile(r'"(?:[^"]|"")*"|![^\n]*|[^\s"]+|"')
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MAX_NUMBER = 1e9  # of seconds and of intervals
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
        path: a TextGrid, long or short form, UTF-8, UTF-16 or Latin-1.
        tier: name of the tier; upper or lower case does not matter. `words` and `phones` also find what other aligners
            call them: `<speaker> - words` (MFA, FAVE), `word`, `ORT-MAU`, `TokensAlign`. Of several, the one with most
            marked intervals is taken, with a warning that names all.

    Returns:
        The marked intervals in their order.

    Raises:
        InputError: the file is corrupt (names the line) or has no interval tier of that name (names the tiers).
    """
    return _words_tier(_read_tiers(Path(path)), tier, path)[1]


def read_alignment(path: str | Path) -> tuple[list[Word], list[Word]]:
    """Reads the tiers `words` and `phones` of one speaker; a file without phones gives an empty list of them.

    Raises:
        InputError: as `read_textgrid`.
    """
    tiers = _read_tiers(Path(path))
    speaker, words = _words_tier(tiers, "words", path)
    phones = _find_tier(tiers, "phones", path, speaker)
    return words, [] if phones is None else phones[1]


def read_phones(path: str | Path) -> list[Word]:
    """Reads the tier `phones` as `read_textgrid` does; a file without one gives an empty list.

    Raises:
        InputError: the file is corrupt (names the line).
    """
    phones = _find_tier(_read_tiers(Path(path)), "phones", path)
    return [] if phones is None else phones[1]


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


def _find_tier(tiers: _Tiers, tier: str, path: str | Path, speaker: str | None = None) -> tuple[str, list[Word]] | None:
    """Speaker (empty if the tier names none) and marked intervals of the tier that `read_textgrid` takes.

    Tiers of `speaker` go before those of others.
    """
    found: list[tuple[str, str, list[Word]]] = []  # speaker, name, marked intervals
    for name, intervals in tiers:
        named = _speaker_of(name, tier)
        if intervals is not None and named is not None:
            marked = [word for word in intervals if word.text.lower() not in SILENCE_MARKS]
            found.append((named, name, marked))
    if not found:
        return None
    of_speaker = [entry for entry in found if entry[0] == speaker]
    filled = [entry for entry in of_speaker or found if entry[2]]
    taken = max(filled or found, key=lambda entry: len(entry[2]))
    if len(filled) > 1:
        names = ", ".join(repr(name) for _, name, _ in filled)
        warn_input(f"{path}: it has the tiers {names}; {taken[1]!r} was taken, it has most intervals")
    return taken[0], taken[2]


def _speaker_of(name: str, tier: str) -> str | None:
    """The speaker in the name of a tier (`anna - words`), empty if it names none; None for another tier."""
    name, tier = name.strip().lower(), tier.lower()
    if name == tier or name in _LONE_TIERS.get(tier, ()) or name in _SPEAKERS_TIERS.get(tier, ()):
        return ""
    for kind in _SPEAKERS_TIERS.get(tier, ()):
        match = re.fullmatch(rf"(.+?)[\s\-–_:/|.]+{kind}|{kind}[\s\-–_:/|.(\[]+(.+?)[)\]]?", name)
        if match:
            return match[1] or match[2]
    return None


def _words_tier(tiers: _Tiers, tier: str, path: str | Path) -> tuple[str, list[Word]]:
    found = _find_tier(tiers, tier, path)
    if found is None:
        names = ", ".join(repr(name) + ("" if intervals is not None else " (points)") for name, intervals in tiers)
        raise InputError(
            f"{path}: no interval tier {tier!r}; the file has {names or 'no tiers'}; rename or add the tier"
        )
    return found


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
        value = float(token)
        if not abs(value) <= _MAX_NUMBER:
            raise self._error(f"got {token[:40]} where the number {what} should stand")
        return value

    def count(self, what: str) -> int:
        value = self.number(what)
        if value < 0 or value != int(value):
            raise self._error(f"got {value:g} as {what}")
        return int(value)

    def has_tiers(self) -> bool:
        return self._next("<exists>") == "<exists>"

    def interval(self, after_s: float) -> Word:
        start_s, end_s = self.number("xmin of an interval"), self.number("xmax of an interval")
        if not 0 <= start_s <= end_s:
            raise self._error(f"an interval from {start_s:g} s to {end_s:g} s")
        if start_s < after_s:
            raise self._error(f"an interval at {start_s:g} s behind one at {after_s:g} s")
        return Word(self.string("the text of an interval").strip(), start_s, end_s)

    def intervals(self, size: int) -> list[Word]:
        found: list[Word] = []
        for _ in range(size):
            found.append(self.interval(found[-1].start_s if found else 0.0))
        return found


def _read_tiers(path: Path) -> _Tiers:
    """Every tier of the file, in its order."""
    tokens = _Tokens(path, read_text(path))
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
            tiers.append((name, tokens.intervals(size)))
        elif kind == _POINTS:
            for _ in range(size):
                tokens.number("the time of a point"), tokens.string("the mark of a point")
            tiers.append((name, None))
        else:
            raise InputError(f"{path}: tier {name!r}: unknown class {kind!r}; expected {_INTERVALS} or {_POINTS}")
    return tiers
