"""The same movement in a world whose Z axis points up, as Blender, Unreal and 3ds Max have it.

BEAT's files are Y up, facing +Z. A quarter turn about X takes (x, y, z) to (x, -z, y): up becomes +Z and the person
faces -Y. The turn is made in every local frame, so that the rest pose stands upright too. A turn about Y then is one
about Z, and one about Z one about -Y: channels change their names and one its sign, and no angle is computed anew.
"""

from dataclasses import replace

import torch
from torch import Tensor

from emage.motion.bvh import BvhMotion

_RENAMED = {"X": "X", "Y": "Z", "Z": "Y"}  # axis of the Y-up file -> axis of the Z-up file
_TURNED_ROUND = "Z"  # the axis whose values change their sign


def to_z_up(motion: BvhMotion) -> BvhMotion:
    """A Y-up file as a Z-up one: same bones, same movement, positions (x, y, z) at (x, -z, y)."""
    flat = [channel for channels in motion.channels for channel in channels]
    signs = torch.tensor([-1.0 if channel[0] == _TURNED_ROUND else 1.0 for channel in flat], dtype=motion.values.dtype)
    return replace(
        motion,
        skeleton=replace(motion.skeleton, offsets_cm=y_up_to_z_up(motion.offsets_cm)),
        channels=tuple(tuple(_RENAMED[name[0]] + name[1:] for name in channels) for channels in motion.channels),
        values=motion.values * signs,
        end_sites=tuple((joint, y_up_to_z_up(offset)) for joint, offset in motion.end_sites),
    )


def y_up_to_z_up(vectors: Tensor) -> Tensor:
    """(x, y, z) -> (x, -z, y), (..., 3)."""
    x, y, z = vectors.unbind(dim=-1)
    return torch.stack([x, -z, y], dim=-1)
