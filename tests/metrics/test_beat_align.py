import librosa
import numpy as np
import pytest
import torch
from scipy.signal import argrelextrema

from emage.errors import InputError
from emage.metrics.beat_align import BeatAlign, beat_alignment, beat_alignment_positions
from emage.metrics.beat_onsets import alignment, audio_onsets, speed_minima
from emage.metrics.beat_published import SMPLX_BODY, beat2022_onsets
from emage.motion.convert import convert
from emage.motion.layout import get_layout

SAMPLE_RATE = 16000
JOINTS = ("RightForeArm", "RightHand", "LeftForeArm", "LeftHand")


def times(count: int = 24, *, seed: int = 0) -> np.ndarray:
    """Moments 0.4 to 0.9 s apart, on whole frames of 15 fps."""
    return np.cumsum(np.random.default_rng(seed).integers(6, 14, count)) / 15


def speech(onsets_s: np.ndarray, duration_s: float) -> np.ndarray:
    """A decaying tone at each moment, over faint noise."""
    generator = np.random.default_rng(0)
    waveform = generator.standard_normal(round(duration_s * SAMPLE_RATE)) * 1e-4
    tone_s = np.arange(round(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 220 * tone_s) * np.exp(-tone_s / 0.04)
    for onset_s in onsets_s:
        start = round(onset_s * SAMPLE_RATE)
        part = waveform[start : start + len(tone)]
        part += tone[: len(part)]
    return waveform.astype(np.float32)


def swings(turns_s: np.ndarray, duration_s: float, fps: float) -> np.ndarray:
    """A value that swings to and fro, (T,): still at each of the moments, fastest half way between."""
    marks = np.concatenate([[turns_s[0] - 0.5], turns_s, [max(turns_s[-1], duration_s) + 0.5]])
    phase = np.interp(np.arange(round(duration_s * fps)) / fps, marks, np.arange(len(marks)))
    return np.cos(np.pi * phase)


def positions(turns_s: np.ndarray, duration_s: float, fps: float = 15) -> np.ndarray:
    value = 20 * swings(turns_s, duration_s, fps)
    return np.broadcast_to(value[:, None, None], (len(value), len(JOINTS), 3)).copy()


def motion_141(turns_s: np.ndarray, duration_s: float, fps: float = 15) -> torch.Tensor:
    """The arms swing about one axis, (T, 141) degrees; so does the ring finger that beat2022 listens to."""
    layout = get_layout("beat_141")
    motion = torch.zeros(round(duration_s * fps), layout.dim)
    sides = [f"{side}{name}" for side in ("Right", "Left") for name in ("Arm", "ForeArm", "Hand", "HandRing2")]
    angle_deg = torch.as_tensor(30 * swings(turns_s, duration_s, fps)).float()
    motion[:, layout.joint_columns(sides)[::3]] = angle_deg[:, None]
    return motion


def published(waveform: np.ndarray, motion: np.ndarray, fps: float) -> float:
    """Steps 1 to 4 of the published code, written down directly."""
    envelope = librosa.onset.onset_strength(y=waveform, sr=16000)
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, backtrack=False)
    rms = librosa.feature.rms(S=np.abs(librosa.stft(y=waveform)))[0]
    audio_beats = librosa.frames_to_time(librosa.onset.onset_backtrack(onsets, rms))
    wrist = motion[:, 36:39]
    speed = np.array([np.linalg.norm(wrist[i + 1] - wrist[i]) for i in range(len(wrist) - 1)])
    beats = argrelextrema(speed, np.less, order=2)[0] / fps
    return float(np.mean([np.exp(-(np.abs(beats - t).min() ** 2) / (2 * 0.3**2)) for t in audio_beats]))


def test_beat2022_is_the_published_code_fault_for_fault():
    metric = BeatAlign("beat2022", 15, SAMPLE_RATE)
    waveform = speech(times(), 20)
    motion = torch.as_tensor(np.random.default_rng(1).standard_normal((300, 141)).cumsum(axis=0))
    metric.update(motion, waveform, layout="beat_141")
    assert metric.compute()["beat_align"] == pytest.approx(published(waveform, motion.numpy(), 15), abs=1e-12)
    assert metric.compute()["sigma_s"] == 0.3


