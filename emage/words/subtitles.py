"""Subtitles, SubRip (.srt) and WebVTT (.vtt), as words: a cue's words share its time by their syllables.

Word times inside a cue are taken where the file has them: WebVTT's <00:00:01.500> marks, and the cues of Whisper's
`highlight_words`, which repeat a sentence once a word with that word underlined.
"""

import html
import re
from pathlib import Path
from typing import NamedTuple

from emage.errors import InputError
from emage.words.syllables import spread
from emage.words.timed import TimedWord

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}")
_MARK = re.compile(rf"<{_CLOCK}>")
_UNDERLINED = re.compile(r"<u>(.*?)</u>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


class _Cue(NamedTuple):
    start_s: float
    end_s: float
    text: str


def read_subtitles(path: str | Path) -> list[TimedWord]:
    """Reads the words of a .srt or .vtt file.

    Returns:
        Words in their order; confidence 1 where the file times the word itself, 0.5 where it times only the cue.

    Raises:
        InputError: no such file, no text, no cue, or a cue that ends before it begins (names the line).
    """
    cues = _read_cues(path)
    highlighted = [(cue, _UNDERLINED.findall(cue.text)) for cue in cues]
    if any(marked for _, marked in highlighted):
        return [
            TimedWord(word, cue.start_s, cue.end_s, 1.0)
            for cue, marked in highlighted
            for word in " ".join(map(_plain, marked)).split()
        ]
    return [word for cue in cues for word in _cue_words(cue)]


def _cue_words(cue: _Cue) -> list[TimedWord]:
    marks = list(_MARK.finditer(cue.text))
    starts_s = [cue.start_s, *(_seconds(mark.groups()) for mark in marks), cue.end_s]
    texts = _MARK.split(cue.text)[:: 1 + _MARK.groups]
    words = []
    for start_s, end_s, text in zip(starts_s[:-1], starts_s[1:], texts, strict=True):
        parts = _plain(text).split()
        times = spread(parts, [(start_s, max(start_s, end_s))])
        confidence = 1.0 if marks and len(parts) == 1 else 0.5
        words += [TimedWord(word, *time, confidence) for word, time in zip(parts, times, strict=True)]
    return words


def _read_cues(path: str | Path) -> list[_Cue]:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; save the subtitles as UTF-8") from error
    cues: list[_Cue] = []
    body: list[str] | None = None  # lines of the cue that is open
    for number, line in enumerate([*text.splitlines(), ""], 1):
        timing = _TIMING.match(line)
        if timing:
            start_s, end_s = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])
            if end_s < start_s:
                raise InputError(
                    f"{path}: line {number}: the cue ends at {end_s:g} s, before it begins at {start_s:g} s"
                )
            body = []
            cues.append(_Cue(start_s, end_s, ""))
        elif not line.strip():
            body = None
        elif body is not None:
            body.append(line)
            cues[-1] = cues[-1]._replace(text="\n".join(body))
    if not cues:
        raise InputError(f"{path}: no subtitle in it; expected lines like 00:00:01,000 --> 00:00:02,500")
    return cues


def _seconds(groups: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = groups
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{fraction}")


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text))
