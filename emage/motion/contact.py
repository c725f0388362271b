"""Foot contact labels: which feet stand on the floor, frame by frame.

A foot is in contact while it moves slower than a threshold. The reference (EMAGE, BEAT2) uses 0.01 m per frame at 30
fps on ankles and toes; we keep that speed (30 cm/s) but state it per second, so that it means the same at any rate.

Shapes: ... any leading dimensions, T frames, F feet.
"""

import torch
from torch import Tensor

from emage.errors import InputError

CONTACT_SPEED_CM_S = 30.0
# Ankles and toes, BEAT's BVH spelling: the joints that the reference labels (SMPL-X 7, 8, 10, 11).
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
