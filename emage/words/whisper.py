"""Words with times as json: Whisper's and its relatives', and our own words.json.

Understood: openai-whisper and faster-whisper (`segments` with `words`), WhisperX (`score`, words without times), the API's
`verbose_json` (`words`), whisper.cpp (`transcription` with `offsets` in ms), and lists of {"word", "start_s", "end_s"}.
"""

import json
import math
from pathlib import Path
from typing import Any

from emage.errors import InputError
from emage.words.syllables import spread
from emage.words.timed import TimedWord

_EXPECTED = (
    'expected Whisper\'s {"segments": [{"words": [{"word", "start", "end"}]}]} or [{"word", "start_s", "end_s"}]'
)


def read_word_json(path: str | Path) -> list[TimedWord]:
    """Reads the words of a json file.

    Returns:
        Words in their order. Confidence is the file's own (probability, score), 1 where it gives none, 0.5 for words
        that share the time of a segment, 0 for one without a time, which stands between its neighbours.

    Raises:
        InputError: no such file, no json, no words in it, or a word whose times are no numbers or run backwards.
    """
    try:
        node = json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid json: {error}") from error
    rows = _rows(node, path)
    if not rows and isinstance(node, list):
        return []  # our own words.json of a speech without words
    if not rows:
        raise InputError(f"{path}: it holds no words; {_EXPECTED}")
    timed: list[TimedWord | None] = [_timed(row, number, path) for number, row in enumerate(rows)]
    texts = [str(row.get("word", row.get("text"))).strip() for row in rows]
    return [
        part
        for word in _between_neighbours(texts, timed)
        for part in _split(word)  # one entry for each whitespace-separated word
    ]


def _rows(node: Any, path: str | Path) -> list[dict[str, Any]]:
    """Dicts with `word` or `text`, `start` and `end` in seconds, and perhaps a confidence."""
    if isinstance(node, list):
        rows = node
    elif not isinstance(node, dict):
        rows = None
    elif "segments" in node:
        segments = node["segments"] if isinstance(node["segments"], list) else [None]
        if not all(isinstance(segment, dict) for segment in segments):
            raise InputError(f"{path}: segments: {_EXPECTED}")
        rows = [row for segment in segments for row in (segment.get("words") or [{**segment, "confidence": 0.5}])]
    elif "words" in node:
        rows = node["words"]
    elif "transcription" in node:
        rows = node["transcription"]
        if isinstance(rows, list) and all(
            isinstance(row, dict) and isinstance(row.get("offsets"), dict) for row in rows
        ):
            rows = [
                {
                    "text": row.get("text", ""),
                    "start": _thousandth(row["offsets"].get("from")),
                    "end": _thousandth(row["offsets"].get("to")),
                    "confidence": 1.0 if len(str(row.get("text", "")).split()) < 2 else 0.5,
                }
                for row in rows
            ]
    else:
        rows = None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("word", row.get("text")), str) for row in rows
    ):
        raise InputError(f"{path}: no list of words; {_EXPECTED}")
    return [row for row in rows if str(row.get("word", row.get("text"))).strip()]


def _thousandth(value: Any) -> Any:
    return value / 1000 if isinstance(value, int | float) else value


def _timed(row: dict[str, Any], number: int, path: str | Path) -> TimedWord | None:
    """The word with its times; None if it has none."""
    text = str(row.get("word", row.get("text"))).strip()
    start_s, end_s = (row.get(f"{key}_s", row.get(key)) for key in ("start", "end"))
    if start_s is None and end_s is None:
        return None
    usable = all(isinstance(value, int | float) and math.isfinite(value) for value in (start_s, end_s))
    if not usable or end_s < start_s:
        raise InputError(f"{path}: word {number} ({text!r}): from {start_s!r} to {end_s!r}; expected rising seconds")
    confidence = next((row[key] for key in ("confidence", "probability", "score") if row.get(key) is not None), 1.0)
    return TimedWord(text, float(start_s), float(end_s), min(1.0, max(0.0, float(confidence))))


def _between_neighbours(texts: list[str], timed: list[TimedWord | None]) -> list[TimedWord]:
    """Gives words without times the room between those before and behind them."""
    words: list[TimedWord] = []
    place = 0
    while place < len(timed):
        word = timed[place]
        if word is not None:
            words.append(word)
            place += 1
            continue
        stop = next((later for later in range(place, len(timed)) if timed[later] is not None), len(timed))
        start_s = words[-1].end_s if words else 0.0
        end_s = max(start_s, timed[stop].start_s) if stop < len(timed) else start_s
        times = spread(texts[place:stop], [(start_s, end_s)])
        words += [TimedWord(text, *time, 0.0) for text, time in zip(texts[place:stop], times, strict=True)]
        place = stop
    return words


def _split(word: TimedWord) -> list[TimedWord]:
    parts = word.word.split()
    if len(parts) == 1:
        return [word]
    times = spread(parts, [(word.start_s, word.end_s)])
    return [TimedWord(part, *time, word.confidence) for part, time in zip(parts, times, strict=True)]
