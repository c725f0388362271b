"""Makes an eval_folder as SingingHead's README lays it out: tiny videos, sounds, FLAME codes and landmarks."""

import subprocess
from pathlib import Path

import numpy as np
import soundfile

from emage.ffmpeg import ffmpeg_command

IDS = ("id0_10_0_0", "id0_10_0_1")
SIZE, FPS, SAMPLE_RATE = 64, 30, 16000


def write_flame_npz(path: Path, values: np.ndarray) -> None:
    """FLAME codes (T, 59) or (N, T, 59) as expcodes and posecodes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, expcodes=values[..., :50].astype(np.float32), posecodes=values[..., 50:].astype(np.float32))


def write_video(path: Path, frames: np.ndarray, *, fps: float = FPS, sound: Path | None = None) -> None:
    """Frames (T, H, W, 3) uint8 to a video without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    command = [ffmpeg_command(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size]
    command += ["-r", str(fps), "-i", "-"]
    command += [] if sound is None else ["-i", str(sound), "-c:a", "aac"]
    command += ["-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0", str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)


def smooth_frames(count: int, *, seed: int = 0, size: int = SIZE) -> np.ndarray:
    """A blob that moves over a ramp, (T, size, size, 3) uint8."""
    phase = np.random.default_rng(seed).uniform(0, 6)
    y, x = np.mgrid[:size, :size] / size
    frames = []
    for number in range(count):
        centre = 0.5 + 0.3 * np.sin(number / 8 + phase), 0.5 + 0.3 * np.cos(number / 11)
        blob = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 0.02)
        frames.append(np.stack([200 * blob + 30 * x, 90 * blob + 60 * y, 120 * (1 - blob)], axis=-1))
    return np.stack(frames).astype(np.uint8)


def noisy(frames: np.ndarray, amount: int, *, seed: int = 9) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-amount, amount + 1, frames.shape)
    return np.clip(frames.astype(int) + noise, 0, 255).astype(np.uint8)


def clicks(duration_s: float) -> np.ndarray:
    """Noise bursts twice a second."""
    generator = np.random.default_rng(0)
    waveform = 0.01 * generator.standard_normal(round(duration_s * SAMPLE_RATE))
    for start in range(4000, len(waveform) - 400, 8000):
        waveform[start : start + 400] += generator.standard_normal(400) * np.exp(-np.arange(400) / 80)
    return np.clip(waveform, -1, 1).astype(np.float32)


def write_sounds(root: Path, duration_s: float) -> None:
    (root / "input_audio").mkdir(parents=True, exist_ok=True)
    for name in IDS:
        soundfile.write(root / "input_audio" / f"{name}.wav", clicks(duration_s), SAMPLE_RATE)


def flame_codes(frames: int, *, seed: int) -> np.ndarray:
    """Slow movement within a face's bounds, (T, 59)."""
    generator = np.random.default_rng(seed)
    steps = generator.standard_normal((frames, 59)).cumsum(axis=0)
    smooth = np.stack([np.convolve(column, np.ones(9) / 9, "same") for column in steps.T], axis=1)
    return (smooth * np.r_[np.full(50, 0.1), np.full(9, 0.01)]).astype(np.float32)


def write_flames(root: Path, frames: int, *, num_samples: int = 2) -> None:
    """gt_flame/<id>.npz, and noisy_flame/<sample>/<id>.npz of `num_samples` samples."""
    for number, name in enumerate(IDS):
        real = flame_codes(frames, seed=number)
        write_flame_npz(root / "generated" / "gt_flame" / f"{name}.npz", real)
        for sample in range(num_samples):
            values = real + 0.3 * flame_codes(frames, seed=10 + number + 100 * sample)
            write_flame_npz(root / "generated" / "noisy_flame" / f"s{sample}" / f"{name}.npz", values)


def landmarks(frames: int, *, seed: int = 0) -> np.ndarray:
    """68 points that sway, (T, 68, 2) pixels."""
    generator = np.random.default_rng(seed)
    base, direction = generator.uniform(10, 50, (68, 2)), generator.standard_normal((68, 2))
    return base + 3 * np.sin(np.arange(frames) / 5)[:, None, None] * direction
