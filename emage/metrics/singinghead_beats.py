"""Beat alignment of a singing face (SingingHead's BA): does the face slow down on the beats of the music?

For every beat of the audio the distance d to the nearest beat of the motion counts exp(-d^2 / (2 sigma^2)). The audio
beats are those of librosa's beat tracker on the percussive part of the sound; a motion beat is a minimum of the
smoothed mean speed of the points. Two variants:

`published`: the released code with its faults. Audio beats are numbers of hops (31.25 a second at 16 kHz), motion
    beats numbers of frames (30 a second), and the two are compared as they are: after 8 s they lie 10 frames apart.
    A sound without beats gets one at 0, and so does a motion without (where the released code for 3D stops and that
    for 2D goes on): a frozen face in silence scores 1.
`corrected`: both in seconds. sigma 0.1 s and a smoothing of 1/6 s, which is what the published 3 and 5 frames are at 30
    fps. A motion without beats scores 0 (a face at rest has none, though its vertices tremble by rounding: published,
    that alone scores 0.8); a sound without beats is not scored.

Many motion beats are always near something, so the class gives two chance levels, made of the same audio beats and as
many motion beats: beats thrown uniformly, and the motion's own shifted circularly.

Shapes: B batch, N samples of one recording, T frames, P points, D values of a point, S audio samples.

Source: Wu et al., "SingingHead: A Large-scale 4D Dataset for Singing Head Animation" (2025), released metric code.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema, find_peaks

from emage.errors import InputError
from emage.metrics.recording_means import RecordingMeans

VARIANTS = ("published", "corrected")
HOP_SAMPLES = 512  # librosa's default
FPS = 30.0  # of the corpus
SIGMA_FRAMES, SMOOTHING_FRAMES = 3.0, 5.0
SIGMA_S, SMOOTHING_S = SIGMA_FRAMES / FPS, SMOOTHING_FRAMES / FPS
STILL = 1e-5  # a mean step below this share of the largest value is rounding, and its minima are no beats
MIN_SAMPLES = 2048  # one analysis window; less than that has no beat


def audio_beat_frames(waveform: ArrayLike, sample_rate: int) -> np.ndarray:
    """Beats of a sound as numbers of hops of 512 samples, (M,) int64, rising.

    Args:
        waveform: (S,).
        sample_rate: samples per second.

    Raises:
        InputError: a sample is not finite.
    """
    import librosa  # the first call compiles for seconds; nothing else here needs it

    waveform = np.asarray(waveform)
    if waveform.ndim != 1:
        raise InputError(f"beat alignment: a waveform has shape (samples,): got {waveform.shape}")
    if waveform.dtype.kind != "f":
        waveform = waveform.astype(np.float32)
    if not np.isfinite(waveform).all():
        raise InputError("beat alignment: the waveform holds NaN or infinity")
    if len(waveform) < MIN_SAMPLES or not waveform.any():
        return np.zeros(0, dtype=np.int64)
    percussive = librosa.effects.hpss(waveform)[1]
    strength = librosa.onset.onset_strength(y=percussive, sr=sample_rate, aggregate=np.median)
    return np.asarray(librosa.beat.beat_track(onset_envelope=strength, sr=sample_rate)[1], dtype=np.int64)


def motion_speed(points: ArrayLike) -> np.ndarray:
    """Mean over points of the step from frame to frame, (T, P, D) -> (T - 1,), in the points' own precision."""
    points = np.asarray(points)
    points = points if points.dtype.kind == "f" else points.astype(np.float64)
    return np.sqrt(np.square(np.diff(points, axis=0)).sum(axis=2)).mean(axis=1)


