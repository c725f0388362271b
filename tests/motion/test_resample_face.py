"""Faces at another rate: coefficients as values, rotations on the sphere; windows give what the whole would."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from emage.motion import rotation
from emage.motion.layout import get_layout
from emage.motion.resample import resample_axis_angle, resample_face, resample_face_windows, window_rows


def path(num: int, fps: float, size: float = 1.0) -> torch.Tensor:
    """(N, 59): slow sines; rotations up to `size` radians."""
    times_s = torch.arange(num, dtype=torch.float64)[:, None] / fps
    columns = torch.arange(59, dtype=torch.float64)
    return size * torch.sin(2 * np.pi * (0.2 + 0.02 * columns) * times_s + columns)


def test_rotations_are_slerped_and_coefficients_are_not():
    values = path(40, 25)
    made = resample_face(values, "flame_59", 25, target_fps=30, num_frames=46)
    times_s = np.minimum(np.arange(46) / 30, 39 / 25)
    for part in ("global", "neck", "jaw"):
        columns = get_layout("flame_59").part_slices[part]
        slerp = Slerp(np.arange(40) / 25, Rotation.from_rotvec(values[:, columns].numpy()))
        turned = Rotation.from_rotvec(made[:, columns].numpy()) * slerp(times_s).inv()
        assert turned.magnitude().max() < 1e-6
    expected = np.stack([np.interp(times_s, np.arange(40) / 25, c) for c in values[:, :50].numpy().T], axis=1)
    np.testing.assert_allclose(made[:, :50], expected, atol=1e-12)


def test_equal_rates_give_the_samples_themselves():
    values = path(12, 30, size=7.0)  # more than a turn: nothing is brought to another turn
    assert torch.equal(resample_face(values, "flame_59", 30, target_fps=30, num_frames=12), values)


def test_a_turn_through_180_degrees_stays_continuous():
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    angles = torch.linspace(2.5, 4.0, 31, dtype=torch.float64)
    wrapped = torch.where(angles > np.pi, angles - 2 * np.pi, angles)
    made = resample_axis_angle((wrapped[:, None] * axis)[:, None], 30, 60, 61)[:, 0]
    expected = torch.linspace(2.5, 4.0, 61, dtype=torch.float64)[:, None] * axis
    torch.testing.assert_close(made, expected, atol=1e-9, rtol=0)


def test_faster_than_the_new_rate_is_filtered_not_folded():
    times_s = torch.arange(120, dtype=torch.float64) / 30
    values = torch.zeros(120, 59, dtype=torch.float64)
    values[:, 58] = 0.3 * torch.sin(2 * np.pi * 12 * times_s)  # the jaw trembles at 12 Hz
    made = resample_face(values, "flame_59", 30, target_fps=15, num_frames=60)
    assert made[10:50].abs().max() < 1e-3


@pytest.mark.parametrize("source", [15.0, 25.0, 30.0, 60.0])
@pytest.mark.parametrize("target", [15.0, 25.0, 30.0, 29.97])
def test_windows_are_cuts_of_the_whole(source, target):
    layout, num_source, frames = "flame_59", 120, 20
    values = path(num_source, source).float()
    num_target = int((num_source - 1) * target / source) + 1
    whole = resample_face(values, layout, source, target_fps=target, num_frames=num_target)
    starts = sorted({0, 1, 7, (num_target - frames) // 2, num_target - frames})
    rows, places, beyond = [], [], []
    for start in starts:
        first, count, place = window_rows(start, frames, source, target)
        low, high = max(first, 0), min(first + count, num_source)
        outside = (low - first, first + count - high)
        rows.append(torch.from_numpy(np.pad(values[low:high].numpy(), (outside, (0, 0)), constant_values=99.0)))
        places.append(place)
        beyond.append(outside)
    made = resample_face_windows(
        torch.stack(rows),
        torch.tensor(places, dtype=torch.float64),
        layout,
        source_fps=source,
        target_fps=target,
        num_frames=frames,
        beyond=torch.tensor(beyond),
    )
    for start, window in zip(starts, made, strict=True):
        torch.testing.assert_close(window, whole[start : start + frames], atol=2e-5, rtol=0)


def test_composition_and_quaternions_agree_with_scipy():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(50, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    a[0], b[1] = 0, 1e-9
    expected = Rotation.from_rotvec(a.numpy()) * Rotation.from_rotvec(b.numpy())
    made = Rotation.from_rotvec(rotation.compose_axis_angle(a, b).numpy())
    assert (made * expected.inv()).magnitude().max() < 1e-7
    back = rotation.quat_to_axis_angle(rotation.axis_angle_to_quat(a))
    torch.testing.assert_close(back, a, atol=1e-12, rtol=0)
