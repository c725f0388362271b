"""The beats of the two published beat alignments, fault for fault, so that their numbers can be compared.

`beat2022` (BEAT): the onsets of 16 kHz audio get the times of 22.05 kHz (shrunk to 0.73), and the one "right wrist" is
    the Euler angles of the second ring finger joint.
`emage2024` (EMAGE): speeds of 13 SMPL-X joints over the data set's mean speed; the first and last frames are cut off,
    but whether a minimum is fast enough is looked up that many frames too early.

Shapes: T frames, S samples, J joints, N onsets, M motion beats.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import argrelextrema

from emage.errors import InputError
from emage.metrics.beat_onsets import as_waveform
from emage.motion.skeleton import SMPLX_JOINTS, canonical_name

SIGMA_S = 0.3  # of both
BEAT_LAYOUT, BEAT_JOINT, BEAT_ORDER = "beat_141", "RightHandRing2", 2
EMAGE_ORDER, EMAGE_HOP_SAMPLES, EMAGE_MIN_SPEED = 7, 512, 0.3
SMPLX_BODY = SMPLX_JOINTS[:22]  # without jaw, eyes and fingers
# Those that the 2024 code listens to, by name.
EMAGE_JOINTS = (
    *("spine1", "spine2", "spine3", "neck", "head"),
    *(f"{side}_{name}" for name in ("collar", "shoulder", "elbow", "wrist") for side in ("left", "right")),
)
# The joints of BEAT's skeleton in their places, for BVH files.
_BEAT_NAMES = {
    **{"spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head"},
    **{
        f"{side.lower()}_{smplx}": side + beat
        for side in ("Left", "Right")
        for smplx, beat in (("collar", "Shoulder"), ("shoulder", "Arm"), ("elbow", "ForeArm"), ("wrist", "Hand"))
    },
}


def beat2022_onsets(waveform: ArrayLike, sample_rate: int) -> np.ndarray:
    """Onsets moved back to the quiet before them, (N,) in the published code's shrunk seconds."""
    import librosa  # the first call compiles for seconds

    waveform = as_waveform(waveform)
    if not waveform.any():
        return np.zeros(0)
    envelope = librosa.onset.onset_strength(y=waveform, sr=sample_rate)
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, backtrack=False)
    loudness = librosa.feature.rms(S=np.abs(librosa.stft(waveform)))[0]
    onsets = librosa.onset.onset_backtrack(onsets, loudness) if len(onsets) else onsets
    return librosa.frames_to_time(onsets)  # the published fault: 22050 Hz whatever the sample rate


def beat2022_beats(angles_deg: np.ndarray, fps: float) -> np.ndarray:
    """Minima of the speed of one joint's angles, (T, 3) -> (M,) seconds; a step is at the time of its first frame."""
    speed = np.linalg.norm(np.diff(angles_deg, axis=0), axis=1)
    return argrelextrema(speed, np.less, order=BEAT_ORDER)[0] / fps if len(speed) else np.zeros(0)


def emage2024_onsets(waveform: ArrayLike, sample_rate: int, *, fps: float, mask_frames: int) -> np.ndarray:
    """Onsets of the audio without its first and last `mask_frames` frames, (N,) seconds from the cut."""
    import librosa  # the first call compiles for seconds

    cut = int(mask_frames * sample_rate / fps)
    waveform = as_waveform(waveform)
    waveform = waveform[cut : max(len(waveform) - cut, 0)]
    if not waveform.any():
        return np.zeros(0)
    return librosa.onset.onset_detect(y=waveform, sr=sample_rate, hop_length=EMAGE_HOP_SAMPLES, units="time")


def joint_speed(positions: ArrayLike, fps: float) -> np.ndarray:
    """Speed as the 2024 code takes it: one-sided at both ends, central inside, (T, J, 3) -> (T, J) units per second."""
    positions = np.asarray(positions, dtype=np.float64)
    if len(positions) < 2:
        return np.zeros(positions.shape[:2])
    # Central differences everywhere, one-sided at the ends: what np.gradient does.
    return np.linalg.norm(np.gradient(positions, 1 / fps, axis=0), axis=-1)


def mean_joint_speed(recordings: Sequence[ArrayLike], fps: float) -> np.ndarray:
    """The data set's mean speed of each joint, which `emage2024` divides by: recordings of (T, J, 3) -> (J,)."""
    speeds = [joint_speed(positions, fps) for positions in recordings]
    return np.concatenate(speeds).mean(axis=0)


def emage2024_beats(
    positions: ArrayLike, fps: float, *, mean_speed: ArrayLike, mask_frames: int, joints: Sequence[int]
) -> list[np.ndarray]:
    """Beats of each joint, (M,) seconds from the cut.

    Args:
        positions: (T, J, 3).
        fps: frames per second.
        mean_speed: (J,) of the data set, in the units of `positions` per second.
        mask_frames: frames cut off at both ends.
        joints: which of the J are listened to.

    Raises:
        InputError: a mean speed that is not positive, or not one for each joint.
    """
    positions = np.asarray(positions, dtype=np.float64)
    mean_speed = np.asarray(mean_speed, dtype=np.float64).reshape(-1)
    if len(mean_speed) != positions.shape[1] or not (mean_speed[list(joints)] > 0).all():
        raise InputError(
            f"beat alignment: emage2024 needs the data set's mean speed of each of {positions.shape[1]} joints, above "
            f"0; got {len(mean_speed)} with minimum {mean_speed.min(initial=np.inf):g}"
        )
    speed = joint_speed(positions, fps)[:, list(joints)] / mean_speed[list(joints)]  # (T, joints)
    inside = speed[mask_frames : len(speed) - mask_frames]
    beats = []
    for column, whole in zip(inside.T, speed.T, strict=True):
        minima = argrelextrema(column, np.less, order=EMAGE_ORDER)[0] if len(column) else np.zeros(0, int)
        # The published fault: minima are counted from the cut, but looked up in the uncut speeds.
        beats.append(minima[whole[minima] > EMAGE_MIN_SPEED] / fps)
    return beats


def emage2024_joints(joint_names: Sequence[str] | None, num_joints: int) -> list[int]:
    """Where the 13 joints of the 2024 code stand.

    Args:
        joint_names: SMPL-X's or BEAT's; None for SMPL-X in its own order.
        num_joints: of the positions.

    Raises:
        InputError: one of them is missing.
    """
    names = SMPLX_BODY[:num_joints] if joint_names is None else tuple(map(canonical_name, joint_names))
    places = [
        next((names.index(name) for name in (joint, _BEAT_NAMES[joint]) if name in names), None)
        for joint in EMAGE_JOINTS
    ]
    missing = [joint for joint, place in zip(EMAGE_JOINTS, places, strict=True) if place is None]
    if missing:
        raise InputError(
            f"beat alignment: emage2024 needs {', '.join(missing)}, which the positions of {num_joints} joints lack; "
            "give SMPL-X's 55 joints in its order, or joint_names"
        )
    return [place for place in places if place is not None]
