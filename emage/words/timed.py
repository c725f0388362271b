"""A word with its time and how sure that time is, and the json file of such words."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from emage.errors import warn_input
from emage.motion.atomic import write_text_atomic
from emage.text import Word

END_TOLERANCE_S = 0.1  # aligners and encoders disagree by so much about the length of a sound
_ROUNDING_S = 0.001  # of words.json


class TimedWord(NamedTuple):
    """One whitespace-separated word of a transcript, in its spelling.

    `confidence` is 0 to 1: how well the sound agrees with the word. 0: its time is an estimate, not a finding.
    """

    word: str
    start_s: float
    end_s: float
    confidence: float


def spoken(words: Iterable[TimedWord]) -> list[Word]:
    """The words as a generator takes them; those of no length are left out."""
    return [Word(word.word, word.start_s, word.end_s) for word in words if word.end_s > word.start_s]


def within_sound(words: Sequence[TimedWord], duration_s: float, name: str | Path) -> list[TimedWord]:
    """Leaves out the words that begin after the end of a sound, and ends the others with it.

    Args:
        words: in any order.
        duration_s: length of the sound in seconds.
        name: of the file of the words, for the warning.

    Returns:
        The words in their order. Words left out, and words that end more than END_TOLERANCE_S late, are warned of.
    """
    kept = [word for word in words if word.start_s < duration_s or word.end_s <= duration_s + _ROUNDING_S]
    if len(kept) < len(words):
        first = next(word for word in words if word not in kept)
        cause = "" if kept else "; is it the file of another sound, or are its times not seconds?"
        warn_input(
            f"{name}: {len(words) - len(kept)} of {len(words)} words begin after the end of the sound at "
            f"{duration_s:.2f} s and were left out, the first is {first.word[:40]!r} at {first.start_s:.2f} s{cause}"
        )
    late = [word for word in kept if word.end_s > duration_s + END_TOLERANCE_S]
    if late:
        ends = f"{late[0].word[:40]!r} ends at {late[0].end_s:.2f} s"
        warn_input(f"{name}: {ends}, after the sound at {duration_s:.2f} s; it was cut there")
    return [word._replace(start_s=min(word.start_s, duration_s), end_s=min(word.end_s, duration_s)) for word in kept]


def write_words_json(path: str | Path, words: Sequence[TimedWord]) -> None:
    """Writes `[{"word", "start_s", "end_s", "confidence"}, ...]`, times to the millisecond.

    Raises:
        ValueError: if a number is not finite.
    """
    rows = []
    for word in words:
        if not all(map(math.isfinite, word[1:])):
            raise ValueError(f"word {word.word!r}: {word[1:]} are not all finite")
        start_s, end_s, confidence = (round(value, 3) for value in word[1:])
        rows.append({"word": word.word, "start_s": start_s, "end_s": end_s, "confidence": confidence})
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    write_text_atomic(path, f"[\n{lines}\n]\n" if rows else "[]\n")
