"""Training sound as if recorded elsewhere: another level, microphone, room and noise, so that a model hears the speech alone.

When what is said happens does not change, and within a window every syllable keeps its loudness against the others. Each
window is altered by its own seed alone: alike on any number of processes and after any interruption.

Shapes: B batch, S samples, N samples of the transform, F its frequencies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from emage.training.batches import SOUND

GAIN_DB = (-20.0, 14.0)  # of everything, noise too; what then exceeds full scale is clipped
NOISE_DB = (-75.0, -32.0)  # RMS against full scale; speech of a corpus lies at -20 to -30
NOISE_SLOPE_DB = (-6.0, 0.0)  # per octave: brown to white
EQ_HZ = (60.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
EQ_STD_DB = 5.0
LOW_PASS_SHARE, LOW_PASS_HZ = 0.25, (3000.0, 7000.0)  # telephones and codecs
HIGH_PASS_SHARE, HIGH_PASS_HZ = 0.25, (80.0, 350.0)
ROOM_SHARE, ROOM_DECAY_S, ROOM_DB = 0.3, (0.08, 0.4), (-18.0, -4.0)  # time of 60 dB; energy against the direct sound
PASS_STEEPNESS = 8  # a filter falls by 6 dB times so many per octave
ROOM_TAIL_S = 0.4
SMALLEST_HZ = 20.0


@dataclass(frozen=True)
class _Recording:
    """How one window is recorded: a filter and a noise, both over frequency (F,), and a level."""

    response: np.ndarray
    noise: np.ndarray
    gain: float


class SoundAugmentation:
    """Alters the sound of windows.

    Args:
        share: of the windows that are altered; the others stay as they are.
        sample_rate: samples per second.
    """

    def __init__(self, share: float, sample_rate: int) -> None:
        self.share, self.sample_rate = share, sample_rate

    def __call__(self, waveform: Tensor, seeds: Sequence[int]) -> Tensor:
        """(B, S) full scale = 1, one seed per window -> (B, S) within -1..1 where it was altered."""
        if not self.share:
            return waveform
        streams = [np.random.default_rng([int(seed), SOUND]) for seed in seeds]
        altered = [row for row, rng in enumerate(streams) if rng.random() < self.share]
        if not altered:
            return waveform
        num_samples = waveform.shape[1]
        length = next_fast_len(num_samples + round(ROOM_TAIL_S * self.sample_rate), real=True)  # N
        hz = np.maximum(np.fft.rfftfreq(length, 1 / self.sample_rate), SMALLEST_HZ)  # (F,)
        drawn = [self._draw(streams[row], hz, length) for row in altered]
        response = _stacked([recording.response for recording in drawn], waveform)  # (B', F)
        noise = _stacked([recording.noise for recording in drawn], waveform)
        gain = torch.tensor([[recording.gain] for recording in drawn], dtype=waveform.dtype, device=waveform.device)
        spectrum = torch.fft.rfft(waveform[altered].float(), length) * response + noise
        sound = torch.fft.irfft(spectrum, length)[:, :num_samples].to(waveform.dtype)
        result = waveform.clone()
        result[altered] = (gain * sound).clamp(-1, 1)
        return result

    def _draw(self, rng: np.random.Generator, hz: np.ndarray, length: int) -> _Recording:
        response = _equaliser(rng, hz) * self._room(rng, length)
        level = 10 ** (rng.uniform(*NOISE_DB) / 20)
        return _Recording(response, level * _noise(rng, hz, length), 10 ** (rng.uniform(*GAIN_DB) / 20))

    def _room(self, rng: np.random.Generator, length: int) -> np.ndarray:
        """Spectrum of the direct sound and an echo that dies away, (F,); 1 where there is no room."""
        if rng.random() >= ROOM_SHARE:
            return np.ones(length // 2 + 1)
        times_s = np.arange(round(ROOM_TAIL_S * self.sample_rate)) / self.sample_rate
        tail = rng.standard_normal(len(times_s)) * 10 ** (-3 * times_s / rng.uniform(*ROOM_DECAY_S))
        tail *= 10 ** (rng.uniform(*ROOM_DB) / 20) / np.linalg.norm(tail)
        tail[0] += 1
        return np.fft.rfft(tail, length)


def _equaliser(rng: np.random.Generator, hz: np.ndarray) -> np.ndarray:
    """Gain of a microphone and what lies behind it, (F,), without delay."""
    octave = np.log2(hz)
    decibel = np.interp(octave, np.log2(EQ_HZ), rng.normal(0, EQ_STD_DB, len(EQ_HZ)))
    gain = 10 ** (decibel / 20)
    if rng.random() < LOW_PASS_SHARE:
        gain /= 1 + (hz / rng.uniform(*LOW_PASS_HZ)) ** PASS_STEEPNESS
    if rng.random() < HIGH_PASS_SHARE:
        gain /= 1 + (rng.uniform(*HIGH_PASS_HZ) / hz) ** PASS_STEEPNESS
    return gain


def _noise(rng: np.random.Generator, hz: np.ndarray, length: int) -> np.ndarray:
    """Spectrum (F,) of N samples of coloured noise of RMS 1."""
    colour = 10 ** (rng.uniform(*NOISE_SLOPE_DB) * np.log2(hz / hz.min()) / 20)
    # As many random numbers as frequencies; their phase is what makes it noise.
    spectrum = colour * (rng.standard_normal(len(hz)) + 1j * rng.standard_normal(len(hz)))
    # Parseval: N samples of RMS 1 have a one-sided spectrum of this energy.
    return spectrum * (length / np.sqrt(2) / np.linalg.norm(spectrum))


def _stacked(rows: list[np.ndarray], like: Tensor) -> Tensor:
    return torch.from_numpy(np.stack(rows)).to(torch.complex64).to(like.device)
