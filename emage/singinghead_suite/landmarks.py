"""Given landmarks: 68 points of the face in each frame of a video, in a .npy file.

Shapes: T frames, P = 68 landmarks.
"""

from pathlib import Path

import numpy as np

from emage.errors import InputError
from emage.metrics.singinghead_video import NUM_LANDMARKS
from emage.singinghead_suite.frames import VIDEO_FPS, VideoInfo


def read_landmarks(path: Path, video: VideoInfo | None, size: int) -> np.ndarray:
    """Landmarks of every frame of a video.

    Args:
        path: .npy of (T, 68, 2), or (T, 68, 3) of which the depth is not used; NaN in a frame without a face.
        video: the video they are of: its size is the unit of the file; None: they are in pixels of `size` already.
        size: width and height that they are brought to.

    Returns:
        (T, 68, 2) float64, all NaN in a frame in which any value is.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read as landmarks ({error}); write (frames, 68, 2) with numpy.save"
        ) from error
    shape = getattr(values, "shape", None)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.ndim != 3 or 0 in values.shape:
        raise InputError(f"{path}: {shape} is not (frames, 68, 2)")
    if values.shape[1] != NUM_LANDMARKS or values.shape[2] not in (2, 3):
        raise InputError(f"{path}: {shape} is not (frames, 68, 2)")
    points = values[..., :2].astype(np.float64)
    if np.isinf(points).any():
        raise InputError(f"{path}: holds infinity; a frame without a face is NaN")
    points[np.isnan(points).any(axis=(1, 2))] = np.nan
    return points if video is None else points * (size / np.array([video.width, video.height]))


def at_video_rate(points: np.ndarray, fps: float, interval: int) -> np.ndarray:
    """Every n-th frame at 30 fps by time, as the frames that the other metrics see: (T, 68, 2) -> (T', 68, 2)."""
    num_frames = round(len(points) * VIDEO_FPS / fps)
    frames = np.arange(0, max(num_frames, 1), interval)
    return points[np.rint(frames * fps / VIDEO_FPS).astype(int).clip(max=len(points) - 1)]


def filled_as_published(points: np.ndarray) -> np.ndarray | None:
    """A frame without a face repeats the one before; None if the first has none: the released code drops the video."""
    missing = np.isnan(points).any(axis=(1, 2))
    if missing[0]:
        return None
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(len(points))))
    return points[last]


def filled_in_time(points: np.ndarray) -> np.ndarray | None:
    """Frames without a face lie between their neighbours; None if less than half of them have one."""
    missing = np.isnan(points).any(axis=(1, 2))
    if missing.mean() > 0.5:
        return None
    known, frames = np.flatnonzero(~missing), np.arange(len(points))
    columns = points.reshape(len(points), -1).T
    return np.stack([np.interp(frames, known, column[known]) for column in columns], axis=1).reshape(points.shape)
