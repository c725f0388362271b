"""--keep of files with other axes, units, rest poses and names: the joints come back where they were."""

import math
from dataclasses import replace

import pytest
import torch
from other_rests import (
    QUARTER_TURNS,
    Z_UP,
    about,
    everywhere,
    from_joint,
    person,
    renamed,
    resting_otherwise,
    without_joint,
)

from emage.errors import InputError, collected_warnings
from emage.kept_motion import KeptMotion, read_kept
from emage.motion import rotation
from emage.motion.bvh import BvhMotion, bvh_from_rotations, write_bvh
from emage.motion.convert import to_matrices
from emage.motion.layout import get_layout
from emage.motion.skeleton import Skeleton, forward_kinematics
from emage.performance import Performance

LAYOUT = get_layout("beat_full_rot6d")
ARM = ("LeftArm", "LeftForeArm", "LeftHand")
FPS = 15


def moving(body: Skeleton, *, seconds: float = 2.0) -> BvhMotion:
    """Arms hang and swing, the trunk sways a little, the root wanders; nothing is at rest in any frame."""
    times = torch.arange(round(seconds * FPS), dtype=torch.float64)[:, None, None] / FPS
    draw = torch.Generator().manual_seed(3)
    size_deg = 8 * torch.ones(1, body.num_joints, 1, dtype=torch.float64)
    size_deg[:, [body.index(name) for name in (*ARM, "RightArm")]] = 35
    hz = 0.2 + 0.5 * torch.rand(1, body.num_joints, 3, generator=draw, dtype=torch.float64)
    euler_deg = size_deg * torch.sin(2 * math.pi * hz * times + 1 + hz)
    root_cm = torch.cat([5 * torch.sin(times[:, 0]), 95 + times[:, 0], -3 * times[:, 0]], dim=1)
    return bvh_from_rotations(body, euler_deg, root_translation_cm=root_cm, fps=FPS)


def kept(tmp_path, motion: BvhMotion, *, body: Skeleton, scale: float = 1.0, **options) -> tuple[KeptMotion, list[str]]:
    write_bvh(tmp_path / "a.bvh", motion, scale_to_cm=scale)
    with collected_warnings() as doubts:
        found = read_kept(tmp_path / "a.bvh", skeleton=body, duration_s=2.0, **options)
    return found, [doubt.removeprefix(f"{tmp_path / 'a.bvh'}: ") for doubt in doubts]


def errors(found: KeptMotion, original: BvhMotion) -> tuple[float, float]:
    """Largest difference of a kept joint's local rotation (degrees), and of the root's position (cm), frame by frame."""
    given = found.given(LAYOUT, FPS, original.num_frames)
    ours = to_matrices(given.motion.double(), LAYOUT)
    angles = [0.0]
    for joint in found.joints:
        if joint in LAYOUT.joints:
            frames = given.joints[:, LAYOUT.joints.index(joint)]
            theirs = original.rotations()[frames, original.skeleton.index(joint)]
            angles.append(float(rotation.angle_between(ours[frames, LAYOUT.joints.index(joint)], theirs).max()))
    root = (given.motion[:, :3] - original.translations_cm()[:, 0])[given.joints[:, -1]]
    return math.degrees(max(angles)), float(root.norm(dim=1).max()) if len(root) else 0.0


@pytest.mark.parametrize("turn", QUARTER_TURNS, ids=[str(number) for number in range(len(QUARTER_TURNS))])
@pytest.mark.parametrize("names", [ARM, ("all",)])
def test_axes_are_found_from_the_resting_skeleton(tmp_path, turn, names):
    body = person()
    original = moving(body)
    changed = resting_otherwise(original, everywhere(turn, body), turn)
    found, doubts = kept(tmp_path, changed, body=body, names=names)
    assert max(errors(found, original)) < 0.01
    is_turned = not torch.equal(turn, torch.eye(3, dtype=turn.dtype))
    assert ["its skeleton rests with" in doubt for doubt in doubts] == [True] * is_turned


@pytest.mark.parametrize(
    "rest, world, told",
    [
        (Z_UP, Z_UP, "its skeleton rests with Z up and -Y in front; turned to Y up"),
        (Z_UP, torch.eye(3).double(), "its skeleton rests with Z up"),  # offsets with Z up, undone by the root
        (torch.eye(3).double(), Z_UP, "its root is turned so that Z points up"),  # the root alone
        (about("Y", 30), about("Y", 30), "its skeleton rests with Y up and (0.50, 0.00, 0.87) in front"),
    ],
    ids=["both", "rest", "root", "oblique"],
)  # fmt: skip
def test_the_axes_may_be_in_the_rest_pose_or_in_the_root(tmp_path, rest, world, told):
    body = person()
    original = moving(body)
    found, doubts = kept(tmp_path, resting_otherwise(original, everywhere(rest, body), world), body=body)
    assert max(errors(found, original)) < 0.01
    assert len(doubts) == 1
    assert doubts[0].startswith(told)


