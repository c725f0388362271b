"""SingingHead's beat alignment against a plain transcription of the published steps."""

import librosa
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import argrelextrema

from emage.errors import InputError
from emage.metrics.singinghead import beat_alignment
from emage.metrics.singinghead_beats import SingingBeatAlignment, alignment, audio_beat_frames, motion_beats

SAMPLE_RATE = 16000
BEAT_S = 0.5  # 120 beats a minute


def music(duration_s: float, *, first_s: float = 0.25, beat_s: float = BEAT_S, seed: int = 0) -> np.ndarray:
    """Clicks on the beat over a tone."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    waveform = 0.02 * np.sin(2 * np.pi * 220 * time_s)
    for start_s in np.arange(first_s, duration_s - 0.05, beat_s):
        start = round(start_s * SAMPLE_RATE)
        click = generator.standard_normal(400) * np.exp(-np.arange(400) / 80)
        waveform[start : start + len(click)] += click[: len(waveform) - start]
    return waveform.astype(np.float32)


def wander(frames: int, points: int = 5, *, samples: int = 2, seed: int = 0, dims: int = 3) -> np.ndarray:
    steps = np.random.default_rng(seed).standard_normal((samples, frames, points, dims))
    return steps.cumsum(axis=1).astype(np.float32)


def swinging(turns_s: np.ndarray, duration_s: float, fps: float = 30.0) -> np.ndarray:
    """Points that stand still at each of the moments and move in between, (1, T, 2, 3)."""
    time_s = np.arange(round(duration_s * fps)) / fps
    marks = np.concatenate([[turns_s[0] - BEAT_S], turns_s, [turns_s[-1] + BEAT_S]])
    value = np.cos(np.pi * np.interp(time_s, marks, np.arange(len(marks))))
    return np.broadcast_to(value[None, :, None, None], (1, len(value), 2, 3)).copy()


def published(points: np.ndarray, waveform: np.ndarray) -> float:
    """The released steps for one sample (T, P, D), written down directly."""
    percussive = librosa.effects.hpss(waveform)[1]
    envelope = librosa.onset.onset_strength(y=percussive, aggregate=np.median, sr=SAMPLE_RATE)
    one_hot = np.zeros(len(envelope))
    one_hot[librosa.beat.beat_track(onset_envelope=envelope, sr=SAMPLE_RATE)[1]] = 1
    speed = np.mean(np.sqrt(np.sum((points[1:] - points[:-1]) ** 2, axis=2)), axis=1)
    beats = argrelextrema(gaussian_filter(speed, 5), np.less)[0]
    audio = np.flatnonzero(one_hot[: len(speed)])
    audio = audio if len(audio) else np.array([0])
    return float(np.mean([np.exp(-np.min((beats - beat) ** 2) / 2 / 9) for beat in audio]))


def test_published_variant_is_the_released_code():
    points, waveforms = wander(240), np.stack([music(8), music(8, beat_s=0.61, seed=1)])
    batch = np.stack([points, wander(240, seed=5)])
    expected = np.mean([[published(sample, w) for sample in item] for item, w in zip(batch, waveforms, strict=True)])
    assert 0.05 < expected < 0.95
    assert beat_alignment(batch, waveforms, SAMPLE_RATE) == pytest.approx(expected, abs=1e-9)
    one_sound = np.mean([[published(sample, waveforms[0]) for sample in item] for item in batch])
    assert beat_alignment(batch, waveforms[0], SAMPLE_RATE) == pytest.approx(one_sound, abs=1e-9)


def test_head_pose_is_one_point_of_six_values():
    pose = wander(200, 1, dims=6)[None]
    waveform = music(200 / 30)
    expected = np.mean([published(sample, waveform) for sample in pose[0]])
    assert beat_alignment(pose, waveform, SAMPLE_RATE) == pytest.approx(expected, abs=1e-9)


def test_arguments_stay_as_they_are_and_the_score_is_one_float():
    points, waveform = wander(120)[None], music(4)
    copies = points.copy(), waveform.copy()
    for variant in ("published", "corrected"):
        assert type(beat_alignment(points, waveform, SAMPLE_RATE, variant)) is float
    assert np.array_equal(points, copies[0])
    assert np.array_equal(waveform, copies[1])


def test_beats_of_music_are_found_in_time():
    beats_s = audio_beat_frames(music(8), SAMPLE_RATE) * 512 / SAMPLE_RATE
    clicks_s = np.arange(0.25, 8, BEAT_S)
    assert len(beats_s) >= 12
    assert max(np.abs(clicks_s - beat).min() for beat in beats_s) < 0.05


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_corrected_is_in_seconds_at_any_frame_rate(fps):
    turns_s = np.arange(0.25, 20, BEAT_S)
    points, waveform = swinging(turns_s, 20, fps)[None], music(20)
    on_time = beat_alignment(points, waveform, SAMPLE_RATE, "corrected", fps=fps)
    late = beat_alignment(swinging(turns_s + 0.25, 20, fps)[None], waveform, SAMPLE_RATE, "corrected", fps=fps)
    assert on_time > 0.9
    assert late < 0.3


@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
def test_smoothing_is_a_time_and_removes_the_same_wobble_at_any_frame_rate(fps):
    turns_s = np.arange(0.25, 6, BEAT_S)
    points = swinging(turns_s, 6, fps)[0]
    wobble = 0.02 * np.sin(2 * np.pi * 7 * np.arange(len(points)) / fps)
    beats_s = motion_beats(points + wobble[:, None, None], fps=fps)
    assert abs(len(beats_s) - len(turns_s)) <= 1


def test_beats_after_the_motion_do_not_count():
    points, inside = wander(150), np.array([20, 60, 110])  # of 156 hops in 5 s
    for variant in ("published", "corrected"):
        metrics = SingingBeatAlignment(variant), SingingBeatAlignment(variant)
        metrics[0].update(points, None, beats=inside)
        metrics[1].update(points, None, beats=np.append(inside, [160, 220]))
        assert metrics[0].compute() == metrics[1].compute()


def test_published_drifts_away_where_corrected_stays():
    # 20 s: hops are then 25 frames ahead of the frames; beats 15 frames apart come into step and out of it again
    turns_s = np.arange(0.25, 20, BEAT_S)
    points, waveform = swinging(turns_s, 20)[None], music(20)
    assert beat_alignment(points, waveform, SAMPLE_RATE) < 0.75
    assert beat_alignment(points, waveform, SAMPLE_RATE, "corrected") > 0.9


@pytest.mark.parametrize(("offset", "expected"), [(0, 1.0), (3, np.exp(-0.5)), (-6, np.exp(-2.0))])
def test_alignment_known_values(offset, expected):
    audio = np.array([10.0, 40.0, 90.0])
    assert alignment(audio, audio + offset, 3.0) == pytest.approx(expected)


def test_degenerate_input_has_defined_scores():
    still, moving = np.zeros((1, 1, 90, 4, 3)), wander(90, samples=1)[None]
    silence, sound = np.zeros(48000, np.float32), music(3)
    assert beat_alignment(still, silence, SAMPLE_RATE) == 1.0  # as published: both get a beat at 0
    assert beat_alignment(still, sound, SAMPLE_RATE, "corrected") == 0.0
    assert beat_alignment(moving, silence, SAMPLE_RATE, "corrected") == 0.0
    for variant in ("published", "corrected"):
        for waveform in (silence, np.zeros(0, np.float32), np.zeros(1), sound[:100]):
            assert 0 <= beat_alignment(moving, waveform, SAMPLE_RATE, variant) <= 1
        assert 0 <= beat_alignment(moving[:, :, :1], sound, SAMPLE_RATE, variant) <= 1


def test_a_face_at_rest_that_trembles_by_rounding_is_at_rest_when_corrected():
    base = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 1, 1, 68, 3)) + np.zeros((1, 1, 240, 1, 1))
    trembling = (base + 5e-9 * np.random.default_rng(1).standard_normal(base.shape)).astype(np.float32)
    assert beat_alignment(trembling, music(8), SAMPLE_RATE) > 0.1
    assert beat_alignment(trembling, music(8), SAMPLE_RATE, "corrected") == 0.0
    moving = base + 5e-6 * np.random.default_rng(1).standard_normal(base.shape).cumsum(axis=2)  # 0.3 mm a second
    assert beat_alignment(moving, music(8), SAMPLE_RATE, "corrected") > 0.0


def test_corrected_leaves_out_recordings_without_audio_beats():
    batch = np.concatenate([wander(90, samples=1)[None]] * 2)
    both = np.stack([music(3), np.zeros(48000, np.float32)])
    expected = beat_alignment(batch[:1], both[0], SAMPLE_RATE, "corrected")
    assert beat_alignment(batch, both, SAMPLE_RATE, "corrected") == expected


@pytest.mark.parametrize(
    ("points", "waveform", "variant", "message"),
    [
        (np.zeros((2, 3)), np.zeros(9), "published", "points have shape"),
        (np.zeros((2, 1, 9, 1, 3)), np.zeros((3, 9)), "published", "waveforms for 2 recordings"),
        (np.full((1, 1, 9, 1, 3), np.nan), np.zeros(9), "published", "points hold NaN"),
        (np.zeros((1, 1, 9, 1, 3)), np.full(9, np.nan), "published", "waveform holds NaN"),
        (np.zeros((1, 1, 9, 1, 3)), np.zeros(9), "true", "variant 'true'"),
    ],
)
def test_what_cannot_be_scored_is_named(points, waveform, variant, message):
    with pytest.raises(InputError, match=message):
        beat_alignment(points, waveform, SAMPLE_RATE, variant)


def test_motion_in_time_lies_above_both_chance_levels_and_other_motion_on_them():
    turns_s = np.arange(0.25, 20, BEAT_S)
    waveform = music(20)
    beats = audio_beat_frames(waveform, SAMPLE_RATE)
    metric = SingingBeatAlignment(sample_rate=SAMPLE_RATE)
    metric.update(swinging(turns_s, 20), None, beats=beats)
    on_time = metric.compute()
    assert on_time["excess_over_random"] > 0.3
    assert on_time["excess_over_shifted"] > 0.3
    assert on_time["excess_over_random"] == pytest.approx(on_time["beat_alignment"] - on_time["chance_random"])
    unrelated = SingingBeatAlignment(sample_rate=SAMPLE_RATE)
    for seed in range(12):
        unrelated.update(wander(600, samples=2, seed=seed), None, beats=beats)
    assert abs(unrelated.compute()["excess_over_random"]) < 0.08
    assert abs(unrelated.compute()["excess_over_shifted"]) < 0.08


def test_chance_of_random_beats_is_what_a_simulation_gives():
    beats, points = np.arange(5, 180, 13), wander(200, samples=1, seed=4)
    metric = SingingBeatAlignment(sample_rate=SAMPLE_RATE, num_draws=600)
    metric.update(points, None, beats=beats)
    generator, count = np.random.default_rng(7), len(motion_beats(points[0]))
    audio_s = beats * 512 / SAMPLE_RATE
    draws = [alignment(audio_s, generator.uniform(0, 200 / 30, count), 0.1) for _ in range(2000)]
    assert metric.compute()["chance_random"] == pytest.approx(np.mean(draws), abs=0.01)


def test_class_equals_the_function_and_does_not_hang_on_the_order():
    waveforms, batch = (music(5), music(5, beat_s=0.61)), (wander(150, seed=1), wander(150, seed=2))
    for variant in ("published", "corrected"):
        results = []
        for order in ((0, 1), (1, 0)):
            metric = SingingBeatAlignment(variant, sample_rate=SAMPLE_RATE, num_draws=5)
            for item in order:
                metric.update(batch[item], waveforms[item], recording_id=str(item))
            results.append(metric.compute())
        assert results[0] == results[1]
        expected = beat_alignment(np.stack(batch), np.stack(waveforms), SAMPLE_RATE, variant)
        assert results[0]["beat_alignment"] == pytest.approx(expected, abs=1e-12)


def test_a_recording_without_audio_beats_is_counted_and_not_scored():
    metric = SingingBeatAlignment(sample_rate=SAMPLE_RATE)
    assert metric.update(wander(90), np.zeros(48000)) == {}
    result = metric.compute()
    assert result["beat_alignment"] is result["chance_random"] is None
    assert (result["num_recordings"], result["num_recordings_without_audio_beats"]) == (0, 1)
