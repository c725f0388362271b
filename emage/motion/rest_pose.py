"""The resting skeleton of a BVH file compared with the model's: axes, unit of length and rest pose.

Local rotations of a BVH file are relative to its own rest pose, in its own axes. Both are found from the bones alone,
through joints that the file and the model share:

- axes: from the direction of the spine and of left to right; a file that rests with Z up is a rotated Y-up file;
- rest pose: a bone that rests in another direction (an A-pose beside a T-pose) needs a correction D of its joint, such
  that the same global direction of the bone results. With a file's local rotation R of a joint below its parent, the
  model's is D_parent^T R D_joint. The correction is the smallest rotation between the two directions, continued to the
  joints below; a twist about a bone is seen at the hand alone, from the bases of its fingers;
- unit: from the ratio of the lengths of limbs and trunk.

Shapes: J joints.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.skeleton import BEAT_JOINTS, Skeleton, canonical_name, file_scale, forward_kinematics

ROOT = BEAT_JOINTS[0]
SPINE, NECK = ("Spine", "Spine1", "Spine2", "Spine3"), ("Neck", "Neck1")
UNITS_CM = {"centimetres": 1.0, "metres": 100.0, "millimetres": 0.1, "inches": 2.54, "decimetres": 10.0, "feet": 30.48}
LARGEST_RATIO = 1.35  # between two people, of the sum of all limbs
SAME_DEG = 0.01  # the rounding of a file's offsets
SNAP_DEG = 20.0  # axes that are nearer to a whole quarter turn are taken as that
# How far a bone of another person may rest away in one rest pose. Largest differences measured between the speakers of
# the included model and BEAT's speaker 2, as BVH of 15 and of 120 fps: 0 degrees in arms and legs but for one forearm of
# 1.6, 5.9 in hands (frame of the bases of the fingers), 5.3 in shoulders, 13.5 in the first bones of fingers, 25 in
# thumbs. The included speakers do not differ from each other. A finger is corrected as a limb is: its direction is seen.
LIMB_TOLERANCE_DEG = 1.75
HAND_TOLERANCE_DEG = 6.0  # below an arm that is corrected by more, the hand shows the twist and has no tolerance
# Clavicles, feet, thumbs and the spine are built otherwise in each rig (a foot of 15 fps BEAT by 61 degrees), so that a
# difference of direction is no rotation at rest.
OTHER_TOLERANCE_DEG = 50.0
SHORTEST_BONE = 0.005  # of the height of the trunk: a shorter one has no direction

_SIDES = ("Left", "Right")
_LONG_FINGERS = ("Index", "Middle", "Ring", "Pinky")
_PAIRS = ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot")
_LIMBS = {  # joint -> the next one, of the first that both skeletons have
    f"{side}{joint}": tuple(f"{side}{child}" for child in children)
    for side in _SIDES
    for joint, children in {
        "Arm": ("ForeArm",),
        "ForeArm": ("Hand",),
        "UpLeg": ("Leg",),
        "Leg": ("Foot",),
        **{f"Hand{finger}{n}": (f"Hand{finger}{n + 1}",) for finger in _LONG_FINGERS for n in (1, 2, 3)},
    }.items()
}
_OTHERS = {
    **{
        f"{side}{joint}": tuple(f"{side}{child}" for child in children)
        for side in _SIDES
        for joint, children in {
            "Shoulder": ("Arm",),
            "Foot": ("ForeFoot", "ToeBase"),
            "ForeFoot": ("ToeBase",),
            **{f"HandThumb{n}": (f"HandThumb{n + 1}",) for n in (1, 2, 3)},
        }.items()
    },
    "Spine": ("Spine1", "Neck"),
    "Spine1": ("Spine2", "Neck"),
    "Spine2": ("Spine3", "Neck"),
    "Neck": ("Neck1", "Head"),
    "Neck1": ("Head",),
}
_SIZES = tuple((joint, _LIMBS[joint][0]) for joint in _LIMBS if "Hand" not in joint) + ((ROOT, "Head"),)


@dataclass(frozen=True, eq=False)
class RestMatch:
    """How the resting skeleton of a file lies against that of the model.

    Attributes:
        axes: (3, 3), a vector of the file in the model's axes.
        corrections: joint -> (3, 3), from the model's rest pose to the file's, in the file's axes.
        other_pose_deg: joints with a correction of their own, and the angle of their bone to the model's.
        uncorrected_deg: joints without one whose bone has another direction than the model's, and that angle.
        scale_to_cm: of the file's root positions: centimetres per unit, or what brings them to the model's size.
        unit: its name; "" if the file is of another size in every unit.
    """

    axes: Tensor
    corrections: dict[str, Tensor]
    other_pose_deg: dict[str, float]
    uncorrected_deg: dict[str, float]
    scale_to_cm: float
    unit: str


def match_rest(file: Skeleton, places: Mapping[str, int], model: Skeleton) -> RestMatch:
    """Compares two resting skeletons.

    Args:
        file: the file's, in its own unit and axes.
        places: BEAT's name of a joint -> its index in the file.
        model: the model's, in BEAT's axes (Y up, facing +Z) and centimetres.

    Raises:
        InputError: the axes cannot be told, or the file's are left-handed.
    """
    held = {canonical_name(name) for name in model.names}
    shared = [name for name in BEAT_JOINTS if name in places and name in held]
    theirs = dict(zip(shared, _rest(file)[[places[name] for name in shared]], strict=True))
    ours = dict(zip(shared, _rest(model)[model.indices(shared)], strict=True))
    axes = _axes(theirs, ours)
    corrections: dict[str, Tensor] = {}
    other_pose_deg: dict[str, float] = {}
    uncorrected_deg: dict[str, float] = {}
    for joint in sorted(shared, key=places.__getitem__):  # parents before their children
        above = mapped_parent(file, places, joint)
        inherited = corrections.get(above, axes.T)
        turn = _bone_turn(joint, theirs, {name: inherited @ place for name, place in ours.items()})
        angle_deg = _angle_deg(turn)
        is_other_pose = angle_deg > _tolerance_deg(joint, other_pose_deg)
        corrections[joint] = turn @ inherited if is_other_pose else inherited
        if angle_deg > SAME_DEG:
            (other_pose_deg if is_other_pose else uncorrected_deg)[joint] = angle_deg
    scale_to_cm, unit = _unit(file, theirs, ours)
    return RestMatch(axes, corrections, other_pose_deg, uncorrected_deg, scale_to_cm, unit)


def _tolerance_deg(joint: str, other_pose_deg: Mapping[str, float]) -> float:
    """The angle of a resting bone to the model's up to which it is no other rest pose."""
    if joint in ("LeftHand", "RightHand"):
        side = joint.removesuffix("Hand")
        arm_deg = max(other_pose_deg.get(f"{side}{name}", 0.0) for name in ("Arm", "ForeArm"))
        return SAME_DEG if arm_deg > HAND_TOLERANCE_DEG else HAND_TOLERANCE_DEG
    return OTHER_TOLERANCE_DEG if joint in _OTHERS else LIMB_TOLERANCE_DEG


