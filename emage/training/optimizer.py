"""AdamW, its learning rate as a function of the step, and the moving average of the weights.

No scheduler object: accelerate steps a prepared one once per process, and a rate computed from the step needs no state
to resume.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from emage.config import OptimConfig

MODULE_STATE = frozenset(vars(nn.Module()))  # the dicts of nn.Module itself: parameters, buffers, submodules, hooks


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
    Buffers (BatchNorm statistics, codebooks) are copied, since they are moving averages themselves. Frozen parameters,
    and all tensors of modules that hold only frozen ones, are those of the model itself.

    Args:
        model: on its device; what is frozen must stay so.
        decay: 0 to below 1.

    Attributes:
        module: the copy, in evaluation mode, without gradients.
    """

    def __init__(self, model: nn.Module, decay: float):
        shared = {id(tensor): tensor for tensor in _frozen_tensors(model)}
        self.module = copy.deepcopy(model, dict(shared)).requires_grad_(False).eval()
        self.decay = decay
        tensors = dict(_named_tensors(model))
        own = [name for name, tensor in tensors.items() if id(tensor) not in shared]
        self._trained = [name for name in own if tensors[name].requires_grad]
        self._copied = [name for name in own if not tensors[name].requires_grad]

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors that are not the model's own, by name, among those that the module saves."""
        saved = self.module.state_dict()
        return {name: saved[name] for name in (*self._trained, *self._copied) if name in saved}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves towards the weights of `model` after update number `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        means, new = dict(_named_tensors(self.module)), dict(_named_tensors(model))
        if self._trained:
            torch._foreach_lerp_([means[name] for name in self._trained], [new[name] for name in self._trained], weight)
        if self._copied:
            torch._foreach_copy_([means[name] for name in self._copied], [new[name] for name in self._copied])


def _named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _frozen_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Frozen parameters, and the buffers of modules that hold frozen parameters and no other.

    Modules in plain lists, tuples and dicts count too: a pretrained network that is neither trained nor saved is kept
    in one.
    """
    for module in _all_modules(model):
        parameters = list(module.parameters())
        yield from (parameter for parameter in parameters if not parameter.requires_grad)
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            yield from module.buffers()


def _all_modules(model: nn.Module) -> list[nn.Module]:
    """The model, its submodules, and those in containers that nn.Module does not register; each once."""
    found: dict[int, nn.Module] = {}
    waiting: list[object] = [model]
    while waiting:
        held = waiting.pop()
        if isinstance(held, nn.Module) and id(held) not in found:
            found[id(held)] = held
            waiting += held.children()
            waiting += (value for name, value in vars(held).items() if name not in MODULE_STATE)
        elif isinstance(held, dict):
            waiting += held.values()
        elif isinstance(held, list | tuple | set):
            waiting += held
    return list(found.values())


def set_training(model: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Training mode; with `freeze_batch_norm` BatchNorm keeps its statistics (its weight and bias still learn)."""
    model.train()
    if freeze_batch_norm:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
