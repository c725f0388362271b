"""Commands run as processes of their own, two at a time, each timed and noted, so that a killed ablation goes on where it was.

A step is what a person could type. What is finished is not run again; train.py goes on with its own unfinished runs.
"""

import contextlib
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from emage.errors import InputError
from emage.motion.atomic import write_text_atomic

JOURNAL_FILE, LOCK_FILE, LOG_FOLDER = "journal.json", ".lock", "logs"


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: unique in an ablation.
        command: arguments of Python.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """What a finished step took.

    Attributes:
        command: as it was run.
        commit: of the project at that time.
        cpu_s: user and system seconds of the process and its own children, over all attempts that ended in sight.
        wall_s: of the same.
        attempts: how often it was started; of one that was killed together with the ablation the seconds are not known.
    """

    command: list[str]
    commit: str
    cpu_s: float
    wall_s: float
    attempts: int

    @property
    def was_killed(self) -> bool:
        """Whether its seconds are less than all."""
        return self.attempts > 1


class Journal:
    """Which steps are finished, in a file that is whole at any moment.

    Args:
        folder: of the ablation.
        arguments: what decides its results; another ablation may not use the folder.
        commit: of the project.

    Raises:
        InputError: the folder holds an ablation with other arguments.
    """

    def __init__(self, folder: Path, arguments: dict[str, Any], commit: str) -> None:
        self.path, self.commit = folder / JOURNAL_FILE, commit
        self._guard = threading.Lock()
        self._state: dict[str, Any] = {"arguments": arguments, "started": {}, "done": {}, "facts": {}}
        if self.path.is_file():
            self._state = json.loads(self.path.read_text(encoding="utf-8"))
            if self._state["arguments"] != arguments:
                raise InputError(
                    f"{self.path}: an ablation with other arguments: {self._state['arguments']}, now {arguments};"
                    " give another --out or delete the folder"
                )
        self._save()

    def done(self, step: Step) -> Done | None:
        """What a finished step took; None if it is not finished, or was another command then."""
        row = self._state["done"].get(step.name)
        return Done(**row) if row is not None and row["command"] == list(step.command) else None

    def start(self, step: Step) -> None:
        """Notes that a step begins."""
        with self._guard:
            self._state["started"][step.name] = self._state["started"].get(step.name, 0) + 1
            self._save()

    def finish(self, step: Step, *, cpu_s: float, wall_s: float) -> Done:
        """Notes that a step has ended well."""
        with self._guard:
            attempts = self._state["started"][step.name]
            done = Done(list(step.command), self.commit, round(cpu_s, 2), round(wall_s, 2), attempts)
            self._state["done"][step.name] = asdict(done)
            self._save()
            return done

    def fact(self, name: str, value: Any) -> Any:
        """What was decided once and must stay, e.g. a number of steps: the value that is noted, or this one from now on."""
        with self._guard:
            value = self._state["facts"].setdefault(name, value)
            self._save()
            return value

    def _save(self) -> None:
        write_text_atomic(self.path, json.dumps(self._state, indent=1) + "\n")


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[int]:
    """Holds a lock on the folder, which the steps inherit: a step that outlives its killed parent still holds it.

    Raises:
        InputError: it is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK_FILE, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: an ablation, or a step that it started, still runs there; wait for it or end it"
            ) from error
        yield lock.fileno()


class Runner:
    """Runs steps.

    Args:
        folder: of the ablation; logs go to its folder `logs`.
        journal: what is finished.
        lock: file descriptor of `claim`.
        at_once: how many run beside each other.
    """

    def __init__(self, folder: Path, journal: Journal, lock: int, *, at_once: int = 2) -> None:
        self.folder, self.journal, self.lock, self.at_once = folder, journal, lock, at_once
        self._running: set[subprocess.Popen] = set()
        self._guard = threading.Lock()
        self._stopped = False  # no step may begin any more
        self._error: InputError | None = None  # the first one, which ended the others

    def run(self, steps: Sequence[Step]) -> dict[str, Done]:
        """Runs what is not finished; returns what each took.

        Raises:
            InputError: one failed; those beside it are ended.
        """
        self._stopped, self._error = False, None
        with ThreadPoolExecutor(self.at_once) as pool, _ended_by_signal():
            try:
                futures = [pool.submit(self._one, step) for step in steps]
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:  # Ctrl-C or SIGTERM
                self._stop(None)
                raise
        if self._error is not None:
            raise self._error
        return {step.name: future.result() for step, future in zip(steps, futures, strict=True)}

    def _one(self, step: Step) -> Done:
        done = self.journal.done(step)
        if done is not None:
            _say(f"{step.name}: finished before, {done.cpu_s:.0f} s of one core")
            return done
        log = self.folder / LOG_FOLDER / f"{step.name.replace(' ', '_')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        _say(f"{step.name} ({log})")
        started = time.monotonic()
        with open(log, "a", encoding="utf-8") as output:
            output.write(f"$ python {shlex.join(step.command)}\n")
            output.flush()
            process = self._begin(step, output)
            _, status, usage = os.wait4(process.pid, 0)
            with self._guard:
                process.returncode = os.waitstatus_to_exitcode(status)
                self._running.discard(process)
        if process.returncode:
            error = InputError(_failure(step, process.returncode, log))
            self._stop(error)
            raise error
        done = self.journal.finish(step, cpu_s=usage.ru_utime + usage.ru_stime, wall_s=time.monotonic() - started)
        _say(f"{step.name}: {done.cpu_s:.0f} s of one core in {done.wall_s:.0f} s")
        return done

    def _stop(self, error: InputError | None) -> None:
        """No step begins from now on, and those that run are ended."""
        with self._guard:
            if not self._stopped:
                self._error = error
            self._stopped = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(process.pid, signal.SIGTERM)

    def _begin(self, step: Step, output: IO[str]) -> subprocess.Popen:
        with self._guard:
            if self._stopped:
                raise InputError(f"ablation: the step {step.name!r} was not begun, another one failed")
            process = subprocess.Popen(
                [sys.executable, *step.command],
                stdout=output,
                stderr=subprocess.STDOUT,
                # One thread: a second one gains little and loses a factor of ten beside another process.
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                pass_fds=(self.lock,),
            )
            self._running.add(process)
            self.journal.start(step)
            return process


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends the steps too, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failure(step: Step, code: int, log: Path) -> str:
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = last[-1] if last else "it said nothing"
    return f"ablation: the step {step.name!r} ended with exit code {code}: {said}; see {log}, mend it, start again"


def _say(line: str) -> None:
    print(f"== {line}", flush=True)
