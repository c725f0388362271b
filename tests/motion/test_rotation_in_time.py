"""Rotations from frame to frame: slerp, unroll, and Euler angles that stay continuous."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.motion import rotation
from emage.motion.layout import get_layout

TAIT_BRYAN = ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]
ORDERS_3 = [*TAIT_BRYAN, "XYX", "XZX", "YXY", "YZY", "ZXZ", "ZYZ"]


def randn(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def test_slerp_turns_at_constant_speed_the_shorter_way():
    euler = torch.tensor([[0.0, 0, 0], [0, 0, 200.0]], dtype=torch.float64)  # 160 degrees the other way round
    start, end = rotation.euler_to_quat(euler, "XYZ")
    path = rotation.quat_to_matrix(rotation.slerp(start, end, torch.linspace(0, 1, 9, dtype=torch.float64)))
    steps = rotation.angle_between(path[:-1], path[1:])
    torch.testing.assert_close(steps, torch.full((8,), math.radians(20.0), dtype=torch.float64))


@pytest.mark.parametrize("angle", [1e-4, 1e-3, 1e-2])
def test_slerp_over_small_angles_keeps_its_precision_in_float32(angle):
    start = torch.tensor([1.0, 0, 0, 0])
    end = torch.tensor([math.cos(angle / 2), math.sin(angle / 2), 0, 0])
    half = rotation.slerp(start, end, 0.5)
    assert half[1].item() == pytest.approx(math.sin(angle / 4), rel=1e-3)


def test_unroll_undoes_random_signs():
    time = torch.linspace(0, 3, 50, dtype=torch.float64)[:, None, None]
    smooth = rotation.euler_to_quat(randn(1, 4, 3) * 200 * time, "XYZ")  # (50, 4, 4)
    signs = torch.where(randn(50, 4, 1, seed=3) > 0, 1.0, -1.0).double()
    signs[0] = 1
    assert torch.equal(rotation.unroll(smooth * signs), smooth)
    assert torch.equal(rotation.unroll((smooth * signs).movedim(0, 1), dim=1), smooth.movedim(0, 1))
    assert torch.equal(rotation.unroll(-smooth[:1]), -smooth[:1])


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(ORDERS_3),
    angles=st.lists(st.floats(-180, 180), min_size=3, max_size=3),
    reference=st.lists(st.floats(-400, 400), min_size=3, max_size=3),
)
def test_nearest_euler_is_the_nearest_of_all_that_there_are(order, angles, reference):
    angles, reference = (torch.tensor(values, dtype=torch.float64) for values in (angles, reference))
    result = rotation.nearest_euler(angles, reference, order)
    torch.testing.assert_close(
        rotation.euler_to_matrix(result, order), rotation.euler_to_matrix(angles, order), atol=1e-9, rtol=0
    )
    a, b, c = angles.tolist()
    middle = 180 - b if order in TAIT_BRYAN else -b
    turns = [360.0 * k for k in range(-3, 4)]
    candidates = torch.tensor(
        [
            [x + i, y + j, z + k]
            for x, y, z in ((a, b, c), (a + 180, middle, c + 180))
            for i, j, k in itertools.product(turns, repeat=3)
        ],
        dtype=torch.float64,
    )
    best = (candidates - reference).norm(dim=-1).min()
    assert (result - reference).norm().item() == pytest.approx(best.item(), abs=1e-9)


@pytest.mark.parametrize("order", ORDERS_3)
@pytest.mark.parametrize("with_start", [False, True])
def test_unwrap_euler_equals_the_loop_over_frames(order, with_start):
    euler = rotation.matrix_to_euler(rotation.euler_to_matrix(randn(80, 5, 3).cumsum(0) * 25, order), order)
    start = randn(5, 3, seed=9, scale=200.0) if with_start else None
    expected = [euler[0] if start is None else rotation.nearest_euler(euler[0], start, order)]
    for frame in euler[1:]:
        expected.append(rotation.nearest_euler(frame, expected[-1], order))
    torch.testing.assert_close(rotation.unwrap_euler(euler, order, start), torch.stack(expected), atol=1e-9, rtol=0)


@pytest.mark.parametrize("order", ORDERS_3)
def test_unwrap_euler_recovers_a_path_over_both_branches_and_full_turns(order):
    time = torch.linspace(0, 2 * math.pi, 400, dtype=torch.float64)[:, None]
    middle = 90 if order in TAIT_BRYAN else 0  # swings 40 degrees to either side of gimbal lock, all angles move
    path = torch.cat([400 * time.sin(), middle + 40 * (2 * time + 1).sin(), -300 * (time + 0.5).cos()], dim=-1)
    principal = rotation.matrix_to_euler(rotation.euler_to_matrix(path, order), order)
    assert principal.diff(dim=0).abs().max() > 170  # the test is worth its name
    torch.testing.assert_close(rotation.unwrap_euler(principal, order, path[0]), path, atol=1e-6, rtol=0)


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("start", [None, torch.zeros(4, 3)])
def test_unwrap_euler_of_hardly_any_frames(frames, start):
    assert rotation.unwrap_euler(torch.zeros(frames, 4, 3), "XYZ", start).shape == (frames, 4, 3)


def test_unwrap_euler_on_the_elbows_of_a_real_recording(beat_sample):
    lines = (beat_sample / "2" / "2_scott_0_1_1.bvh").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    values = torch.from_numpy(np.loadtxt(lines[first:]))
    elbows = values[:, get_layout("beat_full").joint_columns(["RightForeArm", "LeftForeArm"])].reshape(-1, 2, 3)
    assert elbows.diff(dim=0).abs().max() > 350  # the file wraps at 180 degrees
    # Keep the rotations, throw the file's choice of angles away: random branch, random turns.
    other = torch.stack([elbows[..., 0] + 180, 180 - elbows[..., 1], elbows[..., 2] + 180], dim=-1)
    shuffled = torch.where(randn(*elbows.shape[:2], 1) > 0, other, elbows) + 360 * randn(*elbows.shape, seed=1).round()
    path = rotation.unwrap_euler(shuffled, "XYZ", elbows[0])
    torch.testing.assert_close(
        rotation.euler_to_matrix(path, "XYZ"), rotation.euler_to_matrix(elbows, "XYZ"), atol=1e-9, rtol=0
    )
    assert path.diff(dim=0).abs().max() < 30  # at 120 fps, one to two degrees from gimbal lock
    torch.testing.assert_close(path[0], elbows[0], atol=1e-9, rtol=0)
    # The same path as that of the file, whose full turns alone are taken out.
    np.testing.assert_allclose(path.numpy(), np.unwrap(elbows.numpy(), period=360, axis=0), atol=1e-6)