def motion_beats(points: ArrayLike, *, variant: str = "corrected", fps: float = FPS) -> np.ndarray:
    """Beats of a motion: the minima of its smoothed speed.

    Args:
        points: (T, P, D).
        variant: `corrected`, or `published`.
        fps: frames per second; `published` does not know it.

    Returns:
        (M,) float64, rising: seconds, or numbers of steps if published. A step lies half way between its frames.
    """
    speed = motion_speed(points)
    if len(speed) < 3:
        return np.zeros(0)
    if variant == "published":
        smooth = gaussian_filter1d(speed, SMOOTHING_FRAMES)
        return argrelextrema(smooth, np.less)[0].astype(np.float64)
    if speed.mean() <= STILL * np.abs(points).max():
        return np.zeros(0)
    smooth = gaussian_filter1d(speed, SMOOTHING_S * fps)
    # A turn just between two frames shows as two equal steps.
    edges = find_peaks(-smooth, plateau_size=1)[1]
    return ((edges["left_edges"] + edges["right_edges"]) / 2 + 0.5) / fps


def alignment(audio: np.ndarray, motion: np.ndarray, sigma: float) -> float:
    """Mean over the audio's beats of exp(-d^2 / (2 sigma^2)), d to the nearest beat of the motion; 0 without any.

    Args:
        audio: (M,) M >= 1.
        motion: (K,) in the same unit.
        sigma: in the same unit.
    """
    if len(motion) == 0:
        return 0.0
    nearest = np.abs(np.asarray(audio)[:, None] - np.asarray(motion)).min(axis=1)
    return float(np.exp(-np.square(nearest) / (2 * sigma**2)).mean())


def beat_alignment(
    points: ArrayLike, waveform: ArrayLike, sample_rate: int, variant: str = "published", *, fps: float = FPS
) -> float:
    """BA of generated faces, 0 to 1; the published code calls it `ba_lmk` on landmarks and `ba_pose` on head poses.

    Args:
        points: (B, N, T, P, D), or (B, T, P, D): landmarks, or the 6 values of global and neck as one point.
        waveform: (S,) for all, or (B, S).
        sample_rate: samples per second.
        variant: `published` or `corrected` (see the file's docstring).
        fps: frames per second of the motion, for `corrected`.

    Returns:
        Mean over samples and recordings. `corrected` leaves a recording without audio beats out; 0 if all are.

    Raises:
        InputError: shapes that do not fit, values that are not finite, or another variant.
    """
    check_variant(variant)
    points = np.asarray(points)
    if points.ndim == 4:
        points = points[:, None]
    waveform = np.asarray(waveform)
    if points.ndim != 5 or 0 in points.shape:
        raise InputError(f"beat alignment: points have shape (batch, samples, frames, P, D): got {points.shape}")
    if not np.isfinite(points).all():
        raise InputError("beat alignment: the points hold NaN or infinity")
    if waveform.ndim not in (1, 2) or (waveform.ndim == 2 and len(waveform) != len(points)):
        raise InputError(f"beat alignment: {waveform.shape} waveforms for {len(points)} recordings")
    rows = [waveform] if waveform.ndim == 1 else waveform
    found = [audio_beat_frames(row, sample_rate) for row in rows]
    scores = []
    for number, samples in enumerate(points):
        beats = found[0] if waveform.ndim == 1 else found[number]
        clocks = [_clock(sample, beats, sample_rate, variant, fps=fps) for sample in samples]
        if clocks[0] is not None:  # it hangs on the sound alone
            scores.append(np.mean([clock.score for clock in clocks]))
    return float(np.mean(scores)) if scores else 0.0


@dataclass(frozen=True)
class _Clock:
    """One motion against one sound, in one unit: seconds, or frames if published."""

    audio: np.ndarray
    motion: np.ndarray
    duration: float
    sigma: float

    @property
    def score(self) -> float:
        return alignment(self.audio, self.motion, self.sigma)


def _clock(points: np.ndarray, beats: np.ndarray, sample_rate: int, variant: str, *, fps: float) -> _Clock | None:
    """What is compared of one sample (T, P, D) and the beats (in hops) of its sound; None: not to be scored."""
    motion = motion_beats(points, variant=variant, fps=fps)
    num_steps = len(points) - 1
    if variant == "published":
        audio = beats[beats < num_steps].astype(np.float64)
        made_up = np.zeros(1)
        return _Clock(audio if len(audio) else made_up, motion if len(motion) else made_up, num_steps, SIGMA_FRAMES)
    audio_s = beats * HOP_SAMPLES / sample_rate
    audio_s = audio_s[audio_s < len(points) / fps]
    return _Clock(audio_s, motion, len(points) / fps, SIGMA_S) if len(audio_s) else None


