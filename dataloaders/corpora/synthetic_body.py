"""The bones of the synthetic speakers, and legs that keep the feet on the floor while the hips sway.

BEAT's 75 joints in BEAT's order, with bone lengths of our own (a plausible adult of 1.75 m). T-pose, Y up, facing +Z, the left arm
along +X, centimetres; Euler angles are XYZ.

Shapes: T frames.
"""

import numpy as np
import torch

from emage.motion.rotation import euler_to_matrix, matrix_to_euler
from emage.motion.skeleton import BEAT_JOINTS, Skeleton

# Joint: (parent, offset). Arms and fingers as on the left; `_mirrored` makes the right ones.
_TRUNK: dict[str, tuple[str, tuple[float, float, float]]] = {
    "Hips": ("", (0.0, 0.0, 0.0)),
    "Spine": ("Hips", (0.0, 9.2, -1.6)),
    "Spine1": ("Spine", (0.0, 9.4, -0.4)),
    "Spine2": ("Spine1", (0.0, 10.6, 0.2)),
    "Spine3": ("Spine2", (0.0, 11.0, 0.6)),
    "Neck": ("Spine3", (0.0, 16.2, 0.4)),
    "Neck1": ("Neck", (0.0, 5.2, 0.5)),
    "Head": ("Neck1", (0.0, 5.4, 0.4)),
    "HeadEnd": ("Head", (0.0, 17.0, 0.0)),
}
_LIMBS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "Shoulder": ("Spine3", (2.8, 11.6, 0.8)),
    "Arm": ("Shoulder", (13.4, 0.3, -1.2)),
    "ForeArm": ("Arm", (28.2, 0.0, 0.0)),
    "Hand": ("ForeArm", (25.1, 0.0, 0.0)),
    "HandMiddle1": ("Hand", (9.3, 0.2, 0.1)),
    "HandMiddle2": ("HandMiddle1", (4.6, 0.0, 0.0)),
    "HandMiddle3": ("HandMiddle2", (3.1, 0.0, 0.0)),
    "HandMiddle4": ("HandMiddle3", (2.4, 0.0, 0.0)),
    "HandRing": ("Hand", (2.9, 0.1, -0.9)),
    "HandRing1": ("HandRing", (5.8, 0.0, -1.2)),
    "HandRing2": ("HandRing1", (4.2, 0.0, 0.0)),
    "HandRing3": ("HandRing2", (2.9, 0.0, 0.0)),
    "HandRing4": ("HandRing3", (2.3, 0.0, 0.0)),
    "HandPinky": ("Hand", (2.7, -0.1, -1.8)),
    "HandPinky1": ("HandPinky", (5.1, -0.2, -2.3)),
    "HandPinky2": ("HandPinky1", (3.3, 0.0, 0.0)),
    "HandPinky3": ("HandPinky2", (2.2, 0.0, 0.0)),
    "HandPinky4": ("HandPinky3", (2.1, 0.0, 0.0)),
    "HandIndex": ("Hand", (3.1, 0.1, 0.9)),
    "HandIndex1": ("HandIndex", (6.1, 0.0, 1.5)),
    "HandIndex2": ("HandIndex1", (4.1, 0.0, 0.0)),
    "HandIndex3": ("HandIndex2", (2.7, 0.0, 0.0)),
    "HandIndex4": ("HandIndex3", (2.2, 0.0, 0.0)),
    "HandThumb1": ("Hand", (2.4, -1.2, 2.6)),
    "HandThumb2": ("HandThumb1", (2.9, -0.5, 2.5)),
    "HandThumb3": ("HandThumb2", (2.5, 0.0, 1.7)),
    "HandThumb4": ("HandThumb3", (2.2, 0.0, 1.4)),
    "UpLeg": ("Hips", (9.4, -2.0, 0.4)),
    "Leg": ("UpLeg", (0.0, -42.0, 0.0)),
    "Foot": ("Leg", (0.0, -40.5, 0.0)),
    "ForeFoot": ("Foot", (0.0, -3.6, 6.4)),
    "ToeBase": ("ForeFoot", (0.0, -2.9, 7.6)),
    "ToeBaseEnd": ("ToeBase", (0.0, 0.0, 6.2)),
}
_TOE_HEIGHT_CM = 1.5  # of the toe joints above the floor
_KNEES = 0.992  # distance from hip to ankle of the mean stance, as a share of the straight leg: knees a little bent
_LOWERED_CM = 0.5
_FOOT_YAW_DEG = 9.0


def make_skeleton(stature: float) -> Skeleton:
    """The 75 joints with all bones `stature` times as long."""
    table = dict(_TRUNK)
    for name, (parent, offset) in _LIMBS.items():
        for side in ("Right", "Left"):
            full_parent = parent if parent in _TRUNK else side + parent
            table[side + name] = (full_parent, offset if side == "Left" else (-offset[0], *offset[1:]))
    parents = [BEAT_JOINTS.index(table[name][0]) if table[name][0] else -1 for name in BEAT_JOINTS]
    offsets_cm = torch.tensor([table[name][1] for name in BEAT_JOINTS], dtype=torch.float64) * stature
    return Skeleton(BEAT_JOINTS, tuple(parents), offsets_cm)


