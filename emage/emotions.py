"""BEAT's eight emotions, one for a whole recording or a timeline of them.

Shapes: T frames.
"""

import csv
import difflib
import math
from pathlib import Path

import numpy as np

from emage.errors import InputError

EMOTIONS = ("neutral", "happiness", "anger", "sadness", "contempt", "surprise", "fear", "disgust")
_SHOWN_CHARACTERS = 40  # of a value in an error
_TIMELINE = "rows of start_s,end_s,emotion (seconds, seconds, a name or 0-7)"


def emotion_index(text: str) -> int:
    """Number of an emotion given by name or number.

    Raises:
        InputError: for another one (names the nearest).
    """
    name = text.strip().lower()
    if name in EMOTIONS:
        return EMOTIONS.index(name)
    if name.isascii() and _is_number(name) and float(name) in range(len(EMOTIONS)):
        return int(float(name))
    near = difflib.get_close_matches(name[:_SHOWN_CHARACTERS], EMOTIONS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    raise InputError(f"emotion: got {shown!r}; {hint}choose one of {', '.join(EMOTIONS)}, 0 to 7, or a timeline file")


def emotion_labels(text: str, num_frames: int, fps: float) -> np.ndarray:
    """The emotion of each frame.

    Args:
        text: name or number of an emotion, or the path of a timeline file.
        num_frames: T.
        fps: frames per second.

    Returns:
        (T,) int64; neutral where a timeline says nothing. Where two rows overlap, the later row of the file holds.

    Raises:
        InputError: an unknown emotion or a broken timeline (names the line).
    """
    path = Path(text)
    if path.suffix and path.is_file():
        labels = np.zeros(num_frames, dtype=np.int64)
        times_s = np.arange(num_frames) / fps
        for start_s, end_s, emotion in read_timeline(path):
            labels[(times_s >= start_s) & (times_s < end_s)] = emotion
        return labels
    if path.suffix in (".csv", ".txt"):
        raise InputError(f"{path}: no such emotion timeline; expected {_TIMELINE}")
    return np.full(num_frames, emotion_index(text), dtype=np.int64)


def read_timeline(path: str | Path) -> list[tuple[float, float, int]]:
    """Reads a timeline: `start_s,end_s,emotion`, or BEAT's `name,start,end,duration,score`; a header line may stand first.

    Raises:
        InputError: a row that is neither (names the line), an end before its start, or no rows.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [(line, row) for line, row in enumerate(csv.reader(file), 1) if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; expected {_TIMELINE}") from error
    except csv.Error as error:
        raise InputError(f"{path}: not a table of comma separated values: {error}; expected {_TIMELINE}") from error
    if rows and not any(map(_is_number, rows[0][1])):
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path}: no rows; expected {_TIMELINE}")
    return [_interval(path, line, row) for line, row in rows]


def _interval(path: str | Path, line: int, row: list[str]) -> tuple[float, float, int]:
    start, end, emotion = row if len(row) == 3 else (*row[1:3], row[4]) if len(row) == 5 else ("", "", "")
    if not (_is_number(start) and _is_number(end)):
        raise InputError(f"{path}: line {line}: got {','.join(row)!r}; expected {_TIMELINE}")
    if float(end) < float(start):
        raise InputError(f"{path}: line {line}: it ends at {end} s, before it begins at {start} s")
    try:
        return float(start), float(end), emotion_index(emotion)
    except InputError as error:
        raise InputError(f"{path}: line {line}: {error}") from error


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