def test_onsets_are_in_true_seconds_and_in_beat2022_in_shrunk_ones():
    onsets_s = times()
    waveform = speech(onsets_s, onsets_s[-1] + 1)
    found = audio_onsets(waveform, SAMPLE_RATE)
    assert max(np.abs(found - t).min() for t in onsets_s) < 0.03
    shrunk = beat2022_onsets(waveform, SAMPLE_RATE)
    late = onsets_s[-10:]
    # Backtracking puts an onset up to 0.2 s early; the shrinking moves the last ones by more than 3 s.
    assert max(np.abs(shrunk * 22050 / 16000 - t).min() for t in late) < 0.2
    assert shrunk.max() < 0.75 * onsets_s[-1]


@pytest.mark.parametrize("fps", [15, 30, 60, 120])
def test_minima_of_speed_are_in_true_seconds_at_any_frame_rate(fps):
    turns_s = times()
    speed = np.abs(np.diff(20 * swings(turns_s, 18, fps))) * fps
    beats_s = speed_minima(speed, fps)
    inside = turns_s[turns_s < 17.5]
    assert max(np.abs(beats_s - t).min() for t in inside) <= 0.5 / fps + 1e-9
    assert abs(len(beats_s) - len(inside)) <= 1


@pytest.mark.parametrize("speed", [[], [5.0], [5.0, 1.0], [0.0] * 20, [7.0] * 20, [1e-7, 0, 2e-7, 0, 1e-7]])
def test_no_minimum_no_beat(speed):
    assert len(speed_minima(speed, 15)) == 0


def test_trembling_is_no_beat():
    speed = 20 + 0.5 * np.random.default_rng(0).standard_normal(300)
    assert len(speed_minima(speed, 15)) == 0


@pytest.mark.parametrize(("offset_s", "expected"), [(0.0, 1.0), (0.1, np.exp(-0.5)), (-0.2, np.exp(-2.0))])
def test_alignment_known_values(offset_s, expected):
    onsets_s = np.array([1.0, 2.0, 4.0])
    assert alignment(onsets_s, onsets_s[::-1] + offset_s, 0.1) == pytest.approx(expected)


def test_alignment_takes_the_nearest_beat_on_either_side():
    onsets_s, beats_s = np.random.default_rng(0).uniform(0, 10, 50), np.random.default_rng(1).uniform(2, 8, 13)
    nearest = np.abs(onsets_s[:, None] - beats_s).min(axis=1)
    assert alignment(onsets_s, beats_s, 0.1) == pytest.approx(np.exp(-(nearest**2) / 0.02).mean())


def update(metric: BeatAlign, kind: str, turns_s: np.ndarray, waveform: np.ndarray, duration_s: float = 15) -> None:
    if kind == "positions":
        metric.update_positions(positions(turns_s, duration_s), waveform, joint_names=JOINTS)
    else:
        motion = motion_141(turns_s, duration_s)
        metric.update(motion if kind == "beat_141" else convert(motion, "beat_141", kind), waveform, layout=kind)


@pytest.mark.parametrize("kind", ["positions", "beat_141", "beat_141_rot6d"])
def test_motion_that_turns_on_the_onsets_lies_above_chance(kind):
    turns_s = times(20)
    waveform = speech(turns_s, 15)
    aligned, late, unrelated = (BeatAlign("corrected", 15, SAMPLE_RATE) for _ in range(3))
    update(aligned, kind, turns_s, waveform)
    update(late, kind, turns_s + 0.25, waveform)
    for seed in range(1, 9):
        update(unrelated, kind, times(40, seed=seed), waveform)
    on, off, none = aligned.compute(), late.compute(), unrelated.compute()
    assert on["beat_align"] > 0.9
    assert on["excess_over_random"] > 0.3
    assert on["excess_over_shifted"] > 0.3
    assert on["excess_over_random"] == pytest.approx(on["beat_align"] - on["chance_random"])
    assert off["beat_align"] < on["beat_align"] - 0.4
    assert abs(none["excess_over_random"]) < 0.1
    assert abs(none["excess_over_shifted"]) < 0.1


