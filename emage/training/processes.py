"""What the processes of a run do together.

The main process (rank 0) reads what a run depends on, apart from the data: config, weights to start from, statistics,
vocabulary, resume state. The others receive it and need no file of it, so machines share no disk but for the data.
An error on one process ends all of them, with one line.
"""

import contextlib
import socket
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, broadcast_object_list, gather_object
from torch import Tensor, nn

from emage.errors import InputError, InputWarning, ReportedError

T = TypeVar("T")
LEARNED = ("statistics", "vocabulary", "speakers", "skeletons")  # attributes of a corpus


def join_processes() -> PartialState:
    """Meets the other processes that the launcher started; the first call of a process does, others return at once."""
    state = PartialState(cpu=not torch.cuda.is_available())
    if not state.is_main_process:
        warnings.filterwarnings("ignore", category=InputWarning)  # those of the main process are shown
    return state


@contextlib.contextmanager
def joined_processes() -> Iterator[PartialState]:
    """Meets the other processes and leaves them at the end, however it ends, so that a program can do so again.

    A process that exits without leaving aborts now and then: the threads of gloo are still running. A group that the
    caller had joined before is left to the caller.

    Raises:
        InputError: the connection to another process broke, which ended by itself or was killed.
    """
    was_joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    try:
        yield join_processes()
    except RuntimeError as error:
        if PartialState().num_processes == 1 or not _is_lost_connection(error):
            raise
        raise InputError(
            f"process {PartialState().process_index} on {socket.gethostname()}: the connection to another process is lost:"
            " see its output, or whether it was killed; then run the same command again to go on"
        ) from error
    finally:
        if not was_joined:
            with contextlib.suppress(RuntimeError):  # of a group whose other processes are gone
                PartialState().destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=not was_joined)


def _is_lost_connection(error: RuntimeError) -> bool:
    """Whether torch.distributed raised it: gloo's errors are plain RuntimeErrors, which name its source file."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)


def main_decides(work: Callable[[], T]) -> T:
    """Runs `work` on the main process alone and returns its result, which must be picklable, on every process.

    Raises:
        Exception: what `work` raised, on the main process.
        ReportedError: the same, on the others.
    """
    state = PartialState()
    error: Exception | None = None
    outcome: list[Any] = [None, None]
    if state.is_main_process:
        try:
            outcome = [work(), None]
        except Exception as raised:
            error, outcome = raised, [None, _told(raised)]
    value, message = broadcast_object_list(outcome)
    if error is not None:
        raise error
    if message is not None:
        raise ReportedError(message)
    return value


def all_agree(work: Callable[[], T]) -> T:
    """Runs `work` on every process and returns the own result, unless it fails on one of them.

    Raises:
        Exception: what `work` raised, on the lowest rank where it did.
        ReportedError: the same, on the others.
    """
    state, error, value = PartialState(), None, None
    try:
        value = work()
    except Exception as raised:
        error = raised
    told = gather_object([None if error is None else _told(error)])
    failed = next((rank for rank, message in enumerate(told) if message is not None), None)
    if failed is None:
        return value
    if failed == state.process_index:
        if failed and isinstance(error, InputError):  # the file is one of another machine than the user looks at
            raise InputError(f"process {failed} on {socket.gethostname()}: {error}") from error
        raise error
    raise ReportedError(told[failed])


def refuse_differences(facts: dict[str, Any]) -> None:
    """Compares what each process found in its data; all processes must have found the same.

    Args:
        facts: of this process: what was found -> a short, picklable value.

    Raises:
        InputError: on the main process: a fact differs between it and another process.
        ReportedError: the same, on the others.
    """
    state = PartialState()
    found = gather_object([(socket.gethostname(), facts)])
    host, first = found[0]
    for rank, (other_host, other) in enumerate(found):
        names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
        if not names:
            continue
        rows = [f"{name}: {other.get(name, 'none')} instead of {first.get(name, 'none')}" for name in names]
        kind = InputError if state.is_main_process else ReportedError
        raise kind(
            f"data: process {rank} on {other_host} has other data than process 0 on {host} ({'; '.join(rows)}); "
            "copy the same corpus and the same cache to every machine, or build the cache anew there"
        )


def share_learned(corpus: Any) -> None:
    """Puts what the main process learned from the train split in the place of a corpus' own, on every process.

    Args:
        corpus: an emage.training.protocols.TrainingCorpus, whose attributes LEARNED are computed when first asked for.
    """
    learned = main_decides(lambda: {name: getattr(corpus, name) for name in LEARNED})
    if not PartialState().is_main_process:
        vars(corpus).update(learned)  # where a cached property keeps its value


def share_weights(model: nn.Module) -> None:
    """Gives every process the parameters and buffers of the main process."""
    if PartialState().num_processes == 1:
        return
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.copy_(broadcast(tensor.detach().contiguous()))


def share_tensors(tensors: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """Gives every process the tensors of the main process, on the CPU.

    Args:
        tensors: of the main process; those of the others are not looked at.
    """
    state = PartialState()
    if state.num_processes == 1:
        return tensors
    held = tensors if state.is_main_process else {}
    rows = main_decides(lambda: [(name, value.shape, value.dtype) for name, value in held.items()])
    received = {}
    for name, shape, dtype in rows:
        value = held[name] if state.is_main_process else torch.empty(shape, dtype=dtype)
        received[name] = broadcast(value.to(state.device).contiguous()).cpu()
    return received


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
