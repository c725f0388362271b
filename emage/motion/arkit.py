"""ARKit facial weights as BEAT stores them: json with channel names and, per frame, weights and a time in seconds.

BEAT's files hold 51 of ARKit's 52 channels (no tongueOut), other recorders all 52, in an order and a spelling of their
own. `emage.motion.arkit_file` reads the files of other programs too.

Shapes: N frames, C channels of a file.
"""

import contextlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.arkit_motion import (
    TONGUE,
    TONGUE_NOTICE,
    ArkitMotion,
    assemble,
    channel_places,
    measured_fps,
    shortened,
)
from emage.motion.atomic import write_text_atomic
from emage.motion.layout import ARKIT_51, ARKIT_52


def read_arkit(path: str | Path, *, partial: bool = False) -> ArkitMotion:
    """Reads ARKit weights in BEAT's json layout, `{"names": [...], "frames": [{"weights": [...], "time": s}, ...]}`.

    The weights of a frame may also be an object, `{"browDownLeft": 0.1, ...}`; what a frame lacks there is not valid.

    Args:
        path: the file.
        partial: whether channels may be missing; they are then 0 and not valid, with a notice.

    Raises:
        InputError: broken json, an unknown, missing or repeated channel, a row of another length, a weight that is no
            number from -2 to 2, times that do not rise or are not seconds, or fewer than two frames (one has no rate).
    """
    return arkit_from_json(read_json(path), path, partial=partial)


def arkit_from_json(node: Any, path: str | Path, *, partial: bool = False) -> ArkitMotion:
    """`read_arkit` of json that is read already."""
    names, frames = _names_and_frames(node, path)
    places = channel_places(names, path, partial=partial)
    rows = [frame["weights"] for frame in frames]
    known = None
    if isinstance(rows[0], dict):
        known = np.array([[name in row for name in names] for row in rows])
        rows = [[row.get(name, 0.0) for name in names] for row in rows]
    weights = number_rows(rows, names, path)  # (N, C)
    times_s = _read_times(frames, path)  # (N,)
    said = node.get("fps")
    said = said if is_number(said) and said > 0 else None
    fps = measured_fps(times_s, path, said)
    notices = [TONGUE_NOTICE] if TONGUE in places else []
    if said is not None and abs(fps / said - 1) > 0.01:
        notices.append(f'"fps" says {said:g}, the times say {fps:.5g}; the times are used')
    motion = assemble(
        names,
        places,
        weights,
        times_s=times_s,
        fps=fps,
        where=lambda row, _: f"{path}, frame {row}",
        known=known,
    )
    motion.notices = (*notices, *motion.notices)
    return motion


def read_json(path: str | Path) -> Any:
    """The content of a json file.

    Raises:
        InputError: no such file, or no valid json.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:  # broken json or no text at all
        raise InputError(f"{path}: not valid json: {error}; the file is cut off or damaged") from error
    except ValueError as error:
        raise InputError(f"{path}: it holds a number of thousands of digits; repair the file") from error
    except RecursionError as error:
        raise InputError(f"{path}: json nested too deep; expected ARKit weights") from error


def _names_and_frames(node: Any, path: str | Path) -> tuple[list[str], list[dict[str, Any]]]:
    expected = 'expected {"names": [...], "frames": [...]}'
    if not isinstance(node, dict):
        raise InputError(f'{path}: no list "names"; {expected}')
    if not isinstance(node.get("frames"), list):
        raise InputError(f'{path}: no list "frames"; {expected}')
    for number, frame in enumerate(node["frames"]):
        if not isinstance(frame, dict) or "weights" not in frame or "time" not in frame:
            raise InputError(f'{path}, frame {number}: expected {{"weights": [...], "time": seconds}}')
    if any(isinstance(frame["weights"], dict) for frame in node["frames"]):
        names = _names_of_objects(node, path)
    elif isinstance(node.get("names"), list):
        names = node["names"]
    else:
        raise InputError(f'{path}: no list "names"; {expected}')
    if len(node["frames"]) < 2:
        raise InputError(f"{path}: {len(node['frames'])} frames; at least 2 are needed to know the frame rate")
    return names, node["frames"]


def _names_of_objects(node: dict[str, Any], path: str | Path) -> list[str]:
    """Names of the channels where each frame names its own weights."""
    names: dict[str, None] = {}
    for number, frame in enumerate(node["frames"]):
        if not isinstance(frame["weights"], dict):
            raise InputError(
                f'{path}, frame {number}: "weights" is no object {{"browDownLeft": 0.1, ...}} as in other frames; write'
                " all frames alike"
            )
        names.update(dict.fromkeys(frame["weights"]))
    return list(names)


def number_rows(rows: list[Any], names: list[str], path: str | Path) -> np.ndarray:
    """Rows of json numbers, one for each name, as (N, C) float64.

    Raises:
        InputError: a row of another length, or a value that is no finite number.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            length = len(row) if isinstance(row, list) else shortened(row)
            raise InputError(f"{path}, frame {number}: {length} weights, expected {len(names)}, one per name")
    if all(set(map(type, row)) <= {int, float} for row in rows):
        with contextlib.suppress(OverflowError):  # an int beyond float64
            weights = np.array(rows, dtype=np.float64)
            if np.isfinite(weights).all():
                return weights
    for number, row in enumerate(rows):  # the fast way does not say where
        for name, value in zip(names, row, strict=True):
            if not is_number(value):
                raise InputError(f"{path}, frame {number}: {name} is {shortened(value)}; expected a finite number")
    return np.array(rows, dtype=np.float64)


