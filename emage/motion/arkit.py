"""ARKit facial weights as BEAT stores them: json with channel names and, per frame, weights and a time in seconds.

Channels are addressed by name, never by place: BEAT's files hold 51 of ARKit's 52 (no tongueOut), other recorders all
52 and in an order of their own.

Shapes: N frames.
"""

import difflib
import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.atomic import write_text_atomic
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.motion.resample import frame_times

TONGUE = "tongueOut"
FPS_TOLERANCE = 5e-4  # relative: times are rounded to 6 decimals or fewer, 29.97 fps stays itself
_CHANNEL_OF = {channel.lower(): channel for channel in ARKIT_52}


@dataclass(eq=False)
class ArkitMotion:
    """One facial recording in memory.

    Attributes:
        names: channel names in the file's order and spelling.
        weights: (N, 51) float32 in ARKIT_51 order, 0 to 1 as recorded.
        tongue_out: (N,) float32, or None if the file has no such channel.
        times_s: (N,) float64, the file's own.
        fps: frames per second, from first and last time.
        notices: what was odd about the file without being a fault.
    """

    names: tuple[str, ...]
    weights: Tensor
    tongue_out: Tensor | None
    times_s: Tensor
    fps: float
    notices: tuple[str, ...] = ()

    @property
    def num_frames(self) -> int:
        """Rows of weights."""
        return len(self.weights)

    @property
    def duration_s(self) -> float:
        """N frames at rate r last N / r seconds."""
        return self.num_frames / self.fps


def read_arkit(path: str | Path) -> ArkitMotion:
    """Reads ARKit weights in BEAT's json layout, `{"names": [...], "frames": [{"weights": [...], "time": s}, ...]}`.

    Args:
        path: the file.

    Raises:
        InputError: broken json, an unknown, missing or repeated channel, a row of another length, NaN, times that do
            not rise, or fewer than two frames (one alone has no rate).
    """
    names, frames = _read_json(path)
    places = _channel_places(names, path)
    weights = _read_weights(frames, names, path)  # (N, 51 or 52)
    times_s = _read_times(frames, path)  # (N,)
    steps_s = np.diff(times_s)
    fps = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    whole = round(fps)
    if whole and abs(fps / whole - 1) < FPS_TOLERANCE:
        fps = float(whole)

    notices: list[str] = []
    if TONGUE in places:
        notices.append("52 facial channels: tongueOut is kept apart")
    gap = int(steps_s.argmax())
    if steps_s[gap] * fps > 1.5:
        notices.append(f"facial frames are missing, {steps_s[gap]:.3f} s after frame {gap}")
    columns = [places[channel] for channel in ARKIT_51]
    return ArkitMotion(
        names=tuple(names),
        weights=torch.from_numpy(weights[:, columns]),
        tongue_out=torch.from_numpy(weights[:, places[TONGUE]].copy()) if TONGUE in places else None,
        times_s=torch.from_numpy(times_s),
        fps=float(fps),
        notices=tuple(notices),
    )


def evenly_spaced(face: ArkitMotion) -> tuple[Tensor, float]:
    """Weights (N, 51) at an even rate: a phone drops frames, and what follows a gap must not come too early.

    Returns:
        The weights and their frames per second; those of the file itself, if no time is half a frame off.
    """
    times_s = face.times_s - face.times_s[0]
    if (times_s - frame_times(len(times_s), face.fps)).abs().max() * face.fps <= 0.5:
        return face.weights, face.fps
    fps = 1 / float(times_s.diff().median())
    grid_s = np.arange(round(float(times_s[-1]) * fps) + 1) / fps
    columns = [np.interp(grid_s, times_s.numpy(), column) for column in face.weights.numpy().T]
    return torch.from_numpy(np.stack(columns, axis=1)).to(face.weights), fps


