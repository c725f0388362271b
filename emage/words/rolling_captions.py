"""Rolling captions: each cue shows the words of the cue before again, and adds some.

Live and automatic captions scroll: YouTube's show the last line above the new one, others add a word at a time. The
repeated words are not said again. A speaker repeats words too ("I have a dream. A dream that one day"), so the file
counts as scrolling only if:

- at least half of its cues repeat the one before, two of them in a row;
- at least half of these repeat whole lines (the last lines of the cue before are the first lines of the next) or grow
  (the cue before begins the next), and add to them or flash by.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_MIN_SHARE = 0.5  # of neighbouring cues, of which the later repeats the earlier
_MIN_WHOLE_SHARE = 0.5  # of these, that repeat whole lines or grow
_MIN_REPEATED_WORDS = 3  # in the whole file
_FLASH_S = 0.1
_MAX_GAP_S = 1.0  # a scrolling caption follows the one before at once


class ShownCue(NamedTuple):
    """The words on the screen during one cue, and the numbers of those that begin a line."""

    start_s: float
    end_s: float
    words: list[str]
    line_starts: frozenset[int]


def repeated_words(cues: Sequence[ShownCue]) -> list[int]:
    """How many words at the beginning of each cue the cue before has shown already; all 0 if the file does not scroll."""
    if not cues:
        return []
    overlaps = [(0, False), *(_overlap(before, cue) for before, cue in pairwise(cues))]
    repeated = [count for count, _ in overlaps]
    pairs = sum(bool(cue.words) for cue in cues) - 1
    # A cue that repeats all of the one before may be a speaker who does; not so one that lasts 0.01 s, as YouTube's do.
    evidence = [
        count
        for (count, is_whole), cue in zip(overlaps, cues, strict=True)
        if is_whole and (count < len(cue.words) or cue.end_s - cue.start_s < _FLASH_S)
    ]
    num_repeating = sum(map(bool, repeated))
    scrolls = (
        num_repeating >= _MIN_SHARE * pairs
        and any(first and second for first, second in pairwise(repeated))
        and len(evidence) >= _MIN_WHOLE_SHARE * num_repeating
        and sum(evidence) >= _MIN_REPEATED_WORDS
    )
    return repeated if scrolls else [0] * len(cues)


def _overlap(before: ShownCue, cue: ShownCue) -> tuple[int, bool]:
    """Length of the longest end of `before` that begins `cue`, and whether it is of whole lines or all of `before`.

    A length of one word counts only if that word is a line of `before`.
    """
    if cue.start_s > before.end_s + _MAX_GAP_S:
        return 0, False
    count = _longest_end(before.words, cue.words)
    first = len(before.words) - count
    if not count or (count == 1 and first not in before.line_starts):
        return 0, False
    ends_line = count == len(cue.words) or count in cue.line_starts
    return count, first == 0 or (first in before.line_starts and ends_line)


def _longest_end(before: list[str], words: list[str]) -> int:
    """Length of the longest end of `before` that begins `words`, in linear time.

    Source: the prefix function of Knuth, Morris, Pratt (1977), "Fast pattern matching in strings".
    """
    if not words or not before:
        return 0
    sequence = [*words, None, *before[-len(words) :]]
    lengths = [0] * len(sequence)  # of the longest end of sequence[: place + 1] that begins the sequence
    for place in range(1, len(sequence)):
        length = lengths[place - 1]
        while length and sequence[length] != sequence[place]:
            length = lengths[length - 1]
        lengths[place] = length + (sequence[length] == sequence[place])
    return lengths[-1]
