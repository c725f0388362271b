"""Why a file or a recording is left out of an evaluation: one strange file must not end the scoring of all others."""

import logging
from pathlib import Path

import numpy as np

from emage.errors import InputError
from emage.motion.arkit import ArkitMotion
from emage.motion.bvh import BvhMotion
from emage.motion.layout import MAX_CHANNEL

FPS_RANGE = (1.0, 1000.0)
MAX_WEIGHT = 1e3
MAX_GAP_FRAMES = 100_000  # frames that gaps may add to a face when it is brought to an even rate

logger = logging.getLogger(__name__)


def reason_of(error: Exception, path: str | Path) -> str:
    """An error of a reader as one line that names the file; the trace of an unforeseen one is logged."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError | OSError):
        return text if str(path) in text else f"{path}: {text}"
    logger.error("%s: unexpected error", path, exc_info=error)
    return f"{path}: unexpected {type(error).__name__}: {text}"


def check_body(motion: BvhMotion, path: Path) -> None:
    """Refuses a body that cannot be scored.

    Raises:
        InputError: no frames, or a channel or an offset that is not finite or too great.
    """
    if not motion.num_frames:
        raise InputError(f"{path}: no frames")
    frame = _first_bad(motion.values.numpy(), MAX_CHANNEL)
    if frame is not None:
        raise InputError(f"{path}: frame {frame} holds a value that is not finite or beyond {MAX_CHANNEL:g}")
    joint = _first_bad(motion.offsets_cm.numpy(), MAX_CHANNEL)
    if joint is not None:
        raise InputError(f"{path}: the OFFSET of {motion.names[joint]} is not finite or beyond {MAX_CHANNEL:g} cm")


def check_fps(fps: float, path: Path) -> None:
    """Refuses a frame rate outside of FPS_RANGE: a report of it would have millions of frames, or none.

    Raises:
        InputError: names the file.
    """
    low, high = FPS_RANGE
    if not low <= fps <= high:
        raise InputError(f"{path}: {fps:g} frames per second; expected {low:g} to {high:g}")


def check_face(face: ArkitMotion, path: Path) -> None:
    """Refuses a face that cannot be scored.

    Raises:
        InputError: a rate outside of FPS_RANGE, a weight that is not finite or beyond MAX_WEIGHT, or a gap of hours.
    """
    check_fps(face.fps, path)
    frame = _first_bad(face.weights.numpy(), MAX_WEIGHT)
    if frame is not None:
        raise InputError(f"{path}: frame {frame} holds a weight that is not finite or beyond {MAX_WEIGHT:g}")
    times_s = face.times_s.numpy().astype(np.float64)
    steps_s = np.diff(times_s)
    if not np.isfinite(times_s).all() or (len(steps_s) and not (steps_s > 0).all()):
        raise InputError(f"{path}: its times do not rise")
    if len(steps_s) and (times_s[-1] - times_s[0]) / np.median(steps_s) > len(times_s) + MAX_GAP_FRAMES:
        raise InputError(f"{path}: frame {int(steps_s.argmax()) + 1} comes {steps_s.max():.6g} s after the one before")


def _first_bad(values: np.ndarray, limit: float) -> int | None:
    """The first row with a value that is not finite or greater than the limit; None if there is none."""
    bad = ~(np.abs(values) <= limit)  # not a number compares false
    rows = bad.reshape(len(values), -1).any(axis=1)
    return int(rows.argmax()) if rows.any() else None
