"""Every export of one performance: options of the BVH, and that all files tell the same movement at the same times."""

import json
import math

import bvhio
import numpy as np
import pytest
import torch
from tiny_bundles import skeleton, statistics

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.bvh import read_bvh
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.livelink import read_livelink_csv
from emage.motion.skeleton import SMPLX_JOINTS
from emage.performance import Performance
from emage.performance_file import read_performance_file

FULL = get_layout("beat_full")


def performance(num_frames: int = 40, fps: float = 30.0, layout: str = "beat_full", **changes) -> Performance:
    dim = get_layout(layout).dim
    phase = torch.arange(dim) / 7.0
    motion = 60 * torch.sin(torch.arange(num_frames)[:, None] / 9.0 + phase)
    face = torch.rand(num_frames, 51, generator=torch.Generator().manual_seed(2))
    values = {"motion": motion, "layout": layout, "face": face, "fps": fps, "skeleton": skeleton()}
    return Performance(**(values | {"fill": statistics().mean_pose} | changes))


def test_metres_and_z_up_are_the_same_movement_in_another_world(tmp_path):
    result = performance()
    result.save_bvh(tmp_path / "a.bvh")
    result.save_bvh(tmp_path / "b.bvh", unit="m", up="z")
    usual, turned = read_bvh(tmp_path / "a.bvh"), read_bvh(tmp_path / "b.bvh", scale_to_cm=100)
    x, y, z = usual.positions().unbind(dim=-1)
    torch.testing.assert_close(turned.positions(), torch.stack([x, -z, y], dim=-1), atol=2e-3, rtol=0)
    assert turned.frame_time_s == usual.frame_time_s == pytest.approx(1 / 30)


def test_another_reader_finds_every_joint_at_the_same_place(tmp_path):
    result = performance(num_frames=4)
    result.save_bvh(tmp_path / "a.bvh", unit="m", up="z")
    ours = read_bvh(tmp_path / "a.bvh")
    root = bvhio.readAsHierarchy(str(tmp_path / "a.bvh"))
    positions = ours.positions()
    for frame in range(4):
        root.loadPose(frame)
        for joint, _, _ in root.layout():
            place = torch.tensor(list(joint.PositionWorld), dtype=torch.float64)
            torch.testing.assert_close(place, positions[frame, ours.skeleton.index(joint.Name)], atol=1e-4, rtol=1e-4)


def test_in_place_holds_the_ground_and_leaves_the_height(tmp_path):
    result = performance()
    for up, ground, height in (("y", [0, 2], 1), ("z", [0, 1], 2)):
        result.save_bvh(tmp_path / "a.bvh", root_motion=False, up=up)
        result.save_bvh(tmp_path / "b.bvh", up=up)
        held, free = read_bvh(tmp_path / "a.bvh"), read_bvh(tmp_path / "b.bvh")
        root, moving = held.translations_cm()[:, 0], free.translations_cm()[:, 0]
        assert torch.equal(root[:, ground], moving[:1, ground].expand(len(root), 2))
        assert torch.equal(root[:, height], moving[:, height])
        assert moving[:, ground].std(dim=0).min() > 1
        assert torch.equal(held.rotations(), free.rotations())


def test_the_first_frame_can_show_the_rest_pose_and_nothing_else_changes(tmp_path):
    result = performance()
    result.save_bvh(tmp_path / "a.bvh", t_pose=True)
    result.save_bvh(tmp_path / "b.bvh")
    posed, plain = read_bvh(tmp_path / "a.bvh"), read_bvh(tmp_path / "b.bvh")
    assert posed.rotations()[0].eq(torch.eye(3)).all()
    assert torch.equal(posed.values[1:], plain.values[1:])
    assert torch.equal(posed.translations_cm()[0], plain.translations_cm()[0])


@pytest.mark.parametrize("option, message", [({"unit": "inch"}, "choose one of cm, m"), ({"up": "x"}, "one of y, z")])
def test_an_unknown_option_is_named_and_nothing_is_written(tmp_path, option, message):
    with pytest.raises(InputError, match=message):
        performance().save_bvh(tmp_path / "a.bvh", **option)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [15.0, 29.97, 60.0])
