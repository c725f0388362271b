"""Words with times as json: those of Whisper and the programs around it, and our own words.json.

| program | layout |
| --- | --- |
| openai-whisper, stable-ts, WhisperKit, whisper.cpp's server | `segments` with `words` of {word, start, end, probability} |
| whisper-timestamped, WhisperX | the same with {text, confidence} or {word, score}; times may be missing |
| OpenAI's API (`verbose_json`), Groq | `words` and `segments` beside each other, either may be null |
| faster-whisper | a list of segments with `words` |
| whisper.cpp (`-oj`, `-ojf`, `-ml 1`) | `transcription` of {text, offsets: {from, to} in ms}, with `tokens` or not |
| transformers | `chunks` of {text, timestamp: [start, end]}, the last end may be null |
| Vosk | `result` of {word, start, end, conf}, or a list of these, one for each utterance; or the same in `alternatives` |
| emage | a list of {word, start_s, end_s, confidence} |

Times of words are taken before those of segments.
"""

import json
import math
import re
import reprlib
from pathlib import Path
from typing import Any

from emage.errors import InputError, warn_input
from emage.text_encoding import read_bytes
from emage.words.markup import CLOCK, MAX_TIME_S, clock_seconds
from emage.words.pieces import SHARED_TIME, Kind, Piece, words_of_pieces
from emage.words.timed import TimedWord

_EXPECTED = (
    'expected Whisper\'s {"segments": [{"words": [{"word", "start", "end"}]}]} or [{"word", "start_s", "end_s"}]'
)
_TEXT_KEYS, _CONFIDENCE_KEYS = ("word", "text"), ("confidence", "probability", "score", "p", "conf")
_SPECIAL = re.compile(r"<\|[^|<>]*\|>|\[_[A-Z_0-9]+_?\]")  # <|0.00|> of Whisper, [_BEG_] and [_TT_50] of whisper.cpp
_LIST_KEYS = ("segments", "words", "word_segments", "transcription", "chunks")
_HUGE = 1e6
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_PAIR_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # the others stand for the bytes 0x80 to 0xff

Bounds = tuple[float | None, float | None]


def read_word_json(path: str | Path) -> list[TimedWord]:
    """Reads the words of a json file.

    Returns:
        One entry for each whitespace-separated word, in the order of their times; none for an empty list. Confidence is
        the file's own (probability, score), 1 where it gives none, at most 0.5 for words that share the time of a
        segment or have one bound of their own, 0 for a word without a time or that ends before it begins, which gets
        the time between its neighbours.

    Raises:
        InputError: no such file, no json, no list of words in it, words without any time, or a time or confidence that
            is no number. A time is finite, not negative and at most a day.
    """
    node = _read_json(path)
    reader = _Reader(path)
    kind = reader.read(node)
    pieces = _restored(reader.pieces, path)
    if pieces and not any(piece.has_time() for piece in pieces):
        raise InputError(f"{path}: its words have no times; give the text with --text")
    words = words_of_pieces(pieces, str(path), kind)
    if not words and isinstance(node, dict) and not pieces and str(node.get("text") or "").strip():
        raise InputError(f"{path}: it has a text but no times; give the text with --text")
    if not words and kind != "ours":
        warn_input(f"{path}: it holds no words")
    return words


