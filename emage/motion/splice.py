"""Inserts given motion into generated motion: given frames are returned unchanged, frames around them are blended.

At the border of a given stretch the generated motion differs from the given one by an offset that changes in time.
Outside the stretch the offset continues with its velocity at the border and comes to rest at zero, so that neither
position nor velocity jumps. Rotations are offset in SO(3), translations and facial weights by addition.

Shapes: T frames, J joints, C channels, D columns of the layout.
"""

import itertools
import math

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
    offset = faded(offset, mask[:, :-1], fps=fps, rotations=True)
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


def faded(offset: Tensor, mask: Tensor, *, fps: float, blend_s: float = BLEND_S, rotations: bool = False) -> Tensor:
    """Continues offsets beyond the frames where they are known, until they reach zero.

    Args:
        offset: (T, C, V); read where `mask` is true.
        mask: (T, C) bool.
        fps: frames per second.
        blend_s: duration of the fade; a shorter gap is crossed in its own length.
        rotations: the values are rotation vectors (V = 3, radians), where r and r - 2 pi r / |r| are one rotation.
            Velocities are then those of the relative rotation of two frames, and an offset of more than a quarter turn
            may fade over the full turn, if its fastest frame is slower that way.

    Returns:
        (T, C, V): the offset itself where `mask` is true; outside a cubic that begins with the value and the velocity
        at the border and ends at rest in zero. With a velocity of v per frame, a fade over n frames from an offset of
        angle a turns by at most 1.5 a / (n + 1) + |v| per frame.
    """
    result = torch.where(mask[..., None], offset, torch.zeros_like(offset))
    blend = max(1, round(blend_s * fps))
    for channel in mask.any(dim=0).nonzero()[:, 0].tolist():
        for first, stop in _gaps(mask[:, channel]):
            result[first:stop, channel] = _across(offset[:, channel], mask[:, channel], first, stop, blend, rotations)
    return result


def _across(offset: Tensor, mask: Tensor, first: int, stop: int, blend: int, rotations: bool) -> Tensor:
    """The offset within one gap [first, stop): (T, V), (T,) -> (stop - first, V)."""
    left, right = first > 0, stop < len(mask)  # is there a given frame on this side?
    length = min(blend, stop - first) if left and right else blend
    sides = [_side(offset, mask, first - 1, 1, rotations)] if left else []
    sides += [_side(offset, mask, stop, -1, rotations)] if right else []
    curves = []  # one list for each side, of what its alternatives add to the gap
    for direction, alternatives in sides:
        curves.append([])
        for value, velocity in alternatives:
            curve = _fade(value, velocity, length)[: stop - first]
            curve = torch.cat([curve, curve.new_zeros(stop - first - len(curve), curve.shape[1])])
            curves[-1].append(curve if direction > 0 else curve.flip(0))
    paths = [sum(chosen) for chosen in itertools.product(*curves)]
    if len(paths) == 1:
        return paths[0]
    borders = [offset[[first - 1]] if left else offset[:0], offset[[stop]] if right else offset[:0]]
    return min(paths, key=lambda path: _fastest_turn(torch.cat([borders[0], path, borders[1]])))


def _side(
    offset: Tensor, mask: Tensor, border: int, direction: int, rotations: bool
) -> tuple[int, list[tuple[Tensor, Tensor]]]:
    """Where the fade goes from a given frame (+1 or -1), and the (value, velocity per frame) that it may begin with."""
    value, before = offset[border], border - direction
    values = [value]
    if rotations and value.norm() > math.pi / 2:
        values.append(value - 2 * math.pi * value / value.norm())
    if not (0 <= before < len(mask) and bool(mask[before])):
        return direction, [(value, torch.zeros_like(value)) for value in values]
    if not rotations:
        return direction, [(value, value - offset[before])]
    return direction, [(value, value - _nearest_vector(offset[before], value)) for value in values]


def _nearest_vector(vector: Tensor, reference: Tensor) -> Tensor:
    """Of all rotation vectors of one rotation, i.e. with full turns added about its axis, the nearest to another's."""
    angle = vector.norm()
    if angle < torch.finfo(vector.dtype).eps:
        return vector
    axis = vector / angle
    return vector + 2 * math.pi * ((reference @ axis - angle) / (2 * math.pi)).round() * axis


def _fastest_turn(vectors: Tensor) -> float:
    """Largest rotation between two successive frames, (n, 3) rotation vectors, as 1 - |cos| of the half angle."""
    quat = rotation.axis_angle_to_quat(vectors.double())
    return float((1 - (quat[1:] * quat[:-1]).sum(dim=-1).abs()).max())


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
