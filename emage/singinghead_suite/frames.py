"""Videos to frames and sound, through ffmpeg.

Two ways to the same frames. `published`: what the released code does, losses included: the video encoded once more at
30 fps, each frame shrunk without a filter (OpenCV's bilinear) and stored as JPEG. `corrected`: the frames of the file
itself at 30 fps by time, shrunk with a filter. Both keep every n-th frame.

Shapes: T frames, H height, W width.
"""

import io
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from emage.audio import read_audio
from emage.errors import InputError
from emage.ffmpeg import ffmpeg_command, input_arguments
from emage.sound_endings import VIDEO_ENDINGS

VIDEO_FPS = 30
JPEG_QUALITY = 95  # OpenCV's default
VIDEO_SUFFIXES = (*VIDEO_ENDINGS, ".webm")


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of its picture."""

    width: int
    height: int
    fps: float


def probe(path: Path) -> VideoInfo:
    """Size and frame rate of a video.

    Raises:
        InputError: it cannot be read.
    """
    header = _run(
        _input(path) + ["-map", "0:v:0", "-frames:v", "1", "-pix_fmt", "yuv444p", "-f", "yuv4mpegpipe", "-"], path
    )
    fields = {field[:1]: field[1:] for field in header.split(b"\n", 1)[0].decode("ascii", "replace").split(" ")[1:]}
    try:
        over, under = (int(part) for part in fields["F"].split(":"))
        return VideoInfo(int(fields["W"]), int(fields["H"]), over / under)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: cannot be read as a video; convert it to mp4") from error


def published_frames(path: Path, size: int, interval: int) -> np.ndarray:
    """Frames as the released code makes them, (T, size, size, 3) uint8.

    Args:
        path: the video.
        size: of the frames, in pixels; another shape is squeezed into the square.
        interval: every n-th frame is kept.

    Raises:
        InputError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="singinghead_") as folder:
        again = Path(folder) / "30fps.mp4"
        # -qscale does nothing to H.264, but it stands in the released command.
        _run(_input(path) + ["-an", "-r", str(VIDEO_FPS), "-qscale", "0", "-q:v", "1", str(again)], path)
        info = probe(again)
        picked = _decode(again, f"select='not(mod(n\\,{interval}))'", info.width, info.height)
        return _stack((jpeg_round_trip(shrink_as_opencv(frame, size)) for frame in picked), path)


def corrected_frames(path: Path, size: int, interval: int) -> np.ndarray:
    """Frames of the file itself at 30 fps by time, shrunk with a filter, (T, size, size, 3) uint8. Args as above."""
    steps = f"fps={VIDEO_FPS},select='not(mod(n\\,{interval}))',scale={size}:{size}:flags=area+accurate_rnd"
    return _stack(_decode(path, steps, size, size), path)


def native_frames(path: Path, size: int) -> Iterator[np.ndarray]:
    """Every frame of the file at its own rate, (size, size, 3) uint8, for a landmark detector."""
    return _decode(path, f"scale={size}:{size}:flags=bilinear", size, size)


def audio_track(path: Path, sample_rate: int) -> np.ndarray | None:
    """The sound of a video as one channel (S,) float32, or None if it has none that can be read."""
    try:
        return read_audio(path, sample_rate)
    except InputError:
        return None


def shrink_as_opencv(frame: np.ndarray, size: int) -> np.ndarray:
    """cv2.resize(frame, (size, size)): bilinear between the two nearest pixels, however many lie between.

    Args:
        frame: (H, W, 3) uint8.
        size: of the result.
    """
    height, width = frame.shape[:2]
    if (height, width) == (size, size):
        return frame
    if (height, width) == (2 * size, 2 * size):  # at exactly one half it takes the mean of four
        quads = frame.reshape(size, 2, size, 2, 3).astype(np.uint16).sum(axis=(1, 3))
        return ((quads + 2) >> 2).astype(np.uint8)
    top, bottom, down = _neighbours(height, size)
    left, right, across = _neighbours(width, size)
    rows = frame.astype(np.int64)
    mixed = rows[:, left] * (2048 - across)[None, :, None] + rows[:, right] * across[None, :, None]
    # OpenCV's fixed-point steps, so that the roundings are its own
    upper = ((2048 - down)[:, None, None] * (mixed[top] >> 4)) >> 16
    lower = (down[:, None, None] * (mixed[bottom] >> 4)) >> 16
    return np.clip((upper + lower + 2) >> 2, 0, 255).astype(np.uint8)


def _neighbours(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel its two neighbours and the weight of the second, in 1/2048."""
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(length / size) - np.float32(0.5)
    first = np.floor(centres).astype(np.int64)
    weight = (centres - first).astype(np.float32)
    weight[(first < 0) | (first >= length - 1)] = 0
    first = first.clip(0, length - 1)
    return first, (first + 1).clip(max=length - 1), np.rint(weight * 2048).astype(np.int64)


def jpeg_round_trip(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) uint8 as it comes back from the JPEG that the released code stores."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer))


def _stack(frames: Iterator[np.ndarray], path: Path) -> np.ndarray:
    kept = list(frames)
    if not kept:
        raise InputError(f"{path}: holds no frame")
    return np.stack(kept)


def _input(path: Path) -> list[str]:
    return [ffmpeg_command(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *input_arguments(path)]


def _run(command: list[str], path: Path) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise InputError(f"{path}: cannot be read as a video: {_last_line(done.stderr)}")
    return done.stdout


def _decode(path: Path, steps: str, width: int, height: int) -> Iterator[np.ndarray]:
    """Frames (height, width, 3) uint8 after ffmpeg's filters, one at a time."""
    command = [*_input(path), "-map", "0:v:0", "-vf", steps, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    num_bytes = width * height * 3
    with tempfile.TemporaryFile() as messages:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages) as process:
            finished = False
            try:
                while len(content := process.stdout.read(num_bytes)) == num_bytes:
                    yield np.frombuffer(content, dtype=np.uint8).reshape(height, width, 3)
                finished = True
            finally:
                if not finished:  # the caller wants no more of them
                    process.kill()
        if process.returncode:
            messages.seek(0)
            raise InputError(f"{path}: cannot be read as a video: {_last_line(messages.read())}")


def _last_line(messages: bytes) -> str:
    lines = messages.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "ffmpeg says nothing more"
