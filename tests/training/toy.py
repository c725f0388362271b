"""A task and a corpus small enough to train in milliseconds, for tests of the loop alone."""

import faulthandler
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor, nn

from emage.config import Config, DataConfig, MotionAutoencoderConfig, MotionAutoencoderLossConfig, OptimConfig
from emage.motion.layout import get_layout
from emage.motion.skeleton import Skeleton
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.training import Run, Trainer
from emage.vocabulary import Vocabulary


def toy_config(output_dir: Path, **optim: Any) -> Config:
    """Options of `optim` on top of a small, quick setting."""
    settings = {"max_steps": 12, "batch_size": 4, "warmup_steps": 2, "lr": 0.05, "eval_every": 4, "save_every": 3}
    return Config(
        data=DataConfig(),
        optim=OptimConfig(**(settings | optim)),
        model=MotionAutoencoderConfig(),
        loss=MotionAutoencoderLossConfig(),
        seed=7,
        output_dir=str(output_dir),
    )


class ToyModel(nn.Module):
    """Everything that makes resuming hard: dropout draws, BatchNorm buffers, a parameter without gradient."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0]


class ToyTask:
    """Fits y from x; counts the windows it saw."""

    def __init__(self, config: Config, dropout: float = 0.2) -> None:
        self.config = config
        self.dropout = dropout
        self.seen: list[list[int]] = []

    def build_model(self) -> nn.Module:
        return ToyModel(self.dropout)

    def train_step(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        self.seen.append(batch["number"].tolist())
        error = model(batch["x"]).float() - batch["y"]
        return error.square().mean(), {"absolute": error.abs().mean()}

    def eval_step(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        loss, parts = self.train_step(model, batch)
        self.seen.pop()
        return {"loss": loss, **parts}


class ToyCorpus:
    """`num_train` windows of a linear law, and what a checkpoint holds besides weights."""

    def __init__(self, num_train: int = 10, num_val: int = 5) -> None:
        draw = np.random.default_rng(0)
        x = draw.normal(size=(num_train + num_val, 3)).astype(np.float32)
        y = x @ np.array([1.0, -2.0, 0.5], dtype=np.float32)
        rows = [{"x": a, "y": b, "number": np.int64(k)} for k, (a, b) in enumerate(zip(x, y, strict=True))]
        self.entries = {"train": rows[:num_train], "val": rows[num_train:], "test": []}
        dims = {name: get_layout(name).dim for name in ("beat_141", "arkit_51")}
        self.statistics = MotionStatistics(
            means={name: torch.zeros(dim) for name, dim in dims.items()},
            stds={name: torch.ones(dim) for name, dim in dims.items()},
            mean_pose=torch.zeros(get_layout("beat_full").dim),
        )
        self.vocabulary = Vocabulary(["hello"])
        self.speakers = SpeakerTable({"2": 1})
        self.skeletons = {"2": Skeleton(("Hips", "Spine"), (-1, 0), torch.zeros(2, 3, dtype=torch.float64))}

    def windows(self, split: str) -> list[dict[str, Any]]:
        return self.entries[split]


def toy_collate(items: list[dict[str, Any]]) -> dict[str, Tensor]:
    return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}


def train_toy(
    config: Config, corpus: ToyCorpus | None = None, dropout: float = 0.2, task: ToyTask | None = None
) -> ToyTask:
    """One run of the toy as train.py does one; a finished folder is left alone."""
    task = task or ToyTask(config, dropout)
    with Run(config) as run:
        if not run.finished:
            Trainer(run, task, corpus or ToyCorpus(), toy_collate).run()
    return task


def in_child(work: Callable[[], Any], **environment: str) -> int:
    """Forks, runs `work` and returns the exit code of the child: 0, 1 after an exception, or minus the signal."""
    child = start_child(work, **environment)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start_child(work: Callable[[], Any], *, timeout_s: float = 60, **environment: str) -> int:
    """Forks and runs `work` under additional environment variables; returns the process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=sys.__stderr__)  # a child that hangs says where
    try:
        os.environ.update(environment)
        reset_accelerate()
        work()
        code = 0
    except BaseException as error:
        os.write(2, f"child {os.getpid()}: {error!r}\n".encode())
    finally:
        os._exit(code)


def reset_accelerate() -> None:
    """Forgets the processes and the precision of an earlier run in this process (accelerate keeps them globally)."""
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()
