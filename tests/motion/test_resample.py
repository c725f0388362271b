import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.layout import get_layout
from emage.motion.resample import frame_count, frame_times, resample_euler, resample_linear, resample_quat


def sine(freq_hz: float, fps: float, num_frames: int, phase: float = 0.4) -> torch.Tensor:
    return (2 * math.pi * freq_hz * frame_times(num_frames, fps) + phase).sin()[:, None]


def swing(freq_hz: float, fps: float, num_frames: int, degrees: float = 30.0) -> torch.Tensor:
    """A joint that swings about x: (T, 1, 4)."""
    angle = degrees * sine(freq_hz, fps, num_frames, phase=0.0)[:, None]
    return rotation.euler_to_quat(angle, "X")


def angles_deg(quat: torch.Tensor) -> torch.Tensor:
    return rotation.matrix_to_euler(rotation.quat_to_matrix(quat), "XYZ")[..., 0]


def wandering(num_frames: int, num_joints: int = 3, seed: int = 0) -> torch.Tensor:
    """Smooth joint angles that pass full turns and gimbal lock: (T, J, 3) degrees at 120 fps."""
    time = torch.arange(num_frames, dtype=torch.float64)[:, None, None] / 120
    generator = torch.Generator().manual_seed(seed)
    speed, phase = torch.rand(2, num_joints, 3, generator=generator, dtype=torch.float64) * 2
    return 150 * (1.5 * speed * time + 3 * phase).sin() + 60 * time


# Times


@pytest.mark.parametrize(
    ("duration_s", "fps", "frames"), [(57.0, 15, 855), (40.0, 15.0, 600), (2.0333, 30, 61), (0.0, 15, 0), (0.02, 25, 0)]
)
def test_frame_count_rounds(duration_s, fps, frames):
    assert frame_count(duration_s, fps) == frames


def test_frame_k_is_at_k_by_fps_without_drift():
    times = frame_times(100_001, 30)
    assert times.dtype == torch.float64
    assert times[[0, 1, 100_000]].tolist() == pytest.approx([0.0, 1 / 30, 100_000 / 30], rel=1e-15)


@pytest.mark.parametrize(("source", "target"), [(120, 25), (60, 25), (120, 15), (15, 120), (25, 30), (29.97, 30)])
def test_exact_times_when_rates_do_not_divide(source, target):
    # A straight line is known at any time. The filter's ripple (60 dB) may shift a frame by some 50 us, no more.
    frames = int(20 * target) - 1
    line = 3.0 * frame_times(int(20 * source) + 2, source)[:, None] - 7
    expected = 3.0 * frame_times(frames, target)[:, None] - 7
    for lowpass in (True, False):
        result = resample_linear(line, source, target, frames, lowpass=lowpass)
        atol = 3.0 * 50e-6 if lowpass and target < source else 1e-9
        torch.testing.assert_close(result, expected, atol=atol, rtol=0)


@pytest.mark.parametrize(("source", "target"), [(120, 25), (120, 15), (30, 100)])
def test_a_joint_at_constant_speed_is_where_it_should_be(source, target):
    speed_deg_s = 50.0
    quat = rotation.euler_to_quat(speed_deg_s * frame_times(12 * source, source)[:, None, None], "Z")
    result = resample_quat(quat, source, target, 11 * target)
    expected = rotation.euler_to_quat(speed_deg_s * frame_times(11 * target, target)[:, None, None], "Z")
    middle = slice(target, 10 * target)  # point reflection continues quaternions, not angles: the ends may differ
    error = rotation.angle_between(rotation.quat_to_matrix(result), rotation.quat_to_matrix(expected)).rad2deg()
    assert error[middle].max() < 1e-3
    assert error.max() < 0.5
    assert error[0].max() < 1e-6


# No aliasing


@pytest.mark.parametrize(("source", "target"), [(120, 15), (60, 15), (120, 25), (120, 30), (60, 48)])
@pytest.mark.parametrize("place", [1.02, 1.5, 1.9])
def test_a_sine_above_the_new_nyquist_frequency_vanishes(source, target, place):
    freq_hz = min(place * target / 2, 0.49 * source)
    assert freq_hz > target / 2
    vibration = sine(freq_hz, source, 20 * source)
    result = resample_linear(vibration, source, target, 20 * target)
    interior = result[2 * target : -2 * target]
    assert interior.abs().max() < 2e-3
    assert resample_linear(vibration, source, target, 20 * target, lowpass=False).abs().max() > 0.5  # it would alias


