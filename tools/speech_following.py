"""Does a motion follow its speech? Measures of one performance against its own sound and against the same sound shifted in time.

Motion that was made for the true sound is scored with the true sound and with circular shifts of it. What rhythm alone
would reach, it reaches with the shifted sound too; only what is above it follows the speech.

Shapes: T frames, S samples, N shifts, G seeds.
"""

from dataclasses import dataclass

import numpy as np

from emage.audio import rms_envelope
from emage.export import performance_to_bvh
from emage.metrics import BeatAlign
from emage.metrics.beat_onsets import mean_alignment
from emage.motion.layout import ARKIT_51
from emage.performance import Performance

NEAREST_SHIFT_S = 2.0
NUM_DRAWS = 2000  # of seeds, for the interval
LEVEL = 0.95
MEASURES = {"beats": "beat alignment of elbows and wrists", "jaw": "correlation of jaw and loudness"}


def circular_shifts_s(duration_s: float, num_shifts: int) -> np.ndarray:
    """(N,) shifts spread evenly, none nearer to the true sound than NEAREST_SHIFT_S on either side."""
    return np.linspace(NEAREST_SHIFT_S, duration_s - NEAREST_SHIFT_S, num_shifts)


class Listener:
    """One speech and its shifts: what a motion is held against.

    Args:
        waveform: (S,).
        sample_rate: samples per second.
        fps: of the motions.
        num_shifts: N.
    """

    def __init__(self, waveform: np.ndarray, sample_rate: int, fps: float, num_shifts: int = 20) -> None:
        self.metric = BeatAlign("corrected", fps, sample_rate)
        shifts = circular_shifts_s(len(waveform) / sample_rate, num_shifts)
        sounds = [waveform, *(np.roll(waveform, round(shift * sample_rate)) for shift in shifts)]
        self.onsets_s = [self.metric.onsets(sound) for sound in sounds]
        self.loudness = [rms_envelope(sound, sample_rate, fps) for sound in sounds]  # (T,) each

    def scores(self, performance: Performance) -> dict[str, np.ndarray]:
        """Each measure with the true sound and behind it with each shifted one, (1 + N,); higher is better."""
        body = performance_to_bvh(performance)
        beats_s = self.metric.beats_of_positions(body.positions(), body.names)
        within = [self.metric.onsets_within(None, performance.num_frames, onsets_s) for onsets_s in self.onsets_s]
        beats = [mean_alignment(onsets_s, beats_s, self.metric.sigma_s) for onsets_s in within]
        found = {"beats": np.array(beats)}
        if performance.face is not None:
            jaw = performance.face[:, ARKIT_51.index("jawOpen")].numpy()  # (T,)
            found["jaw"] = np.array([correlation(jaw, loudness) for loudness in self.loudness])
        return found


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where one of them does not move."""
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-12 else 0.0


@dataclass(frozen=True)
class Following:
    """One measure over many seeds.

    Attributes:
        matched: mean over the seeds with the true sound.
        shifted: mean over seeds and shifts.
        highest_shifted: of the means over the seeds with one shift, the highest.
        low: lower end of the 95 % interval of `excess`, drawing the seeds again.
        high: upper end.
        seeds_above: seeds whose score is above their own mean over the shifts.
        num_seeds: G.
        p_value: share of shifts (the true sound counted in) whose mean over the seeds is not below the true one.
    """

    matched: float
    shifted: float
    highest_shifted: float
    low: float
    high: float
    seeds_above: int
    num_seeds: int
    p_value: float

    @property
    def excess(self) -> float:
        """How much better the true sound fits."""
        return self.matched - self.shifted


def summarise(scores: np.ndarray, seed: int = 0) -> Following:
    """Of one measure, (G, 1 + N) with the true sound first."""
    matched, shifted = scores[:, 0], scores[:, 1:]
    own = matched - shifted.mean(axis=1)  # (G,)
    drawn = np.random.default_rng(seed).integers(len(own), size=(NUM_DRAWS, len(own)))
    low, high = np.quantile(own[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    by_shift = shifted.mean(axis=0)  # (N,)
    return Following(
        matched=float(matched.mean()),
        shifted=float(shifted.mean()),
        highest_shifted=float(by_shift.max()),
        low=float(low),
        high=float(high),
        seeds_above=int((own > 0).sum()),
        num_seeds=len(own),
        p_value=float((1 + (by_shift >= matched.mean()).sum()) / (1 + len(by_shift))),
    )
