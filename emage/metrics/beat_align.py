"""Beat alignment (BC): do the turning points of the arms fall on the onsets of the speech?

For every onset the distance d to the nearest beat of the motion counts exp(-d^2 / (2 sigma^2)). Two variants:

`corrected`: onsets and beats in true seconds; elbows and wrists (or the arms' rotations) by NAME; a beat is a minimum
    of speed that stands out of the joint's own movement; mean over the joints. sigma is 0.1 s: with the published 0.3 s
    beats thrown at random score some 0.8 on speech, and little room is left above. 0.1 to 0.3 are sensible.
`beat2022`: the published code with its faults: the times of the onsets are those of 22.05 kHz audio (at 16 kHz shrunk
    to 0.73), and the one "right wrist" is the angles of the second ring finger joint. For comparison with its numbers.

A score says little by itself, since many beats are always near something. So every result stands beside two chance
levels, made from the same onsets and as many beats: beats thrown uniformly, and the motion's own shifted circularly.

Shapes: T frames, S samples, D columns, J joints, N onsets, M motion beats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.signal import argrelextrema, find_peaks

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import Layout, get_layout
from emage.motion.skeleton import canonical_name

SIGMA_S = {"corrected": 0.1, "beat2022": 0.3}
ONSET_HOP_S = 0.01
POSITION_JOINTS = ("RightForeArm", "RightHand", "LeftForeArm", "LeftHand")  # elbows and wrists
ROTATION_JOINTS = ("RightArm", "RightForeArm", "RightHand", "LeftArm", "LeftForeArm", "LeftHand")
MIN_BEAT_DISTANCE_S = 0.13  # two frames at 15 fps, as published
MIN_PROMINENCE = 0.2  # of the joint's mean speed; shallower minima are jitter
MIN_MEAN_SPEED = 0.5  # cm/s or degrees/s; slower on average is a joint at rest, and its minima are rounding
PUBLISHED_LAYOUT, PUBLISHED_JOINT, PUBLISHED_ORDER = "beat_141", "RightHandRing2", 2


def audio_onsets(waveform: ArrayLike, sample_rate: int, *, variant: str = "corrected") -> np.ndarray:
    """Times of the onsets in speech.

    Args:
        waveform: (S,).
        sample_rate: samples per second.
        variant: `corrected`, or `beat2022` with its shrunk times.

    Returns:
        (N,) float64 seconds, rising.
    """
    import librosa  # the first call compiles for seconds; nothing else here needs it

    waveform = np.array(waveform, dtype=np.float32)
    if not waveform.any():
        return np.zeros(0)
    if variant == "beat2022":
        envelope = librosa.onset.onset_strength(y=waveform, sr=sample_rate)
        onsets = librosa.onset.onset_detect(onset_envelope=envelope, backtrack=False)
        loudness = librosa.feature.rms(S=np.abs(librosa.stft(waveform)))[0]
        onsets = librosa.onset.onset_backtrack(onsets, loudness) if len(onsets) else onsets
        return librosa.frames_to_time(onsets)  # the published fault: 22050 Hz whatever the sample rate
    hop_samples = max(round(ONSET_HOP_S * sample_rate), 1)
    frames = librosa.onset.onset_detect(y=waveform, sr=sample_rate, hop_length=hop_samples)
    return np.asarray(frames) * hop_samples / sample_rate


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


@dataclass(frozen=True)
class _Scored:
    """One recording."""

    num_onsets: int
    num_beats: int
    score: float
    chance_random: float
    chance_shifted: float


class BeatAlign:
    """Beat alignment of recordings, with its chance levels.

    Args:
        variant: `corrected` or `beat2022` (see the file's docstring).
        fps: frames per second of the motion.
        sample_rate: samples per second of the audio.
        sigma_s: tolerance in seconds; None: that of the variant.
        seed: of the chance levels; recording number n always draws the same.
        num_draws: draws per recording and chance level.

    Raises:
        InputError: another variant.
    """

    def __init__(
        self,
        variant: str,
        fps: float,
        sample_rate: int,
        *,
        sigma_s: float | None = None,
        seed: int = 0,
        num_draws: int = 20,
    ) -> None:
        if variant not in SIGMA_S:
            raise InputError(f"metrics.beat_align.variant: got {variant!r}; choose one of {', '.join(SIGMA_S)}")
        self.variant = variant
        self.fps = fps
        self.sample_rate = sample_rate
        self.sigma_s = SIGMA_S[variant] if sigma_s is None else sigma_s
        self.seed = seed
        self.num_draws = num_draws
        self._scored: list[_Scored] = []
        self._num_without_onsets = 0

    def onsets(self, waveform: ArrayLike) -> np.ndarray:
        """Onsets of a waveform (S,) as this variant sees them, (N,) seconds: found once, they serve several motions."""
        return audio_onsets(waveform, self.sample_rate, variant=self.variant)

    def update(
        self, motion: ArrayLike, waveform: ArrayLike | None, *, layout: str | Layout, onsets_s: ArrayLike | None = None
    ) -> None:
        """Adds a recording by its rotations.

        Args:
            motion: (T, D) in the units of the layout (degrees, rot6d), not z-scored.
            waveform: (S,); not read where `onsets_s` is given.
            layout: of the motion. `beat2022` judges Euler angles, so it sees jumps of a motion converted from rot6d.
            onsets_s: (N,) what `onsets` found in the waveform.

        Raises:
            InputError: the layout lacks the joints.
        """
        layout = get_layout(layout)
        motion = torch.as_tensor(motion).detach().to("cpu", torch.float64)
        if self.variant == "beat2022":
            if layout.name != PUBLISHED_LAYOUT:
                motion = convert(motion, layout, PUBLISHED_LAYOUT)
            values = motion[:, get_layout(PUBLISHED_LAYOUT).joint_slice(PUBLISHED_JOINT)].numpy()
            speed = np.linalg.norm(np.diff(values, axis=0), axis=1)
            beats_s = [argrelextrema(speed, np.less, order=PUBLISHED_ORDER)[0] / self.fps]
        else:
            places = _places(layout.joints, ROTATION_JOINTS, f"layout {layout.name}")
            matrix = to_matrices(motion, layout)[:, places]  # (T, J, 3, 3)
            angle = rotation.angle_between(matrix[:-1], matrix[1:])  # (T-1, J)
            beats_s = [speed_minima(column, self.fps) for column in torch.rad2deg(angle).mul(self.fps).numpy().T]
        self._add(beats_s, self._onsets_within(waveform, onsets_s, len(motion)), len(motion) / self.fps)

    def update_positions(
        self,
        positions_cm: ArrayLike,
        waveform: ArrayLike | None,
        *,
        joint_names: Sequence[str],
        onsets_s: ArrayLike | None = None,
    ) -> None:
        """Adds a recording by its joint positions: the better measure, since a wrist also moves with arm and trunk.

        Args:
            positions_cm: (T, J, 3).
            waveform: (S,); not read where `onsets_s` is given.
            joint_names: J names; both of BEAT's spellings are understood.
            onsets_s: (N,) what `onsets` found in the waveform.

        Raises:
            InputError: a joint is missing, or the variant is `beat2022`, which reads angles.
        """
        if self.variant == "beat2022":
            raise InputError("beat alignment: the variant beat2022 reads joint angles; give it a motion, not positions")
        positions = torch.as_tensor(positions_cm).detach().to("cpu", torch.float64)
        positions = positions[:, _places(joint_names, POSITION_JOINTS, "positions")]  # (T, J, 3)
        speed = positions.diff(dim=0).norm(dim=-1).mul(self.fps).numpy()  # (T-1, J)
        beats_s = [speed_minima(column, self.fps) for column in speed.T]
        self._add(beats_s, self._onsets_within(waveform, onsets_s, len(positions)), len(positions) / self.fps)

    def compute(self) -> dict[str, Any]:
        """Mean over all onsets of the scored recordings, its chance levels and the excess over them, and the counts.

        `beat_align` and what follows from it are None if no recording was scored. One without onsets is not scored.
        """
        weights = np.array([scored.num_onsets for scored in self._scored], dtype=np.float64)

        def mean(name: str) -> float | None:
            values = [getattr(scored, name) for scored in self._scored]
            return float(np.average(values, weights=weights)) if values else None

        score, random, shifted = mean("score"), mean("chance_random"), mean("chance_shifted")
        return {
            "beat_align": score,
            "variant": self.variant,
            "sigma_s": self.sigma_s,
            "chance_random": random,
            "chance_shifted": shifted,
            "excess_over_random": None if score is None else score - random,
            "excess_over_shifted": None if score is None else score - shifted,
            "num_recordings": len(self._scored),
            "num_recordings_without_onsets": self._num_without_onsets,
            "num_recordings_without_motion_beats": sum(scored.num_beats == 0 for scored in self._scored),
            "num_onsets": int(weights.sum()),
            "num_motion_beats": sum(scored.num_beats for scored in self._scored),
        }

    def _onsets_within(self, waveform: ArrayLike | None, onsets_s: ArrayLike | None, num_frames: int) -> np.ndarray:
        """Onsets while the motion lasts; the published code cuts none."""
        onsets_s = self.onsets(waveform) if onsets_s is None else np.array(onsets_s, dtype=np.float64)
        return onsets_s if self.variant == "beat2022" else onsets_s[onsets_s < num_frames / self.fps]

    def _add(self, beats_s: list[np.ndarray], onsets_s: np.ndarray, duration_s: float) -> None:
        number = len(self._scored) + self._num_without_onsets
        if len(onsets_s) == 0:
            self._num_without_onsets += 1
            return
        generator = np.random.default_rng((self.seed, number))
        random, shifted = [], []
        for _ in range(self.num_draws):
            thrown = [generator.uniform(0, duration_s, len(joint)) for joint in beats_s]
            random.append(self._mean_alignment(onsets_s, thrown))
            shift_s = generator.uniform(0, duration_s)
            shifted.append(self._mean_alignment(onsets_s, [(joint + shift_s) % duration_s for joint in beats_s]))
        scored = _Scored(
            num_onsets=len(onsets_s),
            num_beats=sum(len(joint) for joint in beats_s),
            score=self._mean_alignment(onsets_s, beats_s),
            chance_random=float(np.mean(random)),
            chance_shifted=float(np.mean(shifted)),
        )
        self._scored.append(scored)

    def _mean_alignment(self, onsets_s: np.ndarray, beats_s: list[np.ndarray]) -> float:
        return float(np.mean([alignment(onsets_s, joint, self.sigma_s) for joint in beats_s]))


def _places(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """Where the wanted joints stand among `names`, in any of BEAT's spellings."""
    known = [canonical_name(name) for name in names]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError(f"beat alignment: {where} lacks {', '.join(missing)}; it needs {', '.join(wanted)}")
    return [known.index(name) for name in wanted]
