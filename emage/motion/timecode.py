"""Timecodes of facial recordings: stamps HH:MM:SS:FF.fff -> seconds, and back.

FF.fff counts frames within the second. The base, the frames that a second is counted in, is 60 in files of the Live
Link Face app, whatever the rate of the recording, and Epic's importer reads FF.fff / 60 s. Other programs count in the
rate of the recording. The base is therefore measured: at the turn of a second the step in time is the step of the
other rows, so base = step - (FF after - FF before). Drop-frame timecodes (29.97 and 59.94 fps) skip the first 2 or 4
numbers of each minute that is not a multiple of ten; they count 30 or 60 to the second, and such a second lasts 1.001 s.
A ";" also marks stamps that are true times (29.97 frames to the second); these are taken as they are.

Shapes: N stamps.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emage.errors import InputError

BASE = 60  # of the app and of Epic's importer
_COMMON_BASES = (24, 25, 30, 48, 50, 60, 90, 100, 120, 240, 1000)
_RATES = (24, 25, 30, 50, 60, 120)  # that a length is compared with
_SLOW_BASES = (10, 12, 15, 20)
_FEW_TURNS = 2  # of the second: a row may be lost at each of them
_CLEAR = 0.1  # a measured base this near to a whole number is that number
_DAY_S = 86400
_STAMP = re.compile(r"(\d{1,2})[:;](\d{1,2})[:;](\d{1,2})([:;])(\d{1,3}(?:\.\d{1,9})?)", re.ASCII)


class Stamp(NamedTuple):
    """Whole seconds of the day, frames within the second, and whether a ";" marks it as drop-frame."""

    seconds: int
    frames: float
    dropped: bool


class Times(NamedTuple):
    """Times of N rows, rising, with the base they were counted in and what was odd."""

    seconds: np.ndarray
    base: int
    notices: list[str]


def timecode(frame: int, fps: float) -> str:
    """Timecode, in base 60, of a frame at frame / fps seconds: "00:01:02:14.000" is frame 1867 at 30 fps."""
    second, thousandths = divmod(round(frame / fps * BASE * 1000), BASE * 1000)
    second %= _DAY_S
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{thousandths / 1000:06.3f}"


def parse_timecode(text: str, where: str) -> Stamp:
    """Reads one timecode.

    Raises:
        InputError: begins with `where`; another form, or a field out of its range.
    """
    found = _STAMP.fullmatch(text.strip())
    hours, minutes, seconds = (int(field) for field in found.groups()[:3]) if found else (99, 99, 99)
    if hours > 23 or minutes > 59 or seconds > 59:
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise InputError(f"{where}: timecode {shown!r}; expected HH:MM:SS:FF.fff from 00:00:00:00 to 23:59:59:59.999")
    return Stamp(hours * 3600 + minutes * 60 + seconds, float(found[5]), found[4] == ";")


def stamp_times(
    stamps: Sequence[Stamp],
    lines: Sequence[int],
    path: str,
    *,
    fps: float | None = None,
    duration_s: float | None = None,
) -> Times:
    """Times of the rows of a file.

    A recording may pass midnight. Equal stamps of successive rows are spread evenly over the step to the next stamp.

    Args:
        stamps: one for each row.
        lines: their line numbers, for errors.
        path: the file.
        fps: frames per second of the recording, where known; used if the stamps do not show the base.
        duration_s: length of what the recording belongs to, where known; used likewise.

    Raises:
        InputError: a stamp lies before that of the line before.
    """
    seconds = np.array([stamp.seconds for stamp in stamps], dtype=np.float64)
    frames = np.array([stamp.frames for stamp in stamps])
    days = np.concatenate([[0], np.cumsum(np.diff(seconds) < -_DAY_S / 2)])
    unwrapped = seconds + days * _DAY_S
    is_new = np.concatenate([[True], (np.diff(unwrapped) != 0) | (np.diff(frames) != 0)])
    notices = []
    base, is_measured = _measured_base(unwrapped[is_new], frames[is_new]), True
    if base is None:
        is_measured = False
        base, notice = _base_from_hints(frames[is_new], len(stamps), fps, duration_s)
        notices += [notice] if notice else []
    drop = base // 15 if base in (30, 60) else 0
    if drop and _is_drop_frame(stamps, unwrapped, base, is_measured=is_measured, drop=drop):
        times_s = _drop_frame_s(seconds, frames, base, drop) + days * _drop_frame_s(_DAY_S, 0.0, base, drop)
    else:
        times_s = unwrapped + frames / base
    steps_s = np.diff(times_s)
    if (steps_s < 0).any():
        line = lines[int(np.argmax(steps_s < 0)) + 1]
        raise InputError(f"{path}: line {line}: its timecode lies before that of the line before; sort the rows")
    is_new = np.concatenate([[True], steps_s > 0])
    if not is_new.all():
        times_s = _spread(times_s, is_new)
        number, line = int((~is_new).sum()), lines[int(np.argmin(is_new))]
        notices.append(f"{number} rows have the timecode of the row before (the first in line {line}): spread evenly")
    return Times(times_s, base, notices)


def _measured_base(seconds: np.ndarray, frames: np.ndarray) -> int | None:
    """The base that makes the steps at turns of the second equal to those within it; None if there is no turn."""
    turns, steps = np.diff(seconds), np.diff(frames)
    inside, turned = steps[(turns == 0) & (steps > 0)], steps[turns == 1]
    if not len(inside) or not len(turned):
        return None
    step = inside[inside < 1.8 * np.median(inside)].mean()  # without the steps over lost rows
    measured = float(np.median(step - turned))
    highest = math.floor(frames.max()) + 1
    is_clear = abs(measured - round(measured)) < _CLEAR and round(measured) >= highest
    if len(turned) <= _FEW_TURNS and round(measured) not in (*_SLOW_BASES, *_COMMON_BASES):
        with_lost = measured + step * np.arange(1, 6)  # rows lost at the turn lower what is measured
        found = [base for base in _COMMON_BASES if base >= highest and np.abs(with_lost - base).min() < _CLEAR]
        if found:
            return found[0]
    return round(measured) if is_clear else _common_base(measured, highest)


def _common_base(measured: float, highest: int) -> int:
    possible = [base for base in _COMMON_BASES if base >= highest]
    return min(possible, key=lambda base: abs(base - measured))


def _base_from_hints(
    frames: np.ndarray, num_rows: int, fps: float | None, duration_s: float | None
) -> tuple[int, str | None]:
    """The base of stamps without a turn of the second, and what is doubtful about it."""
    highest = math.floor(frames.max()) + 1
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 0.0
    if fps is None and duration_s:
        fps = num_rows / duration_s
    told = step * fps if fps else 0.0
    known = [base for base in _RATES if base >= highest and abs(base - told) <= 0.06 * base]
    if known:
        return min(known, key=lambda base: abs(base - told)), None
    if fps and abs(told - round(told)) < _CLEAR and round(told) >= highest:
        return round(told), None
    base = BASE if highest <= BASE else _common_base(BASE, highest)
    if abs(step - 1) > 0.02 or highest > BASE:  # in base 60 a rate of 30 or less; other bases count frames one by one
        return base, None
    notice = (
        "no second turns in its timecodes, so their base is not known; read in base"
        f" {base}, {base / step:.4g} fps; if that is wrong, give the rate: `emage convert-face --to arkit --fps` writes a"
        " .json with true times, and `read_livelink_csv(fps=)` takes it in Python"
    )
    return base, notice


def _is_drop_frame(
    stamps: Sequence[Stamp], seconds: np.ndarray, used_base: int, *, is_measured: bool, drop: int
) -> bool:
    """Whether ";" says so for stamps that count whole frames, or the first numbers of each minute but the tenth lack."""
    frames = np.array([stamp.frames for stamp in stamps])
    if ((seconds % 60 == 0) & (seconds % 600 != 0) & (frames < drop)).any():
        return False  # numbers that drop-frame timecodes skip
    if any(stamp.dropped for stamp in stamps):
        return not _are_true_times(seconds + frames / used_base)
    turned = np.flatnonzero((np.diff(seconds) == 1) & (seconds[1:] % 60 == 0)) + 1
    turned = turned[seconds[turned] % 600 != 0]
    if not is_measured or not len(turned):
        return False
    steps = np.diff(frames)[np.diff(seconds) == 0]
    step = np.median(steps[steps > 0])
    leaps = used_base + frames[turned] - frames[turned - 1]
    return bool((np.abs(leaps - step - drop) < 0.25 * step).all())


def _are_true_times(times_s: np.ndarray) -> bool:
    """Whether the rate of the stamps is nearer to 29.97 than to 30 (59.94 than to 60), beside rows that are lost."""
    steps_s = np.diff(times_s)
    steps_s = steps_s[steps_s > 0]
    if not len(steps_s):
        return False
    rate = 1 / steps_s[steps_s < 1.8 * np.median(steps_s)].mean()
    ratio = rate / max(round(rate), 1)
    return abs(ratio * 1.001 - 1) < abs(ratio - 1)


def _drop_frame_s(seconds: np.ndarray | float, frames: np.ndarray | float, base: int, drop: int) -> np.ndarray:
    """Seconds since midnight; the numbers that are skipped are no frames, and there are base / 1.001 frames a second."""
    minutes = np.floor(np.asarray(seconds) / 60)
    skipped = drop * (minutes - np.floor(minutes / 10))
    return (np.asarray(seconds) * base + frames - skipped) * 1.001 / base


def _spread(times_s: np.ndarray, is_new: np.ndarray) -> np.ndarray:
    """Rows of one time moved evenly into the step to the next time; the last ones use the step before."""
    group = np.cumsum(is_new) - 1
    starts_s = times_s[is_new]
    if len(starts_s) < 2:
        return times_s + np.arange(len(times_s)) / BASE
    steps_s = np.append(np.diff(starts_s), np.median(np.diff(starts_s)))
    place = np.arange(len(times_s)) - np.flatnonzero(is_new)[group]
    size = np.bincount(group)[group]
    return times_s + place / size * steps_s[group]
