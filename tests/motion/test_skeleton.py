import json
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from emage.errors import InputError
from emage.motion.skeleton import (
    BEAT_141_JOINTS,
    BEAT_JOINTS,
    SHORT_NAMES,
    Skeleton,
    canonical_name,
    forward_kinematics,
    smplx_skeleton,
)


def arm() -> Skeleton:
    offsets_cm = torch.tensor([[0.0, 100, 0], [0, 0, 0], [30, 0, 0], [25, 0, 0]])
    return Skeleton(("Hips", "RArm", "RArm1", "RHand"), (-1, 0, 1, 2), offsets_cm)


def about(axis: str, degrees: float) -> torch.Tensor:
    return torch.from_numpy(Rotation.from_euler(axis, degrees, degrees=True).as_matrix())


def random_motion(shape: tuple[int, ...], num_joints: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    matrix = Rotation.random(math.prod(shape) * num_joints, rng=rng).as_matrix().reshape(*shape, num_joints, 3, 3)
    return torch.from_numpy(matrix), torch.from_numpy(rng.normal(size=(*shape, num_joints, 3)) * 20)


TREE = (-1, 0, 1, 1, 0, 4, 3, -1, 7, 6, 2)


# Names


def test_beat_joints_stand_in_the_order_of_a_real_file(beat_sample):
    header = (beat_sample / "2" / "2_scott_0_1_1.bvh").read_text().split("MOTION")[0].split()
    names = [after for word, after in zip(header, header[1:], strict=False) if word in ("ROOT", "JOINT")]
    assert len(BEAT_JOINTS) == len(set(BEAT_JOINTS)) == 75
    assert [canonical_name(name) for name in names] == list(BEAT_JOINTS)
    assert names == list(SHORT_NAMES.values())


def test_the_two_spellings_of_beat():
    pairs = {
        "RArm1": "RightForeArm",
        "LHandR": "LeftHandRing",
        "LHandP3": "LeftHandPinky3",
        "RHandT1": "RightHandThumb1",
        "RFootF": "RightForeFoot",
        "LToeBaseEnd": "LeftToeBaseEnd",
        "Spine3": "Spine3",
    }
    assert {short: canonical_name(short) for short in pairs} == pairs
    assert canonical_name("mixamorig:Tail") == "mixamorig:Tail"


def test_the_47_joints_are_those_of_the_benchmark():
    reference = """Spine Neck Neck1
        RShoulder RArm RArm1 RHand RHandM1 RHandM2 RHandM3 RHandR RHandR1 RHandR2 RHandR3 RHandP RHandP1 RHandP2
        RHandP3 RHandI RHandI1 RHandI2 RHandI3 RHandT1 RHandT2 RHandT3
        LShoulder LArm LArm1 LHand LHandM1 LHandM2 LHandM3 LHandR LHandR1 LHandR2 LHandR3 LHandP LHandP1 LHandP2
        LHandP3 LHandI LHandI1 LHandI2 LHandI3 LHandT1 LHandT2 LHandT3"""
    assert [SHORT_NAMES[name] for name in BEAT_141_JOINTS] == reference.split()


@pytest.mark.parametrize("name", ["RArm1", "RightForeArm"])
def test_look_up_understands_both_spellings_whatever_the_file_writes(name):
    short = arm()
    long = Skeleton(tuple(canonical_name(own) for own in short.names), short.parents, short.offsets_cm)
    assert short.index(name) == long.index(name) == 2
    assert short.indices([name, "Hips"]) == [2, 0]
    assert short.names[2] == "RArm1"  # the file's spelling stays


def test_the_files_own_spelling_goes_before_an_alias():
    both = Skeleton(("RArm1", "RightForeArm"), (-1, 0), torch.zeros(2, 3))
    assert (both.index("RArm1"), both.index("RightForeArm")) == (0, 1)


def test_an_unknown_joint_names_the_nearest():
    with pytest.raises(InputError, match="no joint is called 'RightForearm'; did you mean 'RightForeArm'"):
        arm().index("RightForearm")


def test_a_name_that_occurs_twice_hurts_only_who_asks_for_it():
    twins = Skeleton(("Root", "End", "Mid", "End"), (-1, 0, 0, 2), torch.zeros(4, 3))
    assert twins.index("Mid") == 2
    with pytest.raises(InputError, match=r"'End' occurs 2 times \(joints \[1, 3\]\)"):
        twins.index("End")


# The dataclass


def test_json_round_trip_is_exact():
    skeleton = Skeleton(arm().names, arm().parents, torch.tensor([[1 / 3, 2e-17, -7.1]] * 4, dtype=torch.float64))
    again = Skeleton.from_dict(json.loads(json.dumps(skeleton.to_dict())))
    assert again == skeleton
    assert hash(again) == hash(skeleton)
    assert again.offsets_cm.dtype == torch.float64
    assert again != arm()
    assert again.num_joints == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parents": [-1, 2, 1, 2]}, r"joint 1 \(RArm\) has parent 2"),
        ({"parents": [-1, 0, 1, -2]}, "has parent -2"),
        ({"parents": [-1, 0]}, "4 names, 2 parents"),
        ({"offsets_cm": [[0, 0, 0]]}, r"offsets of shape \(1, 3\)"),
    ],
)
def test_a_broken_skeleton_is_named(change, message):
    with pytest.raises(InputError, match=message):
        Skeleton.from_dict(arm().to_dict() | change)


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match="missing parents"):
        Skeleton.from_dict({"names": ["a"], "offsets_cm": [[0, 0, 0]]})


