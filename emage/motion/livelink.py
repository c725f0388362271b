"""Live Link Face csv: what Epic's iPhone app records and what Unreal, MetaHuman and Blender add-ons read.

One header row, then one row a frame: Timecode, BlendshapeCount, Apple's 52 channels in the app's order and spelling
(EyeBlinkLeft), and nine angles of head and eyes. A timecode is HH:MM:SS:FF.fff: FF counts frames within the second,
fff thousandths of a frame; at a rate that is not whole, time stays true and FF runs to the next whole rate.

Shapes: N frames.
"""

import csv
import math
from pathlib import Path

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.arkit import FPS_TOLERANCE, TONGUE, ArkitMotion
from emage.motion.atomic import partial_file
from emage.motion.layout import ARKIT_51, ARKIT_52

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
HEADER: tuple[str, ...] = ("Timecode", "BlendshapeCount", *_COLUMNS)


def timecode(frame: int, fps: float) -> str:
    """Timecode of a frame that begins at frame / fps seconds: "00:01:02:07.000" is frame 7 of second 62."""
    base = math.ceil(fps - 1e-9)  # frames that a second is counted in
    second, thousandths = divmod(round(frame / fps * base * 1000), base * 1000)
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{thousandths / 1000:06.3f}"


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


def read_livelink_csv(path: str | Path, fps: float | None = None) -> ArkitMotion:
    """Reads a csv of the app (or of `write_livelink_csv`); columns are found by name.

    Args:
        path: the file.
        fps: frames per second that the timecodes count in; None: the file shows it, if it is longer than a second.

    Raises:
        InputError: no such file, no Live Link Face header, a missing channel, a broken row or timecode, times that do
            not rise, or a file too short to show its rate.
    """
    header, rows = _read_rows(path)
    places = {name.strip().lower(): column for column, name in enumerate(header)}
    missing = [name for name in ARKIT_51 if name.lower() not in places]
    if "timecode" not in places or missing:
        raise InputError(
            f"{path}: line 1: no Live Link Face header: it lacks {', '.join((missing or ['Timecode'])[:5])}"
        )
    stamps = [_parse_timecode(row[places["timecode"]], path, line) for line, row in rows]
    base = _frames_per_second([frames for _, frames in stamps], [second for second, _ in stamps], path, fps)
    times_s = torch.tensor([second + frames / base for second, frames in stamps], dtype=torch.float64)
    steps_s = times_s.diff()
    if (steps_s <= 0).any():
        at = int((steps_s <= 0).nonzero()[0, 0])
        raise InputError(f"{path}: line {rows[at + 1][0]}: its timecode does not lie behind that of the line before")
    wanted = [*ARKIT_51, *([TONGUE] if TONGUE.lower() in places else [])]
    weights = torch.tensor([_numbers(row, [places[n.lower()] for n in wanted], path, line) for line, row in rows])
    measured = float((len(times_s) - 1) / (times_s[-1] - times_s[0]))
    is_base = abs(measured / base - 1) < FPS_TOLERANCE
    return ArkitMotion(
        names=tuple(header[places[name.lower()]] for name in wanted),
        weights=weights[:, : len(ARKIT_51)].float(),
        tongue_out=weights[:, wanted.index(TONGUE)].float() if TONGUE in wanted else None,
        times_s=times_s,
        fps=float(base) if is_base else measured,
    )


def _read_rows(path: str | Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [(line, row) for line, row in enumerate(csv.reader(file), 1) if row]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no csv text: {error}; export the file again") from error
    if len(rows) < 3:
        raise InputError(f"{path}: {max(0, len(rows) - 1)} frames; a header and at least 2 rows are needed")
    header = rows[0][1]
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{path}: line {line}: {len(row)} values, the header has {len(header)}; the file is cut off"
            )
    return header, rows[1:]


def _parse_timecode(text: str, path: str | Path, line: int) -> tuple[int, float]:
    """Whole seconds and frames within the second."""
    try:
        hours, minutes, seconds, frames = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + int(seconds), float(frames)
    except ValueError as error:
        raise InputError(f"{path}: line {line}: timecode {text!r}; expected HH:MM:SS:FF.fff") from error


def _frames_per_second(frames: list[float], seconds: list[int], path: str | Path, fps: float | None) -> int:
    """The whole number of frames that a second of the timecodes is counted in."""
    if fps is not None:
        return math.ceil(fps - 1e-9)
    if seconds[0] == seconds[-1]:
        raise InputError(f"{path}: shorter than a second, its timecodes do not show the frame rate; give fps")
    # The highest frame number before a second turns, plus one; frames may lie between whole numbers.
    return math.ceil(max(frames) + 1e-6) if max(frames) % 1 else int(max(frames)) + 1


def _numbers(row: list[str], columns: list[int], path: str | Path, line: int) -> list[float]:
    values = []
    for column in columns:
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{path}: line {line}, column {column + 1}: {row[column]!r}; expected a number")
        values.append(value)
    return values
