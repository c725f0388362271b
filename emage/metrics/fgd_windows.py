"""What FGD measures with where there is no trained network: the first principal components of the reference's windows.

A window of 34 frames of rot6d has thousands of numbers, more than a corpus has windows, and a covariance of them would
be noise. So the windows of both sides are projected on the directions in which those of the REFERENCE vary most. What
generated motion does in other directions does not count (a result says how much of the reference's variance is kept);
`WholeWindows` counts all, at the price of memory and of a distance that grows with the dimension.

Shapes: T frames, D columns, W windows, V = window_frames * D values of a window, K components.
"""

import bisect
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from emage.errors import InputError

NUM_COMPONENTS = 64
MAX_BYTES = (
    200_000_000  # of the reference kept while its components are found; some 3 hours of beat_141_rot6d at 15 fps
)
EXACT_SIZE = 1500  # windows or values up to which the eigenvectors are found directly
BLOCK, MAX_COLUMNS, TOLERANCE, RESIDUAL = 96, 1200, 1e-7, 1e-6  # of the Lanczos iteration above it
WINDOWS_AT_ONCE = 256


class PrincipalWindows(nn.Module):
    """Windows -> their coordinates along the principal components of the reference; an encoder for `FGD`.

    Args:
        mean: (V,) of the reference's windows.
        basis: (V, K) orthonormal.
        description: what it was made from, see `describe`.
    """

    def __init__(self, mean: Tensor, basis: Tensor, description: dict[str, Any]) -> None:
        super().__init__()
        self.register_buffer("mean", mean.double())
        self.register_buffer("basis", basis.double())
        self._description = dict(description)

    def encode(self, windows: Tensor) -> Tensor:
        """(W, window_frames, D) -> (W, K) float64."""
        return (windows.flatten(1).to(self.basis) - self.mean) @ self.basis

    def describe(self) -> dict[str, Any]:
        """What is written beside a value: number of components, what they were found in, share of variance kept."""
        return dict(self._description)


class WholeWindows(nn.Module):
    """Windows -> all their values; an encoder for `FGD(..., keep_recordings=False)`, memory 16 V^2 bytes."""

    def encode(self, windows: Tensor) -> Tensor:
        """(W, window_frames, D) -> (W, V) float64."""
        return windows.flatten(1).double()


def principal_windows(
    references: Iterable[ArrayLike],
    *,
    num_components: int = NUM_COMPONENTS,
    window_frames: int = 34,
    stride_frames: int = 10,
    max_bytes: int = MAX_BYTES,
) -> PrincipalWindows:
    """Finds the first principal components of the windows of the reference recordings.

    Args:
        references: (T, D) each, e.g. rot6d, taken one after the other; those shorter than a window are passed over.
        num_components: K; fewer where the windows do not span so many.
        window_frames: frames of a window.
        stride_frames: from one window to the next.
        max_bytes: how much of the reference is kept meanwhile (float32). Of a larger one a sample of the recordings is
            used, which hangs on their content and not on their order.

    Raises:
        InputError: no two windows, recordings of different widths, or values that are not finite.
    """
    kept = _Sample(max_bytes)
    num_recordings = num_windows = 0
    for reference in references:
        motion = torch.as_tensor(reference).detach().to("cpu", torch.float32).numpy().copy()
        if motion.ndim != 2 or not np.isfinite(motion).all():
            raise InputError(f"fgd: a reference of shape {motion.shape}; expected (frames, columns) of finite values")
        if len(motion) >= window_frames:
            num_recordings += 1
            num_windows += (len(motion) - window_frames) // stride_frames + 1
            kept.add(motion)
    recordings = _Windows([torch.from_numpy(motion) for motion in kept.motions()], window_frames, stride_frames)
    if recordings.count < 2 or len(recordings.widths) > 1:
        raise InputError(
            f"fgd: principal components of {recordings.count} reference windows of {sorted(recordings.widths)} columns;"
            f" give motions of one layout and of more than {window_frames} frames"
        )
    mean = recordings.mean()
    values, basis = _components(recordings, mean, num_components)
    total = sum(float((part - mean).square().sum()) for part in recordings)
    description = {
        "num_components": basis.shape[1],
        "num_values": len(mean),
        "num_windows_fitted": recordings.count,
        "num_windows_reference": num_windows,
        "num_recordings_reference": num_recordings,
        "variance_kept": float(values.sum()) / total if total > 0 else 1.0,
    }
    return PrincipalWindows(mean, basis, description)


