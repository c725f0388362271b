"""The labels that people gave to a recording: emotion (csv), meaning of the gestures (txt), and both frame by frame.

Shapes: T frames.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emage.emotions import EMOTIONS
from emage.errors import InputError

# The last take of each emotion in BEAT's speech recordings; every conversation is neutral.
_LAST_TAKES = ((64, 0), (72, 1), (80, 2), (86, 3), (94, 4), (102, 5), (110, 6), (118, 7))
_MISSPELT = frozenset({"00_netural"})  # so in the release


class Interval(NamedTuple):
    """A label and when it holds; the end does not belong to it."""

    start_s: float
    end_s: float
    value: float
    name: str


def emotion_from_take(take: int, is_conversation: bool) -> int:
    """The emotion that BEAT's plan assigns to a take, 0 (neutral) where it has none.

    Source: the table of takes of BEAT v0.2.1 (65-72 happiness ... 111-118 disgust; conversations neutral).
    """
    if is_conversation:
        return 0
    return next((emotion for last, emotion in _LAST_TAKES if take <= last), 0)


def read_emotion_csv(path: str | Path) -> tuple[list[Interval], list[str]]:
    """Reads `name,start,end,duration,score` rows, where the score is the number of the emotion.

    Returns:
        The intervals, and notices about names that do not say what their score says, or are misspelt (`00_netural`).

    Raises:
        InputError: a malformed row (names the line), or a file without rows.
    """
    intervals, notices = [], []
    for line, row in _rows(path, delimiter=",", num_fields=5):
        interval = _interval(path, line, row)
        if interval.value not in range(len(EMOTIONS)):
            raise InputError(f"{path}: line {line}: emotion {row[4]!r}; expected a whole number 0..{len(EMOTIONS) - 1}")
        intervals.append(interval)
        number = interval.name.partition("_")[0]
        contradicts = number.isdecimal() and int(number) != interval.value
        if contradicts or interval.name.lower() in _MISSPELT:
            notices.append(f"emotion {interval.name!r} with score {row[4]} read as {EMOTIONS[int(interval.value)]}")
    if not intervals:
        raise InputError(
            f"{path}: empty: expected rows of name,start,end,duration,score; delete it to take the default"
        )
    return intervals, list(dict.fromkeys(notices))


def read_semantic_txt(path: str | Path) -> list[Interval]:
    """Reads tab-separated `type, start, end, duration, score, keywords` rows; the score is 0..1.

    A file without rows is fine: nothing that was said there has a gesture of its own.

    Raises:
        InputError: a malformed row (names the line).
    """
    intervals = []
    for line, row in _rows(path, delimiter="\t", num_fields=5):
        interval = _interval(path, line, row)
        if not 0 <= interval.value <= 1:
            raise InputError(f"{path}: line {line}: semantic score {row[4]!r}; expected a number from 0 to 1")
        intervals.append(interval)
    return intervals


def labels_per_frame(
    intervals: Sequence[Interval], num_frames: int, fps: float, *, default: float, hold: bool = False
) -> np.ndarray:
    """The label of each frame: that of the interval with start <= t < end at t = frame / fps.

    Args:
        intervals: in any order; where two overlap, the one that starts later holds.
        num_frames: T.
        fps: frames per second.
        default: where no interval holds.
        hold: a frame between intervals keeps the label before it (before the first: the first) instead of the default.
            Labels of a whole recording end some hundredths of a second before it does.

    Returns:
        (T,) float64.
    """
    times_s = np.arange(num_frames) / fps
    values = np.full(num_frames, np.nan)
    ordered = sorted(intervals, key=lambda interval: interval.start_s)
    first = np.searchsorted(times_s, [interval.start_s for interval in ordered], side="left")
    stop = np.searchsorted(times_s, [interval.end_s for interval in ordered], side="left")
    for i, interval in enumerate(ordered):
        values[first[i] : stop[i]] = interval.value
    labelled = ~np.isnan(values)
    if hold and labelled.any():
        before = np.maximum.accumulate(np.where(labelled, np.arange(num_frames), -1))
        return values[np.where(before < 0, np.argmax(labelled), before)]
    return np.where(labelled, values, default)


def _rows(path: str | Path, *, delimiter: str, num_fields: int) -> Iterable[tuple[int, list[str]]]:
    """Line number and fields of every row that is not blank."""
    try:
        # Annotators' own letters occur in the keywords only: a broken one must not cost the recording.
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
            rows = [(reader.line_num, [field.strip() for field in row]) for row in reader]
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    for line, row in rows:
        if any(row):
            if len(row) < num_fields:
                raise InputError(
                    f"{path}: line {line}: {len(row)} fields; expected {num_fields} separated by {delimiter!r}"
                )
            yield line, row


def _interval(path: str | Path, line: int, row: list[str]) -> Interval:
    numbers = []
    for name, text in zip(("start", "end", "score"), (row[1], row[2], row[4]), strict=True):
        try:
            numbers.append(float(text))
        except ValueError:
            numbers.append(math.nan)
        if not math.isfinite(numbers[-1]):
            raise InputError(f"{path}: line {line}: {name} {text!r}; expected a number") from None
    if numbers[1] < numbers[0]:
        raise InputError(f"{path}: line {line}: ends at {row[2]} s, before its start at {row[1]} s")
    return Interval(*numbers, name=row[0])