# Forward kinematics


def test_a_bent_elbow():
    skeleton = arm()
    local = torch.eye(3, dtype=torch.float64).repeat(4, 1, 1)
    local[1], local[2] = about("z", 90), about("z", -90)  # the upper arm goes up, the forearm straight ahead again
    positions, orientation = forward_kinematics(local, skeleton.parents, skeleton.offsets_cm)
    expected = torch.tensor([[0.0, 100, 0], [0, 100, 0], [0, 130, 0], [25, 130, 0]], dtype=torch.float64)
    torch.testing.assert_close(positions, expected)
    torch.testing.assert_close(orientation[3], torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_agrees_with_a_plain_loop_over_homogeneous_matrices(shape):
    local, translation = random_motion(shape, len(TREE))
    positions, orientation = forward_kinematics(local, TREE, translation)
    assert positions.shape == (*shape, len(TREE), 3)
    for place in np.ndindex(*shape):
        world: list[np.ndarray] = []
        for joint, parent in enumerate(TREE):
            step = np.eye(4)
            step[:3, :3], step[:3, 3] = local[place][joint], translation[place][joint]
            world.append(step if parent < 0 else world[parent] @ step)
        np.testing.assert_allclose(positions[place].numpy(), np.stack(world)[:, :3, 3], atol=1e-10)
        np.testing.assert_allclose(orientation[place].numpy(), np.stack(world)[:, :3, :3], atol=1e-12)


def test_offsets_alone_serve_every_frame():
    local, _ = random_motion((5,), 4)
    offsets = arm().offsets_cm
    positions, _ = forward_kinematics(local, arm().parents, offsets)
    expected, _ = forward_kinematics(local, arm().parents, offsets.expand(5, 4, 3))
    assert torch.equal(positions, expected)


def test_turning_the_root_turns_the_whole_person():
    local, translation = random_motion((6,), 9, seed=1)
    parents = (-1, *range(8))
    before, _ = forward_kinematics(local, parents, translation)
    turn = about("y", 70.0)
    local[:, 0], translation[:, 0] = turn @ local[:, 0], translation[:, 0] @ turn.T
    after, _ = forward_kinematics(local, parents, translation)
    torch.testing.assert_close(after, before @ turn.T)


def test_bones_keep_their_length():
    local, _ = random_motion((7,), len(TREE))
    offsets = random_motion((), len(TREE))[1]
    positions, _ = forward_kinematics(local, TREE, offsets)
    for joint, parent in enumerate(TREE):
        if parent >= 0:
            length = (positions[:, joint] - positions[:, parent]).norm(dim=-1)
            torch.testing.assert_close(length, offsets[joint].norm().expand(7))


def test_gradients_flow_to_rotations_and_translations():
    local, translation = random_motion((2,), len(TREE))
    local, translation = local.requires_grad_(), translation.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda matrix, moves: forward_kinematics(matrix, TREE, moves), (local, translation), fast_mode=True
    )


def test_float32_stays_float32_and_no_joints_are_no_joints():
    positions, orientation = forward_kinematics(torch.eye(3).repeat(3, 4, 1, 1), arm().parents, arm().offsets_cm)
    assert positions.dtype == orientation.dtype == torch.float32
    positions, orientation = forward_kinematics(torch.zeros(5, 0, 3, 3), (), torch.zeros(0, 3))
    assert positions.shape == (5, 0, 3)
    assert orientation.shape == (5, 0, 3, 3)


def test_smplx_has_the_joints_of_the_package_and_stands_upright():
    from smplx.joint_names import JOINT_NAMES

    skeleton = smplx_skeleton()
    assert skeleton.names == tuple(JOINT_NAMES[:55])
    positions_cm, _ = forward_kinematics(torch.eye(3).expand(55, 3, 3), skeleton.parents, skeleton.offsets_cm)
    place = dict(zip(skeleton.names, positions_cm, strict=True))
    assert place["head"][1] > place["neck"][1] > place["spine3"][1] > 0 > place["left_knee"][1] > place["left_ankle"][1]
    for name, mirrored in ((n, n.replace("left_", "right_")) for n in skeleton.names if n.startswith("left_")):
        torch.testing.assert_close(place[mirrored], place[name] * torch.tensor([-1.0, 1, 1]))
    assert skeleton.names[skeleton.parents[skeleton.index("left_index1")]] == "left_wrist"
    assert skeleton.names[skeleton.parents[skeleton.index("jaw")]] == "head"
