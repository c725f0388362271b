"""Which windows a step sees: a function of (seed, step), so that a run can go on at any step, on any processes.

The windows are an infinite concatenation of permutations, each drawn from (seed, pass). Step k takes the positions
[k B, (k+1) B) of it, B the batch over all processes and accumulation together; fewer windows than B repeat in a step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

# Streams of the seed of a window, one for each purpose; the masks of the transformer use the seed itself.
SOUND, MIRROR, UNQUANTIZED, SEED_FRAMES, NEUTRAL_SPEAKER = 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Share:
    """The part of a global batch that one process works on."""

    batch_size: int  # over all processes and accumulation together
    rank: int = 0
    world_size: int = 1
    accumulation_steps: int = 1

    @property
    def micro_batch_size(self) -> int:
        """Windows that one process holds at a time."""
        return self.batch_size // (self.world_size * self.accumulation_steps)


class WindowOrder:
    """The infinite order of `num_windows` windows under a seed."""

    def __init__(self, num_windows: int, seed: int):
        self.num_windows = num_windows
        self.seed = seed
        self._pass = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def indices(self, start: int, stop: int) -> list[int]:
        """The windows at the positions [start, stop) of the order."""
        return [self._at(position) for position in range(start, stop)]

    def _at(self, position: int) -> int:
        number, offset = divmod(position, self.num_windows)
        if number != self._pass:
            self._pass = number
            self._permutation = np.random.default_rng([self.seed, number]).permutation(self.num_windows)
        return int(self._permutation[offset])


class StepBatches(Sampler[list[int]]):
    """Batch sampler without end: for each step from `first_step` on, one list of indices per accumulation step.

    Processes take neighbouring slices of each accumulation step's part; together they see the global batch once.
    """

    def __init__(self, order: WindowOrder, share: Share, first_step: int = 0):
        self.order = order
        self.share = share
        self.first_step = first_step

    def __iter__(self) -> Iterator[list[int]]:
        share, step = self.share, self.first_step
        while True:
            for micro_step in range(share.accumulation_steps):
                first = (micro_step * share.world_size + share.rank) * share.micro_batch_size
                start = step * share.batch_size + first
                yield self.order.indices(start, start + share.micro_batch_size)
            step += 1


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of torch's generators in one step of one process, 63 bits."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw_seeds(seed: int, step: int, positions: Iterable[int]) -> Tensor:
    """One seed, 63 bits, for each window of a step by its place in the global batch: (B,) int64.

    Validation has step -1 and the numbers of its windows.
    """
    drawn = [
        np.random.SeedSequence([seed, step + 1, position, 1]).generate_state(1, np.uint64)[0] for position in positions
    ]
    return torch.tensor([int(value >> np.uint64(1)) for value in drawn], dtype=torch.int64)


def draw_windows(seeds: Tensor, share: float, stream: int) -> Tensor:
    """Draws a share of the windows, each by its own seed: alike on any number of processes and after any interruption.

    Args:
        seeds: (B,) int64 of `draw_seeds`.
        share: probability of each window.
        stream: SOUND, MIRROR ...: draws for different purposes are independent.

    Returns:
        (B,) bool on the CPU.
    """
    if share <= 0:
        return torch.zeros(len(seeds), dtype=torch.bool)
    return torch.tensor([np.random.default_rng([seed, stream]).random() < share for seed in seeds.tolist()])