def test_chance_of_random_beats_is_what_a_simulation_gives():
    onsets_s, turns_s = times(20), times(20, seed=3)
    metric = BeatAlign("corrected", 15, SAMPLE_RATE, num_draws=400)
    metric.update_positions(positions(turns_s, 15), None, joint_names=JOINTS, onsets_s=onsets_s)
    result = metric.compute()
    generator, count = np.random.default_rng(9), result["num_motion_beats"] // len(JOINTS)
    inside = onsets_s[onsets_s < 15]
    draws = [alignment(inside, generator.uniform(0, 15, count), 0.1) for _ in range(2000)]
    assert result["chance_random"] == pytest.approx(np.mean(draws), abs=0.01)


def test_without_motion_beats_score_and_chance_are_zero():
    metric = BeatAlign("corrected", 15, SAMPLE_RATE)
    metric.update_positions(np.full((150, 4, 3), 7.0), None, joint_names=JOINTS, onsets_s=[1.0, 2.0])
    result = metric.compute()
    assert (result["beat_align"], result["chance_random"], result["chance_shifted"]) == (0, 0, 0)
    assert (result["num_recordings"], result["num_recordings_without_motion_beats"]) == (1, 1)


@pytest.mark.parametrize("variant", ["corrected", "beat2022"])
def test_a_recording_without_onsets_is_counted_and_not_scored(variant):
    metric = BeatAlign(variant, 15, SAMPLE_RATE)
    silence = np.zeros(10 * SAMPLE_RATE, dtype=np.float32)
    metric.update(motion_141(times(), 10), silence, layout="beat_141")
    result = metric.compute()
    assert result["beat_align"] is result["excess_over_random"] is None
    assert (result["num_recordings"], result["num_recordings_without_onsets"]) == (0, 1)
    metric.update(motion_141(times(), 10), None, layout="beat_141", onsets_s=times())
    scored = metric.compute()
    assert scored["num_recordings"] == scored["num_recordings_without_onsets"] == 1
    assert scored["beat_align"] > 0


@pytest.mark.parametrize(("variant", "num_counted"), [("corrected", 2), ("beat2022", 4)])
def test_onsets_after_the_motion_count_in_the_published_code_alone(variant, num_counted):
    metric = BeatAlign(variant, 15, SAMPLE_RATE)
    metric.update(motion_141(times(), 10), None, layout="beat_141", onsets_s=[1.0, 9.9, 10.0, 12.0])
    assert metric.compute()["num_onsets"] == num_counted


def test_every_onset_weighs_the_same():
    onsets_s = times(20)
    metric = BeatAlign("corrected", 15, SAMPLE_RATE)
    metric.update_positions(positions(onsets_s, 15), None, joint_names=JOINTS, onsets_s=onsets_s[:10])
    alone = metric.compute()["beat_align"]
    metric.update_positions(np.zeros((225, 4, 3)), None, joint_names=JOINTS, onsets_s=onsets_s[:5])
    assert metric.compute()["beat_align"] == pytest.approx(alone * 10 / 15)
    assert metric.compute()["num_onsets"] == 15


def test_chance_is_seeded():
    def chance(seed: int) -> tuple[float, float]:
        metric = BeatAlign("corrected", 15, SAMPLE_RATE, seed=seed)
        metric.update_positions(positions(times(), 15), None, joint_names=JOINTS, onsets_s=times(seed=2))
        result = metric.compute()
        return result["chance_random"], result["chance_shifted"]

    np.random.seed(1)
    first = chance(0)
    np.random.seed(2)
    assert chance(0) == first
    assert chance(1) != first


def test_a_wider_sigma_forgives_more():
    scores = []
    for sigma_s in (0.1, 0.2, 0.3):
        metric = BeatAlign("corrected", 15, SAMPLE_RATE, sigma_s=sigma_s)
        metric.update_positions(positions(times(seed=1), 15), None, joint_names=JOINTS, onsets_s=times())
        scores.append(metric.compute()["beat_align"])
    assert scores == sorted(scores)
    assert scores[0] < scores[2]