def standing_height_cm(skeleton: Skeleton) -> float:
    """Height of the hips of somebody who stands with the knees a little bent."""
    offset = skeleton.offsets_cm
    leg = offset[skeleton.indices(["LeftLeg", "LeftFoot"]), 1].abs().sum()
    return float(_KNEES * leg - offset[skeleton.index("LeftUpLeg"), 1] + _ankle_height_cm(skeleton))


def within_reach(skeleton: Skeleton, hips_cm: np.ndarray, *, hips_deg: np.ndarray) -> np.ndarray:
    """The place of the hips (T, 3), lower throughout where somebody sways so far that straight legs would not reach the floor."""
    leg_cm = float(skeleton.offsets_cm[skeleton.indices(["LeftLeg", "LeftFoot"]), 1].abs().sum())
    hips = euler_to_matrix(torch.from_numpy(hips_deg), "XYZ").numpy()
    while (
        max(np.linalg.norm(_reach(skeleton, side, hips_cm, hips), axis=1).max() for side in ("Right", "Left")) > leg_cm
    ):
        hips_cm = hips_cm - [0.0, _LOWERED_CM, 0.0]
    return hips_cm


def plant_feet(skeleton: Skeleton, hips_cm: np.ndarray, *, hips_deg: np.ndarray) -> dict[str, np.ndarray]:
    """Turns the legs so that both feet stay where they stand.

    Args:
        skeleton: of `make_skeleton`.
        hips_cm: place of the hips, (T, 3).
        hips_deg: their Euler angles, (T, 3).

    Returns:
        Euler angles (T, 3) of UpLeg, Leg and Foot of both sides.
    """
    hips = euler_to_matrix(torch.from_numpy(hips_deg), "XYZ").numpy()  # (T, 3, 3)
    angles: dict[str, np.ndarray] = {}
    for side, sign in (("Right", -1.0), ("Left", 1.0)):
        shin, foot = (skeleton.offsets_cm[skeleton.index(side + name)].numpy() for name in ("Leg", "Foot"))
        reach = _reach(skeleton, side, hips_cm, hips)
        thigh_deg, knee_deg = _two_bones(reach, thigh_cm=abs(shin[1]), shin_cm=abs(foot[1]))
        leg = _matrix(thigh_deg) @ _matrix(knee_deg)
        level = _matrix(np.array([0.0, sign * _FOOT_YAW_DEG, 0.0]))
        foot_matrix = np.swapaxes(hips @ leg, -1, -2) @ level
        angles |= {f"{side}UpLeg": thigh_deg, f"{side}Leg": knee_deg}
        angles[f"{side}Foot"] = matrix_to_euler(torch.from_numpy(foot_matrix), "XYZ").numpy()
    return angles


def _reach(skeleton: Skeleton, side: str, hips_cm: np.ndarray, hips: np.ndarray) -> np.ndarray:
    """From hip to ankle in the frame of the hips, (T, 3); `hips` are their rotations (T, 3, 3)."""
    hip_offset = skeleton.offsets_cm[skeleton.index(f"{side}UpLeg")].numpy()
    ankle = np.array([hip_offset[0] * 1.15, _ankle_height_cm(skeleton), hip_offset[2] - 1.0])
    return np.einsum("tji,tj->ti", hips, ankle - hips_cm) - hip_offset


def _two_bones(reach: np.ndarray, *, thigh_cm: float, shin_cm: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles of hip (about X and Z) and knee (about X) that bring the ankle to `reach` (T, 3), knee forward."""
    distance = np.linalg.norm(reach, axis=1)
    cos_knee = (distance**2 - thigh_cm**2 - shin_cm**2) / (2 * thigh_cm * shin_cm)
    assert cos_knee.max() <= 1, "the hips sway farther than the legs reach"
    knee = np.arccos(cos_knee)
    down, back = -thigh_cm - shin_cm * np.cos(knee), -shin_cm * np.sin(knee)  # the bent leg before the hip turns
    sideways = np.arcsin(np.clip(-reach[:, 0] / down, -1, 1))
    forward = np.arctan2(reach[:, 2], reach[:, 1]) - np.arctan2(back, down * np.cos(sideways))
    forward = (forward + np.pi) % (2 * np.pi) - np.pi
    zero = np.zeros_like(knee)
    return np.degrees(np.stack([forward, zero, sideways], axis=1)), np.degrees(np.stack([knee, zero, zero], axis=1))


def _matrix(euler_deg: np.ndarray) -> np.ndarray:
    return euler_to_matrix(torch.from_numpy(euler_deg), "XYZ").numpy()


def _ankle_height_cm(skeleton: Skeleton) -> float:
    return float(_TOE_HEIGHT_CM - skeleton.offsets_cm[skeleton.indices(["LeftForeFoot", "LeftToeBase"]), 1].sum())
