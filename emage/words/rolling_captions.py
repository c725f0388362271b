"""Rolling captions: each cue shows the words of the cue before again, and adds some.

Live and automatic captions scroll: YouTube's show the last line above the new one, others add a word at a time. The
repeated words are not said again. A repetition counts as scrolling only if the file scrolls throughout; a speaker may
say "No. No." in two cues.
"""

from collections.abc import Sequence
from typing import NamedTuple

_MIN_SHARE = 0.5  # of neighbouring cues, of which the later repeats the earlier
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
    repeated = [0, *(_overlap(before, cue) for before, cue in zip(cues, cues[1:], strict=False))]
    pairs = sum(bool(cue.words) for cue in cues) - 1
    # A cue that repeats all of the one before may be a speaker who does; not so one that lasts 0.01 s, as YouTube's do.
    evidence = sum(
        count
        for count, cue in zip(repeated, cues, strict=True)
        if count < len(cue.words) or cue.end_s - cue.start_s < _FLASH_S
    )
    scrolls = sum(map(bool, repeated)) >= _MIN_SHARE * pairs and evidence >= _MIN_REPEATED_WORDS
    return repeated if scrolls else [0] * len(cues)


def _overlap(before: ShownCue, cue: ShownCue) -> int:
    """Length of the longest end of `before` that begins `cue`: whole lines, or two words and more."""
    if cue.start_s > before.end_s + _MAX_GAP_S:
        return 0
    for count in range(min(len(before.words), len(cue.words)), 0, -1):
        first = len(before.words) - count
        if (count > 1 or first in before.line_starts) and before.words[first:] == cue.words[:count]:
            return count
    return 0