def test_arguments_are_not_altered():
    waveform, turns = speech(times(), 15), times()
    motion, places = motion_141(turns, 15), positions(turns, 15)
    copies = [x.copy() for x in (waveform, motion.numpy(), places, turns)]
    for variant in ("corrected", "beat2022"):
        metric = BeatAlign(variant, 15, SAMPLE_RATE)
        metric.update(motion, waveform, layout="beat_141")
        metric.update(motion, None, layout="beat_141", onsets_s=turns)
        if variant == "corrected":
            metric.update_positions(places, waveform, joint_names=JOINTS)
        metric.compute()
    assert all(np.array_equal(a, b) for a, b in zip((waveform, motion.numpy(), places, turns), copies, strict=True))


def test_joints_are_found_by_name_in_any_order_and_spelling():
    def result(names: tuple[str, ...], places: np.ndarray) -> dict:
        metric = BeatAlign("corrected", 15, SAMPLE_RATE)
        metric.update_positions(places, None, joint_names=names, onsets_s=times())
        return metric.compute()

    places = positions(times(), 15) * np.array([1.0, -2.0, 0.5, 3.0])[None, :, None]
    head = np.random.default_rng(0).standard_normal((225, 1, 3)).cumsum(axis=0)
    other = np.concatenate([head, places[:, ::-1]], axis=1)
    names = ("Head", "LHand", "LArm1", "RHand", "RArm1")
    assert result(names, other) == result(JOINTS, places)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="got 'beat2023'; choose one of corrected, beat2022, emage2024"):
        BeatAlign("beat2023", 15, SAMPLE_RATE)
    with pytest.raises(InputError, match="positions lacks LeftHand"):
        BeatAlign("corrected", 15, SAMPLE_RATE).update_positions(
            np.zeros((9, 3, 3)), None, joint_names=JOINTS[:3], onsets_s=[0.1]
        )
    with pytest.raises(InputError, match="beat2022 reads joint angles"):
        BeatAlign("beat2022", 15, SAMPLE_RATE).update_positions(
            np.zeros((9, 4, 3)), None, joint_names=JOINTS, onsets_s=[0.1]
        )


@pytest.mark.parametrize("kind", ["positions", "beat_141"])
@pytest.mark.parametrize("shift_s", [-0.25, 0.25])
def test_shifting_the_audio_lowers_the_score_of_motion_made_in_time_with_it(kind, shift_s):
    """And so does it for every sigma that the docstring calls sensible."""
    turns_s = times(20, seed=5) + 0.5
    waveform = speech(turns_s, 16)
    samples = round(abs(shift_s) * SAMPLE_RATE)
    silence = np.zeros(samples, dtype=np.float32)
    moved = np.concatenate([silence, waveform] if shift_s > 0 else [waveform[samples:], silence])
    for sigma_s in (0.1, 0.2, 0.3):
        scores = []
        for audio in (waveform, moved):
            metric = BeatAlign("corrected", 15, SAMPLE_RATE, sigma_s=sigma_s)
            update(metric, kind, turns_s, audio)
            scores.append(metric.compute()["beat_align"])
        assert scores[1] < scores[0] - 0.1


def test_the_functions_are_the_score_of_the_class():
    turns_s = times(20)
    waveform = speech(turns_s, 15)
    metric = BeatAlign("corrected", 15, SAMPLE_RATE)
    update(metric, "beat_141", turns_s, waveform)
    motion = motion_141(turns_s, 15).numpy()
    expected = pytest.approx(metric.compute()["beat_align"], abs=1e-12)
    assert beat_alignment(motion, waveform, SAMPLE_RATE, 15) == expected
    full = convert(torch.as_tensor(motion), "beat_141", "beat_full", fill=torch.zeros(228)).numpy()
    assert beat_alignment(full, waveform, SAMPLE_RATE, 15) == pytest.approx(metric.compute()["beat_align"], abs=1e-6)
    by_position = BeatAlign("corrected", 15, SAMPLE_RATE)
    update(by_position, "positions", turns_s, waveform)
    found = beat_alignment_positions(positions(turns_s, 15), waveform, SAMPLE_RATE, 15, joint_names=JOINTS)
    assert found == pytest.approx(by_position.compute()["beat_align"], abs=1e-12)


