"""Sounds for tests, and files of them in any format."""

import subprocess
from pathlib import Path

import numpy as np
import soundfile

from emage.ffmpeg import ffmpeg_command

RATE = 16000


def tone(hz: float, seconds: float, sample_rate: int = RATE, size: float = 0.5) -> np.ndarray:
    """A sine, (S,) float32."""
    return (size * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(np.float32)


def voice(seconds: float, sample_rate: int = RATE) -> np.ndarray:
    """A tone of 200 Hz with a syllable every 0.3 s, (S,) float32."""
    times_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return (tone(200, seconds, sample_rate) * np.sin(np.pi * times_s / 0.3) ** 2).astype(np.float32)


def encode(path: Path, waveform: np.ndarray, *options: str, sample_rate: int = RATE) -> Path:
    """Writes a sound in the format of the ending of `path`, with further options of ffmpeg for the output."""
    source = path.with_name(path.name + ".source.wav")
    soundfile.write(source, waveform, sample_rate, subtype="FLOAT")
    run_ffmpeg("-i", str(source), *options, str(path))
    source.unlink()
    return path


def run_ffmpeg(*arguments: str) -> None:
    """Runs ffmpeg, which must succeed."""
    subprocess.run([ffmpeg_command(), "-nostdin", "-y", "-loglevel", "error", *arguments], check=True)


def film(path: Path, seconds: float, *options: str) -> Path:
    """Writes a video without sound."""
    picture = f"testsrc=size=64x64:rate=25:duration={seconds}"
    run_ffmpeg("-f", "lavfi", "-i", picture, *options, str(path))
    return path