@pytest.mark.parametrize(("source", "target"), [(120, 15), (60, 15), (120, 25), (120, 30), (100, 99)])
@pytest.mark.parametrize("place", [0.05, 0.3, 0.73])
def test_a_sine_below_survives_with_amplitude_and_phase(source, target, place):
    freq_hz = place * target / 2
    result = resample_linear(sine(freq_hz, source, 20 * source), source, target, 20 * target)
    interior = slice(2 * target, -2 * target)
    torch.testing.assert_close(result[interior], sine(freq_hz, target, 20 * target)[interior], atol=3e-3, rtol=0)


def test_a_trembling_joint_comes_to_rest_and_a_waving_one_does_not():
    shape = (20 * 120, 15)
    tremble = resample_quat(swing(11.0, 120, shape[0], degrees=5.0), 120, 15, 300)
    assert angles_deg(tremble)[30:-30].abs().max() < 0.02
    every_eighth = swing(11.0, 120, shape[0], degrees=5.0)[::8]  # what the reference does
    assert angles_deg(every_eighth).abs().max() > 4.5
    wave = angles_deg(resample_quat(swing(2.0, 120, shape[0]), 120, 15, 300))
    torch.testing.assert_close(wave[30:-30], 30 * sine(2.0, 15, 300, phase=0.0)[30:-30], atol=0.05, rtol=0)


# The ends


@pytest.mark.parametrize(("source", "target"), [(120, 15), (60, 25), (15, 15), (15, 60)])
def test_the_first_frame_is_the_first_sample_and_the_last_is_held(source, target):
    values = torch.randn(2 * source, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frames = 2 * target + 7
    for lowpass in (True, False):
        result = resample_linear(values, source, target, frames, lowpass=lowpass)
        torch.testing.assert_close(result[0], values[0])
        beyond = frame_times(frames, target) >= (len(values) - 1) / source - 1e-9
        assert beyond.sum() >= 7
        torch.testing.assert_close(result[beyond], values[-1].expand(int(beyond.sum()), 3))
    quat = torch.nn.functional.normalize(values[:, None, [0, 1, 2, 0]], dim=-1)
    turned = resample_quat(quat, source, target, frames)
    torch.testing.assert_close(turned[0], quat[0])
    torch.testing.assert_close(turned[-1], rotation.unroll(quat)[-1].abs() * turned[-1].sign())


def test_a_slope_is_kept_up_to_the_ends():
    ramp = frame_times(240, 120)[:, None]
    torch.testing.assert_close(resample_linear(ramp, 120, 15, 30), frame_times(30, 15)[:, None], atol=1e-9, rtol=0)


@pytest.mark.parametrize("num_samples", [1, 2, 3])
@pytest.mark.parametrize("target", [7, 15, 40])
def test_hardly_any_samples(num_samples, target):
    values = torch.arange(num_samples, dtype=torch.float64)[:, None] + 5
    result = resample_linear(values, 15, target, 50)
    assert result.shape == (50, 1)
    assert result[0] == 5
    assert result[-1].item() == pytest.approx(4 + num_samples)
    euler = resample_euler(torch.full((num_samples, 2, 3), 20.0), "XYZ", 15, target_fps=target, num_frames=50)
    torch.testing.assert_close(euler, torch.full((50, 2, 3), 20.0), atol=1e-4, rtol=0)


def test_no_frames_asked_none_given():
    for target in (7, 15, 40):
        assert resample_linear(torch.zeros(9, 2), 15, target, 0).shape == (0, 2)
        assert resample_quat(torch.ones(9, 2, 4), 15, target, 0).shape == (0, 2, 4)
        assert resample_euler(torch.ones(9, 2, 3), "XYZ", 15, target_fps=target, num_frames=0).shape == (0, 2, 3)


# Identity, slerp, Euler


def test_equal_rates_are_the_identity_bit_for_bit():
    values = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resample_linear(values, 15, 15.0, 50), values)
    assert torch.equal(resample_linear(values, 29.97, 29.97, 50), values)
    euler = wandering(400)
    quat = rotation.euler_to_quat(euler, "XYZ")
    assert torch.equal(resample_quat(quat, 120, 120, 400), quat)
    assert torch.equal(resample_euler(euler, "XYZ", 120, target_fps=120, num_frames=400), euler)


