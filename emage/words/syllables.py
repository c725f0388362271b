"""How long words take: syllables counted from their spelling, and words spread over stretches of time by them."""

import math
import re
import unicodedata
from collections.abc import Sequence

_VOWELS = re.compile("[aeiouyаеёиоуыэюяіїєαεηιουω]+")
_SYLLABIC = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # kana, Chinese characters, Hangul: one each
_LETTERS_PER_SYLLABLE = 2.5  # of scripts whose vowels are not known here


def syllable_count(word: str) -> int:
    """Syllables of a word in any script, at least 1; 0 for a word without letters and digits (a dash)."""
    letters = "".join(c for c in unicodedata.normalize("NFKC", word).lower() if c.isalnum())
    if not letters:
        return 0
    whole = len(_SYLLABIC.findall(letters))
    rest = _SYLLABIC.sub("", letters)
    digits = sum(c.isdigit() for c in rest)
    plain = "".join(c for c in unicodedata.normalize("NFD", rest) if c.isalpha())
    vowels = len(_VOWELS.findall(plain))
    if plain.isascii() and vowels > 1 and plain.endswith("e") and not plain.endswith(("le", "ee")):
        vowels -= 1  # the silent e of English and French
    if plain and not vowels:
        vowels = math.ceil(len(plain) / _LETTERS_PER_SYLLABLE)
    return max(1, whole + digits + vowels)


def spread(words: Sequence[str], spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Start and end of words that follow each other through stretches of time, each as long as its syllables.

    Args:
        words: in their order; one without letters takes no time.
        spans: (start_s, end_s) of the stretches, in order, not overlapping.

    Returns:
        (start_s, end_s) of each word. A word that reaches over a pause is cut to the longer of its parts.
    """
    total_s = sum(end_s - start_s for start_s, end_s in spans)
    weights = [syllable_count(word) for word in words]
    num_syllables = sum(weights)
    if not spans or not num_syllables:
        at = spans[0][0] if spans else 0.0
        return [(at, at)] * len(words)
    bounds = [0.0]
    for weight in weights:
        bounds.append(bounds[-1] + weight * total_s / num_syllables)
    return [_place(low, high, spans) for low, high in zip(bounds, bounds[1:], strict=False)]


def _place(low: float, high: float, spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The longest part of [low, high] of the time in the spans, where they lie."""
    best, passed = None, 0.0
    for start_s, end_s in spans:
        length = end_s - start_s
        first, last = max(low, passed), min(high, passed + length)
        if last >= first and (best is None or last - first > best[1] - best[0] + 1e-9):
            best = (start_s + first - passed, start_s + last - passed)
        passed += length
    return best or (spans[-1][1], spans[-1][1])
