"""Axes, unit and rest pose from the bones alone; tests/test_kept_rests.py has whole motions."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import emage
from emage.motion.bvh import read_bvh
from emage.motion.joint_aliases import beat_names
from emage.motion.rest_pose import _smallest_turn, mapped_parent, match_rest, same_parent
from emage.motion.skeleton import Skeleton


def people() -> list[Skeleton]:
    path = Path(emage.__file__).parent / "pretrained" / "synthetic" / "skeleton.json"
    return [Skeleton.from_dict(node) for node in json.loads(path.read_text()).values()]


def places(body: Skeleton) -> dict[str, int]:
    return {name: place for place, name in beat_names(body.names, body.parents).items()}


def test_people_of_one_rest_pose_need_no_correction():
    for file in people():
        match = match_rest(file, places(file), people()[0])
        assert torch.equal(match.axes, torch.eye(3, dtype=torch.float64))
        assert (match.other_pose_deg, match.scale_to_cm, match.unit) == ({}, 1.0, "centimetres")


def test_a_real_recording_rests_as_the_model_does(beat_sample):
    file = read_bvh(next(beat_sample.rglob("*.bvh"))).skeleton
    match = match_rest(file, places(file), people()[0])
    assert torch.equal(match.axes, torch.eye(3, dtype=torch.float64))
    assert match.unit == "centimetres"
    assert set(match.other_pose_deg) <= {"LeftFoot", "RightFoot"}  # its feet point further down


@settings(deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=6, max_size=6).filter(
        lambda v: min(sum(x * x for x in v[:3]), sum(x * x for x in v[3:])) > 1e-3
    )
)
def test_the_smallest_turn_is_a_rotation_from_one_direction_to_the_other(values):
    a, b = torch.tensor(values, dtype=torch.float64).split(3)
    turn = _smallest_turn(a, b)
    torch.testing.assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-7, rtol=0)
    assert torch.linalg.det(turn) == pytest.approx(1)
    torch.testing.assert_close(turn @ a / a.norm(), b / b.norm(), atol=1e-7, rtol=0)


def test_opposite_directions():
    down = torch.tensor([0.0, -2, 0], dtype=torch.float64)
    turn = _smallest_turn(-down, down)
    assert (turn @ torch.tensor([0.0, 1, 0], dtype=torch.float64)).tolist() == pytest.approx([0, -1, 0])
    assert torch.linalg.det(turn) == pytest.approx(1)


def test_parents_are_found_over_unknown_joints_and_compared_by_their_place_in_the_chain():
    body = Skeleton(("Hips", "LHipJoint", "LeftUpLeg"), (-1, 0, 1), torch.zeros(3, 3))
    assert mapped_parent(body, places(body), "LeftUpLeg") == "Hips"
    assert mapped_parent(body, places(body), "Hips") == ""
    known = ["Hips", "Spine", "Spine1", "Spine2", "Neck", "Head"]
    assert same_parent("Spine2", "Spine3", known)
    assert same_parent("Neck", "Neck1", known)
    assert not same_parent("Spine1", "Spine3", known)
    assert not same_parent("Spine2", "Spine3", [*known, "Spine3"])
    assert not same_parent("LeftArm", "LeftShoulder", known)
