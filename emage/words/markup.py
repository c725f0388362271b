"""Markup of subtitles and transcripts: tags, entities and the time marks inside a line.

Sources: WebVTT (W3C), 4.2 "cue text"; SubRip's html-like tags; the override blocks of SubStation Alpha (`{\\an8}`) that
converters leave in SubRip files; the special tokens of Whisper (`<|en|>`, `<|0.00|>`).
"""

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_TIME_S = 86400.0  # a day; a later time is taken for a fault of the file
CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:(?:[.,]|:(?=\d{3}))(\d{1,9})\d*)?"  # of WebVTT and SubRip; some programs leave zeros out

_PIECE = re.compile(
    rf"(?P<mark><{CLOCK}>)"
    r"|(?P<line><br ?/?>|\\N)"
    r"|(?P<space>\\h|<\|[^<>|]{1,40}\|>)"
    r"|(?P<tag></?[A-Za-z][^<>]*>|<>|\{\\[^{}]*\}|\{[A-Za-z]:[^{}]*\})"
    r"|(?P<entity>&(?:#\d+|#x[0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);)"
    r"|(?P<unseen>[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff])",
    re.IGNORECASE,
)


class Plain(NamedTuple):
    """Text without markup, and the time marks that stood in it.

    `marks` are (index of the character behind the mark, time in seconds), in their order.
    """

    text: str
    marks: list[tuple[int, float]]


def plain_text(text: str) -> Plain:
    """Removes tags, resolves entities and line breaks, and takes out the time marks (`<00:00:01.500>`)."""
    parts: list[str] = []
    marks: list[tuple[int, float]] = []
    length = place = 0
    for match in _PIECE.finditer(text):
        parts.append(text[place : match.start()] + _written_out(match))
        length += len(parts[-1])
        place = match.end()
        if match["mark"]:
            time_s = clock_seconds(match.groups()[1:5])
            if time_s is not None:
                marks.append((length, time_s))
    return Plain("".join([*parts, text[place:]]), marks)


def _written_out(match: re.Match[str]) -> str:
    """What stands for a piece of markup in plain text."""
    if match["entity"]:
        return html.unescape(match["entity"])
    if match["line"]:
        return "\n"
    return " " if match["space"] else ""


def clock_seconds(groups: Sequence[str | None]) -> float | None:
    """Seconds of the four groups of CLOCK: hours, minutes, seconds, decimals; None if later than MAX_TIME_S."""
    hours, minutes, seconds, decimals = groups
    if len(hours or "") > 6:
        return None
    time_s = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{decimals or 0}")
    return time_s if time_s <= MAX_TIME_S else None
