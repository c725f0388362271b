import numpy as np
import pytest
import torch
from other_systems import NAMES, swing

from emage.evaluation.take import WINDOW_FPS, Take, TakeMaker, scored_parents
from emage.motion import rotation
from emage.motion.arkit_motion import ArkitMotion
from emage.motion.bvh import BvhMotion, bvh_from_rotations
from emage.motion.layout import ARKIT_51
from emage.motion.skeleton import file_scale


def maker(motion: BvhMotion, fps: float, joints: tuple[str, ...] = NAMES) -> tuple[TakeMaker, dict[str, int]]:
    places = {name: motion.names.index(name) for name in NAMES}
    return TakeMaker(joints, scored_parents(joints, places, motion.skeleton), fps), places


def test_at_the_rate_of_the_file_positions_are_those_of_the_file():
    motion = swing(0, 2.0, 30.0)
    make, places = maker(motion, 30.0)
    take = make.body(motion, places, motion.duration_s)
    np.testing.assert_allclose(take.positions_cm, motion.positions().numpy(), atol=1e-3)
    assert take.window_cm.shape == (round(2 * WINDOW_FPS), 3 * len(NAMES))
    assert take.window_rot6d.shape == (30, 6 * len(NAMES))


def test_where_a_person_stands_and_faces_does_not_matter_in_the_frame_of_the_hips():
    motion = swing(0, 2.0, 15.0)
    turn = rotation.euler_to_matrix(torch.tensor([0.0, 130.0, 0.0], dtype=torch.float64), "XYZ")
    matrix = motion.rotations()
    matrix[:, 0] = turn @ matrix[:, 0]
    moved_to = motion.translations_cm()[:, 0] + torch.tensor([300.0, 5.0, -80.0])
    moved = bvh_from_rotations(motion.skeleton, matrix, root_translation_cm=moved_to, fps=15.0)
    make, places = maker(motion, 15.0)
    one, other = (make.body(side, places, 2.0) for side in (motion, moved))
    for name in ("local_cm", "window_cm", "window_rot6d"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3)
    assert np.abs(one.positions_cm - other.positions_cm).max() > 100


def test_a_joint_in_between_that_is_not_scored_is_part_of_the_rotation_below_it():
    motion = swing(0, 1.0, 15.0)
    without = tuple(name for name in NAMES if name != "LeftForeArm")
    make, places = maker(motion, 15.0, without)
    assert without[make.parents[without.index("LeftHand")]] == "LeftArm"
    take = make.body(motion, places, 1.0)
    matrix = motion.rotations()
    arm, hand = NAMES.index("LeftForeArm"), NAMES.index("LeftHand")
    expected = rotation.matrix_to_rot6d(matrix[:, arm] @ matrix[:, hand])
    found = take.window_rot6d.reshape(15, -1, 6)[:, without.index("LeftHand")]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("scale, unit", [(1.0, "centimetres"), (0.01, "metres"), (10.0, "millimetres")])
def test_the_unit_of_a_file_is_told_by_the_size_of_its_skeleton(scale, unit):
    factor, name = file_scale(swing(0, 0.1, 30.0, scale=scale).skeleton)
    assert name == unit
    assert factor == pytest.approx(1 / scale)


def test_a_face_of_any_rate_is_brought_to_the_evaluations_with_what_is_valid():
    fps, lost = 60, slice(60, 90)
    weights = torch.linspace(0, 1, 180)[:, None].expand(-1, 51).clone()
    valid = torch.ones(180, 51, dtype=torch.bool)
    valid[lost] = False
    motion = ArkitMotion(ARKIT_51, weights, None, torch.arange(180).double() / fps, float(fps), valid=valid)
    make = TakeMaker((), (), 30.0)
    made = make.face(motion, 2.0)
    assert made["face"].shape == made["face_valid"].shape == (60, 51)
    np.testing.assert_allclose(made["face"][:, 0], np.arange(60) * 2 / 179, atol=1e-4)
    assert np.flatnonzero(~made["face_valid"][:, 0]).tolist() == list(range(30, 45))


def test_what_is_valid_is_cut_with_the_face():
    valid = np.ones((7, 51), bool)
    long, short = Take(face=np.zeros((7, 51)), face_valid=valid), Take(face=np.zeros((4, 51)))
    assert long.cut_to(short).face_valid.shape == (4, 51)
    assert short.cut_to(long).face.shape == (4, 51)


def test_takes_are_cut_to_what_both_have():
    long = Take(local_cm=np.zeros((9, 2, 3)), face=np.zeros((7, 51)))
    short = Take(local_cm=np.zeros((4, 2, 3)), euler_deg=np.zeros((4, 2, 3)))
    cut = long.cut_to(short)
    assert cut.local_cm.shape == (4, 2, 3)
    assert cut.face is None