def mapped_parent(file: Skeleton, places: Mapping[str, int], joint: str) -> str:
    """BEAT's name of the nearest joint above that BEAT has too; "" at the root."""
    names = {place: name for name, place in places.items()}
    place = file.parents[places[joint]]
    while place >= 0 and place not in names:
        place = file.parents[place]
    return names.get(place, "")


def same_parent(theirs: str, ours: str, known: Sequence[str]) -> bool:
    """Whether two parents of a joint are one: the same, or each the uppermost of a spine (a neck) of other length."""
    if theirs == ours:
        return True
    for chain in (SPINE, NECK):
        uppermost = [name for name in chain if name in known][-1:]
        if ours == chain[-1] and [theirs] == uppermost:
            return True
    return False


def _rest(skeleton: Skeleton) -> Tensor:
    """(J, 3) positions of the joints at rest."""
    identity = torch.eye(3, dtype=torch.float64).expand(skeleton.num_joints, 3, 3)
    return forward_kinematics(identity, skeleton.parents, skeleton.offsets_cm)[0]


def _axes(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> Tensor:
    """Rotation from the file's axes to the model's."""
    frames = [_body_frame(places) for places in (theirs, ours)]
    if frames[0] is None or frames[1] is None:
        if _limbs_agree(theirs, ours):
            return torch.eye(3, dtype=torch.float64)
        raise InputError(
            "its axes cannot be told, since it lacks the joints of a trunk or of a pair of limbs; give a whole skeleton"
        )
    measured = frames[1] @ frames[0].T
    axes = _snapped(measured)
    misfits_deg = [_limb_misfit_deg(turn, theirs, ours) for turn in (measured, axes)]
    if misfits_deg[1] > LIMB_TOLERANCE_DEG and misfits_deg[0] < misfits_deg[1] / 2:  # a few degrees, but of all bones
        axes = measured
    forward = [_forward(theirs), _forward(ours)]
    if forward[0] is not None and forward[1] is not None and float((axes @ forward[0]) @ forward[1]) < 0:
        raise InputError(
            "its feet point backwards with respect to left and right: its axes are left-handed, or the names of both"
            " sides are exchanged; export it with right-handed axes"
        )
    return axes


def _limbs_agree(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> bool:
    """Whether the limbs of two incomplete skeletons rest alike in the axes that they have."""
    pairs = [(joint, child) for joint, (child,) in _LIMBS.items() if {joint, child} <= theirs.keys()]
    turns = [_smallest_turn(*(places[b] - places[a] for places in (ours, theirs))) for a, b in pairs]
    return bool(turns) and all(_angle_deg(turn) < OTHER_TOLERANCE_DEG for turn in turns)


def _limb_misfit_deg(axes: Tensor, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> float:
    """Mean angle between the limbs of two skeletons in the model's axes."""
    pairs = [(joint, child) for joint, (child,) in _LIMBS.items() if {joint, child} <= theirs.keys()]
    bones = [(axes @ (theirs[b] - theirs[a]), ours[b] - ours[a]) for a, b in pairs]
    angles_deg = [_angle_deg(_smallest_turn(*pair)) for pair in bones if min(bone.norm() for bone in pair) > 0]
    return sum(angles_deg) / max(len(angles_deg), 1)


def _body_frame(places: Mapping[str, Tensor]) -> Tensor | None:
    """(3, 3), columns left, up and front of a resting body; None if it has too few joints."""
    top = next((name for name in ("Head", *reversed(NECK), *reversed(SPINE)) if name in places), None)
    if top is None or ROOT not in places:
        return None
    pairs = [(f"Left{joint}", f"Right{joint}") for joint in _PAIRS]
    across = [places[left] - places[right] for left, right in pairs if left in places and right in places]
    across = [vector / vector.norm() for vector in across if vector.norm() > 0]
    return _frame(sum(across), places[top] - places[ROOT]) if across else None


def _frame(first: Tensor, second: Tensor) -> Tensor | None:
    """Orthonormal columns from two directions, the first kept; None if they are parallel."""
    x = first / first.norm().clamp_min(1e-300)
    y = second - (second @ x) * x
    if y.norm() < 0.1 * second.norm() or second.norm() == 0 or x.norm() < 0.5:
        return None
    y = y / y.norm()
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=1)


def _forward(places: Mapping[str, Tensor]) -> Tensor | None:
    """Direction of the feet, from the ankles to the toes."""
    feet = [
        places[f"{side}{toe}"] - places[f"{side}Foot"]
        for side in _SIDES
        for toe in ("ToeBase", "ForeFoot")
        if {f"{side}{toe}", f"{side}Foot"} <= places.keys()
    ]
    return sum(feet) if feet else None


def _snapped(matrix: Tensor) -> Tensor:
    """The whole quarter turn near a rotation, or the rotation itself."""
    quarter = torch.zeros_like(matrix)
    for _ in range(3):  # the largest entries first, one in each row and column
        free = (quarter.abs().sum(dim=1, keepdim=True) == 0) & (quarter.abs().sum(dim=0, keepdim=True) == 0)
        row, column = divmod(int((matrix.abs() * free - (~free).double()).argmax()), 3)
        quarter[row, column] = matrix[row, column].sign()
    near = float(torch.linalg.det(quarter)) > 0 and _angle_deg(quarter.T @ matrix) < SNAP_DEG
    return quarter if near else matrix


def _bone_turn(joint: str, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> Tensor:
    """(3, 3) from the model's resting bone, already corrected as the parent is, to the file's; identity without one."""
    identity = torch.eye(3, dtype=torch.float64)
    if joint in ("LeftHand", "RightHand"):
        frames = [_hand_frame(joint, places) for places in (ours, theirs)]
        return identity if frames[0] is None or frames[1] is None else frames[1] @ frames[0].T
    child = next((name for name in (*_LIMBS.get(joint, ()), *_OTHERS.get(joint, ())) if name in theirs), None)
    if child is None:
        return identity
    bones = [places[child] - places[joint] for places in (ours, theirs)]
    sizes = [_size(places) for places in (ours, theirs)]
    if any(bone.norm() <= SHORTEST_BONE * size for bone, size in zip(bones, sizes, strict=True)):
        return identity
    return _smallest_turn(*bones)


def _hand_frame(hand: str, places: Mapping[str, Tensor]) -> Tensor | None:
    """(3, 3) of a hand, from its fingers' bases: across the palm and along it."""
    bases = [f"{hand}{finger}1" for finger in _LONG_FINGERS if f"{hand}{finger}1" in places]
    if len(bases) < 2:
        return None
    along = sum(places[base] for base in bases) / len(bases) - places[hand]
    return _frame(along, places[bases[0]] - places[bases[-1]]) if along.norm() > 0 else None


def _size(places: Mapping[str, Tensor]) -> float:
    every = torch.stack(list(places.values()))
    return float((every.amax(dim=0) - every.amin(dim=0)).max())


def _smallest_turn(source: Tensor, target: Tensor) -> Tensor:
    """(3, 3) that turns one direction into another about the axis that is normal to both."""
    a, b = source / source.norm(), target / target.norm()
    cosine = float((a @ b).clamp(-1, 1))
    if cosine < -1 + 1e-9:  # opposite: any normal axis
        normal = torch.linalg.cross(a, torch.eye(3, dtype=a.dtype)[int(a.abs().argmin())])
        normal = normal / normal.norm()
        return 2 * torch.outer(normal, normal) - torch.eye(3, dtype=a.dtype)
    axis = torch.linalg.cross(a, b)
    zero = torch.zeros((), dtype=a.dtype)
    x, y, z = axis.unbind()
    skew = torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
    return torch.eye(3, dtype=a.dtype) + skew + skew @ skew / (1 + cosine)


def _angle_deg(matrix: Tensor) -> float:
    return math.degrees(math.acos(min(max((float(matrix.trace()) - 1) / 2, -1.0), 1.0)))


def _unit(file: Skeleton, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> tuple[float, str]:
    """Centimetres per unit of the file and the unit's name, from the size of the body."""
    pairs = [pair for pair in _SIZES if set(pair) <= theirs.keys()]
    sizes = [sum(float((places[a] - places[b]).norm()) for a, b in pairs) for places in (theirs, ours)]
    if min(sizes) <= 0:
        return file_scale(file)
    ratio = sizes[0] / sizes[1]
    unit = min(UNITS_CM, key=lambda name: abs(math.log(ratio * UNITS_CM[name])))
    if abs(math.log(ratio * UNITS_CM[unit])) > math.log(LARGEST_RATIO):
        return 1 / ratio, ""
    return UNITS_CM[unit], unit
