"""Motion and face seen in a mirror: left and right change places.

The mirror is the plane x = 0 of BEAT's skeleton, whose left side lies at positive x. A rotation R becomes M R M with
M = diag(-1, 1, 1) on the joint of the other side; bones at rest lie along the same axes on both sides, so this holds
for every joint.

Shapes: T frames, D columns of the layout, J joints.
"""

import functools

import torch
from torch import Tensor

from emage.motion import rotation
from emage.motion.layout import ARKIT_51, Layout, get_layout

_SIDES = (("Left", "Right"), ("Right", "Left"))


def mirror_motion(motion: Tensor, layout: Layout | str) -> Tensor:
    """(..., D) in a layout of whole pairs of joints, Euler degrees or rot6d -> the same seen in a mirror."""
    columns, signs = _motion_mirror(get_layout(layout).name)
    return motion[..., columns.to(motion.device)] * signs.to(motion)


def mirror_face(weights: Tensor) -> Tensor:
    """(..., 51) ARKit weights -> those of the face in a mirror."""
    places = {name: place for place, name in enumerate(ARKIT_51)}
    return weights[..., [places[other_side(name)] for name in ARKIT_51]]


def mirror_bones(offsets_cm: Tensor, joints: tuple[str, ...]) -> Tensor:
    """Bones (..., J, 3) of joints by name -> those of the person in the mirror."""
    places = [joints.index(other_side(name)) for name in joints]
    return offsets_cm[..., places, :] * offsets_cm.new_tensor([-1.0, 1.0, 1.0])


def other_side(name: str) -> str:
    """RightArm -> LeftArm, mouthSmileLeft -> mouthSmileRight; a name without a side stays."""
    for side, other in _SIDES:
        if side in name:
            return name.replace(side, other)
    return name


@functools.cache
def _motion_mirror(name: str) -> tuple[Tensor, Tensor]:
    """Where each column comes from (D,), and its sign (D,)."""
    layout = get_layout(name)
    if layout.kind == "euler_deg":
        turned = torch.tensor([1.0, -1.0, -1.0])  # turns about x stay, whatever the order of the axes
    else:
        mirror = torch.tensor([-1.0, 1.0, 1.0])
        turned = rotation.matrix_to_rot6d(torch.outer(mirror, mirror))
    columns, signs = torch.arange(layout.dim), torch.ones(layout.dim)
    if layout.has_translation:
        signs[layout.translation_slice] = torch.tensor([-1.0, 1.0, 1.0])
    for joint in layout.joints:
        here, there = layout.joint_slice(joint), layout.joint_slice(other_side(joint))
        columns[here], signs[here] = torch.arange(there.start, there.stop), turned
    return columns, signs
