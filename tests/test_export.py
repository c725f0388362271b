import math

import pytest
import torch

from emage.errors import InputError
from emage.export import performance_to_bvh
from emage.motion import rotation
from emage.motion.arkit import read_arkit
from emage.motion.bvh import read_bvh
from emage.motion.convert import convert
from emage.motion.layout import get_layout
from emage.motion.skeleton import BEAT_JOINTS, SHORT_NAMES, Skeleton
from emage.performance import Performance

FULL, UPPER = get_layout("beat_full"), get_layout("beat_141")


def skeleton(names: tuple[str, ...] = BEAT_JOINTS) -> Skeleton:
    """Any tree over the names, not depth first on purpose."""
    parents = tuple(-1 if joint == 0 else (joint - 1) // 2 for joint in range(len(names)))
    offsets = torch.randn(len(names), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Skeleton(names, parents, offsets)


def mean_pose() -> torch.Tensor:
    """A row of beat_full in which each value tells its column."""
    return torch.arange(FULL.dim) / 10.0


def swing(num_frames: int, dim: int) -> torch.Tensor:
    """(T, D) of angles, each column with its own phase."""
    phase = torch.arange(dim) / 7.0
    return 40 * torch.sin(torch.arange(num_frames)[:, None] / 5.0 + phase)


def performance(**changes) -> Performance:
    values = {
        "motion": swing(31, UPPER.dim),
        "layout": "beat_141",
        "face": None,
        "fps": 15.0,
        "skeleton": skeleton(),
        "fill": mean_pose(),
    }
    return Performance(**(values | changes))


@pytest.mark.parametrize("names", [BEAT_JOINTS, tuple(SHORT_NAMES.values())], ids=["RightForeArm", "RArm1"])
def test_held_joints_move_and_the_others_rest_in_the_mean_pose(tmp_path, names):
    result = performance(skeleton=skeleton(names))
    result.save_bvh(tmp_path / "new" / "a.bvh")
    motion = read_bvh(tmp_path / "new" / "a.bvh")
    assert (motion.num_frames, motion.fps, motion.duration_s) == (31, 15, 31 / 15)
    assert motion.frame_time_s == pytest.approx(1 / 15)
    assert sorted(motion.names) == sorted(names)
    euler_deg = motion.euler_deg()
    for joint in BEAT_JOINTS:
        written = euler_deg[:, motion.skeleton.index(joint)]
        if joint in UPPER.joints:
            expected = result.motion[:, UPPER.joint_slice(joint)]
        else:
            expected = mean_pose()[FULL.joint_slice(joint)].expand(31, 3)
        torch.testing.assert_close(written, expected.double(), atol=1e-6, rtol=0)
    root = mean_pose()[FULL.translation_slice].double().expand(31, 3)
    torch.testing.assert_close(motion.translations_cm()[:, 0], root, atol=1e-6, rtol=0)
    for joint in BEAT_JOINTS:  # the bones are the checkpoint's
        assert torch.equal(
            motion.offsets_cm[motion.skeleton.index(joint)], result.skeleton.offsets_cm[result.skeleton.index(joint)]
        )


def test_a_layout_that_holds_everything_needs_no_fill_and_moves_the_root():
    full = swing(9, FULL.dim)
    motion = performance_to_bvh(performance(motion=full, layout="beat_full", fill=None))
    torch.testing.assert_close(motion.values, full.double())


def test_rot6d_is_written_as_the_same_rotations_with_angles_that_do_not_jump():
    turns = torch.zeros(60, UPPER.dim, dtype=torch.float64)
    turns[:, UPPER.joint_slice("RightArm")] = torch.stack(
        [torch.linspace(-170, 250, 60), torch.linspace(60, 120, 60), torch.linspace(0, 30, 60)], dim=1
    ).double()
    rot6d = convert(turns, "beat_141", "beat_141_rot6d")
    motion = performance_to_bvh(performance(motion=rot6d, layout="beat_141_rot6d", fill=torch.zeros(FULL.dim)))
    arm = motion.skeleton.index("RightArm")
    expected = rotation.euler_to_matrix(turns[:, UPPER.joint_slice("RightArm")], "XYZ")
    assert torch.rad2deg(rotation.angle_between(motion.rotations()[:, arm], expected)).max() < 1e-4
    assert motion.euler_deg()[:, arm].diff(dim=0).abs().max() < 15


def test_joints_that_beat_does_not_know_stay_at_rest():
    motion = performance_to_bvh(performance(skeleton=skeleton((*BEAT_JOINTS, "Tail"))))
    tail = motion.skeleton.index("Tail")
    assert motion.rotations()[:, tail].eq(torch.eye(3)).all()


def test_the_file_has_the_header_that_users_of_beat_count_on(beat_sample, tmp_path):
    source = beat_sample / "2" / "2_scott_0_1_1.bvh"
    performance(skeleton=read_bvh(source).skeleton).save_bvh(tmp_path / "a.bvh")
    assert (tmp_path / "a.bvh").read_text().splitlines()[:429] == source.read_text().splitlines()[:429]


def test_what_cannot_be_written_is_told_in_one_line(tmp_path):
    path = tmp_path / "a.bvh"
    with pytest.raises(InputError, match="fill"):
        performance(fill=None).save_bvh(path)
    with pytest.raises(InputError, match="no joint is called"):
        performance(skeleton=skeleton(BEAT_JOINTS[:-1])).save_bvh(path)
    with pytest.raises(InputError, match="frame 0 of the motion holds NaN"):
        performance(motion=torch.full((3, UPPER.dim), math.nan)).save_bvh(path)
    with pytest.raises(InputError, match="this performance has no face"):
        performance().save_arkit_json(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_predicted_face_is_cut_to_what_the_format_means_and_a_given_one_is_not(tmp_path):
    face = torch.linspace(-0.5, 1.5, 31 * 51).reshape(31, 51)
    performance(face=face).save_arkit_json(tmp_path / "predicted.json")
    performance(face=face, face_given=True).save_arkit_json(tmp_path / "given.json")
    predicted, given = read_arkit(tmp_path / "predicted.json"), read_arkit(tmp_path / "given.json")
    assert (predicted.fps, predicted.num_frames) == (15, 31)
    torch.testing.assert_close(predicted.weights, face.clamp(0, 1), atol=1e-6, rtol=0)
    torch.testing.assert_close(given.weights, face, atol=1e-6, rtol=0)


def test_a_performance_knows_its_length_and_refuses_streams_of_two_lengths():
    assert (performance().num_frames, performance().duration_s) == (31, 31 / 15)
    with pytest.raises(ValueError, match="share their frames: got 31 and 30"):
        performance(face=torch.zeros(30, 51))
    with pytest.raises(ValueError, match="fps must be positive: got 0"):
        performance(fps=0)