def is_number(value: object) -> bool:
    """Whether a json value is a number that float64 holds; true and false are none."""
    return type(value) in (int, float) and -1e300 < value < 1e300


def _read_times(frames: list[dict[str, Any]], path: str | Path) -> np.ndarray:
    times = [frame["time"] for frame in frames]
    for number, time in enumerate(times):
        if not is_number(time):
            raise InputError(f"{path}, frame {number}: time is {shortened(time)}; expected seconds")
    for number, (before, after) in enumerate(pairwise(times)):
        if after <= before:
            raise InputError(
                f"{path}, frame {number + 1}: time {after} s does not lie behind {before} s of the frame before"
            )
    return np.array(times, dtype=np.float64)


def write_arkit_json(path: str | Path, weights: Tensor, fps: float, valid: Tensor | None = None) -> None:
    """Writes ARKit weights in BEAT's json layout; frame k is at k / fps seconds.

    Args:
        path: the file; it is there whole or not at all.
        weights: (N, 51) in ARKIT_51 order or (N, 52) in ARKIT_52 order; written to 6 decimals as they are.
        fps: frames per second.
        valid: (N,) bool; frames without a face are left out, but for the first and the last, which leaves a gap in the
            times. None: all are written.

    Raises:
        InputError: if a weight is NaN or infinite.
        ValueError: if `weights` has another width or `fps` is not positive.
    """
    names = {len(ARKIT_51): ARKIT_51, len(ARKIT_52): ARKIT_52}.get(weights.shape[-1])
    if weights.ndim != 2 or names is None:
        raise ValueError(f"weights must be (frames, 51 or 52): got {tuple(weights.shape)}")
    if fps <= 0:
        raise ValueError(f"fps must be positive: got {fps}")
    finite = torch.isfinite(weights).all(dim=1)
    if not finite.all():
        frame = int((~finite).nonzero()[0, 0])
        raise InputError(f"{path}: not written, since frame {frame} of the face holds NaN or infinity")
    # Rounding happens in float64: a float32 would print as 0.10000000149.
    rows = weights.detach().to(device="cpu", dtype=torch.float64).numpy().round(6).tolist()
    kept = [True] * len(rows) if valid is None else valid.tolist()
    kept[:1], kept[-1:] = [True][: len(kept)], [True][: len(kept)]  # they tell start and length
    frames = [
        {"weights": row, "time": round(number / fps, 6), "rotation": []}
        for number, row in enumerate(rows)
        if kept[number]
    ]
    said = {"fps": 1.0} if fps == 1 else {}  # BEAT's layout has no rate, but times 0, 1, 2 look like frame numbers
    write_text_atomic(path, json.dumps({"names": names, **said, "frames": frames}, separators=(",", ":")))
