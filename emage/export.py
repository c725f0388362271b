"""A Performance written as files that other programs read.

Shapes: T frames, J joints of the skeleton.
"""

from pathlib import Path

import torch

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.arkit import write_arkit_json
from emage.motion.bvh import BvhMotion, bvh_from_rotations, write_bvh
from emage.motion.convert import convert
from emage.motion.layout import EULER_ORDER, get_layout
from emage.performance import Performance

POSE_LAYOUT = "beat_full"  # what a BVH file of ours holds


def performance_to_bvh(performance: Performance) -> BvhMotion:
    """The motion of a performance on its own skeleton, at its own fps.

    Joints that the layout does not hold, and the root translation, take `performance.fill`; joints of the skeleton that
    BEAT does not know stay as they rest.

    Raises:
        InputError: if the layout needs a fill and there is none, or the skeleton lacks one of BEAT's joints.
    """
    layout = get_layout(POSE_LAYOUT)
    source = get_layout(performance.layout)
    motion = performance.motion.detach().to(device="cpu", dtype=torch.float64)
    full = convert(motion, source, layout, performance.fill)  # (T, columns of beat_full)
    euler_deg = full[:, layout.rotation_slice].unflatten(1, (layout.num_joints, layout.values_per_joint))
    if source.kind != layout.kind:  # angles read off matrices jump between branches; what had angles keeps them
        euler_deg = rotation.unwrap_euler(euler_deg, EULER_ORDER)
    skeleton = performance.skeleton
    rotations = euler_deg.new_zeros(len(full), skeleton.num_joints, layout.values_per_joint)  # (T, J, 3)
    rotations[:, skeleton.indices(layout.joints)] = euler_deg
    return bvh_from_rotations(
        skeleton,
        rotations,
        root_translation_cm=full[:, layout.translation_slice],
        fps=performance.fps,
        order=EULER_ORDER,
    )


def write_performance_bvh(performance: Performance, path: str | Path) -> None:
    """Writes the motion as BVH; see `performance_to_bvh`.

    Raises:
        InputError: as `performance_to_bvh`, or if the motion holds NaN.
    """
    write_bvh(path, performance_to_bvh(performance))


def write_performance_arkit_json(performance: Performance, path: str | Path) -> None:
    """Writes the face as ARKit json; predicted weights are cut to the 0..1 that the format means, given ones stay.

    Raises:
        InputError: if the performance has no face, or it holds NaN.
    """
    if performance.face is None:
        raise InputError(
            f"{path}: not written, since this performance has no face; its model neither got nor predicted one"
        )
    face = performance.face if performance.face_given else performance.face.clamp(0, 1)
    write_arkit_json(path, face, performance.fps)