@pytest.mark.parametrize("target", [50, 33])
def test_a_higher_rate_is_slerp_as_in_scipy(target):
    quat = rotation.euler_to_quat(wandering(360, num_joints=1)[::6] * 3, "XYZ")  # 20 fps, fast
    frames = 2 * target
    result = resample_quat(quat, 20, target, frames)
    oracle = Slerp(np.arange(60) / 20, Rotation.from_quat(quat[:, 0, [1, 2, 3, 0]].numpy()))
    expected = torch.from_numpy(oracle(frame_times(frames, target).numpy()).as_matrix())
    torch.testing.assert_close(rotation.quat_to_matrix(result[:, 0]), expected, atol=1e-9, rtol=0)


def test_signs_of_the_source_do_not_matter():
    quat = rotation.euler_to_quat(wandering(480), "XYZ")
    signs = torch.where(torch.randn(480, 3, 1, generator=torch.Generator().manual_seed(1)) > 0, 1.0, -1.0).double()
    signs[0] = 1
    for target in (15, 25, 240):
        result = resample_quat(quat * signs, 120, target, 3 * target)
        assert torch.equal(result, resample_quat(quat, 120, target, 3 * target))
        assert (result[1:] * result[:-1]).sum(dim=-1).min() > 0  # unrolled
        torch.testing.assert_close(result.norm(dim=-1), torch.ones(3 * target, 3, dtype=torch.float64))


@pytest.mark.parametrize("order", ["XYZ", "ZXY", "ZXZ"])
@pytest.mark.parametrize("target", [15, 25, 30, 240])
def test_euler_follows_the_path_of_the_source(order, target):
    path = wandering(1200)
    principal = rotation.matrix_to_euler(rotation.euler_to_matrix(path, order), order)
    principal[0] = path[0]  # the source's own branch and turn, which then hold for the whole
    result = resample_euler(principal, order, 120, target_fps=target, num_frames=9 * target)
    expected = resample_linear(path, 120, target, 9 * target, lowpass=False)
    # Never the other branch, never a turn apart. (In gimbal lock itself the angles say little.)
    middle = expected[..., 1].deg2rad()
    from_lock = (middle.sin() if order == "ZXZ" else middle.cos()).abs()
    assert (result - expected)[from_lock > 0.1].abs().max() < 3
    assert (result - expected).abs().max() < 95
    interior = slice(target, 8 * target)
    between = rotation.angle_between(
        rotation.euler_to_matrix(result, order), rotation.euler_to_matrix(expected, order)
    ).rad2deg()
    assert between[interior].max() < 0.5


@pytest.mark.parametrize("target", [15, 25, 60])
def test_a_real_recording_keeps_its_movement(beat_sample, target):
    lines = (beat_sample / "2" / "2_scott_0_1_1.bvh").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    layout = get_layout("beat_full")
    source = torch.from_numpy(np.loadtxt(lines[first:]))[:, layout.rotation_slice].unflatten(-1, (75, 3))
    result = resample_euler(source, "XYZ", 120, target_fps=target, num_frames=40 * target)
    assert result.shape == (40 * target, 75, 3)
    torch.testing.assert_close(result[0], source[0], atol=1e-9, rtol=0)
    # The elbow passes a degree and a half from gimbal lock and winds round it; no full turn is lost or won.
    path = resample_linear(rotation.unwrap_euler(source, "XYZ"), 120, target, 40 * target, lowpass=False)
    assert (result - path).abs().max() < 15
    assert result.diff(dim=0).abs().max() < 180
    exact = torch.from_numpy(Rotation.from_euler("XYZ", path.reshape(-1, 3), degrees=True).as_matrix())
    between = rotation.angle_between(rotation.euler_to_matrix(result, "XYZ").reshape(-1, 3, 3), exact).rad2deg()
    assert between.mean() < 0.3
    assert between.max() < 8


