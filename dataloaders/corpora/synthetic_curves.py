"""The curves that every synthetic movement is made of: minimum-jerk steps, bumps and smooth noise.

Shapes: T frames, N channels.
"""

from dataclasses import dataclass

import numpy as np

NUM_WAVES = 3


def minimum_jerk(progress: np.ndarray) -> np.ndarray:
    """How far a movement from rest to rest has come, 0 to 1, at a share `progress` of its time (clipped to 0..1).

    It is fastest half way, at 1.875 times its mean speed.

    Source: Flash and Hogan 1985, "The coordination of arm movements".
    """
    s = np.clip(progress, 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


def bump(times_s: np.ndarray, peak_s: float, *, rise_s: float, fall_s: float) -> np.ndarray:
    """(T,) rises from 0 to 1 at `peak_s` and falls back, both by minimum jerk."""
    since_s = times_s - peak_s
    return minimum_jerk(1 - np.where(since_s < 0, -since_s / rise_s, since_s / fall_s))


@dataclass(frozen=True)
class SmoothNoise:
    """Band-limited noise at given times, from one stream of chance: sums of sinusoids, so it is smooth and bounded."""

    times_s: np.ndarray  # (T,)
    rng: np.random.Generator

    def draw(self, num_channels: int, band_hz: tuple[float, float]) -> np.ndarray:
        """(T, N) independent channels, of standard deviation 1 over time and chance and never beyond 2.5."""
        frequency_hz = self.rng.uniform(*band_hz, (NUM_WAVES, 1, num_channels))
        phase = self.rng.uniform(0, 2 * np.pi, (NUM_WAVES, 1, num_channels))
        waves = np.sin(2 * np.pi * frequency_hz * self.times_s[:, None] + phase)
        return waves.sum(axis=0) * np.sqrt(2 / NUM_WAVES)
