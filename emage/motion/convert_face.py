"""From face layout to face layout, part by part: FLAME codes of one corpus as those of another.

All of them mean the expression basis of FLAME 2020 and rotations as axis-angle in radians; they differ in how many
coefficients there are and in which rotations stand apart. Rotations are composed in SO(3), never added. ARKit weights
are another matter: they need a fitted map (`arkit_flame.py`).

Shapes: ... any leading dimensions, D columns.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from emage.errors import InputError
from emage.motion.layout import Layout, get_layout
from emage.motion.rotation import compose_axis_angle

FACE_ALL = "face_all"
FACE_WIDTHS = dict(get_layout(FACE_ALL).parts)
FACE_GROUPS = tuple(FACE_WIDTHS)  # what validity masks are about
ARKIT, EXPRESSION, REST = "arkit", "expression", "expression_rest"
HEAD = "head"  # the whole rotation of the head: global, or global and neck one after the other


def split_face(values: Tensor, layout: Layout | str) -> dict[str, Tensor]:
    """The parts of FLAME codes (..., D) by name.

    Raises:
        InputError: a layout without parts, or another width.
    """
    layout = get_layout(layout)
    if not layout.parts:
        raise InputError(f"layout {layout.name}: it has no parts of FLAME codes")
    if values.shape[-1] != layout.dim:
        raise InputError(f"layout {layout.name}: the face has {values.shape[-1]} columns, expected {layout.dim}")
    return {name: values[..., columns] for name, columns in layout.part_slices.items()}


def join_face(parts: dict[str, Tensor], layout: Layout | str) -> Tensor:
    """Inverse of `split_face`.

    Raises:
        InputError: a part is missing or has another width.
    """
    layout = get_layout(layout)
    for name, width in layout.parts:
        if name not in parts or parts[name].shape[-1] != width:
            found = tuple(parts[name].shape) if name in parts else "not given"
            raise InputError(f"layout {layout.name}: part {name} is {found}; expected (..., {width})")
    return torch.cat([parts[name] for name, _ in layout.parts], dim=-1)


def head_rotation(parts: dict[str, Tensor]) -> Tensor | None:
    """The rotation of the head (..., 3), the neck's turned along with the global one; None where there is none."""
    if HEAD in parts or "global" not in parts:
        return parts.get(HEAD)
    return compose_axis_angle(parts["global"], parts["neck"]) if "neck" in parts else parts["global"]


def convert_face(values: Tensor, source: Layout | str, target: Layout | str) -> Tensor:
    """Writes FLAME codes in another layout.

    Coefficients beyond those that the source has are 0, those beyond the target's are dropped. A target without neck
    gets the composed rotation as its global one; a source without neck leaves the target's neck at 0.

    Args:
        values: (..., D) in `source`.
        source: layout of `values`.
        target: layout asked for.

    Raises:
        InputError: layouts that are no FLAME codes, or a target with weights that the source has not.
    """
    source, target = get_layout(source), get_layout(target)
    if source == target:
        return values
    parts = split_face(values, source)
    if not target.parts or (ARKIT in dict(target.parts)) > (ARKIT in parts):
        raise InputError(f"convert_face: {source.name} cannot become {target.name}; that takes a fitted map")
    return _write(parts, target)


def to_face_all(values: Tensor, layout: Layout | str) -> Tensor:
    """Any face (..., D) as face_all (..., D'); what the layout does not know is 0 (see `known_groups`)."""
    layout = get_layout(layout)
    parts = {ARKIT: values} if layout.name == "arkit_51" else split_face(values, layout)
    return _write(parts, get_layout(FACE_ALL))


def known_groups(layout: Layout | str) -> Tensor:
    """Which parts of face_all a layout knows, (G,) bool in the order of FACE_GROUPS."""
    layout = get_layout(layout)
    held = dict(layout.parts)
    known = {
        ARKIT: layout.name == "arkit_51" or ARKIT in held,
        EXPRESSION: EXPRESSION in held,
        REST: REST in held or held.get(EXPRESSION, 0) > FACE_WIDTHS[EXPRESSION],
        "jaw": "jaw" in held,
        HEAD: HEAD in held or "global" in held,
    }
    return torch.tensor([known[name] for name in FACE_GROUPS])


def _write(parts: dict[str, Tensor], target: Layout) -> Tensor:
    """The target's columns from parts; zeros where they say nothing."""
    like = next(iter(parts.values()))
    made = {name: parts.get(name, like.new_zeros(*like.shape[:-1], width)) for name, width in target.parts}
    given = [parts[name] for name in (EXPRESSION, REST) if name in parts]
    if given:
        expression = torch.cat(given, dim=-1)
        wanted = sum(width for name, width in target.parts if name in (EXPRESSION, REST))
        expression = F.pad(expression, (0, max(0, wanted - expression.shape[-1])))
        first = 0
        for name, width in target.parts:
            if name in (EXPRESSION, REST):
                made[name] = expression[..., first : first + width]
                first += width
    head = head_rotation(parts)
    if head is not None and not {"global", "neck"} <= parts.keys() & made.keys():
        made |= {name: head for name in ("global", HEAD) if name in made}
    return join_face(made, target)
