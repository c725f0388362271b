"""Live Link Face csv: what Epic's iPhone app records and what Unreal, MetaHuman and Blender add-ons read.

One header row, then one row a frame: Timecode, BlendShapeCount, Apple's 52 channels in the app's order and spelling
(EyeBlinkLeft), and nine angles of head and eyes. A row in which the phone lost the face has a count of 0 and no further
cell. Timecodes are written in base 60 at every rate, as the app does (`emage.motion.timecode`).

Shapes: N frames.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.arkit_motion import (
    FPS_TOLERANCE,
    ArkitMotion,
    assemble,
    channel_places,
    measured_fps,
    plain_name,
)
from emage.motion.atomic import partial_file
from emage.motion.face_csv import FaceTable, read_table, wrong_length
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.motion.timecode import BASE, parse_timecode, stamp_times, timecode

_EYE = "eyeBlink{0} eyeLookDown{0} eyeLookIn{0} eyeLookOut{0} eyeLookUp{0} eyeSquint{0} eyeWide{0}"
# ARKit's channels as the app orders them (jawRight and mouthRight stand before their left).
LIVELINK_CHANNELS: tuple[str, ...] = tuple(
    f"""
    {_EYE.format("Left")} {_EYE.format("Right")} jawForward jawRight jawLeft jawOpen mouthClose mouthFunnel mouthPucker
    mouthRight mouthLeft mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight
    mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthPressLeft
    mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight
    browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight
    tongueOut
    """.split()
)
ANGLES: tuple[str, ...] = tuple(
    f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")
)
_COLUMNS = tuple(name[0].upper() + name[1:] for name in LIVELINK_CHANNELS) + ANGLES
HEADER: tuple[str, ...] = ("Timecode", "BlendShapeCount", *_COLUMNS)
_ONE_ROW_FPS = float(BASE)


def write_livelink_csv(path: str | Path, weights: Tensor, fps: float) -> None:
    """Writes facial weights as the app would; head and eye angles and a missing tongueOut are zero.

    Args:
        path: the file; it is there whole or not at all.
        weights: (N, 51) in ARKIT_51 order or (N, 52) in ARKIT_52 order; written to 6 decimals as they are.
        fps: frames per second.

    Raises:
        InputError: if a weight is NaN or infinite.
        ValueError: if `weights` has another width or `fps` is not positive.
    """
    if weights.ndim != 2 or weights.shape[1] not in (len(ARKIT_51), len(ARKIT_52)):
        raise ValueError(f"weights must be (frames, 51 or 52): got {tuple(weights.shape)}")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive: got {fps}")
    finite = torch.isfinite(weights).all(dim=1)
    if not finite.all():
        frame = int((~finite).nonzero()[0, 0])
        raise InputError(f"{path}: not written, since frame {frame} of the face holds NaN or infinity")
    place = {name: column for column, name in enumerate(ARKIT_52[: weights.shape[1]])}
    known = [place.get(name) for name in LIVELINK_CHANNELS]
    still = ["0.000000"] * len(ANGLES)
    with partial_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(HEADER) + "\n")
        for frame, row in enumerate(weights.detach().to(device="cpu", dtype=torch.float64)):
            row = row.tolist()
            values = ["0.000000" if column is None else f"{row[column]:.6f}" for column in known]
            file.write(",".join([timecode(frame, fps), str(len(_COLUMNS)), *values, *still]) + "\n")


def read_livelink_csv(
    path: str | Path, fps: float | None = None, *, duration_s: float | None = None, partial: bool = False
) -> ArkitMotion:
    """Reads a csv of the app (or of `write_livelink_csv`, or of another program); columns are found by name.

    Rows without a face hold the one before and are not valid.

    Args:
        path: the file.
        fps: frames per second of the recording, where known; used if the timecodes do not show it (no second turns).
        duration_s: length of the body that the face belongs to, where known; used likewise.
        partial: whether channels may be missing; they are then 0 and not valid, with a notice.

    Raises:
        InputError: no such file, no Live Link Face header, an unknown or missing channel, a broken row, number or
            timecode, times that fall, or a rate outside of 1 to 1000 fps.
    """
    table = read_table(path, short_rows=True)
    code, count = table.column("timecode"), table.column("blendshapecount")
    places = _places(table, partial)
    has_face = _rows_with_face(table, count, sorted(places.values()))
    if not has_face.any():
        raise InputError(f"{path}: no row holds a face; record it again")
    stamps = [
        parse_timecode(row[code] if code < len(row) else "", f"{path}: line {line}")
        for line, row in zip(table.lines, table.rows, strict=True)
    ]
    times = stamp_times(stamps, table.lines, str(path), fps=fps, duration_s=duration_s)
    values, known = table.numbers(has_face, sorted(places.values()))
    notices = [*table.notices, *times.notices]
    rate = _rate(times.seconds, path) if len(stamps) > 1 else fps or _ONE_ROW_FPS
    names = table.header
    motion = assemble(names, places, values, times_s=times.seconds, fps=rate, where=table.where, known=known)
    motion.names = tuple(names[places[channel]] for channel in ARKIT_52 if channel in places)
    motion.notices = (*notices, *motion.notices)
    return motion


def is_livelink_header(header: list[str]) -> bool:
    """Whether the names in the first line of a csv are those of the app."""
    plain = {plain_name(name) for name in header}
    return "timecode" in plain and not plain.isdisjoint(channel.lower() for channel in ARKIT_52)


def _places(table: FaceTable, partial: bool) -> dict[str, int]:
    """ARKit channel -> its column."""
    others = [table.column("timecode"), table.column("blendshapecount")]
    # Columns that are no channels (the angles, a comment of another program) may stand anywhere.
    known = {channel.lower() for channel in ARKIT_52}
    names = [
        name if place not in others and plain_name(name) in known else "_neutral"
        for place, name in enumerate(table.header)
    ]
    missing = [channel for channel in ARKIT_51 if channel.lower() not in map(plain_name, names)]
    if others[0] is None or len(missing) == len(ARKIT_51) or (missing and not partial):
        lacks = ", ".join((missing or ["Timecode"])[:5])
        raise InputError(f"{table.path}: line 1: no Live Link Face header: it lacks {lacks}")
    return channel_places(names, table.path, partial=partial)


def _rows_with_face(table: FaceTable, count: int | None, columns: list[int]) -> np.ndarray:
    """(N,) bool: the count is not 0, and a cell of a channel is not empty."""
    has_face = np.ones(len(table.rows), dtype=bool)
    for number, row in enumerate(table.rows):
        counted = row[count].strip() if count is not None and count < len(row) else ""
        cells = [row[column].strip() for column in columns if column < len(row)]
        has_face[number] = counted not in ("0", "0.0") and (any(cells) or counted not in ("", "0"))
        if has_face[number] and len(row) < len(table.header):
            raise wrong_length(table.path, table.lines[number], row, table.header)
        has_face[number] &= any(cells)
    return has_face


def _rate(times_s: np.ndarray, path: str | Path) -> float:
    """Frames per second, a rate of television (29.97) where it is that nearly."""
    fps = measured_fps(times_s, path)
    ntsc = round(fps * 1.001) / 1.001
    return ntsc if fps != round(fps) and abs(fps / ntsc - 1) < FPS_TOLERANCE else fps
