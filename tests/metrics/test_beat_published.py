"""The published beat alignments, against plain transcriptions of their steps."""

import librosa
import numpy as np
import pytest
from scipy.signal import argrelextrema

from emage.errors import InputError
from emage.metrics.beat_align import BeatAlign, beat_alignment, beat_alignment_positions
from emage.metrics.beat_published import EMAGE_JOINTS, SMPLX_BODY, emage2024_joints, joint_speed, mean_joint_speed

UPPER_BODY = [3, 6, 9, *range(12, 22)]


def speech(seed: int, seconds: float, sample_rate: int = 16000) -> np.ndarray:
    """Noise in bursts."""
    generator = np.random.default_rng(seed)
    count = round(seconds * sample_rate)
    loudness = np.repeat(generator.uniform(0, 1, count // 2000 + 1) ** 4, 2000)[:count]
    return (generator.standard_normal(count) * loudness * 0.2 + generator.standard_normal(count) * 1e-3).astype(
        np.float32
    )


def nearest_score(audio_beats: np.ndarray, motion_beats: np.ndarray, sigma: float) -> float:
    """Mean over the audio beats, with plain loops."""
    total = 0.0
    for beat in audio_beats:
        distances = [abs(beat - other) for other in motion_beats]
        total += np.exp(-(min(distances) ** 2) / (2 * sigma**2)) if distances else 0.0
    return total / len(audio_beats)


def beat2022(motion: np.ndarray, waveform: np.ndarray, fps: float, sigma: float) -> float:
    envelope = librosa.onset.onset_strength(y=waveform, sr=16000)
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, backtrack=False)
    rms = librosa.feature.rms(S=np.abs(librosa.stft(waveform)))[0]
    audio_beats = librosa.frames_to_time(librosa.onset.onset_backtrack(onsets, rms))
    wrist = motion[:, 36:39]
    speed = np.array([np.sqrt(((wrist[i + 1] - wrist[i]) ** 2).sum()) for i in range(len(wrist) - 1)])
    return nearest_score(audio_beats, argrelextrema(speed, np.less, order=2)[0] / fps, sigma)


def emage2024(positions: np.ndarray, waveform: np.ndarray, fps: float, mean_speed: np.ndarray, mask: int) -> float:
    dt = 1 / fps
    velocity = np.empty_like(positions)
    velocity[0] = (positions[1] - positions[0]) / dt
    velocity[1:-1] = (positions[2:] - positions[:-2]) / (2 * dt)
    velocity[-1] = (positions[-1] - positions[-2]) / dt
    speed = np.sqrt((velocity**2).sum(axis=2)) / mean_speed
    cut = int(mask * 16000 / fps)
    audio = waveform[cut : len(waveform) - cut]
    audio_beats = librosa.onset.onset_detect(y=audio, sr=16000, hop_length=512, units="time")
    scores = []
    for joint in UPPER_BODY:
        beats = []
        for j in argrelextrema(speed[mask : len(speed) - mask, joint], np.less, order=7)[0]:
            if speed[j, joint] > 0.3:
                beats.append(j / fps)
        scores.append(nearest_score(audio_beats, np.array(beats), 0.3))
    return float(np.mean(scores))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("fps", "sigma_s"), [(15, 0.3), (30, 0.1)])
def test_beat2022(seed, fps, sigma_s):
    generator = np.random.default_rng(seed)
    motion = generator.standard_normal((12 * fps, 141)).cumsum(axis=0)
    waveform = speech(seed, 12)
    found = beat_alignment(motion, waveform, 16000, fps, variant="beat2022", sigma_s=sigma_s)
    assert found == pytest.approx(beat2022(motion, waveform, fps, sigma_s), abs=1e-9)
    assert 0 < found < 1
    doubled = beat_alignment(motion, waveform.astype(np.float64), 16000, fps, "beat2022", sigma_s)
    assert doubled == pytest.approx(beat2022(motion, waveform.astype(np.float64), fps, sigma_s), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mask", [0, 10, 60])
def test_emage2024(seed, mask):
    generator = np.random.default_rng(seed)
    positions = generator.standard_normal((420, 55, 3)).cumsum(axis=0).cumsum(axis=0) * 0.01
    mean_speed = generator.uniform(2.0, 60.0, 55)
    waveform = speech(seed, 14)
    found = beat_alignment_positions(positions, waveform, 16000, 30, mean_speed, variant="emage2024", mask_frames=mask)
    assert found == pytest.approx(emage2024(positions, waveform, 30, mean_speed, mask), abs=1e-9)
    assert 0 < found < 1


def test_the_class_gives_the_score_of_the_function_with_its_chance():
    generator = np.random.default_rng(3)
    positions = generator.standard_normal((420, 55, 3)).cumsum(axis=0).cumsum(axis=0)
    mean_speed, waveform = mean_joint_speed([positions], 30), speech(3, 14)
    metric = BeatAlign("emage2024", 30, 16000, mean_speed=mean_speed, mask_frames=20)
    metric.update_positions(positions, waveform, joint_names=None)
    result = metric.compute()
    alone = beat_alignment_positions(positions, waveform, 16000, 30, mean_speed, variant="emage2024", mask_frames=20)
    assert result["beat_align"] == pytest.approx(alone, abs=1e-12)
    assert 0 < result["chance_random"] < 1
    assert result["excess_over_shifted"] == pytest.approx(result["beat_align"] - result["chance_shifted"])
    # Motion in metres or centimetres: the score has no unit.
    scaled = BeatAlign("emage2024", 30, 16000, mean_speed=mean_speed / 100, mask_frames=20)
    scaled.update_positions(positions / 100, waveform, joint_names=None)
    assert scaled.compute()["beat_align"] == pytest.approx(result["beat_align"], abs=1e-9)


def test_the_thirteen_joints_stand_where_the_published_list_has_them():
    assert emage2024_joints(None, 55) == emage2024_joints(SMPLX_BODY, 22)
    assert sorted(emage2024_joints(None, 55)) == UPPER_BODY
    names = ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head") + tuple(
        side + name for side in ("Left", "Right") for name in ("Shoulder", "Arm", "ForeArm", "Hand")
    )
    assert sorted(emage2024_joints(names, len(names))) == list(range(1, 14))
    short = ("Spine", "Spine1", "Spine2", "Neck", "Head") + tuple(
        side + name for side in "LR" for name in ("Shoulder", "Arm", "Arm1", "Hand")
    )
    assert sorted(emage2024_joints(short, 13)) == list(range(13))
    assert len(EMAGE_JOINTS) == 13


def test_speed_of_a_steady_motion_is_steady_to_the_ends():
    positions = np.arange(20)[:, None, None] * np.array([3.0, 4.0, 0.0])
    np.testing.assert_allclose(joint_speed(positions, 30), 150.0)
    assert joint_speed(positions[:1], 30).tolist() == [[0.0]]


def test_bad_mean_speeds_and_joints_are_named():
    waveform, positions = np.ones(16000, np.float32), np.zeros((30, 55, 3))
    for mean_speed, message in ((np.ones(54), "got 54"), (np.zeros(55), "minimum 0")):
        with pytest.raises(InputError, match=message):
            beat_alignment_positions(positions, waveform, 16000, 30, mean_speed, variant="emage2024")
    with pytest.raises(InputError, match="emage2024 needs left_wrist, right_wrist"):
        beat_alignment_positions(positions[:, :20], waveform, 16000, 30, np.ones(20), variant="emage2024")
