"""A recording of ARKit facial weights in memory, whatever file it comes from.

Channels are found by name, in any spelling of a recorder. What a file does not hold (the phone lost the face, a channel
is missing) is marked in `valid`.

Shapes: N frames, C channels of a file.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError, warn_input
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.motion.resample import frame_times

TONGUE = "tongueOut"
TONGUE_NOTICE = "52 facial channels: tongueOut is kept apart"
FPS_TOLERANCE = 5e-4  # relative: times are rounded to 6 decimals or fewer, 29.97 fps stays itself
MAX_WEIGHT = 2.0  # magnitude; ARKit's own lie within 0 to 1, solvers exceed that a little
SLACK = 0.05  # weights that lie further outside of 0 to 1 are worth a notice
MIN_FPS, MAX_FPS = 1.0, 1000.0  # outside of it times are no seconds
MAX_SPREAD, MAX_GAP_FRAMES = 10, 600_000  # frames that rows may stand for, each and in all
HOLE_S = 0.1  # frames in a longer gap between rows are not valid
_CHANNEL_OF = {channel.lower(): channel for channel in ARKIT_52}
# Columns beside the weights: MediaPipe's "_neutral", Live Link's angles, shapes of the tongue that ARKit does not have.
_NO_WEIGHT = re.compile(r"neutral|(head|lefteye|righteye)(yaw|pitch|roll)|tongue(?!out$).+")
_SHORT_SIDE = re.compile(r"(?:[ _.\-][LlRr]|(?<=[a-z])[LR])$")


@dataclass(eq=False)
class ArkitMotion:
    """One facial recording in memory.

    Attributes:
        names: channel names in the file's order and spelling.
        weights: (N, 51) float32 in ARKIT_51 order, 0 to 1 as recorded. What is not valid holds the channel's last valid
            weight (before the first: that one), or 0 where the channel has none.
        tongue_out: (N,) float32, or None if the file has no such channel.
        times_s: (N,) float64, the file's own.
        fps: frames per second, from first and last time; with gaps, from the steps that are none.
        notices: what was odd about the file without being a fault.
        valid: (N, 51) bool, False where the file has no weight: the face was lost, or the channel is missing. None at
            construction: all True.
    """

    names: tuple[str, ...]
    weights: Tensor
    tongue_out: Tensor | None
    times_s: Tensor
    fps: float
    notices: tuple[str, ...] = ()
    valid: Tensor | None = None

    def __post_init__(self) -> None:
        if self.valid is None:
            self.valid = torch.ones(self.weights.shape, dtype=torch.bool)

    @property
    def num_frames(self) -> int:
        """Rows of weights."""
        return len(self.weights)

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last, which lasts 1 / fps seconds."""
        return (round(float(self.times_s[-1] - self.times_s[0]) * self.fps) + 1) / self.fps


def assemble(
    names: list[str],
    places: dict[str, int],
    weights: np.ndarray,
    *,
    times_s: np.ndarray,
    fps: float,
    where: Callable[[int, int], str],
    known: np.ndarray | None = None,
) -> ArkitMotion:
    """Makes a recording of the columns of a file.

    Args:
        names: C names of the columns.
        places: ARKit channel -> its column.
        weights: (N, C) float64.
        times_s: (N,) seconds, rising.
        fps: frames per second.
        where: (row, column) -> file and place, for errors.
        known: (N, C) bool, which weights the file holds; None: all.

    Raises:
        InputError: a weight outside of -2 to 2, or no row that holds a face.
    """
    known = np.ones(weights.shape, dtype=bool) if known is None else known
    _check_range(weights, names, places, known, where)
    columns = [places.get(channel) for channel in ARKIT_52]
    blank, unknown = np.zeros(len(weights)), np.zeros(len(weights), dtype=bool)
    values = np.stack([blank if column is None else weights[:, column] for column in columns], axis=1)
    valid = np.stack([unknown if column is None else known[:, column] for column in columns], axis=1)
    held = torch.from_numpy(_hold(values, valid).astype(np.float32))
    width = len(ARKIT_51)
    return ArkitMotion(
        names=tuple(names),
        weights=held[:, :width].clone(),
        tongue_out=held[:, width].clone() if TONGUE in places else None,
        times_s=torch.from_numpy(times_s),
        fps=fps,
        notices=tuple(_oddities(places, values[:, :width], valid[:, :width], times_s=times_s, fps=fps)),
        valid=torch.from_numpy(valid[:, :width].copy()),
    )