@pytest.mark.parametrize("degrees", [30, 45, 90])
@pytest.mark.parametrize("axes", [torch.eye(3).double(), Z_UP])
def test_an_a_pose_is_transferred_by_the_directions_of_the_bones(tmp_path, degrees, axes):
    """90 degrees: arms that hang."""
    body = person()
    original = moving(body)
    arms = from_joint({"LeftArm": about("Z", -degrees), "RightArm": about("Z", degrees)}, body)
    changed = resting_otherwise(original, axes @ arms, axes)
    found, doubts = kept(tmp_path, changed, body=body, names=(*ARM, "RightShoulder", "RightArm", "LeftHandIndex1"))
    assert any("rests in another pose than the model (" in doubt and "Arm by" in doubt for doubt in doubts)
    places, globally = in_the_model(found, original)
    assert (places - original.positions()).norm(dim=-1).max() < 1  # cm, hands and fingers too
    _, expected = forward_kinematics(original.rotations(), body.parents, original.translations_cm())
    hands = [body.index("LeftHand"), body.index("LeftForeArm"), body.index("LeftArm")]
    # The twist of an upper arm that does not rest at right angles to Z is not known to the degree.
    assert torch.rad2deg(rotation.angle_between(globally[:, hands], expected[:, hands])).max() < 5


def in_the_model(found: KeptMotion, original: BvhMotion) -> tuple[torch.Tensor, torch.Tensor]:
    """Places (cm) and global rotations of all joints, with the kept ones as the model gets them, the others as they were."""
    body = original.skeleton
    given = to_matrices(found.given(LAYOUT, FPS, original.num_frames).motion.double(), LAYOUT)
    whole = original.rotations().clone()
    for joint in found.joints:
        whole[:, body.index(joint)] = given[:, LAYOUT.joints.index(joint)]
    return forward_kinematics(whole, body.parents, original.translations_cm())


@pytest.mark.parametrize("degrees", [2, 4, 10, 15, 19, 45])
@pytest.mark.parametrize("joint", ["Arm", "ForeArm", "Hand"])
@pytest.mark.parametrize("axis", ["Z", "Y"])
def test_an_arm_that_rests_a_few_degrees_away_comes_back_where_it_was(tmp_path, degrees, joint, axis):
    """Arms that hang a little or point to the front, an elbow or a wrist that is bent at rest."""
    body = person()
    original = moving(body)
    turns = {f"Left{joint}": about(axis, -degrees), f"Right{joint}": about(axis, degrees)}
    changed = resting_otherwise(original, from_joint(turns, body), torch.eye(3).double())
    arms = (*ARM, *(name.replace("Left", "Right") for name in ARM))
    found, doubts = kept(tmp_path, changed, body=body, names=arms)
    places, rotations = in_the_model(found, original)
    expected = forward_kinematics(original.rotations(), body.parents, original.translations_cm())[1]
    hands = body.indices(("LeftHand", "RightHand"))
    assert (places - original.positions())[:, hands].norm(dim=-1).max() < 1  # cm
    off_deg = torch.rad2deg(rotation.angle_between(rotations[:, hands], expected[:, hands])).max()
    assert off_deg < 1 or (joint == "Hand" and degrees < 6)  # hands of two people differ by that
    assert any("rests in another pose than the model (" in doubt for doubt in doubts) == (degrees > 6)


@pytest.mark.parametrize("joint, degrees, told", [("Shoulder", 12, True), ("Shoulder", 4, False), ("Foot", 30, True)])
def test_bones_that_each_rig_builds_otherwise_are_told_and_not_corrected(tmp_path, joint, degrees, told):
    body = person()
    original = moving(body)
    offsets = body.offsets_cm.clone()
    child = body.parents.index(body.index(f"Left{joint}"))
    offsets[child] = (
        about("Z", degrees) @ offsets[child] if joint == "Shoulder" else about("X", degrees) @ offsets[child]
    )
    rig = replace(original, skeleton=replace(body, offsets_cm=offsets))
    rig = bvh_from_rotations(
        rig.skeleton, original.rotations(), root_translation_cm=original.translations_cm()[:, 0], fps=FPS
    )
    found, doubts = kept(tmp_path, rig, body=body, names=(f"Left{joint}", *ARM))
    assert errors(found, original)[0] < 0.01
    expected = f"bones rest in another direction than in the model (Left{joint} by {degrees} degrees); that is taken"
    assert [doubt.startswith(expected) for doubt in doubts] == [True] * told


