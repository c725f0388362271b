"""Given motion put into generated motion: it comes back as it is, and what lies around it is bent to meet it.

At the border of a given stretch the generated motion differs from the given one by an offset, and this offset moves.
Outside the stretch both fade: the offset goes on with the velocity that it has at the border and comes to rest at zero,
so that neither position nor velocity jumps. Rotations are offset in SO(3), translations and facial weights by addition.

Shapes: T frames, J joints, C channels, D columns of the layout.
"""

import torch
from torch import Tensor

from emage.motion import rotation
from emage.motion.convert import from_matrices, to_matrices
from emage.motion.layout import Layout, get_layout

BLEND_S = 0.5  # how long an offset takes to fade


def splice_motion(generated: Tensor, given: Tensor, mask: Tensor, *, layout: Layout | str, fps: float) -> Tensor:
    """Puts given joints into a generated motion.

    Args:
        generated: (T, D).
        given: (T, D); only what `mask` marks is read.
        mask: (T, J + 1) bool, a column for each joint of the layout and a last one for the root translation.
        layout: of both motions.
        fps: frames per second.

    Returns:
        (T, D), equal to `given` where `mask` is true.
    """
    layout = get_layout(layout)
    if not mask.any():
        return generated
    columns = column_mask(mask, layout)  # (T, D)
    given = torch.where(columns, given, generated)
    ours, theirs = to_matrices(generated, layout), to_matrices(given, layout)  # (T, J, 3, 3)
    offset = rotation.matrix_to_axis_angle(theirs @ ours.transpose(-1, -2))  # (T, J, 3)
    offset = faded(offset, mask[:, :-1], fps=fps)
    matrix = rotation.axis_angle_to_matrix(offset) @ ours
    translation = generated[:, layout.translation_slice]
    if layout.has_translation:
        translation = splice_channels(
            translation, given[:, layout.translation_slice], mask[:, -1:].expand_as(translation), fps=fps
        )
    bent = from_matrices(matrix, layout, translation if layout.has_translation else None).to(generated.dtype)
    return torch.where(columns, given, bent)


def splice_channels(generated: Tensor, given: Tensor, mask: Tensor, *, fps: float) -> Tensor:
    """The same for plain values: (T, C) each, `mask` bool."""
    offset = torch.where(mask, given - generated, torch.zeros_like(generated))
    bent = generated + faded(offset[..., None], mask, fps=fps)[..., 0]
    return torch.where(mask, given, bent)


def column_mask(mask: Tensor, layout: Layout) -> Tensor:
    """(T, J + 1) by joint and translation -> (T, D) by column."""
    rotations = mask[:, :-1].repeat_interleave(layout.values_per_joint, dim=1)
    return torch.cat([mask[:, -1:].expand(-1, layout.translation_slice.stop), rotations], dim=1)


def faded(offset: Tensor, mask: Tensor, *, fps: float, blend_s: float = BLEND_S) -> Tensor:
    """Carries offsets on beyond the frames where they are known.

    Args:
        offset: (T, C, V); read where `mask` is true.
        mask: (T, C) bool.
        fps: frames per second.
        blend_s: how long an offset takes to fade; a gap that is shorter is crossed in its own length.

    Returns:
        (T, C, V): the offset itself where `mask` is true; outside a cubic that begins with the value and the velocity
        at the border and ends at rest in zero.
    """
    result = torch.where(mask[..., None], offset, torch.zeros_like(offset))
    blend = max(1, round(blend_s * fps))
    for channel in mask.any(dim=0).nonzero()[:, 0].tolist():
        for first, stop in _gaps(mask[:, channel]):
            left, right = first > 0, stop < len(mask)  # is there a given frame on this side?
            length = min(blend, stop - first) if left and right else blend
            for there, border, step in ((left, first - 1, 1), (right, stop, -1)):
                if not there:
                    continue
                value = offset[border, channel]
                before = border - step
                has_velocity = 0 <= before < len(mask) and bool(mask[before, channel])
                velocity = value - offset[before, channel] if has_velocity else torch.zeros_like(value)
                last = min(length, stop - first)
                curve = _fade(value, velocity, length)[:last]
                frames = border + step * torch.arange(1, last + 1)
                result[frames, channel] += curve
    return result


def _fade(value: Tensor, velocity: Tensor, length: int) -> Tensor:
    """Cubic from (value, velocity per frame) to (0, 0) at `length + 1` frames: (V,) -> (length, V)."""
    total = length + 1
    t = (torch.arange(1, total, dtype=value.dtype) / total)[:, None]
    return value * (2 * t**3 - 3 * t**2 + 1) + total * velocity * (t**3 - 2 * t**2 + t)


def _gaps(mask: Tensor) -> list[tuple[int, int]]:
    """Runs of false frames, [first, stop)."""
    edges = torch.cat([mask.new_ones(1), mask, mask.new_ones(1)]).int().diff()
    firsts, stops = (edges == -1).nonzero()[:, 0].tolist(), (edges == 1).nonzero()[:, 0].tolist()
    return list(zip(firsts, stops, strict=True))