@pytest.mark.parametrize("layout", ["beat_141", "beat_full_rot6d"])
def test_all_files_have_the_same_frames_at_the_same_times(tmp_path, fps, layout):
    motion = convert(performance(95).motion, "beat_full", layout)
    result = performance(95, fps=fps, motion=motion, layout=layout)
    result.save_bvh(tmp_path / "a.bvh")
    result.save_arkit_json(tmp_path / "a.json")
    result.save_livelink_csv(tmp_path / "a.csv")
    result.save_npz(tmp_path / "a.npz")
    result.save_smplx_npz(tmp_path / "a_smplx.npz")
    times_s = torch.arange(95).double() / fps
    bvh = read_bvh(tmp_path / "a.bvh")
    torch.testing.assert_close(torch.arange(bvh.num_frames).double() * bvh.frame_time_s, times_s)
    frames = json.loads((tmp_path / "a.json").read_text())["frames"]
    torch.testing.assert_close(torch.tensor([frame["time"] for frame in frames]).double(), times_s, atol=1e-5, rtol=0)
    torch.testing.assert_close(read_livelink_csv(tmp_path / "a.csv", fps).times_s, times_s, atol=1e-4, rtol=0)
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.allclose(arrays["times_s"], times_s)
        assert np.allclose(arrays["positions_cm"], bvh.positions(), atol=1e-3)
        turns = rotation.quat_to_matrix(torch.from_numpy(arrays["rotations_wxyz"]).double())
        torch.testing.assert_close(turns, bvh.rotations(), atol=1e-5, rtol=0)
        assert arrays["face_names"].tolist() == list(ARKIT_51)
        assert np.array_equal(arrays["face"], result.face)
        assert arrays["joint_names"].tolist() == list(result.skeleton.names)
    with np.load(tmp_path / "a_smplx.npz") as arrays:
        poses, trans_m = (torch.from_numpy(arrays[name]) for name in ("poses", "trans"))
        assert (len(poses), float(arrays["mocap_frame_rate"])) == (95, fps)
    head = poses.unflatten(1, (55, 3))[:, SMPLX_JOINTS.index("head")]
    expected = bvh.rotations()[:, bvh.skeleton.index("Head")]
    torch.testing.assert_close(rotation.axis_angle_to_matrix(head.double()), expected, atol=1e-5, rtol=0)
    steps_m = trans_m.diff(dim=0)
    torch.testing.assert_close(steps_m * 100, bvh.translations_cm()[:, 0].diff(dim=0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("changes", [{}, {"face": None}, {"fill": None}, {"face_given": True}])
def test_a_performance_file_reads_back_without_loss(tmp_path, changes):
    result = performance(**changes)
    result.save_npz(tmp_path / "a.npz")
    back = read_performance_file(tmp_path / "a.npz")
    assert torch.equal(back.motion, result.motion)
    assert (back.layout, back.fps, back.face_given) == (result.layout, result.fps, result.face_given)
    assert back.skeleton == result.skeleton
    for ours, theirs in ((back.face, result.face), (back.fill, result.fill)):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)


def test_a_file_of_another_kind_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", poses=np.zeros(3))
    with pytest.raises(InputError, match="lacks format, fps"):
        read_performance_file(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no such file"):
        read_performance_file(tmp_path / "b.npz")
    broken = performance()
    broken.motion[3, 4] = math.nan
    with pytest.raises(InputError, match="frame 3 of the motion holds NaN"):
        broken.save_npz(tmp_path / "c.npz")
    without = performance(face=None)
    with pytest.raises(InputError, match="has no face"):
        without.save_livelink_csv(tmp_path / "d.csv")
    without.save_smplx_npz(tmp_path / "e.npz")  # a body alone is fine
    with np.load(tmp_path / "e.npz") as arrays:
        assert not arrays["expressions"].any()


@pytest.mark.parametrize("layout", ["beat_full", "beat_full_rot6d"])
@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_another_rate_is_the_same_turn_at_the_same_time(layout, fps):
    source = torch.zeros(31, FULL.dim)
    source[:, FULL.joint_slice("LeftArm")] = torch.linspace(170, 200, 31)[:, None] * torch.tensor([1.0, 0.0, 0.0])
    source[:, FULL.translation_slice] = torch.linspace(0, 30, 31)[:, None]
    result = performance(31, motion=convert(source, "beat_full", layout), layout=layout, fps=30.0)
    other = result.resample(fps)
    assert (other.num_frames, other.fps) == (round(31 / 30 * fps), fps)
    assert other.num_frames == len(other.face)
    arm = to_matrices(other.motion, layout)[:, FULL.joints.index("LeftArm")]
    times_s = (torch.arange(other.num_frames) / fps).clamp(max=1)
    expected = rotation.euler_to_matrix(torch.stack([170 + 30 * times_s, 0 * times_s, 0 * times_s], dim=1), "XYZ")
    assert torch.rad2deg(rotation.angle_between(arm, expected)).max() < 0.1
    torch.testing.assert_close(other.motion[:, 0], 30 * times_s, atol=0.05, rtol=0)
    assert result.resample(fps, num_frames=7).num_frames == 7
