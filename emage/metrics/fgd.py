"""Frechet gesture distance: how far apart two sets of motions are in some space of features.

A window of motion becomes a feature vector; each set of vectors is taken for a Gaussian, and the distance is that of
the two Gaussians. The features are those of a motion autoencoder, or principal components of the windows themselves
(fgd_windows.py). Values of different networks, window lengths or data are not comparable. Two variants:

`corrected`: the network runs in eval mode, so a window's features do not hang on the windows beside it.
`beat2022`: the published test loop's, which left it in train mode: BatchNorm normalises each recording by itself, real
    and generated apart, and so hides part of the difference. For comparison with its numbers.

Shapes: T frames, D columns, W windows, F features, R recordings, N resamples.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from emage.errors import InputError

VARIANTS = ("corrected", "beat2022")
WINDOWS_AT_ONCE = 128


def frechet_distance(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Distance between two sets of feature vectors, each seen as a Gaussian.

    Args:
        features_a: (W, F).
        features_b: (W', F).

    Returns:
        The squared Frechet distance; never negative, and 0 for equal sets.

    Raises:
        InputError: sets that are not (vectors, features) of one width, values that are not finite, or fewer than two
            vectors in a set; a covariance (ddof 1) needs two.

    Source: Dowson and Landau 1982; BEAT 2022 and GENEA use the same formula.
    """
    sets = [torch.as_tensor(features).detach() for features in (features_a, features_b)]
    if any(features.dim() != 2 for features in sets) or sets[0].shape[1] != sets[1].shape[1]:
        shapes = " and ".join(str(tuple(features.shape)) for features in sets)
        raise InputError(
            f"fgd: got feature sets of shape {shapes}; expected (vectors, features), as many features in both"
        )
    if not all(features.isfinite().all() for features in sets):
        raise InputError("fgd: a feature vector holds a value that is not finite")
    return GaussianSummary.of(sets[0]).distance(GaussianSummary.of(sets[1]))