# Properties


rates = st.sampled_from([5, 15, 24, 25, 29.97, 30, 48, 60, 100, 120])


@settings(max_examples=40, deadline=None)
@given(
    source=rates, target=rates, num_samples=st.integers(1, 90), num_frames=st.integers(0, 60), seed=st.integers(0, 9)
)
def test_constants_stay_and_results_add_up(source, target, num_samples, num_frames, seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, num_samples, 2, generator=generator, dtype=torch.float64)

    def bring(values: torch.Tensor) -> torch.Tensor:
        return resample_linear(values, source, target, num_frames)

    torch.testing.assert_close(bring(2 * a - 3 * b), 2 * bring(a) - 3 * bring(b), atol=1e-9, rtol=0)
    torch.testing.assert_close(bring(torch.full_like(a, 4.2)), torch.full((num_frames, 2), 4.2, dtype=torch.float64))
    # Frames do not depend on how many are asked for.
    more = resample_linear(a, source, target, num_frames + 40)
    torch.testing.assert_close(more[:num_frames], bring(a), atol=1e-12, rtol=0)


@settings(max_examples=30, deadline=None)
@given(source=rates, target=rates, num_samples=st.integers(2, 90), seed=st.integers(0, 9))
def test_time_turned_round_gives_the_result_turned_round(source, target, num_samples, seed):
    """Zero phase: whole output spans only, so that both ways have their frames at the same instants."""
    ratio = Fraction(str(source)) / Fraction(str(target))
    frames = (num_samples - 1) // ratio.numerator * ratio.denominator + 1
    samples = (frames - 1) * ratio + 1
    values = torch.randn(int(samples), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    forward = resample_linear(values, source, target, frames)
    backward = resample_linear(values.flip(0), source, target, frames).flip(0)
    torch.testing.assert_close(forward, backward, atol=1e-9, rtol=0)


@settings(max_examples=30, deadline=None)
@given(source=rates, target=rates, num_samples=st.integers(1, 60), axis=st.sampled_from(["X", "Y", "Z"]))
def test_a_turn_of_the_world_turns_the_result(source, target, num_samples, axis):
    quat = rotation.euler_to_quat(wandering(num_samples, 2), "XYZ")
    turn = rotation.euler_to_quat(torch.tensor([73.0], dtype=torch.float64), axis)
    frames = frame_count(num_samples / source, target)
    one = rotation.quat_multiply(turn, resample_quat(quat, source, target, frames))
    other = resample_quat(rotation.quat_multiply(turn, quat), source, target, frames)
    torch.testing.assert_close(rotation.quat_to_matrix(one), rotation.quat_to_matrix(other), atol=1e-9, rtol=0)


def test_shape_and_dtype_are_kept():
    values = torch.randn(60, 2, 3, generator=torch.Generator().manual_seed(0))
    for target in (15, 60, 100):
        result = resample_linear(values, 60, target, 12)
        assert result.shape == (12, 2, 3)
        assert result.dtype == torch.float32
    assert resample_linear(values[:, 0, 0], 60, 15, 12).shape == (12,)
    assert resample_euler(values, "XYZ", 60, target_fps=15, num_frames=12).dtype == torch.float32


# Bad input


@pytest.mark.parametrize(
    ("num_samples", "source", "target", "message"),
    [
        (0, 120, 15, "without frames"),
        (5, 0, 15, "source frame rate: got 0"),
        (5, 120, -15, "target frame rate: got -15"),
        (5, float("nan"), 15, "source frame rate: got nan"),
    ],
)
def test_bad_input_is_named(num_samples, source, target, message):
    with pytest.raises(InputError, match=message):
        resample_linear(torch.zeros(num_samples, 3), source, target, 4)
    with pytest.raises(InputError, match=message):
        resample_quat(torch.zeros(num_samples, 2, 4), source, target, 4)
    with pytest.raises(InputError, match=message):
        resample_euler(torch.zeros(num_samples, 2, 3), "XYZ", source, target_fps=target, num_frames=4)
