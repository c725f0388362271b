"""The resume state: what a run needs beside its checkpoint to go on as if it had never stopped.

A folder with state.safetensors (raw weights, AdamW's moments, the moving average) and progress.json, swapped in whole.
No random state is in it: torch is seeded per step from (seed, step, rank), and the order of the windows from the seed.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from emage.checkpoint import read_json, save_tensors, standing_folder, swap_folder
from emage.errors import InputError
from emage.training.optimizer import WeightAverage
from emage.training.processes import all_agree, main_decides, share_tensors

STATE_FILE, PROGRESS_FILE = "state.safetensors", "progress.json"

_REMEDY = "restore the folder from a copy, or delete the folder of the run to start anew"


@dataclass
class Progress:
    """How far a run is."""

    step: int = 0  # finished updates
    best_step: int = 0
    best_loss: float | None = None  # None: not validated yet
    val_step: int | None = None
    val_loss: float | None = None  # of the newest validation, at val_step
    world_size: int = 1


def save_resume(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    average: WeightAverage | None,
    progress: Progress,
) -> None:
    """Writes the resume state in one swap."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        # A parameter that never got a gradient has no moments.
        tensors |= {f"optimizer/{name}/{key}": value for key, value in optimizer.state.get(parameter, {}).items()}

    def write(partial: Path) -> None:
        save_tensors(tensors, partial / STATE_FILE)
        (partial / PROGRESS_FILE).write_text(json.dumps(dataclasses.asdict(progress)), encoding="utf-8")

    swap_folder(folder, write)


def load_resume(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, *, average: WeightAverage | None
) -> Progress | None:
    """Restores all in place on every process; None where there is no resume state.

    Args:
        folder: read by the main process alone.
        model: the bare network.
        optimizer: of its parameters.
        average: of its weights, if there is one.

    Raises:
        InputError: the state cannot be read or belongs to another model.
    """
    tensors: dict[str, Tensor] = {}

    def read() -> Progress | None:
        progress = read_progress(folder)
        if progress is not None:
            with _usable(folder):
                tensors.update(load_file(standing_folder(folder) / STATE_FILE))
        return progress

    progress = main_decides(read)
    if progress is None:
        return None
    tensors = share_tensors(tensors)

    def restore() -> None:
        with _usable(folder):
            model.load_state_dict(_under(tensors, "model/"))
            if average is not None:
                # What the average shares with the model is saved once.
                average.module.load_state_dict(_under(tensors, "model/") | _under(tensors, "average/"))
            optimizer.load_state_dict(_optimizer_state(tensors, model, optimizer))

    all_agree(restore)
    return progress


def read_progress(folder: Path) -> Progress | None:
    """How far the run is that a resume state belongs to; None where there is no resume state.

    Raises:
        InputError: a file is missing or damaged.
    """
    place = standing_folder(folder)
    if not place.is_dir():
        return None
    for name in (STATE_FILE, PROGRESS_FILE):
        if not (place / name).is_file():
            raise InputError(f"resume state {place / name}: no such file; {_REMEDY}")
    path = place / PROGRESS_FILE
    values = read_json(path, remedy=_REMEDY)
    fault = _progress_fault(values)
    if fault:
        raise InputError(f"resume state {path}: {fault}; {_REMEDY}")
    return Progress(**values)


def _progress_fault(values: Any) -> str:
    """What is wrong with the content of progress.json; empty if nothing is."""
    if not isinstance(values, dict):
        return "expected a json object"
    names = [field.name for field in dataclasses.fields(Progress)]
    for name in [*names, *values]:
        if name not in values:
            return f"{name} is missing"
        if name not in names:
            return f"unknown key {name}"
    for name in ("step", "best_step", "val_step", "world_size"):
        value, least = values[name], int(name == "world_size")
        if value is None and name == "val_step":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return f"{name}: expected a whole number of at least {least}, got {json.dumps(value)}"
    for name in ("best_loss", "val_loss"):
        value = values[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"{name}: expected a number or null, got {json.dumps(value)}"
    return ""


@contextlib.contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, TypeError, RuntimeError) as error:
        raise InputError(f"resume state {folder}: it cannot be used ({error}); {_REMEDY}") from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """The state dict of torch, which counts parameters in the order of its groups, from moments kept by name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    ordered = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    moments = {number: _under(tensors, f"optimizer/{name}/") for number, name in enumerate(ordered)}
    return {
        "state": {number: values for number, values in moments.items() if values},
        "param_groups": optimizer.state_dict()["param_groups"],
    }
