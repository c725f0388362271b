"""Beats of speech and of motion, in true seconds: what the corrected beat alignment compares.

Shapes: T frames, S samples, J joints, N onsets, M motion beats.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import find_peaks

from emage.errors import InputError

ONSET_HOP_S = 0.01
MIN_BEAT_DISTANCE_S = 0.13  # two frames at 15 fps, as published
MIN_PROMINENCE = 0.2  # of the joint's mean speed; shallower minima are jitter
MIN_MEAN_SPEED = 0.5  # cm/s or degrees/s; slower on average is a joint at rest, and its minima are rounding


def audio_onsets(waveform: ArrayLike, sample_rate: int) -> np.ndarray:
    """Times of the onsets in speech.

    Args:
        waveform: (S,); empty or silent audio has none.
        sample_rate: samples per second.

    Returns:
        (N,) float64 seconds, rising.
    """
    import librosa  # the first call compiles for seconds; nothing else here needs it

    waveform = as_waveform(waveform)
    if not waveform.any():
        return np.zeros(0)
    hop_samples = max(round(ONSET_HOP_S * sample_rate), 1)
    frames = librosa.onset.onset_detect(y=waveform, sr=sample_rate, hop_length=hop_samples)
    return np.asarray(frames) * hop_samples / sample_rate


def as_waveform(waveform: ArrayLike) -> np.ndarray:
    """(S,) floating point, of the precision it came in: a peak may hang on the last digit.

    Raises:
        InputError: more than one channel, or samples that are not finite.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise InputError(
            f"beat alignment: audio of shape {waveform.shape}; expected one channel of finite samples, (S,)"
        )
    return waveform if np.issubdtype(waveform.dtype, np.floating) else waveform.astype(np.float32)


def speed_minima(speed: ArrayLike, fps: float) -> np.ndarray:
    """Beats of one joint: the minima of its speed that stand out.

    Args:
        speed: (T - 1,) from frame to frame, cm/s or degrees/s.
        fps: frames per second.

    Returns:
        (M,) float64 seconds; a step lies half way between its frames.
    """
    speed = np.asarray(speed, dtype=np.float64)
    if len(speed) < 3 or speed.mean() < MIN_MEAN_SPEED:
        return np.zeros(0)
    distance = max(round(MIN_BEAT_DISTANCE_S * fps), 1)
    prominence = MIN_PROMINENCE * speed.mean()
    _, found = find_peaks(-speed, distance=distance, prominence=prominence, plateau_size=1)
    # A turn just between two frames shows as two equal steps.
    return ((found["left_edges"] + found["right_edges"]) / 2 + 0.5) / fps


def alignment(onsets_s: np.ndarray, beats_s: np.ndarray, sigma_s: float) -> float:
    """Mean over onsets of exp(-d^2 / (2 sigma^2)), d to the nearest beat; 0 without beats.

    Args:
        onsets_s: (N,) seconds, N >= 1.
        beats_s: (M,) seconds.
        sigma_s: seconds.
    """
    if len(beats_s) == 0:
        return 0.0
    beats_s = np.sort(beats_s)
    after = np.searchsorted(beats_s, onsets_s).clip(0, len(beats_s) - 1)
    before = (after - 1).clip(0)
    nearest = np.minimum(np.abs(onsets_s - beats_s[after]), np.abs(onsets_s - beats_s[before]))
    return float(np.exp(-np.square(nearest) / (2 * sigma_s**2)).mean())


def mean_alignment(onsets_s: np.ndarray, beats_s: list[np.ndarray], sigma_s: float) -> float:
    """Mean of `alignment` over the joints; 0 without onsets or joints."""
    if len(onsets_s) == 0 or not beats_s:
        return 0.0
    return float(np.mean([alignment(onsets_s, joint, sigma_s) for joint in beats_s]))