def _read_json(path: str | Path) -> Any:
    raw = read_bytes(path)
    try:
        # Bytes that are no UTF-8 become lone surrogates: whisper.cpp cuts letters into tokens of single bytes.
        return json.loads(raw.decode(json.detect_encoding(raw), "surrogateescape"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not valid {error.encoding}; save it as UTF-8") from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply for a json of words; {_EXPECTED}") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid json: {error}") from error


class _Reader:
    """Finds the list of words in a json of any layout and collects its pieces."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.pieces: list[Piece] = []
        self._doubtful: list[tuple[str, float, float]] = []  # text, confidence as written and as taken

    def read(self, node: Any) -> Kind:
        """Collects the pieces and returns what they are.

        Raises:
            InputError: there is no list of words, or a row that cannot be used.
        """
        kind = self._read(node)
        if self._doubtful:
            text, written, taken = self._doubtful[0]
            more = f" (and of {len(self._doubtful) - 1} more)" if len(self._doubtful) > 1 else ""
            warn_input(
                f"{self.path}: the confidence of {text.strip()[:40]!r}{more} is {written:g}, not between 0 and 1; "
                f"it was set to {taken:g}"
            )
        return kind

    def _read(self, node: Any) -> Kind:
        node = [_with_words(row) for row in node] if isinstance(node, list) else _with_words(node)
        if isinstance(node, list):
            if any(isinstance(row, dict) and isinstance(row.get("words"), list) for row in node):
                return self._read_segments(node)
            ours = all(isinstance(row, dict) and "start_s" in row and "word" in row for row in node)
            return self._read_rows(node, "ours" if ours else "words")
        if not isinstance(node, dict):
            raise InputError(f"{self.path}: no list of words; {_EXPECTED}")
        lists = {key: self._list(node, key) for key in _LIST_KEYS}
        segments = lists["segments"]
        if segments and any(isinstance(row, dict) and _are_timed(row.get("words")) for row in segments):
            return self._read_segments(segments)
        for key in ("words", "word_segments"):
            if _are_timed(lists[key]):
                return self._read_rows(lists[key])
        if lists["transcription"] is not None:
            return self._read_transcription(lists["transcription"])
        if lists["chunks"] is not None:
            return self._read_rows(lists["chunks"])
        if segments:
            return self._read_segments(segments)
        if all(rows is None for rows in lists.values()):
            has_rows = any(isinstance(value, list | dict) and value for value in node.values())
            if str(node.get("text") or "").strip() and not has_rows:
                raise InputError(f"{self.path}: it has a text but no times; give the text with --text")
            keys = ", ".join(repr(key[:40]) for key in list(node)[:6])
            raise InputError(f"{self.path}: no list of words in it, its keys are {keys or 'none'}; {_EXPECTED}")
        return self._read_rows(lists["words"] or lists["word_segments"] or [])

    def _list(self, node: dict[str, Any], key: str, where: str = "") -> list[Any] | None:
        value = node.get(key)
        if value is not None and not isinstance(value, list):
            raise InputError(f"{self.path}: {where}{key}: got {reprlib.repr(value)}, no list; {_EXPECTED}")
        return value

    def _read_rows(self, rows: list[Any], kind: Kind = "words") -> Kind:
        for number, row in enumerate(rows):
            self._add(row, f"word {number}")
        if any(len(piece.text.split()) > 1 for piece in self.pieces):  # they are segments
            for number, piece in enumerate(self.pieces):
                piece.segment = number
        return kind

    def _read_segments(self, segments: list[Any]) -> Kind:
        for number, segment in enumerate(segments):
            if not isinstance(segment, dict):
                raise InputError(f"{self.path}: segments: {_EXPECTED}, got {reprlib.repr(segment)}")
            rows = self._list(segment, "words", f"segment {number}, ")
            if not _are_timed(rows) and (not rows or isinstance(segment.get("text"), str)):
                self._add({**segment, "confidence": SHARED_TIME}, f"segment {number}", number)
                continue
            bounds = self._bounds(segment, f"segment {number}", "")
            for place, row in enumerate(rows or []):
                self._add(row, f"segment {number}, word {place}", number, bounds)
        return "words"

    def _read_transcription(self, rows: list[Any]) -> Kind:
        """whisper.cpp: the tokens of a row if they have times (-ojf), else the row, which may be a token (-ml 1)."""
        for number, row in enumerate(rows):
            tokens = self._list(row, "tokens", f"row {number}, ") if isinstance(row, dict) else None
            if tokens and _are_timed(tokens):
                bounds = self._bounds(row, f"row {number}", "")
                for place, token in enumerate(tokens):
                    self._add(token, f"row {number}, token {place}", number, bounds)
            else:
                self._add(row, f"row {number}", number)
        return "tokens"

    def _add(self, row: Any, where: str, segment: int = 0, bounds: Bounds = (None, None)) -> None:
        texts = [row.get(key) for key in _TEXT_KEYS] if isinstance(row, dict) else []
        text = next((value for value in texts if isinstance(value, str)), None)
        if text is None:
            raise InputError(f"{self.path}: no list of words: {where} is {reprlib.repr(row)}; {_EXPECTED}")
        plain = _SPECIAL.sub("", text)
        if text and not plain:
            return
        start_s, end_s = self._bounds(row, where, text)
        self.pieces.append(Piece(plain, start_s, end_s, self._confidence(row, where, text), segment, bounds))

    def _bounds(self, row: dict[str, Any], where: str, text: str) -> Bounds:
        """Start and end of a row in seconds; None where it has none."""
        start, end, unit_s = _written_bounds(row)
        times_s = [_seconds(value, unit_s) for value in (start, end)]
        if any(time_s is not None and math.isnan(time_s) for time_s in times_s):
            name = f"{where} ({text.strip()[:40]!r})" if text.strip() else where
            written = f"from {reprlib.repr(start)} to {reprlib.repr(end)}"
            raise InputError(f"{self.path}: {name}: {written}; expected seconds from 0 to {MAX_TIME_S:g}")
        return times_s[0], times_s[1]

    def _confidence(self, row: dict[str, Any], where: str, text: str) -> float:
        value = next((row[key] for key in _CONFIDENCE_KEYS if row.get(key) is not None), 1.0)
        if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _HUGE:
            raise InputError(
                f"{self.path}: {where} ({text.strip()[:40]!r}): confidence {reprlib.repr(value)}; expected 0 to 1"
            )
        taken = min(1.0, max(0.0, float(value))) if value == value else 0.0
        if not abs(taken - value) < 1e-3:
            self._doubtful.append((text, float(value), taken))
        return taken


def _with_words(node: Any) -> Any:
    """An utterance of Vosk with its list `result`, or that of its first alternative, as `words`; else the node itself."""
    if not isinstance(node, dict) or any(node.get(key) is not None for key in _LIST_KEYS):
        return node
    alternatives = node.get("alternatives")
    if isinstance(alternatives, list) and alternatives and isinstance(alternatives[0], dict):
        node = {"result": None, **alternatives[0]}
    return {**node, "words": node["result"]} if isinstance(node.get("result"), list) else node


def _are_timed(rows: Any) -> bool:
    """Whether it is a list of rows of which one has a start or an end."""
    if not isinstance(rows, list):
        return False
    return any(isinstance(row, dict) and _written_bounds(row)[:2] != (None, None) for row in rows)


def _written_bounds(row: dict[str, Any]) -> tuple[Any, Any, float]:
    """Start and end as a row has them, and their unit in seconds."""
    if isinstance(row.get("timestamp"), list) and len(row["timestamp"]) == 2:
        return row["timestamp"][0], row["timestamp"][1], 1.0
    for key, unit_s in (("offsets", 0.001), ("timestamps", 1.0)):
        if isinstance(row.get(key), dict):
            return row[key].get("from"), row[key].get("to"), unit_s
    return row.get("start_s", row.get("start")), row.get("end_s", row.get("end")), 1.0


def _seconds(value: Any, unit_s: float) -> float | None:
    """A time in seconds; NaN for what is none between 0 and MAX_TIME_S."""
    if value is None:
        return None
    if isinstance(value, str):
        clock = re.fullmatch(CLOCK, value)  # of whisper.cpp's `timestamps`
        time_s = clock_seconds(clock.groups()) if clock else None
        return math.nan if time_s is None else time_s
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_TIME_S / unit_s
    return float(value) * unit_s if is_time else math.nan


def _restored(pieces: list[Piece], path: str | Path) -> list[Piece]:
    """The pieces with letters in place of surrogates; a letter that was cut into several pieces is put together."""
    restored: list[Piece] = []
    for piece in pieces:
        before = restored[-1] if restored else None
        if (
            before is not None
            and before.text
            and "\udc80" <= before.text[-1]
            and "\udc80" <= piece.text[:1] <= "\udcff"
        ):
            before.text += piece.text
            before.end_s = piece.end_s
        else:
            restored.append(piece)
    bad = None
    for piece in restored:
        if _SURROGATE.search(piece.text):
            raw = _SURROGATE_PAIR_HALF.sub("\ufffd", piece.text).encode("utf-8", "surrogateescape")
            piece.text = raw.decode("utf-8", "replace")
            if "\ufffd" in piece.text:
                bad = bad or piece.text.strip()
    if bad is not None:
        warn_input(f"{path}: {bad[:40]!r} holds bytes that are not valid UTF-8; they were replaced by U+FFFD")
    return restored
