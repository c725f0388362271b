"""One training run: its folder, what already lies in it, the processes that work on it, and where its log lines go.

output_dir/
  config.yaml  train.log  losses.jsonl  validation.jsonl  tensorboard/
  last/  best/     checkpoints (emage.checkpoint)
  resume/          what an unfinished run goes on from (emage.training.checkpoint); may be deleted once it is finished
  .lock            while a training is running
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from filelock import FileLock, Timeout
from tqdm import tqdm

from emage.checkpoint import CONFIG_FILE, FILES, INFO_FILE, WEIGHTS_FILE, recover_folder, standing_folder
from emage.config import Config, OptimConfig, config_differences, load_config, save_config
from emage.errors import InputError
from emage.training.batches import Share
from emage.training.checkpoint import STATE_FILE
from emage.training.processes import join_processes, main_decides
from emage.training.recorder import LOSSES_FILE
from emage.training.run_files import check_run_files, finished_steps, is_saved_config

LOG_FILE, LOCK_FILE = "train.log", ".lock"
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
    """A training run, opened once per process; use it as a context manager, so that its folder is unlocked again.

    The main process alone reads and writes the folder, and holds its lock. Nothing is written before `begin`.

    Attributes:
        config: of the run.
        path: its folder, on the machine of the main process.
        finished: whether all steps are done and written.
        accelerator: the processes.
        share: the part of a batch that this process works on.
    """

    def __init__(self, config: Config):
        """Opens the folder.

        Raises:
            InputError: no output_dir, a checkpoint's folder, one where a training is running or that cannot be
                written to, one that holds a run with another config, damaged files of a run or a config.yaml of the
                user's, another number of processes than asked for, or a batch they cannot share evenly.
        """
        self.config = config
        self.path = Path(config.output_dir)
        self.last, self.best, self.resume = self.path / "last", self.path / "best", self.path / "resume"
        self._handlers: list[logging.Handler] = []
        self._lock: FileLock | None = None
        self._made_folder = False
        join_processes()
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision=config.optim.precision,
            kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
        )
        try:
            self.finished: bool = main_decides(self._open)
        except BaseException:
            self._unlock()
            raise
        optim, accelerator = config.optim, self.accelerator
        self.share = Share(
            optim.batch_size, accelerator.process_index, accelerator.num_processes, optim.accumulation_steps
        )
        self._start_log()

    def begin(self) -> None:
        """Makes the folder this config's and writes the log to it; call it when nothing can refuse the run any more."""
        main_decides(self._begin)

    def _begin(self) -> None:
        with self._usable_folder():
            self._recover()
            partial = self.path / f".{CONFIG_FILE}.partial"
            save_config(self.config, partial)
            partial.replace(self.path / CONFIG_FILE)
        self._made_folder = False  # it holds a run now
        kept = self._handlers[0]
        if isinstance(kept, MemoryHandler):
            file = self._log_file()
            kept.setTarget(file)
            kept.close()  # writes what it holds
            self._handlers[0] = file
            for name in LOGGERS:
                logging.getLogger(name).removeHandler(kept)
                logging.getLogger(name).addHandler(file)

    def _open(self) -> bool:
        """Checks what the run can be refused for and locks the folder; returns whether the run is finished.

        It changes nothing but the lock, unless the run is finished.
        """
        check_processes(self.accelerator.num_processes, self.config.num_processes)
        _check_batch(self.config.optim, self.accelerator.num_processes)
        if not self.config.output_dir:
            raise InputError("output_dir: not set; add output_dir=DIR, e.g. output_dir=runs/demo/camn")
        with self._usable_folder():
            for name in (WEIGHTS_FILE, STATE_FILE):
                if (self.path / name).exists():
                    raise InputError(
                        f"output_dir {self.path}: it holds {name}, so it is a checkpoint and no folder of a run; give"
                        " another output_dir="
                    )
            self._take_lock()
            self._check_config()
            finished = self._is_finished()
            if finished:
                self._recover()
            else:
                check_run_files(self.path, self.resume, self.config.optim.max_steps)
        return finished

    def _check_config(self) -> None:
        path = self.path / CONFIG_FILE
        if not path.exists():
            return
        if not self._has_begun():
            if not is_saved_config(path):
                raise InputError(
                    f"output_dir {self.path}: its {CONFIG_FILE} was not written by a run, which would replace it; give"
                    " another output_dir=, or move the file"
                )
            return
        differences = config_differences(load_config(path), self.config, ignore=FREE_KEYS)
        if differences:
            raise InputError(
                f"output_dir {self.path}: it holds a run with another config ({'; '.join(differences)}); "
                "give another output_dir=, the old values, or delete the folder"
            )

    def _recover(self) -> None:
        """Ends the swaps of folders that a kill interrupted."""
        for folder in (self.last, self.best, self.resume):
            recover_folder(folder)

    def _has_begun(self) -> bool:
        """A run that was killed before its first step lays no claim to the folder."""
        folders = (standing_folder(folder) for folder in (self.last, self.best, self.resume))
        return any(found.exists() for found in (self.path / LOSSES_FILE, *folders))

    @contextlib.contextmanager
    def _usable_folder(self) -> Iterator[None]:
        """Turns what the system says about the folder into one line with the remedy."""
        try:
            yield
        except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
            what = getattr(error, "strerror", None) or str(error)
            place = getattr(error, "filename", None) or self.path
            raise InputError(
                f"output_dir {self.path}: it cannot be used ({place}: {what}); make it a folder that you can write to,"
                " or give another output_dir="
            ) from error

    def _take_lock(self) -> None:
        """Locks the folder against other trainings; the operating system unlocks it when this process ends."""
        self._made_folder = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"output_dir {self.path}: {error.filename} is a file; give another output_dir=") from error
        path = self.path / LOCK_FILE
        if path.is_dir():
            raise InputError(f"output_dir {self.path}: {path} is a folder, where a run keeps its lock; remove it")
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"output_dir {self.path}: another training is running in this folder; wait until it ends, or give another"
                " output_dir="
            ) from None
        self._lock = lock

    def _unlock(self) -> None:
        if self._lock is None:
            return
        with contextlib.suppress(OSError):  # Windows removes no open file
            # Safe while it is held: filelock takes no lock on a file that has lost its name.
            (self.path / LOCK_FILE).unlink()
        self._lock.release()
        self._lock = None
        if self._made_folder:
            with contextlib.suppress(OSError):  # not empty
                self.path.rmdir()

    def _is_finished(self) -> bool:
        """last/ is the last thing that a run writes."""
        last = standing_folder(self.last)
        whole = all((last / name).is_file() for name in FILES)
        return whole and finished_steps(last / INFO_FILE) == self.config.optim.max_steps

    def _start_log(self) -> None:
        if self.accelerator.is_main_process:
            console = _BarHandler() if sys.stderr.isatty() else logging.StreamHandler()
            console.setFormatter(logging.Formatter("%(message)s"))
            file = self._log_file() if self._has_begun() else MemoryHandler(sys.maxsize, flushLevel=sys.maxsize)
            self._handlers = [file, console]
        else:
            self._handlers = [logging.NullHandler()]  # without one Python would print warnings
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)
            for handler in self._handlers:
                logging.getLogger(name).addHandler(handler)

    def _log_file(self) -> logging.Handler:
        file = logging.FileHandler(self.path / LOG_FILE, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        return file

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: Any) -> None:
        for name in LOGGERS:
            for handler in self._handlers:
                logging.getLogger(name).removeHandler(handler)
        for handler in self._handlers:
            handler.close()
        self._unlock()


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
