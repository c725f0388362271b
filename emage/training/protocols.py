"""What the loop asks of a task (what is trained, and how it is judged) and of a corpus (what it is trained on)."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.data import Dataset

from emage.config import Config
from emage.motion.skeleton import Skeleton
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.vocabulary import Vocabulary

Batch = dict[str, Tensor]


class Task(Protocol):
    """What is trained. Networks are run by `model(...)` only: the hooks of several processes and of bf16 hang there.

    With bf16 an output may be bf16; the loss itself is computed in float32 (`output.float()`).

    A batch holds, besides what the corpus puts into it, `draw_seed` (B,) int64 on the CPU: what a task draws for a window
    comes from it, and so does not depend on the number of processes; and `progress`, 0 at the first step, 1 in validation.

    Optional: `build_network()`, where `build_model` reads files: the same network with random weights. The main process
    alone calls `build_model` then; the others get its weights.

    Optional: `before_first_step(model, micro_batches)`, called once with the bare network and all micro-batches of step 0
    where gradient accumulation splits it: for what must begin from the whole batch.
    """

    def __init__(self, config: Config, corpus: "TrainingCorpus"): ...

    def build_model(self) -> nn.Module:
        """A fresh network of config.model."""

    def train_step(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, a mean over its windows, and its parts by name."""

    def eval_step(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Scalars of a batch, means over its windows, one of them named `loss`; called without gradients."""


class TrainingCorpus(Protocol):
    """What the loop asks of a corpus; dataloaders.corpus.Corpus is one."""

    entries: dict[str, Sequence[Any]]  # by split; without any in "val" there is no validation
    statistics: MotionStatistics
    vocabulary: Vocabulary
    speakers: SpeakerTable
    skeletons: dict[str, Skeleton]

    def windows(self, split: str) -> Dataset:
        """The windows of "train" or "val", each a dict of arrays; InputError if there are none."""
