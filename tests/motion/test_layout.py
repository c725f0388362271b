import json

import pytest
import torch

from emage.errors import InputError
from emage.motion.layout import ARKIT_51, ARKIT_52, LAYOUTS, PARTS, get_layout, part_joints
from emage.motion.skeleton import BEAT_JOINTS


@pytest.mark.parametrize(
    ("name", "dim", "num_joints"),
    [
        ("beat_141", 141, 47),
        ("beat_full", 228, 75),
        ("beat_141_rot6d", 282, 47),
        ("beat_full_rot6d", 453, 75),
        ("smplx_full", 168, 55),
        ("smplx_full_rot6d", 333, 55),
        ("arkit_51", 51, 0),
        ("flame_59", 59, 0),
        ("emoca_56", 56, 0),
        ("flame_53", 53, 0),
        ("flame_103", 103, 0),
        ("face_all", 157, 0),
    ],
)
def test_sizes(name, dim, num_joints):
    layout = get_layout(name)
    assert layout.name == name
    assert layout.dim == len(set(layout.columns)) == dim
    assert layout.num_joints == num_joints
    assert layout.rotation_slice.stop - layout.rotation_slice.start == num_joints * layout.values_per_joint
    assert get_layout(layout) is layout


# Published columns of the 228 (BVH file order) and of the 141 (spine_neck_141): first column of the joint.
FULL = {
    "Hips": 3, "Spine": 6, "HeadEnd": 27, "RShoulder": 30, "RArm1": 36, "RHandM1": 42, "RHandR": 54, "RHandP": 69,
    "RHandI": 84, "RHandT1": 99, "LShoulder": 111, "LArm1": 117, "LHandM1": 123, "LHandR": 135, "LHandT1": 180,
    "RUpLeg": 192, "RToeBaseEnd": 207, "LUpLeg": 210, "LToeBaseEnd": 225,
}  # fmt: skip
BENCHMARK = {
    "Spine": 0, "Neck": 3, "Neck1": 6, "RShoulder": 9, "RArm1": 15, "RHand": 18, "RHandR2": 36, "RHandT3": 72,
    "LShoulder": 75, "LArm1": 81, "LHand": 84, "LHandT3": 138,
}  # fmt: skip


@pytest.mark.parametrize(("name", "starts"), [("beat_full", FULL), ("beat_141", BENCHMARK)])
def test_columns_are_where_the_reference_has_them(name, starts):
    layout = get_layout(name)
    for joint, start in starts.items():
        assert layout.joint_slice(joint) == slice(start, start + 3)
        assert layout.joint_columns([joint]).tolist() == [start, start + 1, start + 2]


def test_columns_have_names():
    full = get_layout("beat_full").columns
    assert full[:7] == (
        *("Hips.Xposition", "Hips.Yposition", "Hips.Zposition"),
        *("Hips.Xrotation", "Hips.Yrotation", "Hips.Zrotation"),
        "Spine.Xrotation",
    )
    assert get_layout("beat_141").columns[15:18] == tuple(f"RightForeArm.{axis}rotation" for axis in "XYZ")
    assert get_layout("beat_141_rot6d").columns[:6] == tuple(f"Spine.rot6d_{number}" for number in range(6))
    for layout in LAYOUTS.values():  # every joint's slice holds the columns that bear its name
        for joint in layout.joints:
            assert all(column.split(".")[0] == joint for column in layout.columns[layout.joint_slice(joint)])


def test_joint_columns_come_in_the_order_asked():
    layout = get_layout("beat_141_rot6d")
    columns = layout.joint_columns(["Neck", "Spine"])
    assert columns.dtype == torch.long
    assert columns.tolist() == [*range(6, 12), *range(6)]
    assert layout.joint_columns([]).shape == (0,)


def test_camn_parts_are_the_published_ones():
    layout = get_layout("beat_141")
    assert layout.part_columns("body").tolist() == [*range(18), *range(75, 84)]
    assert layout.part_columns("camn_hands").tolist() == [*range(18, 75), *range(84, 141)]


@pytest.mark.parametrize("name", ["beat_full", "beat_full_rot6d"])
def test_upper_hands_and_lower_make_a_whole(name):
    layout = get_layout(name)
    columns = torch.cat([layout.part_columns(part) for part in ("upper", "hands", "lower")])
    assert sorted(columns.tolist()) == list(range(layout.dim)) == layout.part_columns("all").tolist()
    assert layout.part_columns("lower")[:3].tolist() == [0, 1, 2]  # the root translation goes with the legs
    assert set(PARTS["upper"]) | set(PARTS["hands"]) | set(PARTS["lower"]) == set(BEAT_JOINTS)


def test_joints_lie_in_the_part_where_one_looks_for_them():
    assert {"Spine", "Neck1", "RightForeArm", "LeftHand"} <= set(part_joints("upper"))
    assert {"RightHandThumb1", "LeftHandRing", "LeftHandPinky4"} <= set(part_joints("hands"))
    assert {"Hips", "Spine3", "Head", "RightUpLeg", "LeftForeFoot", "LeftToeBaseEnd"} <= set(part_joints("lower"))


def test_upper_and_hands_are_what_the_benchmark_judges():
    benchmark, full = get_layout("beat_141"), get_layout("beat_full")
    columns = torch.cat([benchmark.part_columns(part) for part in ("upper", "hands")])
    assert sorted(columns.tolist()) == list(range(benchmark.dim))
    assert len(part_joints("upper")) == 11
    assert benchmark.held_joints("upper") == full.held_joints("upper")


def test_the_layout_of_some_joints_has_the_columns_of_these():
    layout = get_layout("beat_full_rot6d")
    joints = ["LeftToeBase", "Hips"]
    some = layout.of_joints(joints)
    assert some.columns == tuple(layout.columns[column] for column in layout.joint_columns(joints))
    assert not some.has_translation


def test_facial_channels_are_those_of_a_real_file(beat_sample):
    face = json.loads((beat_sample / "2" / "2_scott_0_1_1.json").read_text())
    assert ARKIT_51 == tuple(face["names"]) == get_layout("arkit_51").columns
    assert ARKIT_52 == (*ARKIT_51, "tongueOut")
    assert list(ARKIT_51) == sorted(ARKIT_51)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: get_layout("beat_27"), "got 'beat_27'; choose one of beat_141, beat_full"),
        (lambda: part_joints("face"), "got 'face'; choose one of upper, hands, lower, all"),
        (lambda: get_layout("beat_141").joint_slice("Hips"), "layout beat_141: it has no joint 'Hips'"),
        (lambda: get_layout("beat_141").joint_columns(["Neck", "Tail"]), "no joint 'Tail'"),
        (lambda: get_layout("beat_141").part_columns("lower"), "no joint of the part 'lower'"),
        (lambda: get_layout("arkit_51").part_columns("all"), "no joint of the part 'all'"),
    ],
)
def test_what_is_not_there_is_named(ask, message):
    with pytest.raises(InputError, match=message):
        ask()


def test_parts_of_the_smplx_body_are_every_joint_once_but_those_of_the_face():
    layout = get_layout("smplx_full")
    held = [name for part in ("upper", "hands", "lower") for name in layout.held_joints(part)]
    assert sorted([*held, "jaw", "left_eye_smplhf", "right_eye_smplhf"]) == sorted(layout.joints)
    assert layout.part_columns("lower")[:6].tolist() == [0, 1, 2, 3, 4, 5]  # the root and its place come first
    assert len(layout.held_joints("hands")) == 30
