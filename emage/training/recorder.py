"""What a run tells while it goes: loss curves (json lines), plain log lines, TensorBoard and a progress bar.

losses.jsonl holds every step once, at full precision: {"step": 1, "loss": ..., ...}, the mean over the global batch of
that step; validation.jsonl the same per validation. A run that goes on drops the rows after the step it resumes at.
"""

import json
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from emage.errors import InputError, ReportedError

LOSSES_FILE, VALIDATION_FILE, TENSORBOARD_FOLDER = "losses.jsonl", "validation.jsonl", "tensorboard"

logger = logging.getLogger(__name__)


class Curve:
    """Rows of scalars by step in a json-lines file, each step once."""

    def __init__(self, path: Path, last_step: int):
        self.path = path
        self._truncate(last_step)

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Adds rows at the end; they are the system's to keep when this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def rows_after(self, step: int) -> list[dict[str, Any]]:
        """The rows of later steps than `step`."""
        with self.path.open(encoding="utf-8") as file:
            return [row for row in map(json.loads, file) if row["step"] > step]

    def _truncate(self, last_step: int) -> None:
        """Drops the rows after `last_step`, and a row that a kill cut short."""
        self.path.touch()  # from here on the folder holds a run
        end = 0
        with self.path.open("rb+") as file:
            for line in file:
                if not line.endswith(b"\n") or json.loads(line)["step"] > last_step:
                    break
                end += len(line)
            file.truncate(end)


def check_curve(path: Path) -> None:
    """Refuses a curve that `Curve` has not written; a last row that a kill cut short is allowed.

    Raises:
        InputError: a line is no row; the message names it.
    """
    if not path.exists():
        return
    last_step = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            fault, last_step = _row_fault(line, last_step)
            if fault:
                raise InputError(
                    f"{path}, line {number}: {fault}; restore the file from a copy, or delete the folder of the run to"
                    " start anew"
                )


def _row_fault(line: bytes, last_step: int) -> tuple[str, int]:
    """What is wrong with a line of a curve (empty: nothing), and its step."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "not a json object", last_step
    if not isinstance(row, dict):
        return "not a json object", last_step
    for name in ("step", "loss"):
        if name not in row:
            return f"{name} is missing", last_step
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name}: expected a number, got {json.dumps(value)[:40]}", last_step
    step = row["step"]
    if not isinstance(step, int) or step <= last_step:
        return f"step {step}: expected a whole number above {last_step}", last_step
    return "", step


class Recorder:
    """Collects the scalars of the steps and writes them now and then.

    The scalars stay tensors until `flush`, so that a step does not wait for the accelerator. Every process calls every
    method, since the means over processes are taken here; the main process writes.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, *, first_step: int, max_steps: int, log_every: int):
        self.accelerator = accelerator
        self.max_steps = max_steps
        self.is_main = accelerator.is_main_process
        self._pending: list[tuple[int, dict[str, Tensor]]] = []
        self._since_report: list[dict[str, Any]] = []
        self._reported_at = (first_step, time.monotonic())
        if self.is_main:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and only here

            self._losses = Curve(folder / LOSSES_FILE, first_step)
            self._validation = Curve(folder / VALIDATION_FILE, first_step)
            # So that the next report is the same mean as in a run that was not interrupted.
            self._since_report = self._losses.rows_after(first_step - first_step % log_every)
            # purge_step: TensorBoard too forgets what a killed run wrote after its last checkpoint.
            purge_step = first_step + 1 if first_step else None
            self._board = SummaryWriter(str(folder / TENSORBOARD_FOLDER), purge_step=purge_step)
        self._bar = None
        if self.is_main and sys.stderr.isatty():
            self._bar = tqdm(total=max_steps, initial=first_step, unit="step", dynamic_ncols=True)

    def add(self, step: int, scalars: dict[str, Tensor]) -> None:
        """Keeps the scalars of finished update `step` (from 1): means over this process's part of the batch."""
        self._pending.append((step, scalars))
        if self._bar is not None:
            self._bar.update()

    def flush(self) -> None:
        """Writes the kept steps to losses.jsonl, as means over the processes.

        Raises:
            InputError: a loss is not finite.
        """
        if not self._pending:
            return
        names = list(self._pending[0][1])
        steps = [step for step, _ in self._pending]
        table = torch.stack([torch.stack([scalars[name].double() for name in names]) for _, scalars in self._pending])
        values = self.accelerator.reduce(table, reduction="mean").tolist()
        rows = [{"step": step, **dict(zip(names, row, strict=True))} for step, row in zip(steps, values, strict=True)]
        self._pending.clear()
        finite = [row for row in rows if math.isfinite(row["loss"])]
        if self.is_main:
            self._losses.append(finite)
        if len(finite) < len(rows):
            bad = next(row for row in rows if not math.isfinite(row["loss"]))
            remedy = "lower optim.lr, raise optim.warmup_steps or set optim.grad_clip"
            kind = InputError if self.is_main else ReportedError
            raise kind(f"training: the loss is {bad['loss']} at step {bad['step']}; {remedy}")
        self._since_report += rows

    def report(self, step: int, lr: float) -> None:
        """Logs the means since the last report, the rate and the speed."""
        self.flush()
        if not self._since_report:
            return
        means = _means(self._since_report)
        self._since_report.clear()
        last_step, last_time = self._reported_at
        elapsed_s = max(1e-9, time.monotonic() - last_time)
        speed = (step - last_step) / elapsed_s
        self._reported_at = (step, time.monotonic())
        if self.is_main:
            left_s = int((self.max_steps - step) * elapsed_s / max(1, step - last_step))
            left = f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02}"
            line = f"{_line(means)}  lr {lr:.3g}  {speed:.1f} steps/s  left {left}"
            logger.info("step %d/%d  %s", step, self.max_steps, line)
            self._to_board("train", step, {**means, "lr": lr, "steps_per_s": speed})

    def validation(self, step: int, scalars: dict[str, float], *, is_best: bool) -> None:
        """Logs the means over the validation windows."""
        if self.is_main:
            self._validation.append([{"step": step, **scalars}])
            best = "  (best so far)" if is_best else ""
            logger.info("step %d/%d  validation: %s%s", step, self.max_steps, _line(scalars), best)
            self._to_board("val", step, scalars)

    def close(self) -> None:
        """Closes the files."""
        if self._bar is not None:
            self._bar.close()
        if self.is_main:
            self._board.close()

    def _to_board(self, group: str, step: int, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            self._board.add_scalar(f"{group}/{name}", value, step)


def _means(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {name: math.fsum(row[name] for row in rows) / len(rows) for name in rows[0] if name != "step"}


def _line(scalars: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in scalars.items())