@pytest.mark.parametrize("degrees", [5, 12, 19])
@pytest.mark.parametrize("names", [ARM, ("all",)])
def test_a_whole_body_that_rests_a_few_degrees_askew_is_turned_as_a_whole(tmp_path, degrees, names):
    body = person()
    original = moving(body)
    turn = about("Y", degrees)
    found, doubts = kept(tmp_path, resting_otherwise(original, everywhere(turn, body), turn), body=body, names=names)
    assert max(errors(found, original)) < 0.01
    assert ["its skeleton rests with Y up and (" in doubt for doubt in doubts] == [True]


@pytest.mark.parametrize(
    "scale, told",
    [
        (1, None), (100, "metres"), (0.1, "millimetres"), (2.54, "inches"), (10, "decimetres"), (30.48, "feet"),
        (17, "another size (0.0588 times the model's)"),
    ],
)  # fmt: skip
def test_the_unit_is_found_from_the_size_of_the_body(tmp_path, scale, told):
    body = person()
    original = moving(body)
    found, doubts = kept(tmp_path, original, body=body, scale=scale)
    assert errors(found, original)[1] < 0.01
    assert doubts == (
        []
        if told is None
        else [f"its bones are in {told}; positions of the root are brought to the model's centimetres"]
    )
    assert kept(tmp_path, original, body=body, scale=scale, names=ARM)[1] == []  # the root does not matter then


def test_a_first_frame_at_rest_is_not_kept(tmp_path):
    body = person()
    original = moving(body)
    values = original.values.clone()
    values[0, 3:] = 0
    found, doubts = kept(tmp_path, replace(original, values=values), body=body, names=ARM)
    assert doubts == ["its first frame shows the rest pose and is not kept; the motion is kept from 0.067 s"]
    assert not found.given(LAYOUT, 30, 60).joints[:2].any()
    assert errors(found, original)[0] < 0.01
    assert kept(tmp_path, original, body=body, names=ARM)[1] == []
    assert kept(tmp_path, replace(original, values=values), body=body, names=ARM, span_s=(1.0, 2.0))[1] == []


def test_left_handed_axes_are_refused(tmp_path):
    body = person()
    mirrored = replace(body, offsets_cm=body.offsets_cm * torch.tensor([-1.0, 1, 1]))
    with pytest.raises(InputError, match=r"a\.bvh: its feet point backwards .* left-handed") as caught:
        kept(tmp_path, moving(mirrored), body=body, names=ARM)
    assert "\n" not in str(caught.value)


def test_a_body_that_lies_is_refused_if_its_root_is_kept(tmp_path):
    body = person()
    lying = resting_otherwise(moving(body), everywhere(torch.eye(3).double(), body), about("Z", 90))
    with pytest.raises(InputError, match="does not stand along Y or Z, so the axis that points up cannot be told"):
        kept(tmp_path, lying, body=body)
    assert errors(kept(tmp_path, lying, body=body, names=ARM)[0], moving(body))[0] < 0.01


def test_part_of_a_skeleton_is_kept_if_it_rests_as_the_model_does(tmp_path):
    body = person()
    names = ("LeftShoulder", *ARM)
    places = body.indices(names)
    arm = Skeleton(names, (-1, 0, 1, 2), body.offsets_cm[places])
    motion = bvh_from_rotations(arm, moving(body).rotations()[:, places], root_translation_cm=torch.zeros(3), fps=FPS)
    assert errors(kept(tmp_path, motion, body=body, names=ARM)[0], moving(body))[0] < 0.01
    turned = resting_otherwise(motion, everywhere(about("X", 90) @ about("Y", 90), arm), torch.eye(3).double())
    with pytest.raises(InputError, match="its axes cannot be told, since it lacks the joints of a trunk"):
        kept(tmp_path, turned, body=body, names=ARM)


MIXAMO = {name: f"mixamorig:{name}" for name in person().names}
UNITY = {
    "LeftShoulder": "Left Shoulder", "LeftArm": "Left Upper Arm", "LeftForeArm": "Left Lower Arm",
    "LeftHand": "Left Hand", "RightArm": "Right Upper Arm", "RightUpLeg": "Right Upper Leg",
}  # fmt: skip
ROKOKO = {"Spine": "Spine1", "Spine1": "Spine2", "Spine2": "Spine3", "Spine3": "Spine4"}


