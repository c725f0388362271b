"""A word with its time and how sure that time is, and the json file of such words."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from emage.motion.atomic import write_text_atomic
from emage.text import Word


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
