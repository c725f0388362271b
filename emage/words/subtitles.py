"""Subtitles, SubRip (.srt) and WebVTT (.vtt), as words: the words of a cue share its time by their syllables.

Word times inside a cue are taken where the file has them: WebVTT's <00:00:01.500> marks, and the cues of Whisper's
`highlight_words`, which repeat a sentence once a word with that word underlined. Rolling captions give each word once
(`rolling_captions`). Sound tags, speaker labels, music signs and time stamps are not words (`unspoken`).

Sources: WebVTT (W3C), 6.1 "WebVTT file parsing": an empty line ends a cue, a line of spaces does not, and text outside
of cues is ignored. SubRip has no specification: its cue ends at the number and the time of the next one, so that empty
lines inside a cue stay in it.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from emage.errors import InputError, warn_input
from emage.text_encoding import read_text
from emage.words.markup import CLOCK, Plain, clock_seconds, plain_text
from emage.words.rolling_captions import ShownCue, repeated_words
from emage.words.syllables import spread
from emage.words.timed import TimedWord
from emage.words.unspoken import blank_unspoken, warn_removed

_TIMING = re.compile(rf"^\s*{CLOCK}\s*(?:-{{1,3}}|[–—])>\s*{CLOCK}")
_UNDERLINED = re.compile(r"<u>(.*?)</u>", re.DOTALL | re.IGNORECASE)
_BLOCKS = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_PERSISTENT_SHARE = 0.5  # of neighbouring cues overlap: cues stay on the screen while the next is said


class _Cue(NamedTuple):
    start_s: float
    end_s: float
    text: str


def read_subtitles(path: str | Path) -> list[TimedWord]:
    """Reads the words of a .srt or .vtt file.

    Returns:
        Words in the order of their times; confidence 1 where the file times the word itself, 0.5 where it times only
        the cue, 0 where the cue ends before it begins.

    Raises:
        InputError: no such file, no text, no cue, or a time of more than a day (names the line).
    """
    text = read_text(path)
    is_vtt = text.lstrip().startswith("WEBVTT")
    cues = _vtt_cues(text, path) if is_vtt or str(path).lower().endswith(".vtt") else _srt_cues(text, path)
    if not cues and not is_vtt:
        raise InputError(f"{path}: no subtitle in it; expected lines like 00:00:01,000 --> 00:00:02,500")
    cues = _in_time_order(cues, path)
    plain = [plain_text(cue.text) for cue in cues]
    highlighted = _highlighted_words(cues, plain)
    words = highlighted if highlighted is not None else _cue_words(cues, plain, path)
    if not words:
        warn_input(f"{path}: it holds no words")
    return sorted(words, key=lambda word: word.start_s)  # the words of overlapping cues alternate


def _in_time_order(cues: Sequence[_Cue], path: str | Path) -> list[_Cue]:
    """The cues by their beginnings, each once: converters repeat the layers of SubStation Alpha."""
    if any(second.start_s < first.start_s for first, second in pairwise(cues)):
        warn_input(f"{path}: its cues are not in the order of their times; they were sorted")
    return list(dict.fromkeys(sorted(cues, key=lambda cue: cue.start_s)))


def _cue_words(cues: Sequence[_Cue], plain: Sequence[Plain], path: str | Path) -> list[TimedWord]:
    spoken, removed = blank_unspoken([text for text, _ in plain])
    warn_removed(removed, str(path))
    placed = [[(match.start(), match.group()) for match in re.finditer(r"\S+", text)] for text in spoken]
    shown = [
        ShownCue(cue.start_s, cue.end_s, [word for _, word in tokens], _line_starts(text, tokens))
        for cue, text, tokens in zip(cues, spoken, placed, strict=True)
    ]
    repeated = repeated_words(shown)
    if any(repeated) and not any(marks for _, marks in plain):
        warn_input(
            f"{path}: rolling captions: {sum(repeated)} words that a cue repeats from the one before were left out"
        )
    new = [tokens[count:] for tokens, count in zip(placed, repeated, strict=True)]
    kept = [(cue, marks, tokens) for cue, (_, marks), tokens in zip(cues, plain, new, strict=True) if tokens]
    ends_s = _ends_of_speech([cue for cue, *_ in kept])
    return [
        word
        for (cue, marks, tokens), end_s in zip(kept, ends_s, strict=True)
        for word in _timed_words(cue, end_s, marks, tokens)
    ]


def _line_starts(text: str, tokens: Sequence[tuple[int, str]]) -> frozenset[int]:
    """The numbers of the tokens that begin a line."""
    starts, end = set(), 0  # of the token before
    for number, (place, word) in enumerate(tokens):
        if not number or "\n" in text[end:place]:
            starts.add(number)
        end = place + len(word)
    return frozenset(starts)


def _ends_of_speech(cues: Sequence[_Cue]) -> list[float]:
    """When the words of each cue end: with the cue, or before the next where most cues overlap the next.

    A cue that ends before it begins lasts until the next.
    """
    overlapping = [first.start_s < second.start_s < first.end_s for first, second in pairwise(cues)]
    persistent = sum(overlapping) >= max(1, _PERSISTENT_SHARE * len(overlapping))
    ends_s = [max(cue.start_s, cue.end_s) for cue in cues]
    for number, (first, second) in enumerate(pairwise(cues)):
        if first.end_s < first.start_s or (overlapping[number] and persistent):
            ends_s[number] = second.start_s
    return ends_s


def _timed_words(
    cue: _Cue, end_s: float, marks: Sequence[tuple[int, float]], tokens: Sequence[tuple[int, str]]
) -> list[TimedWord]:
    """The words of a cue, each between the time marks around it."""
    times_s = [cue.start_s]  # of the stretches between the marks, rising
    for _, time_s in marks:
        times_s.append(min(end_s, max(times_s[-1], time_s)))
    times_s.append(end_s)

    mark_places = [place for place, _ in marks]

    def stretch(place: int) -> int:
        return bisect_right(mark_places, place)

    words = []
    for first, group in groupby(tokens, key=lambda token: stretch(token[0])):
        together = list(group)
        last = stretch(together[-1][0] + len(together[-1][1]) - 1)
        parts = [word for _, word in together]
        times = spread(parts, [(times_s[first], times_s[last + 1])])
        confidence = 0.0 if cue.end_s < cue.start_s else 1.0 if marks and len(parts) == 1 else 0.5
        words += [TimedWord(word, *time, confidence) for word, time in zip(parts, times, strict=True)]
    return words


def _highlighted_words(cues: Sequence[_Cue], plain: Sequence[Plain]) -> list[TimedWord] | None:
    """The words of a file that underlines the word of the moment; None for a file of another kind.

    Such a file shows a sentence in several cues and underlines another word of it in each; between words it shows the
    sentence without a line.
    """
    marked = [_UNDERLINED.findall(cue.text) for cue in cues]
    texts = [text.split() for text, _ in plain]
    shared = sum(
        bool(first or second) and one == other
        for first, second, one, other in zip(marked, marked[1:], texts, texts[1:], strict=False)
    )
    if not shared or 2 * sum(map(bool, marked)) < len(cues):
        return None
    words = []
    ends_s = _ends_of_speech(cues)
    for number, (cue, parts) in enumerate(zip(cues, marked, strict=True)):
        beside = [other for other in (number - 1, number + 1) if 0 <= other < len(cues)]
        if parts:
            found = " ".join(plain_text(part).text for part in parts).split()
            confidence = 1.0 if cue.end_s >= cue.start_s else 0.0
            words += [TimedWord(word, cue.start_s, ends_s[number], confidence) for word in found]
        elif not any(texts[other] == texts[number] for other in beside):
            words += _timed_words(cue, ends_s[number], [], [(0, word) for word in texts[number]])
    return words


def _vtt_cues(text: str, path: str | Path) -> list[_Cue]:
    """The cues of a WebVTT file: blocks of lines between empty lines, with a time in the first or second line."""
    cues: list[_Cue] = []
    bodies: list[list[str]] = []  # lines of each cue
    unread: list[int] = []  # lines of text outside of cues
    body: list[str] | None = None  # lines of the cue that is open
    block: list[int] = []  # lines since the last empty one, outside of a cue
    is_comment = text.lstrip().startswith("WEBVTT")  # the header ends at the first empty line
    for number, line in enumerate([*text.split("\n"), ""], 1):
        cue = _cue_of(line, number, path, is_comment)
        if cue is not None:
            if body and body[-1].strip().isdecimal() and not "".join(body[-2:-1]).strip():
                body.pop()  # the number of a cue behind a line of spaces
            body, unread, block = [], unread + block[:-1], []
            cues.append(cue)
            bodies.append(body)
        elif not line:
            unread += block
            body, block, is_comment = None, [], False
        elif body is not None:
            body.append(line)
        elif not is_comment and not block and _BLOCKS.match(line):
            is_comment = True
        elif not is_comment and line.strip() and "-->" not in line:
            block.append(number)
    if unread:
        warn_input(
            f"{path}: line {unread[0]}: text behind the empty line that ends a cue was left out, {len(unread)} lines"
        )
    cues = [cue._replace(text="\n".join(body)) for cue, body in zip(cues, bodies, strict=True)]
    return [cue for cue in cues if not math.isnan(cue.start_s)]


def _srt_cues(text: str, path: str | Path) -> list[_Cue]:
    """The cues of a SubRip file: each reaches to the number and time of the next."""
    cues: list[_Cue] = []
    bodies: list[list[str]] = [[]]  # lines before the first time, then those of each cue
    for number, line in enumerate(text.split("\n"), 1):
        cue = _cue_of(line, number, path)
        if cue is None:
            bodies[-1].append(line)
            continue
        _drop_number(bodies[-1], len(cues) + 1)
        cues.append(cue)
        bodies.append([])
    cues = [cue._replace(text="\n".join(body).strip()) for cue, body in zip(cues, bodies[1:], strict=True)]
    return [cue for cue in cues if not math.isnan(cue.start_s)]


def _drop_number(body: list[str], number: int) -> None:
    """Removes the number of the next cue from the end of a cue; it may stand apart from its time."""
    filled = [place for place, line in enumerate(body) if line.strip()]
    if not filled:
        return
    last = body[filled[-1]].strip()
    is_adjacent = filled[-1] == len(body) - 1
    if last.isdecimal() and (is_adjacent or last == str(number)):
        del body[filled[-1] :]


def _cue_of(line: str, number: int, path: str | Path, is_comment: bool = False) -> _Cue | None:
    """The empty cue that a line of two times begins, NaN if they cannot be read; None for another line."""
    timing = _TIMING.match(line)
    if timing is None:
        if "-->" not in line or is_comment or _BLOCKS.match(line):
            return None
        warn_input(f"{path}: line {number}: {line.strip()[:60]!r} are not the times of a cue; the cue was left out")
        return _Cue(math.nan, math.nan, "")
    start_s, end_s = clock_seconds(timing.groups()[:4]), clock_seconds(timing.groups()[4:])
    if start_s is None or end_s is None:
        raise InputError(f"{path}: line {number}: {line.strip()[:60]!r} is later than a day; correct the time")
    if end_s < start_s:
        times = f"ends at {end_s:g} s, before it begins at {start_s:g} s"
        warn_input(f"{path}: line {number}: the cue {times}; its words have confidence 0")
    return _Cue(start_s, end_s, "")
