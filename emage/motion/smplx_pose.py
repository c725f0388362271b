"""A BEAT pose as an SMPL-X pose: which of BEAT's 75 joints turn which of SMPL-X's 55.

Both rest in a T-pose, Y up, facing +Z, left arm towards +X, so a local rotation of one is a local rotation of the
other. Where BEAT has several joints in the place of one (Spine1 and Spine2 for spine2, a metacarpal before a knuckle),
their rotations are multiplied, so that everything further out keeps its direction in the world. BEAT's tips of head,
fingers and toes turn nothing. Hands are relative to a flat hand (`flat_hand_mean=True` of the smplx package).

The jaw and the eyes come from the facial weights, by angles; a matrix of one's own gives jaw and expressions instead.

Shapes: T frames, J joints.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.layout import ARKIT_51
from emage.motion.skeleton import SMPLX_JOINTS

NUM_EXPRESSIONS = 100
# The pelvis of the neutral body of mean shape in its own frame: BEAT2's `trans` moves that frame, not the pelvis.
PELVIS_REST_M = (0.003, -0.351, 0.012)
JAW_OPEN_RAD, JAW_SIDE_RAD = 0.30, 0.10  # turn of the jaw at weight 1
GAZE_RAD = math.radians(30)  # turn of an eye at weight 1


def _arm_and_leg(side: str) -> dict[str, tuple[str, ...]]:
    beat = side.capitalize()
    joints: dict[str, tuple[str, ...]] = {
        f"{side}_hip": (f"{beat}UpLeg",),
        f"{side}_knee": (f"{beat}Leg",),
        f"{side}_ankle": (f"{beat}Foot",),
        f"{side}_foot": (f"{beat}ForeFoot", f"{beat}ToeBase"),
        f"{side}_collar": (f"{beat}Shoulder",),
        f"{side}_shoulder": (f"{beat}Arm",),
        f"{side}_elbow": (f"{beat}ForeArm",),
        f"{side}_wrist": (f"{beat}Hand",),
    }
    for finger in ("index", "middle", "pinky", "ring", "thumb"):
        hand = f"{beat}Hand{finger.capitalize()}"
        metacarpal = (hand,) if finger in ("index", "pinky", "ring") else ()
        joints[f"{side}_{finger}1"] = (*metacarpal, f"{hand}1")
        joints |= {f"{side}_{finger}{number}": (f"{hand}{number}",) for number in (2, 3)}
    return joints


# SMPL-X joint -> BEAT's joints (BVH spelling) whose rotations are multiplied in this order; what is absent stays still.
SMPLX_FROM_BEAT: dict[str, tuple[str, ...]] = {
    "pelvis": ("Hips",),
    "spine1": ("Spine",),
    "spine2": ("Spine1", "Spine2"),
    "spine3": ("Spine3",),
    "neck": ("Neck", "Neck1"),
    "head": ("Head",),
    **_arm_and_leg("left"),
    **_arm_and_leg("right"),
}


def smplx_body(matrix: Tensor, joints: Sequence[str]) -> Tensor:
    """Local rotations of SMPL-X from those of BEAT.

    Args:
        matrix: (T, J, 3, 3) local rotations.
        joints: their J names, BVH spelling; all of BEAT's.

    Returns:
        (T, 55, 3, 3) in SMPLX_JOINTS order; jaw and eyes rest.
    """
    place = {name: joint for joint, name in enumerate(joints)}
    still = torch.eye(3, dtype=matrix.dtype).expand(len(matrix), 3, 3)
    turns = []
    for name in SMPLX_JOINTS:
        turn = still
        for source in SMPLX_FROM_BEAT.get(name, ()):
            turn = turn @ matrix[:, place[source]]
        turns.append(turn)
    return torch.stack(turns, dim=1)


def smplx_face(face: Tensor, expression_matrix: Tensor | None = None) -> tuple[dict[str, Tensor], Tensor]:
    """Jaw, eyes and expressions of SMPL-X from ARKit weights.

    Args:
        face: (T, 51) in ARKIT_51 order.
        expression_matrix: (51, 103), rows in ARKIT_51 order: weights @ matrix = 100 FLAME expressions and the jaw
            (axis-angle). None: the jaw turns by jawOpen, jawLeft and jawRight, and the expressions are zero.

    Returns:
        Local rotations, axis-angle (T, 3), of jaw and both eyes by joint name, and the expressions (T, 100).

    Raises:
        InputError: if the matrix has another shape.
    """
    channel = dict(zip(ARKIT_51, face.double().unbind(dim=1), strict=True))
    if expression_matrix is None:
        expressions = face.new_zeros(len(face), NUM_EXPRESSIONS, dtype=torch.float64)
        jaw = _turn(
            JAW_OPEN_RAD * channel["jawOpen"], JAW_SIDE_RAD * (channel["jawLeft"] - channel["jawRight"])
        )  # (T, 3)
    else:
        wanted = (len(ARKIT_51), NUM_EXPRESSIONS + 3)
        if tuple(expression_matrix.shape) != wanted:
            raise InputError(
                f"matrix from ARKit to FLAME: got shape {tuple(expression_matrix.shape)}; expected {wanted}"
            )
        expressions, jaw = (face.double() @ expression_matrix.double()).split([NUM_EXPRESSIONS, 3], dim=1)
    turns = {"jaw": jaw}
    for side, left, right in (("Left", "Out", "In"), ("Right", "In", "Out")):
        down = channel[f"eyeLookDown{side}"] - channel[f"eyeLookUp{side}"]
        leftwards = channel[f"eyeLook{left}{side}"] - channel[f"eyeLook{right}{side}"]
        turns[f"{side.lower()}_eye_smplhf"] = _turn(GAZE_RAD * down, GAZE_RAD * leftwards)
    return turns, expressions


def _turn(down_rad: Tensor, left_rad: Tensor) -> Tensor:
    """Axis-angle (T, 3) that turns the front of a joint (+Z) down and towards the person's left (+X)."""
    return torch.stack([down_rad, left_rad, torch.zeros_like(down_rad)], dim=1)
