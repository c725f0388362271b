"""AdamW, its learning rate as a function of the step, and the moving average of the weights.

No scheduler object: accelerate steps a prepared one once per process, and a rate computed from the step needs no state
to resume.
"""

import copy
import math

import torch
from torch import nn

from emage.config import OptimConfig


def build_optimizer(model: nn.Module, optim: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; biases and norms (one axis) do not decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": optim.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    # fused: one call over all tensors; the loop over them is the largest cost of a small model's step on the CPU.
    return torch.optim.AdamW(groups, lr=optim.lr, betas=(optim.betas[0], optim.betas[1]), fused=True)


def learning_rate(step: int, optim: OptimConfig) -> float:
    """Rate of update number `step` (from 0): a straight line up to `lr`, then half a cosine down to `min_lr`."""
    if step < optim.warmup_steps:
        return optim.lr * (step + 1) / optim.warmup_steps
    progress = (step - optim.warmup_steps) / max(1, optim.max_steps - optim.warmup_steps)
    return optim.min_lr + (optim.lr - optim.min_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class WeightAverage:
    """A copy of a model whose weights follow it: exponential moving average with `decay`.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that a short run is not its own first weights.
    Buffers (BatchNorm statistics, codebooks) are copied, since they are moving averages themselves.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.module = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves towards the weights of `model` after update number `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for mean, new in zip(self.module.parameters(), model.parameters(), strict=True):
            mean.lerp_(new, weight)
        for mean, new in zip(self.module.buffers(), model.buffers(), strict=True):
            mean.copy_(new)


def set_training(model: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Training mode; with `freeze_batch_norm` BatchNorm keeps its statistics (its weight and bias still learn)."""
    model.train()
    if freeze_batch_norm:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