def check_variant(variant: str) -> None:
    """Raises an InputError if there is no such variant."""
    if variant not in VARIANTS:
        raise InputError(f"SingingHead metric: variant {variant!r}; choose one of {', '.join(VARIANTS)}")


class SingingBeatAlignment(RecordingMeans):
    """BA of recordings with its chance levels; every recording with beats in its sound weighs the same.

    Args:
        variant: `corrected` or `published`.
        sample_rate: samples per second of the audio.
        fps: frames per second of the motion.
        seed: of the chance levels; what is drawn for a recording depends on it and on the recording, not on its turn.
        num_draws: for each sample and chance level.

    Raises:
        InputError: another variant.
    """

    score_names = ("beat_alignment", "chance_random", "chance_shifted", "excess_over_random", "excess_over_shifted")
    limits = dict.fromkeys(score_names[:3], (0.0, 1.0))

    def __init__(
        self,
        variant: str = "corrected",
        *,
        sample_rate: int = 16000,
        fps: float = FPS,
        seed: int = 0,
        num_draws: int = 20,
    ) -> None:
        super().__init__()
        check_variant(variant)
        self.variant, self.sample_rate, self.fps = variant, sample_rate, fps
        self.seed, self.num_draws = seed, num_draws

    def update(
        self,
        points: ArrayLike,
        waveform: ArrayLike | None,
        *,
        beats: ArrayLike | None = None,
        fps: float | None = None,
        recording_id: str | None = None,
    ) -> dict[str, float | None]:
        """Adds a recording.

        Args:
            points: (N, T, P, D), or (T, P, D) of one sample.
            waveform: (S,); not read where `beats` is given.
            beats: (M,) what `audio_beat_frames` found in the waveform: found once, they serve several motions.
            fps: frames per second of this motion; None: the metric's.
            recording_id: its name.

        Returns:
            Its own scores; none if it has no beats to be scored by.

        Raises:
            InputError: points of another shape.
        """
        points = np.asarray(points)
        points = points[None] if points.ndim == 3 else points
        if points.ndim != 4 or 0 in points.shape:
            raise InputError(f"beat alignment: points have shape (samples, frames, P, D): got {points.shape}")
        beats = audio_beat_frames(waveform, self.sample_rate) if beats is None else np.asarray(beats)
        fps = self.fps if fps is None else fps
        clocks = [_clock(sample, beats, self.sample_rate, self.variant, fps=fps) for sample in points]
        if clocks[0] is None:  # it hangs on the sound alone
            return self._add_row(recording_id, {})
        rows = np.array([(clock.score, *self._chance(clock)) for clock in clocks])
        score, random, shifted = rows.mean(axis=0).tolist()
        values = (score, random, shifted, score - random, score - shifted)
        return self._add_row(recording_id, dict(zip(self.score_names, values, strict=True)))

    def compute(self) -> dict[str, Any]:
        """Means over recordings (None where nothing was scored), the variant and counts."""
        scored = self.scored()["beat_alignment"]
        return {
            **super().compute(),
            "variant": self.variant,
            "num_recordings": int(scored.sum()),
            "num_recordings_without_audio_beats": int(len(scored) - scored.sum()),
        }

    def _chance(self, clock: _Clock) -> tuple[float, float]:
        if not len(clock.motion) or clock.duration <= 0:
            return clock.score, clock.score
        identity = zlib.crc32(clock.audio.tobytes() + clock.motion.tobytes())
        generator = np.random.default_rng((self.seed, identity))
        random, shifted = [], []
        for _ in range(self.num_draws):
            thrown = generator.uniform(0, clock.duration, len(clock.motion))
            random.append(alignment(clock.audio, thrown, clock.sigma))
            moved = (clock.motion + generator.uniform(0, clock.duration)) % clock.duration
            shifted.append(alignment(clock.audio, moved, clock.sigma))
        return float(np.mean(random)), float(np.mean(shifted))
