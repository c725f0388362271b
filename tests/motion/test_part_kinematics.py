import pytest
import torch
from motion.test_parts import FULL, someone
from tiny_bundles import skeleton

from emage.errors import InputError
from emage.motion.convert import to_matrices
from emage.motion.layout import get_layout
from emage.motion.part_kinematics import PartKinematics, bone_table, common_parents
from emage.motion.parts import PartValues
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, forward_kinematics
from emage.speakers import SpeakerTable

BODY = {"2": skeleton(1.0), "4": skeleton(2.0)}
PARTS = ("upper", "hands", "lower", "all")


def positions(kinematics: PartKinematics, motion: torch.Tensor, rest_of_body: torch.Tensor) -> torch.Tensor:
    """Where the part's joints are: the part from `motion`, all else from `rest_of_body`."""
    values = kinematics.values
    rows = values.of_motion(motion, None, 15.0)
    bones = BODY["2"].offsets_cm.float()[None].expand(len(motion), -1, -1)
    others = kinematics.other_matrices(rest_of_body)
    return kinematics.positions(values.matrices(rows), others, values.translation(rows), bones)


@pytest.mark.parametrize("part", PARTS)
def test_errors_are_those_of_the_whole_skeleton(part):
    """Two poses of a part, all else equal: no joint is further apart or nearer than by the FK of all 75 joints."""
    kinematics = PartKinematics(PartValues(part, FULL), BODY)
    real, other = someone(2, 4), someone(2, 5)[:, 1:]
    columns = kinematics.values.columns
    changed = real.clone()
    changed[..., columns] = other[..., columns]
    places = []
    for motion in (real, changed):
        translation = BODY["2"].offsets_cm.float().expand(2, 4, -1, -1).clone()
        translation[:, :, 0] = motion[..., :3]
        places.append(forward_kinematics(to_matrices(motion, FULL), BODY["2"].parents, translation)[0])
    distances = (places[0] - places[1]).norm(dim=-1)  # (B, T, 75)
    moved = [kinematics.bones[place] for place in kinematics.moved]
    found = (positions(kinematics, real, real) - positions(kinematics, changed, real)).norm(dim=-1)
    torch.testing.assert_close(found, distances[..., moved], rtol=1e-3, atol=1e-2)
    far = set(range(75)) - set(moved)  # whoever moves and is not followed hangs below one that is
    assert all(distances[..., joint].max() < 1e-3 or BODY["2"].parents[joint] in [*moved, *far] for joint in far)


def test_the_upper_body_is_followed_through_the_spine_up_to_the_wrists():
    kinematics = PartKinematics(PartValues("upper", FULL), BODY)
    names = [BEAT_JOINTS[bone] for bone in kinematics.bones]
    assert {"Spine", "Spine3", "LeftHand", "Head", "RightHandMiddle1"} <= set(names)
    assert not {"Hips", "LeftFoot", "RightHandMiddle2", "HeadEnd"} & set(names)
    assert kinematics.others == ["Spine1", "Spine2", "Spine3"]
    assert PartKinematics(PartValues.of("upper", "beat_141_rot6d"), BODY).others == []  # unturned there


def test_gradients_reach_every_rotation():
    kinematics = PartKinematics(PartValues("lower", FULL), BODY)
    values = kinematics.values
    rows = values.of_motion(someone(1, 2), None, 15.0).requires_grad_()
    bones = BODY["2"].offsets_cm.float()[None]
    places = kinematics.positions(
        values.matrices(rows), kinematics.other_matrices(someone(1, 2)), values.translation(rows), bones
    )
    places.square().sum().backward()
    moves = rows.grad[..., : len(values.columns)].abs().sum(dim=(0, 1))
    ends = {"HeadEnd", "RightToeBaseEnd", "LeftToeBaseEnd"}  # nothing hangs below them
    still = {values.layout.columns[c].split(".")[0] for c in values.columns[moves == 0].tolist()}
    assert still == ends


def test_bones_of_people_by_index():
    table = bone_table(BODY, SpeakerTable({"2": 1, "4": 3, "9": 0}))
    assert table.shape == (4, 75, 3)
    first, second = (BODY[label].offsets_cm.float() for label in "24")
    assert torch.equal(table[1], first)
    assert torch.equal(table[3], second)
    assert torch.equal(table[0], first)  # without a skeleton
    assert torch.equal(table[2], first)  # without a person


def test_other_spellings_and_orders_of_a_skeleton_are_the_same_tree():
    order = [0, *range(63, 75), *range(1, 63)]  # the legs first
    body = BODY["2"]
    parents = [-1 if body.parents[j] < 0 else order.index(body.parents[j]) for j in order]
    other = Skeleton([body.names[j] for j in order], parents, body.offsets_cm[order])
    assert common_parents({"a": other}) == common_parents(BODY)
    assert torch.equal(bone_table({"a": other}, SpeakerTable({"a": 0}))[0], body.offsets_cm.float())


def test_trees_that_differ_are_named():
    body = BODY["2"]
    parents = list(body.parents)
    parents[body.index("Head")] = body.index("Spine3")
    other = Skeleton(body.names, parents, body.offsets_cm)
    with pytest.raises(InputError, match="Head hangs below Neck1 for speaker 2 and below Spine3 for speaker 7"):
        PartKinematics(PartValues("upper", FULL), {"2": body, "7": other})
    with pytest.raises(InputError, match="skeletons: none given"):
        PartKinematics(PartValues("upper", FULL), {})


def test_layouts_without_the_root_have_it_at_no_place():
    kinematics = PartKinematics(PartValues("all", get_layout("beat_141_rot6d")), BODY)
    assert kinematics.root == []
