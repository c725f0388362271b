"""Chance that stays alike for a while: noise for drawing codes that changes slowly along a sequence.

The code with the largest sum of log probability and Gumbel noise is a draw from its distribution. Where the distributions of
neighbouring steps are alike and their noise too, they draw the same code: what speech does not cause then swings as slowly
as real motion does, where independent draws tremble. Each draw by itself is as probable as with independent noise.

Shapes: N steps, M steps that are asked for, K codes of a level.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1e-9


class SlowNoise:
    """Gumbel noise for each code of a part, the same at neighbouring steps and another some steps further on.

    Args:
        seed: of the noise; a sequence that is longer at its end has the same noise before it.
        num_steps: N.
        every: steps from one independent value to the next; between them the two are faded, so that each stays normal.
        sizes: K of each level.
    """

    def __init__(self, seed: np.random.SeedSequence, num_steps: int, *, every: int, sizes: Sequence[int]) -> None:
        self.every, self.sizes = every, list(sizes)
        shape = (-(-num_steps // every) + 1, sum(self.sizes))
        self.knots = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))

    def at(self, steps: Tensor) -> list[Tensor]:
        """By level, (M, K) of the steps (M,)."""
        before = (steps // self.every).cpu()
        angle = (steps.cpu() % self.every)[:, None] * (0.5 * math.pi / self.every)
        normal = angle.cos() * self.knots[before] + angle.sin() * self.knots[before + 1]  # cos^2 + sin^2 = 1
        uniform = torch.special.ndtr(normal.double()).clamp(SMALLEST, 1 - SMALLEST)
        return list(gumbel(uniform).float().to(steps.device).split(self.sizes, dim=1))


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise of numbers within (0, 1)."""
    return -(-uniform.log()).log()