def test_smplx_elbows_and_wrists_serve_as_well():
    turns_s = times(20)
    waveform = speech(turns_s, 15)
    places = positions(turns_s, 15)
    body = np.zeros((len(places), len(SMPLX_BODY), 3))
    wanted = ("right_elbow", "right_wrist", "left_elbow", "left_wrist")
    body[:, [SMPLX_BODY.index(name) for name in wanted]] = places
    expected = pytest.approx(beat_alignment_positions(places, waveform, SAMPLE_RATE, 15, joint_names=JOINTS))
    assert beat_alignment_positions(body, waveform, SAMPLE_RATE, 15) == expected


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros(16000), np.full(1, 0.5), np.full(700, 0.1), [3]])
@pytest.mark.parametrize("num_frames", [0, 1, 2, 3, 40])
@pytest.mark.filterwarnings("ignore:n_fft")
def test_no_onset_no_frame_and_a_frozen_wrist_are_defined(waveform, num_frames):
    for variant in ("corrected", "beat2022"):
        frozen = np.full((num_frames, 141), 3.0)
        assert beat_alignment(frozen, waveform, SAMPLE_RATE, 15, variant=variant) == 0
    frozen = np.full((num_frames, 55, 3), 3.0)
    for variant in ("corrected", "emage2024"):
        found = beat_alignment_positions(
            frozen, waveform, SAMPLE_RATE, 30, mean_speed=np.ones(55), variant=variant, mask_frames=1
        )
        assert found == 0


def test_the_order_of_recordings_does_not_matter():
    def result(order: list[int]) -> dict:
        metric = BeatAlign("corrected", 15, SAMPLE_RATE)
        for i in order:
            metric.update_positions(
                positions(times(20, seed=i), 15),
                None,
                joint_names=JOINTS,
                onsets_s=times(20, seed=i + 20),
                recording_id=f"{i}",
            )
        return metric.compute()

    first, second = result([0, 1, 2, 3]), result([2, 0, 3, 1])
    for name in BeatAlign.score_names:
        assert first[name] == pytest.approx(second[name], abs=1e-9)


def test_random_beats_score_the_reported_chance():
    """Motion whose turns know nothing of the speech: over many recordings it scores what is reported as chance."""
    metric = BeatAlign("corrected", 15, SAMPLE_RATE)
    generator = np.random.default_rng(0)
    for _ in range(40):
        turns_s = np.sort(generator.uniform(0, 30, 45))
        turns_s = turns_s[np.diff(turns_s, prepend=-1) > 0.3]
        metric.update_positions(
            positions(turns_s, 30), None, joint_names=JOINTS, onsets_s=np.sort(generator.uniform(0, 30, 60))
        )
    result = metric.compute()
    assert abs(result["excess_over_shifted"]) < 0.02
    # Beats of a motion keep a distance, beats thrown at random do not, and so cover a little less.
    assert 0 <= result["excess_over_random"] < 0.06


def test_each_variant_says_which_function_it_needs():
    with pytest.raises(InputError, match="emage2024 reads joint positions"):
        beat_alignment(np.zeros((9, 141)), np.ones(99), SAMPLE_RATE, 15, variant="emage2024")
    with pytest.raises(InputError, match="divides by the data set's mean_speed"):
        beat_alignment_positions(np.zeros((9, 55, 3)), np.ones(99), SAMPLE_RATE, 15, variant="emage2024")
    with pytest.raises(InputError, match=r"shape \(9, 140\); expected \(frames, 141"):
        beat_alignment(np.zeros((9, 140)), np.ones(99), SAMPLE_RATE, 15)
    for waveform in (np.zeros((2, 99)), np.full(99, np.nan)):
        with pytest.raises(InputError, match="expected one channel of finite samples"):
            beat_alignment(np.zeros((9, 141)), waveform, SAMPLE_RATE, 15)
    with pytest.raises(InputError, match="not finite in frame 4"):
        beat_alignment(np.where(np.arange(9)[:, None] == 4, np.nan, np.zeros((9, 141))), np.ones(99), SAMPLE_RATE, 15)
