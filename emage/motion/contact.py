"""Foot contact labels: which feet stand on the floor, frame by frame.

A foot is in contact while it moves slower than a threshold. The reference (EMAGE, BEAT2) uses 0.01 m per frame at 30
fps on ankles and toes; we keep that speed (30 cm/s) but state it per second, so that it means the same at any rate.

Shapes: ... any leading dimensions, T frames, F feet.
"""

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.convert import to_matrices
from emage.motion.layout import Layout
from emage.motion.skeleton import LEG_CHAINS, forward_kinematics

CONTACT_SPEED_CM_S = 30.0
# Heels and toes (the ankle stands for the heel), BEAT's BVH spelling: what the reference labels (SMPL-X 7, 8, 10, 11).
# Four contact columns anywhere are in this order.
CONTACT_JOINTS = ("LeftFoot", "RightFoot", "LeftToeBase", "RightToeBase")


def foot_contact(positions_cm: Tensor, fps: float, max_speed_cm_s: float = CONTACT_SPEED_CM_S) -> Tensor:
    """Labels the frames in which each foot joint rests.

    Args:
        positions_cm: foot joint positions in the world, (..., T, F, 3), centimetres.
        fps: frames per second of the motion.
        max_speed_cm_s: a joint slower than this is in contact.

    Returns:
        (..., T, F) bool. The last frame repeats the label before it, since a speed needs two frames.

    Raises:
        InputError: if there are fewer than two frames, or `fps` is not positive.

    Source: the threshold of the released EMAGE code (0.01 m per frame at 30 fps).
    """
    if positions_cm.shape[-3] < 2:
        raise InputError(f"foot contact needs at least 2 frames: got {positions_cm.shape[-3]}")
    if fps <= 0:
        raise InputError(f"fps must be positive: got {fps}")

    step_cm = positions_cm.diff(dim=-3).norm(dim=-1)  # (..., T-1, F)
    contact = step_cm * fps < max_speed_cm_s  # (..., T-1, F)
    # Repeat at the end, not at the start: a label then describes the step that LEAVES its frame, as the sliding loss
    # needs.
    return torch.cat([contact, contact[..., -1:, :]], dim=-2)  # (..., T, F)


def foot_positions(motion: Tensor, layout: Layout, offsets_cm: Tensor) -> Tensor:
    """Where the contact joints are in the world.

    Args:
        motion: (..., T, D) in `layout`, which must hold the legs and the root translation.
        layout: a full body's.
        offsets_cm: (..., J, 3) bones of the layout's joints, in its order; the same leading dimensions, or none.

    Returns:
        (..., T, 4, 3) centimetres, in the order of CONTACT_JOINTS.
    """
    names = list(dict.fromkeys(name for chain in LEG_CHAINS.values() for name in chain))
    parents = [-1] * len(names)
    for chain in LEG_CHAINS.values():
        for above, name in zip(chain, chain[1:], strict=False):
            parents[names.index(name)] = names.index(above)
    places = [layout.joints.index(name) for name in names]
    matrix = to_matrices(motion[..., layout.joint_columns(names).to(motion.device)], layout.of_joints(names))
    offsets = offsets_cm[..., None, places, :].to(matrix)  # (..., 1, J', 3)
    translation = offsets.expand(*matrix.shape[:-2], 3).clone()
    translation[..., 0, :] = motion[..., layout.translation_slice]
    positions, _ = forward_kinematics(matrix, parents, translation)
    return positions[..., [names.index(name) for name in CONTACT_JOINTS], :]


def contact_of_motion(motion: Tensor, layout: Layout, offsets_cm: Tensor, fps: float) -> Tensor:
    """Contact labels of a motion, (..., T, D) -> (..., T, 4) float 0 or 1; see `foot_positions` for the arguments.

    A single frame has no speed: its feet are taken to rest.
    """
    if motion.shape[-2] < 2:
        return motion.new_ones(*motion.shape[:-1], len(CONTACT_JOINTS))
    return foot_contact(foot_positions(motion, layout, offsets_cm), fps).to(motion.dtype)
