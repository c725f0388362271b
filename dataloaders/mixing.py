"""Windows of several corpora in one stream: who is drawn how often, and which window a step sees.

The share of a corpus is weight * hours ** temperature, and never more than its cap; what a cap takes away goes to the
others. Which window stands at a place of the stream is a function of (seed, step, sample) alone, so a run can go on at
any step, on any number of processes.

Shapes: N draws, K corpora.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dataloaders.batch import StackedWindows
from dataloaders.face_windows import FaceWindows
from emage.errors import InputError


@dataclass(frozen=True)
class Share:
    """What decides how often a corpus is drawn; see the head of this file."""

    name: str
    hours: float
    weight: float = 1.0
    cap: float = 1.0


def mixture_shares(shares: Sequence[Share], temperature: float) -> np.ndarray:
    """The probability of each corpus, (K,) float64, with sum 1.

    Raises:
        InputError: a corpus without windows, or caps that leave nothing to draw from.
    """
    for share in shares:
        if not share.hours > 0:
            raise InputError(f"mixture: {share.name} has no window to draw; lower data.window_frames or leave it out")
    caps = np.array([share.cap for share in shares])
    if caps.sum() < 1 - 1e-9:
        names = ", ".join(f"{share.name} {share.cap:g}" for share in shares)
        raise InputError(
            f"mixture: the caps leave {1 - caps.sum():.2f} of the windows to no corpus ({names}); raise one"
        )
    wanted = np.array([share.weight * share.hours**temperature for share in shares])
    capped = np.zeros(len(shares), dtype=bool)
    while True:
        free = 1 - caps[capped].sum()
        made = np.where(capped, caps, 0.0)
        if not capped.all():
            made[~capped] = free * wanted[~capped] / wanted[~capped].sum()
        over = ~capped & (made > caps + 1e-12)
        if not over.any():
            return made / made.sum()
        capped |= over


def draw_places(seed: int, step: np.ndarray | int, sample: np.ndarray | int) -> np.ndarray:
    """Two even draws between 0 and 1 for each (step, sample), (N, 2) float64: of the corpus, and of its window.

    Source: the mixing function of SplitMix64 (Steele, Lea and Flood 2014), keyed by the three numbers in turn.
    """
    state = np.zeros(np.broadcast(step, sample).shape, dtype=np.uint64)
    for number in (seed, step, sample):
        state = _mixed(state ^ np.asarray(number, dtype=np.uint64))
    bits = np.stack([_mixed(state ^ np.uint64(salt)) for salt in (1, 2)], axis=-1)
    return (bits >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mixed(state: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2 ** 64 on purpose
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


class InOrder:
    """The order of a stream that has its chance within: item after item, on and on."""

    def indices(self, start: int, stop: int) -> list[int]:
        """The items at the positions [start, stop)."""
        return list(range(start, stop))


class MixedWindows(Dataset[dict[str, Tensor]]):
    """An endless stream of windows as a data set of as many draws as a run makes; item step * batch_size + sample.

    Args:
        corpora: windows of each corpus by its name, all at one frame rate and length.
        probabilities: (K,) of `mixture_shares`.
        seed: of the run.
        batch_size: windows a step.
        num_steps: of the run.

    Attributes:
        num_windows: windows of each corpus by its name; `len` counts draws.
        probabilities: probability of each corpus by its name.
    """

    def __init__(
        self,
        corpora: Mapping[str, FaceWindows],
        probabilities: np.ndarray,
        *,
        seed: int,
        batch_size: int,
        num_steps: int,
    ) -> None:
        self.corpora = list(corpora.values())
        self.num_windows = {name: len(windows) for name, windows in corpora.items()}
        self.probabilities = dict(zip(corpora, probabilities.tolist(), strict=True))
        self.seed, self.batch_size = seed, batch_size
        self.order = InOrder()
        self._length = max(1, num_steps) * batch_size
        self._borders = np.cumsum(probabilities)
        self._sizes = np.array(list(self.num_windows.values()), dtype=np.int64)

    def __len__(self) -> int:
        return self._length

    def places(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Corpus and window number of some items, (N,) each."""
        step, sample = np.divmod(np.asarray(indices, dtype=np.int64), self.batch_size)
        which, where = draw_places(self.seed, step, sample).T
        corpus = np.searchsorted(self._borders, which, side="right").clip(max=len(self.corpora) - 1)
        return corpus, (where * self._sizes[corpus]).astype(np.int64)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One window."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> StackedWindows:
        """Many windows at once, in the order asked."""
        corpus, window = self.places(indices)
        stacked: dict[str, Tensor] = {}
        for number in np.unique(corpus).tolist():
            rows = np.flatnonzero(corpus == number)
            for key, values in self.corpora[number].read(window[rows]).items():
                if key not in stacked:
                    stacked[key] = values.new_empty(len(indices), *values.shape[1:])
                stacked[key][torch.from_numpy(rows)] = values
        return StackedWindows(stacked)
