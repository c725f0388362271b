"""BEAT to SMPL-X: the joint map and BEAT2's file."""

import numpy as np
import pytest
import torch
from raw_corpus import JOINTS, NAMES, euler_deg_at

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.layout import ARKIT_51
from emage.motion.skeleton import SMPLX_JOINTS, forward_kinematics
from emage.motion.smplx_file import SmplxMotion, write_smplx_npz
from emage.motion.smplx_pose import JAW_OPEN_RAD, SMPLX_FROM_BEAT, smplx_body, smplx_face

# Parents of SMPL-X's 55 joints (smplx, kintree_table), written out here as an oracle of the names' order.
SMPLX_PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15]
SMPLX_PARENTS += [20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38]
SMPLX_PARENTS += [21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53]
BEAT_PARENTS = [-1 if parent is None else NAMES.index(parent) for _, parent in JOINTS]


def test_the_joint_names_are_those_of_the_smplx_package():
    joint_names = pytest.importorskip("smplx.joint_names")
    assert list(SMPLX_JOINTS) == joint_names.JOINT_NAMES[: len(SMPLX_JOINTS)]


def test_every_bone_points_where_beats_does():
    euler_deg = torch.from_numpy(euler_deg_at(np.arange(20) / 15))
    local = rotation.euler_to_matrix(euler_deg, "XYZ")  # (20, 75, 3, 3)
    turns = smplx_body(local, NAMES)
    assert turns.shape == (20, 55, 3, 3)
    _, beat = forward_kinematics(local, BEAT_PARENTS, torch.zeros(75, 3).double())
    _, body = forward_kinematics(turns, SMPLX_PARENTS, torch.zeros(55, 3).double())
    for name, sources in SMPLX_FROM_BEAT.items():
        torch.testing.assert_close(body[:, SMPLX_JOINTS.index(name)], beat[:, NAMES.index(sources[-1])])
    used = [joint for sources in SMPLX_FROM_BEAT.values() for joint in sources]
    tips = {name for name in NAMES if name.endswith(("4", "End"))}
    assert sorted(used) == sorted(set(NAMES) - tips)  # each joint once


def weights(**channels: float) -> torch.Tensor:
    row = torch.zeros(2, 51)
    for name, value in channels.items():
        row[:, ARKIT_51.index(name)] = value
    return row


def test_jaw_and_eyes_turn_the_way_their_channels_say():
    front = torch.tensor([0.0, 0.0, 1.0]).double()

    def seen(joint: str, **channels: float) -> torch.Tensor:
        turns, expressions = smplx_face(weights(**channels))
        assert (expressions.shape, expressions.abs().max()) == ((2, 100), 0)
        return rotation.axis_angle_to_matrix(turns[joint])[0] @ front  # x is the person's left, y up

    assert seen("jaw", jawOpen=1)[1] == pytest.approx(-np.sin(JAW_OPEN_RAD))
    assert seen("jaw", jawLeft=1)[0] > 0 > seen("jaw", jawRight=1)[0]
    assert seen("left_eye_smplhf", eyeLookOutLeft=1)[0] > 0.4
    assert seen("right_eye_smplhf", eyeLookInRight=1)[0] > 0.4
    assert seen("left_eye_smplhf", eyeLookInLeft=1)[0] < -0.4
    assert seen("right_eye_smplhf", eyeLookOutRight=1)[0] < -0.4
    assert seen("left_eye_smplhf", eyeLookUpLeft=1)[1] > 0.4
    assert seen("right_eye_smplhf", eyeLookDownRight=1)[1] < -0.4
    assert torch.equal(seen("right_eye_smplhf", eyeLookOutLeft=1), front)


def test_a_matrix_of_ones_own_gives_expressions_and_jaw():
    matrix = torch.zeros(51, 103)
    matrix[ARKIT_51.index("jawOpen"), 100] = 0.02
    matrix[ARKIT_51.index("mouthSmileLeft"), 7] = 2.0
    turns, expressions = smplx_face(weights(jawOpen=0.5, mouthSmileLeft=0.25), matrix)
    assert turns["jaw"][0].tolist() == pytest.approx([0.01, 0, 0])
    assert expressions[0, 7] == 0.5
    assert expressions.count_nonzero() == 2
    with pytest.raises(InputError, match=r"got shape \(103, 51\)"):
        smplx_face(weights(), matrix.T)


def smplx_motion(num_frames: int = 5, fps: float = 30) -> SmplxMotion:
    draw = np.random.default_rng(1)
    return SmplxMotion(
        draw.normal(size=(num_frames, 165)).astype(np.float32),
        draw.normal(size=(num_frames, 100)),
        draw.normal(size=(num_frames, 3)),
        np.zeros(300, np.float32),
        fps,
    )


def test_a_file_holds_the_numbers(tmp_path):
    for fps in (30, 29.97):
        motion = smplx_motion(fps=fps)
        write_smplx_npz(tmp_path / "a.npz", motion)
        with np.load(tmp_path / "a.npz") as back:
            for name, values in (
                ("poses", motion.poses),
                ("expressions", motion.expressions),
                ("trans", motion.trans_m),
            ):
                assert np.array_equal(back[name], values)
            assert not back["betas"].any()
            assert (float(back["mocap_frame_rate"]), str(back["gender"])) == (fps, "neutral")


def test_a_file_holds_what_a_file_of_the_release_holds(beat_sample, tmp_path):
    write_smplx_npz(tmp_path / "a.npz", smplx_motion())
    released = beat_sample.parent / "beat2_sample" / "smplxflame_30" / "2_scott_0_1_1.npz"
    with np.load(tmp_path / "a.npz") as ours, np.load(released) as theirs:
        assert sorted(ours.files) == sorted(theirs.files)
        for name in theirs.files:
            assert (ours[name].dtype, ours[name].shape[1:]) == (theirs[name].dtype, theirs[name].shape[1:])
        assert (str(ours["model"]), int(ours["mocap_frame_rate"])) == (str(theirs["model"]), 30)


def test_faults_are_told_in_one_line(tmp_path):
    motion = smplx_motion()
    motion.poses[3, 8] = np.nan
    with pytest.raises(InputError, match="frame 3 of poses holds NaN"):
        write_smplx_npz(tmp_path / "a.npz", motion)
    assert list(tmp_path.iterdir()) == []
