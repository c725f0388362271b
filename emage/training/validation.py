"""The mean of a task's scalars over a set of windows: each window counts once, on any number of processes."""

from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.utils.data import Dataset

from emage.training.batches import Share, draw_seeds

VALIDATION_STEP = -1
EvalStep = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]


@torch.no_grad()
def evaluate(
    eval_step: EvalStep,
    model: nn.Module,
    windows: Dataset,
    *,
    collate: Callable[[list[Any]], dict[str, Tensor]],
    accelerator: Accelerator,
    share: Share,
    seed: int = 0,
) -> dict[str, float]:
    """Runs `eval_step` over all windows; every process must call it and gets the same result.

    Args:
        eval_step: scalars of a batch, means over its windows.
        model: the bare network (not the wrapped one, whose hooks would wait for the others); left in evaluation mode.
        windows: at least one.
        collate: windows -> batch.
        accelerator: the processes.
        share: which windows are this process's, and how many it takes at a time.
        seed: of what the task draws for each window; the same windows are judged alike every time.
    """
    model.eval()
    indices = list(range(share.rank, len(windows), share.world_size))
    totals: dict[str, Tensor] = {}
    # A process without a window of its own evaluates one with weight 0, so that all know the names to add up.
    for start in range(0, max(1, len(indices)), share.micro_batch_size):
        part = indices[start : start + share.micro_batch_size]
        batch = send_to_device(collate([windows[index] for index in part or [0]]), accelerator.device)
        batch["draw_seed"], batch["progress"] = draw_seeds(seed, VALIDATION_STEP, part or [0]), torch.tensor(1.0)
        scalars = eval_step(model, batch)
        for name, value in scalars.items():
            totals[name] = totals.get(name, 0.0) + value.detach().double() * len(part)
    means = accelerator.reduce(torch.stack(list(totals.values())), reduction="sum") / len(windows)
    return dict(zip(totals, means.tolist(), strict=True))