def _read_json(path: str | Path) -> tuple[list[str], list[dict[str, Any]]]:
    try:
        node = json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except ValueError as error:  # broken json or no text at all
        raise InputError(f"{path}: not valid json: {error}; the file is cut off or damaged") from error
    for key in ("names", "frames"):
        if not isinstance(node, dict) or not isinstance(node.get(key), list):
            raise InputError(f'{path}: no list "{key}"; expected {{"names": [...], "frames": [...]}}')
    for number, frame in enumerate(node["frames"]):
        if not isinstance(frame, dict) or "weights" not in frame or "time" not in frame:
            raise InputError(f'{path}, frame {number}: expected {{"weights": [...], "time": seconds}}')
    if len(node["frames"]) < 2:
        raise InputError(f"{path}: {len(node['frames'])} frames; at least 2 are needed to know the frame rate")
    return node["names"], node["frames"]


def _channel_places(names: list[str], path: str | Path) -> dict[str, int]:
    """ARKit channel -> its place in the rows of the file."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        channel = _CHANNEL_OF.get(_plain(name))
        if channel is None:
            near = difflib.get_close_matches(_plain(name), _CHANNEL_OF, n=1)
            hint = f"; did you mean {_CHANNEL_OF[near[0]]}?" if near else ""
            raise InputError(f"{path}: unknown facial channel {name!r} (number {place}){hint}")
        if channel in places:
            raise InputError(f"{path}: facial channel {name!r} stands twice (numbers {places[channel]} and {place})")
        places[channel] = place
    missing = [channel for channel in ARKIT_51 if channel not in places]
    if missing:
        shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise InputError(f"{path}: {len(names)} facial channels; missing {shown}")
    return places


def _plain(name: object) -> str:
    """Spellings of other recorders brought to one: EyeBlinkLeft, eyeBlink_L."""
    name = str(name)
    for short, side in (("_L", "Left"), ("_R", "Right")):
        name = name.removesuffix(short) + side if name.endswith(short) else name
    return name.lower()


def _read_weights(frames: list[dict[str, Any]], names: list[str], path: str | Path) -> np.ndarray:
    rows = [frame["weights"] for frame in frames]
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            length = len(row) if isinstance(row, list) else row
            raise InputError(f"{path}, frame {number}: {length} weights, expected {len(names)}, one per name")
    try:
        weights = np.array(rows, dtype=np.float64)
        usable = weights.ndim == 2 and np.isfinite(weights).all()
    except (TypeError, ValueError):
        usable = False
    if not usable:  # the fast way does not say where
        for number, row in enumerate(rows):
            for name, value in zip(names, row, strict=True):
                if not _is_finite_number(value):
                    raise InputError(f"{path}, frame {number}: {name} is {value!r}; expected a finite number")
    return weights.astype(np.float32)


def _read_times(frames: list[dict[str, Any]], path: str | Path) -> np.ndarray:
    times = [frame["time"] for frame in frames]
    for number, time in enumerate(times):
        if not _is_finite_number(time):
            raise InputError(f"{path}, frame {number}: time is {time!r}; expected seconds")
    for number, (before, after) in enumerate(pairwise(times)):
        if after <= before:
            raise InputError(
                f"{path}, frame {number + 1}: time {after} s does not lie behind {before} s of the frame before"
            )
    return np.array(times, dtype=np.float64)


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int | float) and -math.inf < value < math.inf


def write_arkit_json(path: str | Path, weights: Tensor, fps: float) -> None:
    """Writes ARKit weights in BEAT's json layout; frame k is at k / fps seconds.

    Args:
        path: the file; it is there whole or not at all.
        weights: (N, 51) in ARKIT_51 order or (N, 52) in ARKIT_52 order; written to 6 decimals as they are.
        fps: frames per second.

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
    frames = [{"weights": row, "time": round(number / fps, 6), "rotation": []} for number, row in enumerate(rows)]
    write_text_atomic(path, json.dumps({"names": names, "frames": frames}, separators=(",", ":")))
