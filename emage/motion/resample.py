"""The one place where a frame rate changes.

Frame k is at time k / fps, whatever the rates: no frame is skipped, no shift adds up. N samples at a rate r last N / r
seconds; a time beyond the last sample holds it.

How it does not alias: before frames are dropped, everything above half the new rate must go, or 9 Hz tremor comes back
as 6 Hz movement at 15 fps. When the new rate is lower, each output frame is therefore a weighted mean of the samples
around its exact time, the weights being a Kaiser-windowed sinc: low-pass filter and interpolation in one step,
symmetric in time (zero phase). Up to 3/4 of the new Nyquist frequency movement passes unchanged; from the new Nyquist
frequency on 60 dB are taken away. Rotations go through it as unrolled quaternions and are normalised again. Towards
the ends the signal is continued by point reflection, so that the first frame is the first sample. When the new rate is
not lower nothing can alias: values are interpolated linearly, rotations by slerp.

Shapes: N samples in, T frames out, J joints, D columns.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.layout import ROTATION_PARTS, Layout, get_layout

PASS_EDGE = 0.75  # share of the new Nyquist frequency up to which movement passes unchanged
STOP_DB = 60.0  # attenuation from the new Nyquist frequency on
_BLOCK_FRAMES = 32  # output frames per matrix product; the product touches few samples that weigh nothing


def frame_count(duration_s: float, fps: float) -> int:
    """Number of frames of a clip: round(duration_s * fps)."""
    return round(duration_s * fps)


def frame_times(num_frames: int, fps: float) -> Tensor:
    """Times of the frames in seconds, (T,) float64: frame k is at k / fps."""
    return torch.arange(num_frames, dtype=torch.float64) / fps


def resample_linear(
    values: Tensor, source_fps: float, target_fps: float, num_frames: int, *, lowpass: bool = True
) -> Tensor:
    """Brings values that may be averaged (positions, facial weights, scores) to another frame rate.

    Args:
        values: (N, ...) floating point, at source_fps.
        source_fps: frames per second of `values`; need not be whole, nor a multiple of target_fps.
        target_fps: frames per second asked for.
        num_frames: T, the frames asked for; those beyond the last sample hold it.
        lowpass: filter before frames are dropped (see the head of this file); False interpolates only.

    Returns:
        (T, ...), same dtype. Equal rates give the samples themselves.

    Raises:
        InputError: if there are no samples, or a rate is not positive.
    """
    places = _places(values, source_fps, target_fps, num_frames)
    if _equal(source_fps, target_fps):
        return values[places.long()]
    if lowpass and target_fps < source_fps:
        return _lowpass_at(values, places, target_fps / source_fps)
    before, share = _neighbours(places, len(values))
    share = share.to(values.dtype).reshape(-1, *(1,) * (values.ndim - 1))
    return torch.lerp(values[before], values[(before + 1).clamp(max=len(values) - 1)], share)


def resample_quat(
    quat: Tensor, source_fps: float, target_fps: float, num_frames: int, *, lowpass: bool = True
) -> Tensor:
    """Brings rotations to another frame rate, without aliasing (see the head of this file).

    Args:
        quat: (N, J, 4) unit quaternions (w, x, y, z) of either sign, at source_fps.
        source_fps: frames per second of `quat`; need not be whole, nor a multiple of target_fps.
        target_fps: frames per second asked for.
        num_frames: T, the frames asked for; those beyond the last sample hold it.
        lowpass: filter before frames are dropped; False gives the rotations that were there at the new times.

    Returns:
        (T, J, 4) unit quaternions, unrolled from the sign of the first. Equal rates give the samples themselves.

    Raises:
        InputError: if there are no samples, or a rate is not positive.
    """
    places = _places(quat, source_fps, target_fps, num_frames)
    quat = rotation.unroll(quat, dim=0)
    if _equal(source_fps, target_fps):
        return quat[places.long()]
    if lowpass and target_fps < source_fps:
        mean = _lowpass_at(quat, places, target_fps / source_fps)
        return rotation.unroll(F.normalize(mean, dim=-1), dim=0)
    before, share = _neighbours(places, len(quat))
    after = (before + 1).clamp(max=len(quat) - 1)
    return rotation.slerp(quat[before], quat[after], share.to(quat.dtype).reshape(-1, *(1,) * (quat.ndim - 2)))


def resample_axis_angle(axis_angle: Tensor, source_fps: float, target_fps: float, num_frames: int) -> Tensor:
    """Brings rotations as axis times angle to another frame rate by way of quaternions.

    Args:
        axis_angle: (N, J, 3) radians, at source_fps.
        source_fps: frames per second of `axis_angle`.
        target_fps: frames per second asked for.
        num_frames: T, the frames asked for.

    Returns:
        (T, J, 3) radians, continuous in time; equal rates give the samples themselves.

    Raises:
        InputError: if there are no samples, or a rate is not positive.
    """
    if _equal(source_fps, target_fps):
        return axis_angle[_places(axis_angle, source_fps, target_fps, num_frames).long()]
    quat = resample_quat(rotation.axis_angle_to_quat(axis_angle), source_fps, target_fps, num_frames)
    return rotation.quat_to_axis_angle(quat)


def resample_face(
    values: Tensor, layout: Layout | str, source_fps: float, *, target_fps: float, num_frames: int
) -> Tensor:
    """Brings a face to another frame rate: coefficients and weights as values, its rotations in SO(3).

    Args:
        values: (N, D) in `layout`, at source_fps.
        layout: a face layout; arkit_51 has no rotations.
        source_fps: frames per second of `values`.
        target_fps: frames per second asked for.
        num_frames: T, the frames asked for.

    Returns:
        (T, D), same dtype; equal rates give the samples themselves.

    Raises:
        InputError: if there are no samples, or a rate is not positive.
    """
    resampled = resample_linear(values, source_fps, target_fps, num_frames)
    for part, columns in get_layout(layout).part_slices.items():
        if part in ROTATION_PARTS:
            turned = resample_axis_angle(values[:, None, columns], source_fps, target_fps, num_frames)
            resampled[:, columns] = turned[:, 0]
    return resampled


def window_rows(start_frame: int, num_frames: int, source_fps: float, target_fps: float) -> tuple[int, int, float]:
    """Which source rows a window of target frames is made from.

    Args:
        start_frame: first frame of the window, at target_fps.
        num_frames: T of the window.
        source_fps: frames per second of the rows.
        target_fps: frames per second of the window.

    Returns:
        The first row (below 0 where the filter reaches beyond the beginning), how many rows (the same for every start),
        and the place of the window's first frame among them.
    """
    if _equal(source_fps, target_fps):
        return start_frame, num_frames, 0.0
    step = source_fps / target_fps
    reach = math.ceil(_filter(target_fps / source_fps)[1]) if target_fps < source_fps else 0
    place = start_frame * step
    first = math.floor(place + 1e-9) - reach
    return first, math.floor((num_frames - 1) * step) + 3 + 2 * reach, max(place - first, 0.0)


def resample_face_windows(
    rows: Tensor,
    places: Tensor,
    layout: Layout | str,
    *,
    source_fps: float,
    target_fps: float,
    num_frames: int,
    beyond: Tensor,
) -> Tensor:
    """`resample_face` of many windows at once, each from the rows that `window_rows` names.

    Args:
        rows: (B, P, D) source rows; where they reach beyond the recording anything may stand.
        places: (B,) float64, of each window's first frame among its rows.
        layout: of the rows.
        source_fps: frames per second of the rows.
        target_fps: frames per second of the windows.
        num_frames: T.
        beyond: (B, 2) how many rows at the start and at the end lie outside the recording.

    Returns:
        (B, T, D), the same numbers (up to rounding) as the whole recording would give there.
    """
    if _equal(source_fps, target_fps):
        return rows
    if beyond.any():  # whatever stands outside must not turn the quaternions over
        edge = _nearest_inside(rows, beyond)[1]
        rows = rows.gather(1, edge[..., None].expand(-1, -1, rows.shape[-1]))
    steps = torch.arange(num_frames, dtype=torch.float64) * (source_fps / target_fps)
    last = (rows.shape[1] - 1 - beyond[:, 1:]).double()
    places = torch.minimum(places[:, None] + steps, last)  # (B, T); held at the last row
    weights = None
    if target_fps < source_fps:
        cutoff, half_width = _filter(target_fps / source_fps)
        distinct, which = places.unique(dim=0, return_inverse=True)  # few: the rates' ratio repeats itself
        distance = torch.arange(rows.shape[1], dtype=torch.float64) - distinct[..., None]  # (distinct, T, P)
        weights = _windowed_sinc(distance, cutoff, half_width).to(rows.dtype)[which]
    made = _at_places(rows, places, weights, beyond)
    for part, columns in get_layout(layout).part_slices.items():
        if part in ROTATION_PARTS:
            quat = rotation.unroll(rotation.axis_angle_to_quat(rows[..., columns]), dim=1)  # (B, P, 4)
            turned = F.normalize(_at_places(quat, places, weights, beyond), dim=-1)
            made[..., columns] = rotation.quat_to_axis_angle(turned)
    return made


def _at_places(rows: Tensor, places: Tensor, weights: Tensor | None, beyond: Tensor) -> Tensor:
    """Rows (B, P, D) at places (B, T): filtered by weights (B, T, P), or between neighbours (quaternions: by slerp)."""
    if weights is not None:
        return weights @ _reflected(rows, beyond)
    before = places.floor().long().clamp(max=rows.shape[1] - 1)
    share = (places - before).to(rows.dtype)[..., None]
    after = torch.minimum(before + 1, rows.shape[1] - 1 - beyond[:, 1:])
    left, right = (rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1])) for index in (before, after))
    return rotation.slerp(left, right, share[..., 0]) if rows.shape[-1] == 4 else torch.lerp(left, right, share)


def _reflected(rows: Tensor, beyond: Tensor) -> Tensor:
    """Rows (B, P, D) whose `beyond` ends are continued by point reflection, as `_point_reflect` does for a recording."""
    if not beyond.any():
        return rows
    index, edge = _nearest_inside(rows, beyond)
    mirror = (2 * edge - index).clamp(min=beyond[:, :1], max=rows.shape[1] - 1 - beyond[:, 1:])
    shape = (-1, -1, rows.shape[-1])
    at_edge, at_mirror = (rows.gather(1, place[..., None].expand(*shape)) for place in (edge, mirror))
    return torch.where((edge == index)[..., None], rows, 2 * at_edge - at_mirror)


def _nearest_inside(rows: Tensor, beyond: Tensor) -> tuple[Tensor, Tensor]:
    """Number of each row (1, P), and of the row nearest to it that lies within the recording (B, P)."""
    index = torch.arange(rows.shape[1])[None]
    return index, index.clamp(min=beyond[:, :1], max=rows.shape[1] - 1 - beyond[:, 1:])


def resample_euler(euler_deg: Tensor, order: str, source_fps: float, *, target_fps: float, num_frames: int) -> Tensor:
    """Brings Euler angles to another frame rate by way of quaternions; never by way of the angles themselves.

    Args:
        euler_deg: (N, J, 3) degrees, at source_fps; may jump by full turns or between branches.
        order: three of X, Y, Z, for all joints.
        source_fps: frames per second of `euler_deg`.
        target_fps: frames per second asked for.
        num_frames: T, the frames asked for.

    Returns:
        (T, J, 3) degrees, continuous in time, beginning on the branch (and turn) of the source's first frame. Equal
        rates give the unwrapped samples themselves.

    Raises:
        InputError: if there are no samples, a rate is not positive, or `order` is not three letters.
    """
    # The path is followed at the source's rate: near gimbal lock the angles of two output frames may lie so far apart
    # that only the samples between them tell which way they went. Every rate then tells the same path.
    path_deg = rotation.unwrap_euler(euler_deg, order)
    reference_deg = resample_linear(path_deg, source_fps, target_fps, num_frames, lowpass=False)
    if _equal(source_fps, target_fps):
        return reference_deg
    quat = resample_quat(rotation.euler_to_quat(euler_deg, order), source_fps, target_fps, num_frames)
    angles_deg = rotation.matrix_to_euler(rotation.quat_to_matrix(quat), order)
    return rotation.nearest_euler(angles_deg, reference_deg, order)


def _places(values: Tensor, source_fps: float, target_fps: float, num_frames: int) -> Tensor:
    """Where the output frames lie, counted in source samples and held at the last: (T,) float64."""
    for name, fps in (("source", source_fps), ("target", target_fps)):
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"{name} frame rate: got {fps}; it must be a positive number of frames per second")
    if len(values) == 0:
        raise InputError("cannot change the frame rate of a motion without frames")
    if _equal(source_fps, target_fps):
        return torch.arange(num_frames, dtype=torch.float64).clamp(max=len(values) - 1)
    return (torch.arange(num_frames, dtype=torch.float64) * source_fps / target_fps).clamp(max=len(values) - 1)


def _equal(source_fps: float, target_fps: float) -> bool:
    return math.isclose(source_fps, target_fps, rel_tol=1e-9)


def _neighbours(places: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
    """The sample before each place and the share of the way to the one after it."""
    before = places.floor().clamp(max=num_samples - 1)
    return before.long(), places - before


def _lowpass_at(values: Tensor, places: Tensor, ratio: float) -> Tensor:
    """The band-limited signal at any places between its samples.

    Args:
        values: (N, ...) samples.
        places: (T,) float64, rising, in samples, 0 to N - 1.
        ratio: new rate by old rate, below 1.

    Returns:
        (T, ...).

    Source: Kaiser's formulas for window and length, e.g. Oppenheim & Schafer, Discrete-Time Signal Processing, 7.5.
    """
    cutoff, half_width = _filter(ratio)
    reach = math.ceil(half_width)
    columns = values.reshape(len(values), math.prod(values.shape[1:]))  # (N, D)
    padded = _point_reflect(columns, reach)  # place p of `values` is place p + reach here
    blocks = [columns[:0]]
    for block in places.split(_BLOCK_FRAMES) if len(places) else ():
        low, high = math.floor(block[0]), math.ceil(block[-1]) + 2 * reach + 1
        distance = torch.arange(low - reach, high - reach, dtype=torch.float64) - block[:, None]  # (frames, samples)
        weights = _windowed_sinc(distance, cutoff, half_width)
        blocks.append(weights.to(values.dtype) @ padded[low:high])
    return torch.cat(blocks).reshape(len(places), *values.shape[1:])


def _filter(ratio: float) -> tuple[float, float]:
    """Cutoff in cycles per sample and half width in samples of the filter for a new rate of `ratio` times the old."""
    stop = 0.5 * ratio
    transition = (1 - PASS_EDGE) * stop
    return stop - transition / 2, (STOP_DB - 7.95) / (2.285 * 2 * math.pi * transition) / 2


def _windowed_sinc(distance: Tensor, cutoff: float, half_width: float) -> Tensor:
    """Weights of samples at some distance (samples) from each output frame; every row sums to 1."""
    beta = 0.1102 * (STOP_DB - 8.7)
    inside = (1 - (distance / half_width).square()).clamp(min=0)
    weights = torch.sinc(2 * cutoff * distance) * torch.i0(beta * inside.sqrt()) * (inside > 0)
    return weights / weights.sum(dim=-1, keepdim=True)


def _point_reflect(values: Tensor, reach: int) -> Tensor:
    """Continues (N, D) by `reach` samples at both ends, each time turned about the end sample.

    Value and slope go on at the ends, and a filter that is symmetric in time leaves the end samples as they are. A clip
    shorter than `reach` is turned again and again.
    """
    last = len(values) - 1
    if last == 0:
        return values.expand(1 + 2 * reach, -1)

    def beyond(steps: Tensor) -> Tensor:
        rounds = steps.div(2 * last, rounding_mode="floor")
        place = steps - rounds * 2 * last  # 0 to 2 last - 1
        turned = torch.where((place > last)[:, None], 2 * values[-1] - values[2 * last - place.clamp(min=last)], 0)
        straight = torch.where((place <= last)[:, None], values[place.clamp(max=last)], 0)
        return turned + straight + 2 * rounds[:, None] * (values[-1] - values[0])

    steps = torch.arange(1, reach + 1)
    return torch.cat([beyond(-steps.flip(0)), values, beyond(last + steps)])
