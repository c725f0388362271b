"""One training run: its folder, what already lies in it, the processes that work on it, and where its log lines go.

output_dir/
  config.yaml  train.log  losses.jsonl  validation.jsonl  tensorboard/
  last/  best/     checkpoints (emage.checkpoint)
  resume/          what an unfinished run goes on from (emage.training.checkpoint); may be deleted once it is finished
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from tqdm import tqdm

from emage.checkpoint import CONFIG_FILE, FILES, INFO_FILE, read_json, recover_folder
from emage.config import Config, OptimConfig, config_differences, load_config, save_config
from emage.errors import InputError
from emage.training.batches import Share
from emage.training.recorder import LOSSES_FILE

LOG_FILE = "train.log"
LOGGERS = ("emage", "dataloaders")
# What may change while a run is interrupted (shell patterns): where files lie, on how many processes the run is started,
# how it is logged, validated and saved, and how its checkpoints generate. None of it changes what is trained.
FREE_KEYS = (
    "data.root",
    "data.cache_dir",
    "data.annotation_root",
    "data.num_workers",
    "mixture.corpora.*.root",
    "mixture.corpora.*.cache_dir",
    "model.tokenizers.*",  # model.tokenizer_hashes and model.face_trunk_hash tell whether the weights are the same
    "model.face_trunk",
    "output_dir",
    "num_processes",
    "metrics.*",
    "generation.*",
    "optim.log_every",
    "optim.eval_every",
    "optim.save_every",
)

logger = logging.getLogger(__name__)


class Run:
    """A training run, opened once per process; use it as a context manager so that its log file is closed."""

    def __init__(self, config: Config):
        """Opens the folder and starts the log.

        Raises:
            InputError: no output_dir, another config in it, too few processes, or a batch they cannot share evenly.
        """
        if not config.output_dir:
            raise InputError("output_dir: not set; add output_dir=DIR, e.g. output_dir=runs/demo/camn")
        self.config = config
        self.path = Path(config.output_dir)
        self.last, self.best, self.resume = self.path / "last", self.path / "best", self.path / "resume"
        # Before the processes meet: one that stops while another still looks for it would end that one in another error.
        _check_batch(config.optim, int(os.environ.get("WORLD_SIZE", "1")))
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision=config.optim.precision,
            kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
        )
        check_processes(self.accelerator.num_processes, config.num_processes)
        optim, world_size = config.optim, self.accelerator.num_processes
        _check_batch(optim, world_size)
        self.share = Share(optim.batch_size, self.accelerator.process_index, world_size, optim.accumulation_steps)
        self._handlers: list[logging.Handler] = []
        self._claim()
        self.finished = self._is_finished()
        self._start_log()

    def _claim(self) -> None:
        """Makes the folder this config's, or finds that it is already."""
        if self.accelerator.is_main_process:
            for folder in (self.last, self.best, self.resume):
                recover_folder(folder)
        self.accelerator.wait_for_everyone()
        path = self.path / CONFIG_FILE
        # A run that was refused before its first step (no cache, say) lays no claim to the folder.
        has_begun = any(found.exists() for found in (self.path / LOSSES_FILE, self.last, self.best, self.resume))
        if has_begun and path.is_file():
            differences = config_differences(load_config(path), self.config, ignore=FREE_KEYS)
            if differences:
                raise InputError(
                    f"output_dir {self.path}: it holds a run with another config ({'; '.join(differences)}); "
                    "give another output_dir=, the old values, or delete the folder"
                )
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.path.mkdir(parents=True, exist_ok=True)
            partial = self.path / (CONFIG_FILE + ".partial")
            save_config(self.config, partial)
            partial.replace(path)

    def _is_finished(self) -> bool:
        """last/ is the last thing that a run writes."""
        whole = all((self.last / name).is_file() for name in FILES)
        return whole and read_json(self.last / INFO_FILE).get("steps") == self.config.optim.max_steps

    def _start_log(self) -> None:
        if not self.accelerator.is_main_process:
            return
        file = logging.FileHandler(self.path / LOG_FILE, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        console = _BarHandler() if sys.stderr.isatty() else logging.StreamHandler()
        console.setFormatter(logging.Formatter("%(message)s"))
        self._handlers = [file, console]
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)
            for handler in self._handlers:
                logging.getLogger(name).addHandler(handler)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: Any) -> None:
        for name in LOGGERS:
            for handler in self._handlers:
                logging.getLogger(name).removeHandler(handler)
        for handler in self._handlers:
            handler.close()


class _BarHandler(logging.Handler):
    """Log lines on a terminal, above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def check_processes(world_size: int, asked: int) -> None:
    """Refuses a run on another number of processes than was asked for by the config or the launcher.

    `accelerate launch --cpu --num_processes N` starts one process whatever N is, and says nothing. Source: accelerate's
    commands/launch.py, simple_launcher, whose only trace of N > 1 is that it sets MASTER_ADDR.

    Args:
        world_size: the processes that there are.
        asked: config num_processes; 0 leaves it to the launcher.

    Raises:
        InputError: the two differ.
    """
    remedy = "start it with `torchrun --nproc_per_node N train.py ...`"
    if asked and asked != world_size:
        raise InputError(f"num_processes: {asked} asked, {world_size} running; {remedy.replace('N', str(asked), 1)}")
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched > world_size:
        raise InputError(f"num_processes: {launched} asked (WORLD_SIZE), {world_size} running; {remedy}")
    simple_launcher = "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ and "RANK" not in os.environ
    if world_size == 1 and not asked and simple_launcher:
        raise InputError(
            f"num_processes: `accelerate launch` was asked for several processes but started 1; {remedy}, "
            "or say num_processes=1 if one is meant"
        )


def _check_batch(optim: OptimConfig, world_size: int) -> None:
    if optim.batch_size % (world_size * optim.accumulation_steps):
        raise InputError(
            f"optim.batch_size: {optim.batch_size} windows (of all processes together) are not a multiple of "
            f"{world_size} process(es) x optim.accumulation_steps={optim.accumulation_steps}; change either"
        )
