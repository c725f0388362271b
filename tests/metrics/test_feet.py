import numpy as np
import pytest

from emage.errors import InputError
from emage.metrics.feet import Feet, floor_height, floor_penetration, foot_sliding, standing

NAMES = ("Hips", "LeftFoot", "RightFoot", "LeftToeBase")


def walker(fps: float, slide_cm_s: float = 0.0, lift_cm: float = 20.0, seconds: float = 8.0) -> np.ndarray:
    """Hips and three feet: each second the feet stand for half (sliding along x) and are lifted for half."""
    time_s = np.arange(round(seconds * fps)) / fps
    lifted = (time_s % 1.0) >= 0.5
    x = np.where(lifted, 0, time_s * slide_cm_s)
    y = np.where(lifted, lift_cm, 0.0)
    foot = np.stack([x, y, np.zeros_like(x)], axis=-1)
    heights = np.array([90.0, 8.0, 8.0, 2.0])
    return foot[:, None] + np.stack([np.zeros(4), heights, np.zeros(4)], axis=-1)


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("slide_cm_s", [0.0, 12.0])
def test_sliding_is_the_horizontal_speed_while_a_foot_stands(fps, slide_cm_s):
    feet = walker(fps, slide_cm_s)[:, 1:]
    assert foot_sliding(feet, fps) == pytest.approx(slide_cm_s, abs=1e-9)
    # Turned about the vertical axis, or measured elsewhere, it is the same.
    turned = feet[..., [2, 1, 0]] + np.array([300.0, 0.0, -50.0])
    assert foot_sliding(turned, fps) == pytest.approx(slide_cm_s, abs=1e-6)
    assert foot_sliding(feet[..., [0, 2, 1]], fps, up_axis=2) == pytest.approx(slide_cm_s, abs=1e-9)


def test_each_joint_stands_by_its_own_lowest_height():
    feet = walker(30)[:, 1:]
    share = standing(feet).mean(axis=0)
    np.testing.assert_allclose(share, 0.5, atol=0.03)  # ankles as well as toes, though they are higher


def test_given_labels_are_believed():
    feet = walker(30, 12.0)[:, 1:]
    assert np.isnan(foot_sliding(feet, 30, contact=np.zeros(feet.shape[:2], bool)))
    assert foot_sliding(feet, 30, contact=np.ones(feet.shape[:2], bool)) > 12


def test_penetration_is_the_mean_depth_below_the_real_floor():
    real = walker(30)[:, 1:]
    floor = floor_height(real)
    assert floor == pytest.approx(2.0)
    assert floor_penetration(real, floor) == 0
    sunk = real - np.array([0.0, 5.0, 0.0])
    assert floor_penetration(sunk, floor) == pytest.approx(2.5)  # 5 cm in the half of the frames in which it stands
    assert np.isnan(floor_penetration(real[:0], floor))


def test_the_class_finds_the_feet_by_name_and_pools_recordings():
    metric = Feet(30)
    metric.update(walker(30, 12.0), joint_names=NAMES)
    metric.update(walker(30, 6.0), joint_names=("Hips", "LFoot", "RFoot", "LToeBase"))
    result = metric.compute()
    assert result["foot_sliding_cm_s"] == pytest.approx(9.0)
    assert result["floor_penetration_cm"] == 0
    assert result["contact_share"] == pytest.approx(0.5, abs=0.03)
    sunk = Feet(30)
    sunk.update(walker(30) - np.array([0.0, 5.0, 0.0]), joint_names=NAMES, reference_cm=walker(30))
    assert sunk.compute()["floor_penetration_cm"] == pytest.approx(2.5)
    assert sunk.compute()["floor_penetration_share"] == pytest.approx(0.5)


@pytest.mark.parametrize("num_frames", [0, 1])
def test_one_frame_is_defined(num_frames):
    metric = Feet(30)
    metric.update(walker(30)[:num_frames], joint_names=NAMES)
    assert metric.compute()["foot_sliding_cm_s"] is None
    assert Feet(30).compute()["foot_sliding_cm_s"] is None


def test_bad_input_is_named():
    with pytest.raises(InputError, match="none of LeftFoot, RightFoot"):
        Feet(30).update(np.zeros((5, 2, 3)), joint_names=("Hips", "Head"))
    with pytest.raises(InputError, match=r"expected \(frames, foot joints, 3\)"):
        foot_sliding(np.zeros((5, 3)), 30)
    with pytest.raises(InputError, match="contact labels of shape"):
        foot_sliding(np.zeros((5, 2, 3)), 30, contact=np.ones((4, 2), bool))
    with pytest.raises(InputError, match="without frames"):
        floor_height(np.zeros((0, 2, 3)))