@pytest.mark.parametrize("names", [MIXAMO, UNITY, ROKOKO])
def test_names_of_other_systems_are_kept_too(tmp_path, names):
    body = person()
    original = moving(body)
    found, doubts = kept(tmp_path, renamed(original, names), body=body, names=(*ARM, "Spine3", "LeftShoulder"))
    assert errors(found, original)[0] < 0.01
    assert doubts == []


@pytest.mark.parametrize(
    "gone, names",
    [("Spine3", ("LeftShoulder", *ARM)), ("Spine3", ("RightShoulder", "Neck")), ("Neck1", ("Head",))],
)
def test_below_a_joint_that_the_file_lacks_the_global_rotation_stays(tmp_path, gone, names):
    """As a rig with a spine of three joints (VRoid) shows the same motion: the next joints turn for the missing one."""
    body = person()
    original = moving(body)
    local = original.rotations().clone()
    place = body.index(gone)
    for child in (child for child, parent in enumerate(body.parents) if parent == place):
        local[:, child] = local[:, place] @ local[:, child]
    local[:, place] = torch.eye(3).double()
    root_cm = original.translations_cm()[:, 0]
    bent = bvh_from_rotations(body, local, root_translation_cm=root_cm, fps=FPS)
    found, doubts = kept(tmp_path, without_joint(bent, gone), body=body, names=names)
    rotations = in_the_model(found, original)[1]
    expected = forward_kinematics(original.rotations(), body.parents, original.translations_cm())[1]
    kept_joints = body.indices(names)
    assert torch.rad2deg(rotation.angle_between(rotations[:, kept_joints], expected[:, kept_joints])).max() < 0.01
    assert [doubt for doubt in doubts if doubt.startswith(f"it has no {gone}, which carries {names[0]}")] == doubts
    assert len(doubts) == 1
    assert found.given(LAYOUT, FPS, 30).joints[:, LAYOUT.joints.index(gone)].all()


def test_a_joint_that_the_file_lacks_cannot_be_kept(tmp_path):
    body = person()
    shorter = without_joint(moving(body), "Spine3")
    arm, doubts = kept(tmp_path, shorter, body=body, names=ARM[1:])  # what carries it is there
    assert (arm.still, doubts) == ((), [])
    with pytest.raises(InputError, match="it lacks 1 of the .* joints to keep: Spine3; keep fewer"):
        kept(tmp_path, shorter, body=body, names=("Spine3",))


def test_an_unknown_joint_between_two_known_ones_counts_with_them(tmp_path):
    """CMU's LHipJoint: the rotation of both together is that of the leg below the hips."""
    body = person()
    original = moving(body)
    changed = renamed(original, {"LeftArm": "LeftArmRoll"})
    expected = original.rotations()
    expected = expected[:, body.index("LeftArm")] @ expected[:, body.index("LeftForeArm")]
    names = list(changed.skeleton.names)
    names[body.index("LeftForeArm")] = "LeftArm"
    changed = replace(changed, skeleton=replace(changed.skeleton, names=tuple(names)))
    found, _ = kept(tmp_path, changed, body=body, names=("LeftArm",))
    assert rotation.angle_between(rotation.quat_to_matrix(found.quat[:, 0]), expected).max() < 1e-6


@pytest.mark.parametrize("fps", [15, 30])
def test_motion_around_a_kept_arm_that_is_half_a_turn_away_does_not_jump(tmp_path, fps):
    body = person()
    original = moving(body)
    place = body.index("LeftArm")
    angle_deg = torch.linspace(170, 190, original.num_frames, dtype=torch.float64)
    half_turn = torch.stack([about("X", float(angle)) for angle in angle_deg])
    rotations = original.rotations().clone()
    rotations[:, place] = half_turn @ rotations[:, place]
    away = bvh_from_rotations(body, rotations, root_translation_cm=original.translations_cm()[:, 0], fps=FPS)
    ours, _ = kept(tmp_path, original, body=body)
    generated = Performance(ours.given(LAYOUT, fps, 2 * fps).motion, LAYOUT.name, None, fps, body)
    found, _ = kept(tmp_path, away, body=body, names=("LeftArm",), span_s=(0.5, 1.04))
    result = to_matrices(found.put_into(generated).motion.double(), LAYOUT)[:, LAYOUT.joints.index("LeftArm")]
    steps_deg = torch.rad2deg(rotation.angle_between(result[:-1], result[1:]))
    own_deg = max(
        float(torch.rad2deg(rotation.angle_between(m[:-1], m[1:])).max())
        for m in (rotations[:, place], original.rotations()[:, place])
    )
    assert steps_deg.max() < own_deg + 1.5 * 180 / (round(0.5 * fps) + 1) + 2