def measured_fps(times_s: np.ndarray, path: str | Path, said: float | None = None) -> float:
    """Frames per second of at least two rising times; whole where nearly so.

    Args:
        times_s: (N,) seconds.
        path: the file, for errors.
        said: the rate that the file states beside its times; 1 is then no frame numbers.

    Raises:
        InputError: outside of 1 to 1000 fps, or with gaps that make up nearly all of the time: they are no seconds.
    """
    steps_s = np.diff(times_s)
    usual_s = float(np.sort(steps_s)[(len(steps_s) - 1) // 2])  # of two steps the shorter: a gap is the longer
    if not 1 / MAX_FPS <= usual_s * (1 + 1e-6) or not usual_s * (1 - 1e-6) <= 1 / MIN_FPS:
        cause = "they look like milliseconds: divide them by 1000" if 1 < usual_s < 1000 else "give seconds"
        raise InputError(f"{path}: times lie {usual_s:.4g} s apart, which is no frame rate; {cause}")
    if usual_s == 1 and said != 1:
        warn_input(f"{path}: read at 1 frame per second; if its times are frame numbers, divide them by the frame rate")
    regular_s = steps_s[steps_s <= 1.75 * usual_s]  # a lost frame doubles a step
    fps = len(regular_s) / regular_s.sum() if len(regular_s) < len(steps_s) else len(steps_s) / np.ptp(times_s)
    if len(times_s) > 2:  # a straight line through all times: rounding and jitter matter less
        frames = np.round((times_s - times_s[0]) * fps)
        centred = frames - frames.mean()
        fps = float(np.square(centred).sum() / (centred * (times_s - times_s[0])).sum())
    if np.ptp(times_s) * fps > MAX_SPREAD * len(times_s) + MAX_GAP_FRAMES:
        raise InputError(
            f"{path}: {steps_s.max():.4g} s between frame {steps_s.argmax()} and the next; repair the times"
        )
    whole = round(fps)
    return float(whole) if whole and abs(fps / whole - 1) < FPS_TOLERANCE else float(fps)


def evenly_spaced(face: ArkitMotion) -> tuple[Tensor, float]:
    """Weights (N, 51) at an even rate: a phone drops frames, and what follows a gap must not come too early.

    Returns:
        The weights and their frames per second; those of the file itself, if no time is half a frame off.
    """
    times_s = face.times_s - face.times_s[0]
    if (times_s - frame_times(len(times_s), face.fps)).abs().max() * face.fps <= 0.5:
        return face.weights, face.fps
    grid_s = np.arange(round(float(times_s[-1]) * face.fps) + 1) / face.fps
    columns = [np.interp(grid_s, times_s.numpy(), column) for column in face.weights.numpy().T]
    return torch.from_numpy(np.stack(columns, axis=1)).to(face.weights), face.fps


def valid_at(face: ArkitMotion, fps: float, num_frames: int) -> Tensor:
    """Whether the file holds the weights at frame k / fps, counted from its first row: (num_frames, 51) bool.

    True where the rows before and after are valid and no more than HOLE_S (or one and a half frames) apart. Frames
    beyond the last row are as that.
    """
    times_s = (face.times_s - face.times_s[0]).numpy()
    wanted_s = np.minimum(np.arange(num_frames) / fps, times_s[-1])
    after = np.searchsorted(times_s, wanted_s - 1e-6).clip(max=len(times_s) - 1)
    is_row = np.abs(times_s[after] - wanted_s) <= 1e-6
    before = np.where(is_row, after, (after - 1).clip(min=0))
    near = times_s[after] - times_s[before] <= max(HOLE_S, 1.5 / face.fps)
    valid = face.valid.numpy()
    return torch.from_numpy(valid[before] & valid[after] & near[:, None])


def channel_places(names: list[str], path: str | Path, *, partial: bool = False) -> dict[str, int]:
    """ARKit channel -> its place among the names of a file; columns that are no weights are passed over.

    Raises:
        InputError: an unknown or repeated name, no channel at all, or (unless `partial`) a missing channel.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        plain = plain_name(name)
        channel = _CHANNEL_OF.get(plain)
        if channel is None and _NO_WEIGHT.fullmatch(plain):
            continue
        if channel is None:
            near = difflib.get_close_matches(plain, _CHANNEL_OF, n=1)
            hint = f"; did you mean {_CHANNEL_OF[near[0]]}?" if near else ""
            raise InputError(f"{path}: unknown facial channel {shortened(name)} (number {place}){hint}")
        if channel in places:
            raise InputError(f"{path}: facial channel {name!r} stands twice (numbers {places[channel]} and {place})")
        places[channel] = place
    missing = [channel for channel in ARKIT_51 if channel not in places]
    if missing and (not partial or len(missing) == len(ARKIT_51)):
        shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise InputError(f"{path}: {len(names)} facial channels; missing {shown}")
    return places


def plain_name(name: object) -> str:
    """Spellings of other recorders brought to one: EyeBlinkLeft, eyeBlink_L, blendShapes.EyeBlinkLeft, eye_blink_left."""
    name = str(name).strip()
    name = name[len("blendShapes.") :] if name.lower().startswith("blendshapes.") else name
    short = _SHORT_SIDE.search(name)
    if short:
        name = name[: short.start()] + ("Left" if short[0][-1] in "Ll" else "Right")
    return re.sub(r"[ _\-]", "", name).lower()


def shortened(value: object) -> str:
    """A value for an error line: at most 40 characters."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python prints
        return "an integer of thousands of digits"
    return text if len(text) <= 40 else text[:40] + "..."


def _check_range(
    weights: np.ndarray, names: list[str], places: dict[str, int], known: np.ndarray, where: Callable[[int, int], str]
) -> None:
    columns = sorted(places.values())
    outside = np.zeros(weights.shape, dtype=bool)
    outside[:, columns] = (np.abs(weights[:, columns]) > MAX_WEIGHT) & known[:, columns]
    if outside.any():
        row, column = (int(place) for place in np.argwhere(outside)[0])
        largest = float(np.abs(weights[outside]).max())
        is_percent = largest <= 110 and weights[outside].min() > 0
        remedy = (
            f"they go up to {largest:g} here, as percent do: divide them by 100" if is_percent else "repair the file"
        )
        raise InputError(
            f"{where(row, column)}: {names[column]} is {weights[row, column]:g}; ARKit weights are 0 to 1; {remedy}"
        )
    if not known[:, [place for channel, place in places.items() if channel != TONGUE]].any():
        raise InputError(f"{where(0, 0)}: no row of the file holds a face; record it again")


def _hold(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Values (N, C) with the last valid one of the column, or the first, wherever one is not valid; 0 without any."""
    rows = np.where(valid, np.arange(len(values))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    source = np.where(last < 0, valid.argmax(axis=0), last)
    return np.take_along_axis(values, source, axis=0) * valid.any(axis=0)


def _oddities(
    places: dict[str, int], values: np.ndarray, valid: np.ndarray, *, times_s: np.ndarray, fps: float
) -> list[str]:
    """What is odd in a file: weights beyond 0 to 1, and channels, rows and times that are missing."""
    notices = []
    lowest, highest = float(values[valid].min()), float(values[valid].max())
    if lowest < -SLACK or highest > 1 + SLACK:
        remedy = "; if they are percent, divide them by 100" if highest > 1 + SLACK else ""
        notices.append(f"weights go from {lowest:.3g} to {highest:.3g}; ARKit's are 0 to 1{remedy}")
    missing = [channel for channel in ARKIT_51 if channel not in places]
    if missing:
        shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        notices.append(f"{len(missing)} of {len(ARKIT_51)} facial channels are missing and stay 0: {shown}")
    lost = ~valid.any(axis=1)
    if lost.any():
        first = int(lost.argmax())
        notices.append(
            f"{int(lost.sum())} of {len(valid)} rows hold no face, the first at {times_s[first] - times_s[0]:.3f} s; "
            "the face before (at the start the one after) is held there, and they are not scored"
        )
    blank = ~valid & ~lost[:, None] & valid.any(axis=0)
    if blank.any():
        notices.append(
            f"{int(blank.sum())} weights are empty; the weight before is held there, and they are not scored"
        )
    steps_s = np.diff(times_s)
    gaps = np.flatnonzero(steps_s * fps > 1.5)
    if len(gaps):
        gap = int(steps_s.argmax())
        more = f" ({len(gaps)} gaps, this is the longest)" if len(gaps) > 1 else ""
        notices.append(f"facial frames are missing, {steps_s[gap]:.3f} s after frame {gap}{more}")
    return notices