@dataclass
class GaussianSummary:
    """Count, mean and scatter of feature vectors: all that a Gaussian needs, in memory that does not grow.

    Attributes:
        count: vectors so far.
        mean: (F,) float64.
        scatter: (F, F) float64, sum of outer products of the deviations from the mean.
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: ArrayLike) -> "GaussianSummary":
        """Of vectors (W, F), W may be 0."""
        features = torch.as_tensor(features).detach().to("cpu", torch.float64)
        mean = features.mean(dim=0) if len(features) else features.new_zeros(features.shape[1])
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    def __add__(self, other: "GaussianSummary") -> "GaussianSummary":
        """Of both sets together. Source: Chan et al. 1979; plain sums of squares would lose digits to the mean."""
        count = self.count + other.count
        if count == 0:
            return self
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        between = torch.outer(shift, shift) * (self.count * other.count / count)
        return GaussianSummary(count, mean, self.scatter + other.scatter + between)

    def covariance(self) -> Tensor:
        """(F, F) with ddof 1.

        Raises:
            InputError: fewer than two vectors.
        """
        if self.count < 2:
            raise InputError(
                f"fgd: got {self.count} feature vectors; a covariance needs 2: give more or longer motions"
            )
        return self.scatter / (self.count - 1)

    def distance(self, other: "GaussianSummary") -> float:
        """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2).

        The last trace is the sum of the square roots of the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2), which
        are the singular values of R1' R2 for any R R' = S. Taken as such they keep rank-deficient covariances exact to
        1e-13, where scipy's sqrtm errs by 5e-6 and makes equal sets negative.
        """
        covariance_a, covariance_b = self.covariance(), other.covariance()
        mixed = torch.linalg.svdvals(_root(covariance_a).T @ _root(covariance_b)).sum()
        mean_part = (self.mean - other.mean).square().sum()
        return max(0.0, float(mean_part + covariance_a.trace() + covariance_b.trace() - 2 * mixed))


@dataclass
class _Packed:
    """A GaussianSummary of one recording without the half of its scatter that repeats the other."""

    count: int
    mean: Tensor  # (F,)
    triangle: Tensor  # (F (F + 1) / 2,)

    @classmethod
    def of(cls, summary: GaussianSummary) -> "_Packed":
        row, column = torch.triu_indices(len(summary.mean), len(summary.mean))
        return cls(summary.count, summary.mean, summary.scatter[row, column])

    def unpack(self) -> GaussianSummary:
        return GaussianSummary(self.count, self.mean, _square(self.triangle, len(self.mean)))


class FGD:
    """Frechet gesture distance between generated and reference motion, recording by recording.

    Args:
        network: has `encode(windows (W, window_frames, D)) -> (W, F)`, e.g. a trained MotionAutoencoder or the
            PrincipalWindows of the reference. Every module of it gets its own mode back.
        window_frames: frames of a window.
        stride_frames: from one window to the next.
        variant: `corrected`, or `beat2022` with the network in train mode.
        batch_windows: windows encoded at once; it does not change the result. `beat2022` takes whole recordings.
        keep_recordings: False keeps the totals alone, for features so wide that a recording's own would not fit;
            there is then no interval and no split-half floor.

    Raises:
        InputError: another variant.

    Source: BEAT 2022 test.py (34 frames, stride 10), with the faults that the file's docstring names corrected.
    """

    score_names = ("fgd",)
    limits = {"fgd": (0.0, np.inf)}
    num_resamples = 200

    def __init__(
        self,
        network: nn.Module,
        window_frames: int = 34,
        stride_frames: int = 10,
        *,
        variant: str = "corrected",
        batch_windows: int = WINDOWS_AT_ONCE,
        keep_recordings: bool = True,
    ) -> None:
        if variant not in VARIANTS:
            raise InputError(f"metrics.fgd.variant: got {variant!r}; choose one of {', '.join(VARIANTS)}")
        self.network = network
        self.window_frames = window_frames
        self.stride_frames = stride_frames
        self.variant = variant
        self.batch_windows = batch_windows
        self.keep_recordings = keep_recordings
        self._recordings: dict[str, tuple[_Packed | None, _Packed | None]] = {}  # generated, reference
        self._totals: list[GaussianSummary | None] = [None, None]
        self._num_too_short = {"generated": 0, "reference": 0}

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Sorted, so that results do not depend on the order in which recordings came."""
        return tuple(sorted(self._recordings))

    def update(
        self,
        generated: ArrayLike | GaussianSummary,
        reference: ArrayLike | GaussianSummary,
        *,
        recording_id: str | None = None,
    ) -> None:
        """Adds one recording. A side that is shorter than a window is counted and not scored.

        Args:
            generated: (T, D) as the network takes it: z-scored, in its layout; or what `summary` made of it.
            reference: (T', D) the same of the real motion.
            recording_id: its name; None: its number.

        Raises:
            InputError: an array that is not (T, D), holds NaN, or an id that was there before.
        """
        key = f"recording_{len(self._recordings):06d}" if recording_id is None else str(recording_id)
        if key in self._recordings:
            raise InputError(f"fgd: recording {key} was added twice; give each one id")
        sides = [self._summarise(generated, "generated"), self._summarise(reference, "reference")]
        self._recordings[key] = (None, None)
        if self.keep_recordings:
            self._recordings[key] = tuple(None if side is None else _Packed.of(side) for side in sides)
            return
        for number, side in enumerate(sides):
            if side is not None:
                total = self._totals[number]
                self._totals[number] = side if total is None else total + side

    def compute(self) -> dict[str, Any]:
        """The distance so far, and what it was measured with; `fgd` is None where a side has fewer than two windows."""
        generated, reference = self._total(0), self._total(1)
        counts = [0 if side is None else side.count for side in (generated, reference)]
        return {
            "fgd": generated.distance(reference) if min(counts) >= 2 else None,
            "variant": self.variant,
            "num_windows_generated": counts[0],
            "num_windows_reference": counts[1],
            "num_recordings": len(self._recordings),
            "num_generated_too_short": self._num_too_short["generated"],
            "num_reference_too_short": self._num_too_short["reference"],
            "window_frames": self.window_frames,
            "stride_frames": self.stride_frames,
            "num_features": 0 if reference is None else len(reference.mean),
        }

    def split_half(self, num_splits: int = 20, seed: int = 0) -> dict[str, Any]:
        """The floor: the distance between two random halves of the reference recordings.

        No generator can be told from the real data below it. It holds few windows, so it lies a little above what twice
        the data would give.

        Args:
            num_splits: how many times the recordings are dealt out anew.
            seed: of the dealing.

        Returns:
            `split_half_mean`, `split_half_std` over the splits (None with fewer than two recordings), and counts.
        """
        kept = [self._recordings[key][1] for key in self.recording_ids]
        reference = [side.unpack() for side in kept if side is not None]
        generator = np.random.default_rng(seed)
        distances = []
        for _ in range(num_splits if len(reference) >= 2 else 0):
            order = generator.permutation(len(reference))
            half = len(order) // 2
            first, second = (_merge([reference[i] for i in part]) for part in (order[:half], order[half:]))
            if min(first.count, second.count) >= 2:
                distances.append(first.distance(second))
        return {
            "split_half_mean": float(np.mean(distances)) if distances else None,
            "split_half_std": float(np.std(distances)) if distances else None,
            "num_splits": len(distances),
            "num_recordings": len(reference),
        }

    def scored(self) -> dict[str, np.ndarray]:
        """Which recordings have windows on both sides, (R,) bool in the order of `recording_ids`."""
        sides = [self._recordings[key] for key in self.recording_ids]
        return {"fgd": np.array([None not in pair for pair in sides], dtype=bool)}

    def resampled(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Distances of resamples of the recordings; both sides of a recording are drawn together.

        Args:
            counts: (N, R) how often each recording was drawn, in the order of `recording_ids`.

        Returns:
            `fgd` -> (N,); NaN where a side has fewer than two windows.
        """
        sides = [_Resampler.of([self._recordings[key][side] for key in self.recording_ids]) for side in (0, 1)]
        distances = np.full(len(counts), np.nan)
        if None in sides:
            return {"fgd": distances}
        for number, row in enumerate(torch.as_tensor(np.asarray(counts, dtype=np.float64))):
            generated, reference = (side.draw(row) for side in sides)
            if min(generated.count, reference.count) >= 2:
                distances[number] = generated.distance(reference)
        return {"fgd": distances}

    def _total(self, side: int) -> GaussianSummary | None:
        if not self.keep_recordings:
            return self._totals[side]
        kept = [self._recordings[key][side] for key in self.recording_ids]
        summaries = [summary.unpack() for summary in kept if summary is not None]
        return _merge(summaries) if summaries else None

    def summary(self, motion: ArrayLike) -> GaussianSummary | None:
        """The features of a motion (T, D), for several metrics on one network; None if it is shorter than a window."""
        return None if len(motion) < self.window_frames else self._summarise(motion, "reference")

    @torch.no_grad()
    def _summarise(self, motion: ArrayLike | GaussianSummary, side: str) -> GaussianSummary | None:
        if isinstance(motion, GaussianSummary):
            return motion
        values = next(iter([*self.network.parameters(), *self.network.buffers()]), torch.zeros(0, dtype=torch.float64))
        motion = torch.as_tensor(motion).to(values.device, values.dtype)
        if motion.dim() != 2:
            raise InputError(f"fgd: {side} motion has shape {tuple(motion.shape)}; expected (frames, columns)")
        if not motion.isfinite().all():
            frame = int((~motion.isfinite()).any(dim=1).nonzero()[0])
            raise InputError(f"fgd: {side} motion holds a value that is not finite in frame {frame}")
        if len(motion) < self.window_frames:
            self._num_too_short[side] += 1
            return None
        windows = motion.unfold(0, self.window_frames, self.stride_frames).transpose(1, 2)  # (W, window_frames, D)
        training = self.variant == "beat2022"
        if training and len(windows) < 2:  # nothing to normalise one window by
            self._num_too_short[side] += 1
            return None
        summary = None
        with _mode(self.network, training=training):
            for part in windows.split(len(windows) if training else self.batch_windows):
                found = GaussianSummary.of(self.network.encode(part.contiguous()))
                summary = found if summary is None else summary + found
        return summary


@dataclass
class _Resampler:
    """One side of all recordings, ready to be summed with weights: deviations are taken from one common centre."""

    counts: Tensor  # (R,)
    firsts: Tensor  # (R, F) sums of the deviations
    seconds: Tensor  # (R, F (F + 1) / 2) sums of their outer products
    centre: Tensor  # (F,)

    @classmethod
    def of(cls, recordings: list[_Packed | None]) -> "_Resampler | None":
        kept = [recording for recording in recordings if recording is not None]
        if not kept:
            return None
        num_features = len(kept[0].mean)
        row, column = torch.triu_indices(num_features, num_features)
        counts = torch.tensor([0 if r is None else r.count for r in recordings], dtype=torch.float64)
        centre = sum(r.count * r.mean for r in kept) / counts.sum()
        shifts = torch.stack([torch.zeros_like(centre) if r is None else r.mean - centre for r in recordings])
        triangles = [kept[0].triangle.new_zeros(len(row)) if r is None else r.triangle for r in recordings]
        between = counts[:, None] * shifts[:, row] * shifts[:, column]
        return cls(counts, counts[:, None] * shifts, torch.stack(triangles) + between, centre)

    def draw(self, weights: Tensor) -> GaussianSummary:
        """The set that holds each recording as often as its weight says, (R,)."""
        count = float(weights @ self.counts)
        shift = weights @ self.firsts / max(count, 1.0)
        scatter = _square(weights @ self.seconds, len(shift)) - count * torch.outer(shift, shift)
        return GaussianSummary(round(count), self.centre + shift, scatter)


def _root(covariance: Tensor) -> Tensor:
    """R (F, rank) with R R' = the covariance; directions that hold rounding alone are left out."""
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()


def _square(triangle: Tensor, num_features: int) -> Tensor:
    """The symmetric matrix of an upper triangle."""
    row, column = torch.triu_indices(num_features, num_features)
    matrix = triangle.new_zeros(num_features, num_features)
    matrix[row, column] = triangle
    matrix[column, row] = triangle
    return matrix


def _merge(summaries: list[GaussianSummary]) -> GaussianSummary:
    total = summaries[0]
    for summary in summaries[1:]:
        total = total + summary
    return total


@contextmanager
def _mode(network: nn.Module, *, training: bool) -> Iterator[None]:
    """One mode for a while; then every module has its own back, and BatchNorm the statistics that it had."""
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()] if training else []
    network.train(training)
    try:
        yield
    finally:
        for module, own in modes:
            module.training = own
        for buffer, own in buffers:
            buffer.copy_(own)
