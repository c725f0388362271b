"""The one place from layout to layout: which joints, in which order, and how their rotations are written.

Shapes: ... any leading dimensions, T frames, J joints, D columns.
"""

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.layout import EULER_ORDER, Layout, get_layout

_READ = {
    "euler_deg": lambda values: rotation.euler_to_matrix(values, EULER_ORDER),
    "rot6d": rotation.rot6d_to_matrix,
    "axis_angle": rotation.axis_angle_to_matrix,
}
_WRITE = {
    "euler_deg": lambda matrix: rotation.matrix_to_euler(matrix, EULER_ORDER),
    "rot6d": rotation.matrix_to_rot6d,
    "axis_angle": rotation.matrix_to_axis_angle,
}


def convert(motion: Tensor, source: Layout | str, target: Layout | str, fill: Tensor | None = None) -> Tensor:
    """Writes a motion in another layout.

    Columns that both layouts share are copied bit for bit. Euler angles that come from 6D are on the principal branch;
    where they must be continuous in time, `rotation.unwrap_euler` makes them so.

    Args:
        motion: (..., D) in `source`.
        source: layout of `motion`.
        target: layout asked for.
        fill: one pose in beat_full, (D,): gives the joints and the translation that `source` does not hold.

    Returns:
        (..., D') in `target`.

    Raises:
        InputError: if `motion` or `fill` has another width than its layout, `target` needs joints that neither
            `source` nor `fill` holds, or one layout is facial and the other not.
    """
    source, target = get_layout(source), get_layout(target)
    _check_width(motion, source, "motion")
    if source == target:
        return motion
    if not source.joints or not target.joints:
        remedy = "face to face: emage.motion.convert_face"
        raise InputError(f"convert: {source.name} cannot become {target.name}; {remedy}")
    known = set(source.joints)
    missing = [name for name in target.joints if name not in known]
    needs_translation = target.has_translation and not source.has_translation
    if (missing or needs_translation) and fill is None:
        lacking = [
            *missing[:3],
            *(["..."] if len(missing) > 3 else []),
            *(["the translation"] if needs_translation else []),
        ]
        raise InputError(
            f"convert: {source.name} does not hold {', '.join(lacking)} of {target.name}; "
            "give a beat_full pose as `fill`, e.g. the mean pose of the statistics"
        )
    blocks = [_rotations(motion, source, target)]  # (..., J, V) each
    names = list(source.joints)
    if fill is not None:
        pose = get_layout("beat_full")
        _check_width(fill, pose, "fill")
        fill = fill.to(motion).expand(*motion.shape[:-1], -1)
        names += [name for name in pose.joints if name not in known]
        rows = [row for row, name in enumerate(pose.joints) if name not in known]
        blocks.append(_rotations(fill, pose, target)[..., rows, :])
    place = {name: row for row, name in enumerate(names)}
    unknown = [name for name in target.joints if name not in place]
    if unknown:  # BEAT's joints and SMPL-X's differ in rest pose too: that is retargeting
        raise InputError(
            f"convert: {source.name} cannot become {target.name}; neither it nor a beat_full pose holds {unknown[0]}"
        )
    rotations = torch.cat(blocks, dim=-2)[..., [place[name] for name in target.joints], :].flatten(-2)
    if not target.has_translation:
        return rotations
    translation = motion if source.has_translation else fill
    return torch.cat([translation[..., target.translation_slice], rotations], dim=-1)


def to_matrices(motion: Tensor, layout: Layout | str) -> Tensor:
    """Local rotations of the layout's joints, (..., D) -> (..., J, 3, 3); a translation is passed over.

    Raises:
        InputError: if the width does not fit, or the layout holds facial weights.
    """
    layout = _body(layout)
    _check_width(motion, layout, "motion")
    values = motion[..., layout.rotation_slice].unflatten(-1, (layout.num_joints, layout.values_per_joint))
    return rotations_to_matrices(values, layout.kind)


def rotations_to_matrices(values: Tensor, kind: str) -> Tensor:
    """Rotations (..., V) written as a kind of body layout (euler_deg, rot6d, axis_angle) -> matrices (..., 3, 3)."""
    return _READ[kind](values)


def from_matrices(matrix: Tensor, layout: Layout | str, translation_cm: Tensor | None = None) -> Tensor:
    """Inverse of `to_matrices`; Euler angles come out on the principal branch.

    Args:
        matrix: (..., J, 3, 3), the layout's joints in its order.
        layout: layout asked for.
        translation_cm: (..., 3) of the root, for a layout that has it.

    Returns:
        (..., D).

    Raises:
        InputError: if the number of joints does not fit, or the layout has a translation and none is given.
    """
    layout = _body(layout)
    if matrix.shape[-3] != layout.num_joints:
        raise InputError(f"layout {layout.name}: got {matrix.shape[-3]} joints, expected {layout.num_joints}")
    values = _WRITE[layout.kind](matrix).flatten(-2)
    if not layout.has_translation:
        return values
    if translation_cm is None:
        raise InputError(f"layout {layout.name}: it begins with the root translation; give translation_cm")
    return torch.cat([translation_cm.to(values).expand(*values.shape[:-1], 3), values], dim=-1)


def _rotations(motion: Tensor, layout: Layout, target: Layout) -> Tensor:
    """All rotations of a motion as the target writes them, (..., J, V); untouched where both write them alike."""
    if layout.kind == target.kind:
        return motion[..., layout.rotation_slice].unflatten(-1, (layout.num_joints, layout.values_per_joint))
    return _WRITE[target.kind](to_matrices(motion, layout))


def _body(layout: Layout | str) -> Layout:
    layout = get_layout(layout)
    if not layout.joints:
        raise InputError(f"layout {layout.name}: it has no joints; facial weights are no rotations")
    return layout


def _check_width(motion: Tensor, layout: Layout, what: str) -> None:
    if motion.shape[-1] != layout.dim:
        raise InputError(f"layout {layout.name}: {what} has {motion.shape[-1]} columns, expected {layout.dim}")
