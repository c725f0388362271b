"""Rotations between Euler angles, matrices, 6D, axis-angle and quaternions: the one copy of this maths.

Every function takes any leading dimensions and keeps dtype and device (float32 or float64). Matrices act on column
vectors. Quaternions are (w, x, y, z). Euler angles are in degrees and intrinsic: column k turns about the k-th letter
of `order`, R = R0 R1 R2 (scipy's upper-case orders). Axis-angle is in radians. Gradients are finite everywhere, also
at the angles 0 and pi and in gimbal lock.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from emage.errors import InputError

_AXES = {"X": 0, "Y": 1, "Z": 2}


def _axes(order: str) -> list[int]:
    axes = [_AXES[letter] for letter in order if letter in _AXES]
    repeated = any(a == b for a, b in zip(axes, axes[1:], strict=False))
    if len(axes) != len(order) or not 1 <= len(axes) <= 3 or repeated:
        raise InputError(f"Euler order: got {order!r}; expected 1 to 3 of X, Y, Z, no letter twice in a row, e.g. XYZ")
    return axes


def _axes_3(order: str) -> tuple[int, int, int]:
    axes = _axes(order)
    if len(axes) != 3:
        raise InputError(f"Euler order: got {order!r}; three letters are needed here, e.g. XYZ")
    return axes[0], axes[1], axes[2]


def _safe_norm(vector: Tensor) -> Tensor:
    """Length over the last dimension, whose gradient at the zero vector is 0 instead of NaN."""
    squared = (vector * vector).sum(dim=-1)
    zero = squared == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, squared).sqrt())


# Euler angles


def euler_to_quat(euler_deg: Tensor, order: str) -> Tensor:
    """Euler angles (..., n) in degrees about the n letters of `order` -> quaternions (..., 4).

    The sign is the one of the half angles: continuous in the angles, so w may be negative.

    Raises:
        InputError: if `order` is not 1 to 3 of X, Y, Z or does not fit the last dimension.
    """
    axes = _axes(order)
    if euler_deg.shape[-1] != len(axes):
        raise InputError(f"Euler angles: {euler_deg.shape[-1]} columns do not fit the order {order!r}")
    half = euler_deg.movedim(-1, 0) * (math.pi / 360)  # (n, ...)
    cos, sin = half.cos(), half.sin()
    quat = [cos[0], *(torch.zeros_like(cos[0]) for _ in range(3))]
    quat[1 + axes[0]] = sin[0]
    for step, i in enumerate(axes[1:], start=1):  # multiply by (cos, sin on axis i) from the right
        j, k = (i + 1) % 3, (i + 2) % 3
        c, s = cos[step], sin[step]
        w, v_i, v_j, v_k = quat[0], quat[1 + i], quat[1 + j], quat[1 + k]
        quat[0] = w * c - v_i * s
        quat[1 + i] = v_i * c + w * s
        quat[1 + j] = v_j * c + v_k * s
        quat[1 + k] = v_k * c - v_j * s
    return torch.stack(quat, dim=-1)


def euler_to_matrix(euler_deg: Tensor, order: str) -> Tensor:
    """Euler angles (..., n) in degrees about the n letters of `order` (1 to 3 of X, Y, Z) -> matrices (..., 3, 3).

    Raises:
        InputError: if `order` is not 1 to 3 of X, Y, Z or does not fit the last dimension.
    """
    return quat_to_matrix(euler_to_quat(euler_deg, order))


def matrix_to_euler(matrix: Tensor, order: str) -> Tensor:
    """Matrices (..., 3, 3) -> Euler angles (..., 3) in degrees.

    The middle angle lies in [-90, 90], or in [0, 180] for orders like ZXZ; in gimbal lock the last angle is 0.
    The last angle is read off after the first has been undone, so the rotation is right however near the lock is.

    Raises:
        InputError: if `order` is not three of X, Y, Z.
    """
    i, j, last = _axes_3(order)
    k = 3 - i - j
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    entry = [[matrix[..., row, column] for column in range(3)] for row in range(3)]
    proper = last == i  # like ZXZ
    away = [entry[i][j], entry[i][k]] if proper else [entry[i][i], entry[i][j]]
    away_from_lock = _safe_norm(torch.stack(away, dim=-1))
    lock = away_from_lock < 16 * torch.finfo(matrix.dtype).eps
    if proper:
        first_sin, first_cos = entry[j][i], -sign * entry[k][i]
        second = torch.atan2(away_from_lock, entry[i][i])
    else:
        first_sin, first_cos = -sign * entry[j][k], entry[k][k]
        second = torch.atan2(sign * entry[i][k], away_from_lock)
    first_sin = torch.where(lock, sign * entry[k][j], first_sin)
    first_cos = torch.where(lock, entry[j][j], first_cos)
    first = torch.atan2(first_sin, first_cos)
    # Row j of R0^T R depends on the last angle alone.
    c, s = first.cos(), sign * first.sin()
    undone = [c * entry[j][column] + s * entry[k][column] for column in range(3)]
    third = torch.atan2(-sign * undone[k] if proper else sign * undone[i], undone[j])
    return torch.stack([first, second, third], dim=-1) * (180 / math.pi)


def _other_branch(euler_deg: Tensor, order: str) -> Tensor:
    """The second set of angles of the same rotation: (a+180, 180-b, c+180), or (a+180, -b, c+180) for ZXZ."""
    middle = 0.0 if order[0] == order[2] else 180.0
    a, b, c = euler_deg.unbind(dim=-1)
    return torch.stack([a + 180, middle - b, c + 180], dim=-1)


def _turn_towards(euler_deg: Tensor, reference_deg: Tensor) -> Tensor:
    """Adds full turns to each angle so that it comes within 180 degrees of the reference."""
    return euler_deg - 360 * ((euler_deg - reference_deg) / 360).round()


def nearest_euler(euler_deg: Tensor, reference_deg: Tensor, order: str) -> Tensor:
    """The Euler angles of the same rotation that lie nearest to a reference.

    A rotation has two sets of angles, each up to full turns; the nearest in the L2 sense is taken. (In exact gimbal
    lock it has a continuum; the split between first and last angle is then left as it is.)

    Args:
        euler_deg: (..., 3) degrees.
        reference_deg: (..., 3) degrees, broadcast.
        order: three of X, Y, Z.

    Raises:
        InputError: if `order` is not three of X, Y, Z.
    """
    _axes_3(order)
    one = _turn_towards(euler_deg, reference_deg)
    other = _turn_towards(_other_branch(euler_deg, order), reference_deg)
    distance_one = (one - reference_deg).square().sum(dim=-1, keepdim=True)
    distance_other = (other - reference_deg).square().sum(dim=-1, keepdim=True)
    return torch.where(distance_other < distance_one, other, one)


def unwrap_euler(euler_deg: Tensor, order: str, start_deg: Tensor | None = None) -> Tensor:
    """Makes Euler angles continuous in time, over full turns and over the two branches of each rotation.

    Each frame takes the set of angles that is nearest to the frame before. Whether that means a change of branch
    depends only on the two rotations, not on the branch the frame before is on (both branches mirror each other), so
    the branch is the parity of the changes so far and no loop over time is needed.

    Args:
        euler_deg: (T, ..., 3) degrees.
        order: three of X, Y, Z.
        start_deg: (..., 3), the first frame is brought nearest to it; None: the first frame stays as it is.

    Returns:
        (T, ..., 3) degrees, the same rotations.

    Raises:
        InputError: if `order` is not three of X, Y, Z.
    """
    _axes_3(order)
    if start_deg is not None:  # as a frame before the first
        start_deg = start_deg.to(euler_deg).expand(euler_deg.shape[1:])
        return unwrap_euler(torch.cat([start_deg[None], euler_deg]), order)[1:]
    before, after, other = euler_deg[:-1], euler_deg[1:], _other_branch(euler_deg[1:], order)
    stay = (_turn_towards(after, before) - before).square().sum(dim=-1, keepdim=True)
    change = (_turn_towards(other, before) - before).square().sum(dim=-1, keepdim=True)
    on_other = (change < stay).cumsum(dim=0) % 2 == 1  # (T-1, ..., 1)
    chosen = torch.cat([euler_deg[:1], torch.where(on_other, other, after)])  # (T, ..., 3)
    turns = (chosen.diff(dim=0) / 360).round().cumsum(dim=0)
    return torch.cat([chosen[:1], chosen[1:] - 360 * turns])


# 6D


def matrix_to_rot6d(matrix: Tensor) -> Tensor:
    """Matrices (..., 3, 3) -> their first two ROWS (..., 6), as in the released EMAGE weights.

    Source: Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks" (there: columns).
    """
    return matrix[..., :2, :].reshape(*matrix.shape[:-2], 6)


def rot6d_to_matrix(rot6d: Tensor) -> Tensor:
    """Any six numbers (..., 6) -> rotation matrices (..., 3, 3): Gram-Schmidt on the two rows.

    Zero or parallel rows, which name no rotation, give some rotation all the same, so that a network's output is
    always drawable.
    """
    row_0, row_1 = rot6d[..., :3], rot6d[..., 3:]
    eps = torch.finfo(rot6d.dtype).eps
    x_axis = rot6d.new_tensor([1.0, 0.0, 0.0]).expand(row_0.shape)
    row_0 = F.normalize(torch.where((_safe_norm(row_0) < eps)[..., None], x_axis, row_0), dim=-1)
    scale = _safe_norm(row_1).detach().clamp(min=eps)[..., None]
    across = row_1 / scale
    across = across - (row_0 * across).sum(dim=-1, keepdim=True) * row_0
    # The unit axis that row 0 has least of is surely not parallel to it.
    spare = F.one_hot(row_0.abs().argmin(dim=-1), 3).to(rot6d.dtype)
    spare = spare - (row_0 * spare).sum(dim=-1, keepdim=True) * row_0
    row_1 = F.normalize(torch.where((_safe_norm(across) < 16 * eps)[..., None], spare, across), dim=-1)
    return torch.stack([row_0, row_1, torch.linalg.cross(row_0, row_1, dim=-1)], dim=-2)


# Quaternions and axis-angle


def matrix_to_quat(matrix: Tensor) -> Tensor:
    """Matrices (..., 3, 3) -> unit quaternions (..., 4) with w >= 0.

    Four multiples of the quaternion can be read off a matrix without a root; the longest is taken and normalised.
    """
    m = [[matrix[..., row, column] for column in range(3)] for row in range(3)]
    x, y, z = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    ww = 1 + m[0][0] + m[1][1] + m[2][2]
    xx = 1 + m[0][0] - m[1][1] - m[2][2]
    yy = 1 - m[0][0] + m[1][1] - m[2][2]
    zz = 1 - m[0][0] - m[1][1] + m[2][2]
    candidates = [(ww, x, y, z), (x, xx, xy, xz), (y, xy, yy, yz), (z, xz, yz, zz)]
    rows = torch.stack([torch.stack(row, dim=-1) for row in candidates], dim=-2)  # (..., 4, 4)
    best = torch.stack([ww, xx, yy, zz], dim=-1).argmax(dim=-1)  # (...,)
    quat = rows.gather(-2, best[..., None, None].expand(*best.shape, 1, 4))[..., 0, :]
    quat = F.normalize(quat, dim=-1)
    return torch.where(quat[..., :1] < 0, -quat, quat)


def quat_to_matrix(quat: Tensor) -> Tensor:
    """Quaternions (..., 4) of any length but 0 -> matrices (..., 3, 3)."""
    w, x, y, z = quat.unbind(dim=-1)
    scale = 2 / (quat * quat).sum(dim=-1)
    sx, sy, sz = scale * x, scale * y, scale * z
    wx, wy, wz, xx, xy, xz, yy, yz, zz = w * sx, w * sy, w * sz, x * sx, x * sy, x * sz, y * sy, y * sz, z * sz
    rows = [1 - yy - zz, xy - wz, xz + wy, xy + wz, 1 - xx - zz, yz - wx, xz - wy, yz + wx, 1 - xx - yy]
    return torch.stack(rows, dim=-1).reshape(*quat.shape[:-1], 3, 3)


def axis_angle_to_quat(axis_angle: Tensor) -> Tensor:
    """Axis times angle in radians (..., 3) -> unit quaternions (..., 4); w >= 0 for angles up to pi."""
    squared = (axis_angle * axis_angle).sum(dim=-1, keepdim=True)
    small = squared < torch.finfo(axis_angle.dtype).eps  # the next terms of the series are below the precision
    angle = torch.where(small, 1.0, squared).sqrt()
    cos = torch.where(small, 1 - squared / 8, (angle / 2).cos())
    sin_by_angle = torch.where(small, 0.5 - squared / 48, (angle / 2).sin() / angle)
    return torch.cat([cos, sin_by_angle * axis_angle], dim=-1)


def quat_to_axis_angle(quat: Tensor) -> Tensor:
    """Unit quaternions (..., 4) -> axis times angle in radians (..., 3), the angle in [0, pi], beyond it where w < 0.

    So an unrolled sequence stays continuous through pi.
    """
    w, vector = quat[..., :1], quat[..., 1:]
    sin = _safe_norm(vector)[..., None]  # of the half angle
    small = sin < torch.finfo(quat.dtype).eps
    factor = 2 * torch.atan2(sin, w) / torch.where(small, 1.0, sin)
    return vector * torch.where(small, 2.0, factor)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Axis times angle in radians (..., 3) -> matrices (..., 3, 3)."""
    return quat_to_matrix(axis_angle_to_quat(axis_angle))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Matrices (..., 3, 3) -> axis times angle in radians (..., 3), the angle in [0, pi]."""
    return quat_to_axis_angle(matrix_to_quat(matrix))


def compose_axis_angle(outer: Tensor, inner: Tensor) -> Tensor:
    """The rotation (..., 3) that turns by `inner` first and then by `outer`, as the matrices OUTER INNER do.

    In a chain of joints `outer` is the parent's. Angles come out in [0, pi].
    """
    quat = quat_multiply(axis_angle_to_quat(outer), axis_angle_to_quat(inner))
    return quat_to_axis_angle(torch.where(quat[..., :1] < 0, -quat, quat))


def quat_multiply(quat_a: Tensor, quat_b: Tensor) -> Tensor:
    """The quaternion (..., 4) that turns by `quat_b` first and then by `quat_a`, as the matrices A B do."""
    w, x, y, z = quat_a.unbind(dim=-1)
    w2, x2, y2, z2 = quat_b.unbind(dim=-1)
    product = (
        w * w2 - x * x2 - y * y2 - z * z2,
        w * x2 + x * w2 + y * z2 - z * y2,
        w * y2 - x * z2 + y * w2 + z * x2,
        w * z2 + x * y2 - y * x2 + z * w2,
    )
    return torch.stack(product, dim=-1)


def slerp(quat_0: Tensor, quat_1: Tensor, t: Tensor | float) -> Tensor:
    """Turns from one unit quaternion to another at constant speed, the shorter way round.

    Args:
        quat_0: (..., 4) at t = 0.
        quat_1: (..., 4) at t = 1; its sign does not matter.
        t: a number or (...,).

    Returns:
        (..., 4) unit quaternions, on quat_0's side of the sphere.

    Source: Shoemake 1985, "Animating rotation with quaternion curves".
    """
    t = torch.as_tensor(t, dtype=quat_0.dtype, device=quat_0.device)[..., None]
    dot = (quat_0 * quat_1).sum(dim=-1, keepdim=True)
    quat_1, dot = torch.where(dot < 0, -quat_1, quat_1), dot.abs()
    sin = _safe_norm(quat_1 - dot * quat_0)[..., None]
    small = sin < math.sqrt(torch.finfo(quat_0.dtype).eps)  # there the arc is as good as straight
    angle = torch.atan2(torch.where(small, 1.0, sin), dot)
    weight_0 = torch.where(small, 1 - t, ((1 - t) * angle).sin() / angle.sin())
    weight_1 = torch.where(small, t, (t * angle).sin() / angle.sin())
    return F.normalize(weight_0 * quat_0 + weight_1 * quat_1, dim=-1)


def unroll(quat: Tensor, dim: int = 0) -> Tensor:
    """Flips signs along `dim` so that neighbours lie on the same side of the sphere; the first keeps its sign."""
    if quat.shape[dim] == 0:
        return quat
    steps = quat.shape[dim] - 1
    first, before, after = quat.narrow(dim, 0, 1), quat.narrow(dim, 0, steps), quat.narrow(dim, 1, steps)
    flips = (before * after).sum(dim=-1, keepdim=True) < 0
    odd = flips.cumsum(dim=dim) % 2 == 1
    return torch.cat([first, torch.where(odd, -after, after)], dim=dim)


def angle_between(matrix_a: Tensor, matrix_b: Tensor) -> Tensor:
    """Angle (...,) in radians, 0 to pi, of the rotation from A to B (both (..., 3, 3)): the geodesic distance.

    By atan2 of sine and cosine, since the gradient of the usual acos is infinite where both are equal.
    """
    between = matrix_a.transpose(-1, -2) @ matrix_b
    sin_axis = torch.stack(
        [
            between[..., 2, 1] - between[..., 1, 2],
            between[..., 0, 2] - between[..., 2, 0],
            between[..., 1, 0] - between[..., 0, 1],
        ],
        dim=-1,
    )
    trace = between.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return torch.atan2(_safe_norm(sin_axis), trace - 1)
