"""A Performance written as files that other programs read.

Every file has the same frames at the same times, frame k at k / fps seconds.

Shapes: T frames, J joints of the skeleton.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.arkit import write_arkit_json
from emage.motion.bvh import BvhMotion, bvh_from_rotations, write_bvh
from emage.motion.bvh_axes import to_z_up
from emage.motion.convert import convert
from emage.motion.layout import EULER_ORDER, get_layout
from emage.motion.livelink import write_livelink_csv
from emage.motion.skeleton import SMPLX_JOINTS, canonical_name
from emage.motion.smplx_file import NUM_BETAS, SmplxMotion, write_smplx_npz
from emage.motion.smplx_pose import NUM_EXPRESSIONS, PELVIS_REST_M, smplx_body, smplx_face
from emage.performance import Performance
from emage.performance_file import write_performance_file

POSE_LAYOUT = "beat_full"  # what a BVH file of ours holds
CM_PER_UNIT = {"cm": 1.0, "m": 100.0}
UP_AXES = ("y", "z")


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


def write_performance_bvh(
    performance: Performance,
    path: str | Path,
    *,
    unit: str = "cm",
    up: str = "y",
    root_motion: bool = True,
    t_pose: bool = False,
) -> None:
    """Writes the motion as BVH; see `performance_to_bvh`.

    Args:
        performance: the result.
        path: the file; it is there whole or not at all.
        unit: "cm", or "m" for programs that take one unit for a metre (Blender, Unity).
        up: "y" as in BEAT, or "z" (the person then faces -Y).
        root_motion: False: the root stays over the place where it began and only rises and sinks ("in place").
        t_pose: the first frame shows the rest pose (BEAT's T-pose), for programs that bind there. It takes the place
            of the first frame, so that length and times stay those of the sound.

    Raises:
        InputError: as `performance_to_bvh`, for another unit or axis, or if the motion holds NaN.
    """
    if unit not in CM_PER_UNIT:
        raise InputError(f"{path}: unit of length {unit!r}; choose one of {', '.join(CM_PER_UNIT)}")
    if up not in UP_AXES:
        raise InputError(f"{path}: axis that points up {up!r}; choose one of {', '.join(UP_AXES)}")
    motion = performance_to_bvh(performance)
    if not root_motion:
        motion = _in_place(motion)
    if t_pose:
        motion = _begin_at_rest(motion)
    write_bvh(path, to_z_up(motion) if up == "z" else motion, scale_to_cm=CM_PER_UNIT[unit])


def write_performance_arkit_json(performance: Performance, path: str | Path) -> None:
    """Writes the face as ARKit json; predicted weights are cut to the 0..1 that the format means, given ones stay.

    Raises:
        InputError: if the performance has no face, or it holds NaN.
    """
    write_arkit_json(path, _face(performance, path), performance.fps)


def write_performance_livelink_csv(performance: Performance, path: str | Path) -> None:
    """Writes the face as csv of the Live Link Face app; weights as in `write_performance_arkit_json`.

    Raises:
        InputError: if the performance has no face, or it holds NaN.
    """
    write_livelink_csv(path, _face(performance, path), performance.fps)


def write_performance_npz(performance: Performance, path: str | Path) -> None:
    """Writes named arrays of body, face and skeleton, as `emage.performance_file` lists them.

    Raises:
        InputError: as `performance_to_bvh`, or if a number is not finite.
    """
    write_performance_file(path, performance, performance_to_bvh(performance))


def performance_to_smplx(performance: Performance, expression_matrix: Tensor | None = None) -> SmplxMotion:
    """The performance as an SMPL-X motion of the neutral mean body; see `emage.motion.smplx_pose` for the joints.

    Bones are those of the SMPL-X body, so hands and feet of a person of other proportions end up elsewhere; the root
    goes where the BVH root goes.

    Args:
        performance: the result.
        expression_matrix: (51, 103) from ARKit weights to FLAME expressions and jaw; None: only jaw and eyes move.

    Raises:
        InputError: as `performance_to_bvh`, or if the matrix has another shape.
    """
    body = performance_to_bvh(performance)
    names = [canonical_name(name) for name in body.names]
    poses = torch.cat(
        [rotation.matrix_to_axis_angle(smplx_body(block.rotations(), names)) for block in body.blocks()]
    )  # (T, 55, 3)
    expressions = torch.zeros(len(poses), NUM_EXPRESSIONS)
    if performance.face is not None:
        face_turns, expressions = smplx_face(performance.face.cpu(), expression_matrix)
        for name, turn in face_turns.items():
            poses[:, SMPLX_JOINTS.index(name)] = turn.to(poses)
    trans_m = body.values[:, _root_positions(body)] / 100 - torch.tensor(PELVIS_REST_M)
    return SmplxMotion(
        poses=poses.flatten(1).numpy(),
        expressions=expressions.numpy(),
        trans_m=trans_m.numpy(),
        betas=np.zeros(NUM_BETAS, dtype=np.float32),
        fps=performance.fps,
    )


def write_performance_smplx_npz(
    performance: Performance, path: str | Path, expression_matrix: Tensor | None = None
) -> None:
    """Writes an SMPL-X motion in BEAT2's layout; see `performance_to_smplx`.

    Raises:
        InputError: as `performance_to_smplx`, or if a number is not finite.
    """
    write_smplx_npz(path, performance_to_smplx(performance, expression_matrix))


def _face(performance: Performance, path: str | Path) -> Tensor:
    """Predicted weights cut to 0..1, given ones as they are."""
    if performance.face is None:
        raise InputError(
            f"{path}: not written, since this performance has no face; its model neither got nor predicted one"
        )
    return performance.face if performance.face_given else performance.face.clamp(0, 1)


def _root(motion: BvhMotion) -> int:
    return motion.parents.index(-1)


def _root_positions(motion: BvhMotion) -> list[int]:
    """Columns of `values` with the X, Y and Z position of the root."""
    start = sum(len(channels) for channels in motion.channels[: _root(motion)])
    channels = motion.channels[_root(motion)]
    return [start + channels.index(f"{axis}position") for axis in "XYZ"]


def _in_place(motion: BvhMotion) -> BvhMotion:
    x, _, z = _root_positions(motion)
    values = motion.values.clone()
    values[:, [x, z]] = values[:1, [x, z]]
    return replace(motion, values=values)


def _begin_at_rest(motion: BvhMotion) -> BvhMotion:
    values = motion.values.clone()
    kept = _root_positions(motion)
    at_rest = torch.zeros_like(values[:1])
    at_rest[:, kept] = values[:1, kept]
    values[:1] = at_rest
    return replace(motion, values=values)