class _Sample:
    """Recordings in the order of a checksum of theirs, those with the lowest, as many as fit.

    The same ones in the same order stay, whatever the order they came in.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._keys: list[tuple[int, bytes]] = []
        self._motions: dict[tuple[int, bytes], list[np.ndarray]] = {}
        self._bytes = 0
        self._lowest_dropped: tuple[int, bytes] | None = None

    def add(self, motion: np.ndarray) -> None:
        content = motion.tobytes()
        key = (zlib.crc32(content), content[:64])
        if self._lowest_dropped is not None and key >= self._lowest_dropped:
            return
        if key not in self._motions:
            bisect.insort(self._keys, key)
            self._motions[key] = []
        self._motions[key].append(motion)
        self._bytes += motion.nbytes
        while self._bytes > self._max_bytes and len(self._keys) > 1:
            self._lowest_dropped = self._keys.pop()
            self._bytes -= sum(motion.nbytes for motion in self._motions.pop(self._lowest_dropped))

    def motions(self) -> list[np.ndarray]:
        return [motion for key in self._keys for motion in self._motions[key]]


class _Windows:
    """The windows of several recordings, some at a time and never all at once."""

    def __init__(self, motions: list[Tensor], window_frames: int, stride_frames: int) -> None:
        self._views = [motion.unfold(0, window_frames, stride_frames).transpose(1, 2) for motion in motions]
        self.widths = {motion.shape[1] for motion in motions}
        self.count = sum(len(view) for view in self._views)

    def __iter__(self) -> Iterator[Tensor]:
        return self.parts(torch.float64)

    def parts(self, dtype: torch.dtype) -> Iterator[Tensor]:
        """(W', V) at a time, all windows once; the caller may write into them."""
        waiting: list[Tensor] = []
        size = 0
        for view in self._views:
            for part in view.split(WINDOWS_AT_ONCE):
                waiting.append(part)
                size += len(part)
                if size >= WINDOWS_AT_ONCE:
                    yield torch.cat(waiting).flatten(1).to(dtype)
                    waiting, size = [], 0
        if waiting:
            yield torch.cat(waiting).flatten(1).to(dtype)

    def mean(self) -> Tensor:
        return sum(part.sum(dim=0) for part in self) / self.count

    def scatter_times(self, mean: Tensor, block: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """The scatter matrix of the windows times a block (V, k), without ever making it."""
        out, centre, narrow = torch.zeros_like(block), mean.to(dtype), block.to(dtype)
        for part in self.parts(dtype):
            part -= centre
            out += part.T @ (part @ narrow)
        return out


def _components(windows: _Windows, mean: Tensor, num_components: int) -> tuple[Tensor, Tensor]:
    """Largest eigenvalues (K,) and eigenvectors (V, K) of the scatter matrix."""
    if min(windows.count, len(mean)) <= EXACT_SIZE:
        values, vectors = _exact(windows, mean, num_components)
    else:
        values, vectors = _krylov(windows, mean, num_components)
    spanned = values > values[:1].clamp(min=0) * len(mean) * torch.finfo(values.dtype).eps
    spanned[:1] = True  # a reference that never moves still has a space to be far away in
    return values[spanned], vectors[:, spanned]


def _exact(windows: _Windows, mean: Tensor, num_components: int) -> tuple[Tensor, Tensor]:
    """From the smaller of the two products of the window matrix with itself."""
    matrix = torch.cat(list(windows)) - mean  # (W, V)
    if len(mean) <= EXACT_SIZE:
        values, vectors = torch.linalg.eigh(matrix.T @ matrix)
        return values.flip(0)[:num_components], vectors.flip(1)[:, :num_components]
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    values, vectors = values.flip(0)[:num_components], vectors.flip(1)[:, :num_components]
    # Orthonormal even where an eigenvalue is zero and the product below is rounding.
    return values, torch.linalg.qr(matrix.T @ vectors).Q


def _krylov(windows: _Windows, mean: Tensor, num_components: int) -> tuple[Tensor, Tensor]:
    """Block Lanczos iteration with full reorthogonalisation, until the variance that is found grows no more.

    Source: Golub and Underwood 1977, "The block Lanczos method for computing eigenvalues"; Musco and Musco 2015 on how
    few steps it takes.
    """
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(len(mean), BLOCK, generator=generator, dtype=torch.float64)
    rows = torch.empty(MAX_COLUMNS, len(mean), dtype=torch.float64)  # the space, grown without copying it
    small = torch.zeros(0, 0, dtype=torch.float64)  # the scatter matrix seen from the space
    found, size = 0.0, 0
    while True:
        known = rows[:size]
        for _ in range(2):  # once leaves rounding behind, and the more the less of the block is new
            block = torch.linalg.qr(block - known.T @ (known @ block)).Q
        rows[size : size + BLOCK] = block.T
        # Single precision is twice as fast, and the last step takes its rounding out again.
        block = windows.scatter_times(mean, rows[size : size + BLOCK].T, torch.float32)
        seen = rows[: size + BLOCK] @ block
        small = torch.cat([torch.cat([small, seen[:size]], dim=1), torch.cat([seen[:size].T, seen[size:]], dim=1)])
        size += BLOCK
        values, vectors = torch.linalg.eigh((small + small.T) / 2)
        before, found = found, float(values[-num_components:].sum())
        converged = size >= 2 * num_components and found - before <= TOLERANCE * found
        block -= rows[:size].T @ (rows[:size] @ block)
        spanned = block.norm() <= RESIDUAL * values[-1]
        if converged or spanned or size + BLOCK > MAX_COLUMNS:
            break
    basis = rows[:size].T @ vectors.flip(1)[:, :num_components]
    small = basis.T @ windows.scatter_times(mean, basis)
    values, vectors = torch.linalg.eigh((small + small.T) / 2)
    return values.flip(0), basis @ vectors.flip(1)
