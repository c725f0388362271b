"""Reads recordings and makes what a cache stores of them, in this process or in a pool."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from dataloaders.cache_format import encode_clip
from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS
from dataloaders.fingerprint import file_states, hash_file
from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError, collected_warnings

logger = logging.getLogger(__name__)

_RECORDINGS_PER_WORKER = 4  # a worker takes some seconds to start: fewer recordings do not repay it
_IN_HAND = 2  # recordings per worker that are read ahead of the writer: bounds the memory


@dataclass(frozen=True)
class ReadRecording:
    """A recording as a worker hands it over: its values and what its files were, or the reason why not.

    Attributes:
        meta: its description; None for a reject.
        values: bytes by name, of the streams and of META, SUMS and WORDS; None for a reject.
        files: by kind [size, stamp, hash]; empty where they changed while they were read.
        reject: why it cannot be read; "" if it can.
    """

    recording_id: str
    meta: dict[str, Any] | None = None
    values: dict[str, bytes] | None = None
    files: dict[str, list] = field(default_factory=dict)
    reject: str = ""


def read_all(
    recordings: list[Recording],
    data_config: DataConfig,
    *,
    num_processes: int | None,
) -> Iterator[ReadRecording]:
    """Reads recordings in this process or in a pool, in the order in which they get ready.

    One whose files change while it is read is rejected.

    Args:
        recordings: which.
        data_config: where and at what rates.
        num_processes: as `build_cache`.
    """
    if num_processes is None:
        num_processes = min(_num_cores(), len(recordings) // _RECORDINGS_PER_WORKER)
    if num_processes <= 1 or len(recordings) <= 1:
        for recording in recordings:
            yield _read(recording, data_config)
        return
    waiting, running = iter(recordings), set[Future[ReadRecording]]()
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an undefined state
    with ProcessPoolExecutor(min(num_processes, len(recordings)), context, _start_worker) as pool:
        try:
            while True:
                for recording in islice(waiting, _IN_HAND * num_processes - len(running)):
                    running.add(pool.submit(_read, recording, data_config))
                if not running:
                    return
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "cache: a reader process died (out of memory?); run the same command with fewer --processes, it goes on"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _num_cores() -> int:
    """The cores that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    """Runs first in each reader process."""
    torch.set_num_threads(1)  # the readers share the cores among them
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the builder is interrupted, and ends its readers
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        # A reader holds both ends of its queue, so it would wait for ever for a builder that was killed.
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _read(recording: Recording, data_config: DataConfig) -> ReadRecording:
    """Reads one recording; whatever is wrong with its files becomes the reason of a reject."""
    files: dict[str, list] = {}
    try:
        states = file_states(recording)
        files = {kind: [*state, hash_file(recording, kind)] for kind, state in states.items()}
        with collected_warnings() as warnings:
            sources = DATASETS[data_config.format].read_sources(recording, data_config)
        sources.notices.extend(warnings)
        clip = make_clip(sources, data_config.fps, data_config.sample_rate)
        if file_states(recording) != states:
            files = {}  # of no content that could be compared: it is read again by the next build
            raise InputError("a file changed while it was read; run the same command again")
        meta, values = encode_clip(clip, recording)
        return ReadRecording(recording.id, meta, values, files)
    except (InputError, OSError) as error:
        reason = " ".join(str(error).split())
    except (
        Exception
    ) as error:  # one strange file must not end a build of hours; the trace tells us where we were too trusting
        logger.exception("%s: unexpected error", recording.id)
        reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return ReadRecording(recording.id, files=files, reject=reason)
