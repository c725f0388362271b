"""Frechet gesture distance: how far apart two sets of motions are in the features of a motion autoencoder.

A window of motion becomes a feature vector; each set of vectors is taken for a Gaussian, and the distance is that of
the two Gaussians. Values of different networks, window lengths or data are not comparable. Unlike in the published test
loop the network runs in eval mode: there BatchNorm normalised real and generated motion each by itself, and so hid part
of the difference.

Shapes: T frames, D columns, W windows, F features.
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

WINDOWS_AT_ONCE = 512


def frechet_distance(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Distance between two sets of feature vectors, each seen as a Gaussian.

    Args:
        features_a: (W, F).
        features_b: (W', F).

    Returns:
        The squared Frechet distance; never negative, and 0 for equal sets.

    Raises:
        InputError: fewer than two vectors in a set; a covariance (ddof 1) needs two.
    """
    return GaussianSummary.of(features_a).distance(GaussianSummary.of(features_b))


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
        are the singular values of S1^(1/2) S2^(1/2). Taken as such they keep rank-deficient covariances exact to 1e-13,
        where scipy's sqrtm errs by 5e-6 and makes equal sets negative.
        """
        covariance_a, covariance_b = self.covariance(), other.covariance()
        mixed = torch.linalg.svdvals(_square_root(covariance_a) @ _square_root(covariance_b)).sum()
        mean_part = (self.mean - other.mean).square().sum()
        return max(0.0, float(mean_part + covariance_a.trace() + covariance_b.trace() - 2 * mixed))


class FGD:
    """Frechet gesture distance between generated and reference motion, recording by recording.

    Args:
        network: has `encode(windows (W, window_frames, D)) -> (W, F)`, e.g. a trained MotionAutoencoder. It is run in
            eval mode, and every module of it gets its own mode back.
        window_frames: frames of a window.
        stride_frames: from one window to the next.

    Source: BEAT 2022 test.py (34 frames, stride 10), with the faults that the file's docstring names corrected.
    """

    def __init__(self, network: nn.Module, window_frames: int = 34, stride_frames: int = 10) -> None:
        self.network = network
        self.window_frames = window_frames
        self.stride_frames = stride_frames
        self._generated: GaussianSummary | None = None
        self._reference: list[GaussianSummary] = []  # one per recording, for the split halves
        self._num_recordings = 0
        self._num_too_short = {"generated": 0, "reference": 0}

    def update(self, generated: ArrayLike, reference: ArrayLike) -> None:
        """Adds one recording. A side that is shorter than a window is counted and not scored.

        Args:
            generated: (T, D) z-scored, in the layout of the network.
            reference: (T', D) z-scored.

        Raises:
            InputError: an array that is not (T, D), or holds NaN.
        """
        self._num_recordings += 1
        summary = self._summarise(generated, "generated")
        if summary is not None:
            self._generated = summary if self._generated is None else self._generated + summary
        summary = self._summarise(reference, "reference")
        if summary is not None:
            self._reference.append(summary)

    def compute(self) -> dict[str, Any]:
        """The distance so far, and what it was measured with; `fgd` is None where a side has fewer than two windows."""
        num_generated = self._generated.count if self._generated else 0
        num_reference = sum(summary.count for summary in self._reference)
        distance = None
        if self._generated is not None and min(num_generated, num_reference) >= 2:
            distance = self._generated.distance(_merge(self._reference))
        return {
            "fgd": distance,
            "num_windows_generated": num_generated,
            "num_windows_reference": num_reference,
            "num_recordings": self._num_recordings,
            "num_generated_too_short": self._num_too_short["generated"],
            "num_reference_too_short": self._num_too_short["reference"],
            "window_frames": self.window_frames,
            "stride_frames": self.stride_frames,
            "num_features": len(self._reference[0].mean) if self._reference else 0,
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
        generator = np.random.default_rng(seed)
        distances = []
        for _ in range(num_splits if len(self._reference) >= 2 else 0):
            order = generator.permutation(len(self._reference))
            half = len(order) // 2
            first, second = (_merge([self._reference[i] for i in part]) for part in (order[:half], order[half:]))
            if min(first.count, second.count) >= 2:
                distances.append(first.distance(second))
        return {
            "split_half_mean": float(np.mean(distances)) if distances else None,
            "split_half_std": float(np.std(distances)) if distances else None,
            "num_splits": len(distances),
            "num_recordings": len(self._reference),
        }

    @torch.no_grad()
    def _summarise(self, motion: ArrayLike, side: str) -> GaussianSummary | None:
        parameter = next(self.network.parameters())
        motion = torch.as_tensor(motion).to(parameter.device, parameter.dtype)
        if motion.dim() != 2:
            raise InputError(f"fgd: {side} motion has shape {tuple(motion.shape)}; expected (frames, columns)")
        if not motion.isfinite().all():
            frame = int((~motion.isfinite()).any(dim=1).nonzero()[0])
            raise InputError(f"fgd: {side} motion holds a value that is not finite in frame {frame}")
        if len(motion) < self.window_frames:
            self._num_too_short[side] += 1
            return None
        windows = motion.unfold(0, self.window_frames, self.stride_frames).transpose(1, 2)  # (W, window_frames, D)
        with _eval_mode(self.network):
            features = [self.network.encode(part.contiguous()) for part in windows.split(WINDOWS_AT_ONCE)]
        return GaussianSummary.of(torch.cat(features))


def _square_root(covariance: Tensor) -> Tensor:
    """Of a symmetric positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _merge(summaries: list[GaussianSummary]) -> GaussianSummary:
    total = summaries[0]
    for summary in summaries[1:]:
        total = total + summary
    return total


@contextmanager
def _eval_mode(network: nn.Module) -> Iterator[None]:
    """Eval mode for a while; then every module has its own mode back (in training some may be frozen)."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
