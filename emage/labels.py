"""Label files of a recording: intervals with a score, BEAT's semantic scores among them, and such labels frame by frame.

Shapes: T frames.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emage.errors import InputError


class Interval(NamedTuple):
    """A label and when it holds; the end does not belong to it."""

    start_s: float
    end_s: float
    value: float
    name: str


def read_semantic_txt(path: str | Path) -> list[Interval]:
    """Reads tab-separated `type, start, end, duration, score, keywords` rows; the score is 0..1.

    A file without rows is fine: nothing that was said there has a gesture of its own.

    Raises:
        InputError: a malformed row (names the line).
    """
    intervals = []
    for line, row in label_rows(path, delimiter="\t", num_fields=5):
        interval = label_interval(path, line, row)
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


def label_rows(path: str | Path, *, delimiter: str, num_fields: int) -> Iterable[tuple[int, list[str]]]:
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


def label_interval(path: str | Path, line: int, row: list[str]) -> Interval:
    """The interval of a row `name, start, end, duration, score`.

    Raises:
        InputError: a field that is no number, or an end before its start; names file and line.
    """
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
