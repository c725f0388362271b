"""Builds a cache: workers read recordings and make clips, this process alone writes them.

The cache grows in `<fingerprint>.partial`, one LMDB transaction a recording, and is renamed to `<fingerprint>` when
whole. So a kill at any moment loses at most the recordings in hand, a folder with the final name is always whole, and
the same command goes on where the last one stopped. A lock that dies with its process keeps a second builder out.
"""

import fcntl
import json
import logging
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import torch
from tqdm import tqdm

from dataloaders.cache_format import (
    dump_json,
    encode_clip,
    meta_key,
    recording_facts,
    recording_of_meta_key,
    stream_key,
)
from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS, corpus_notices
from dataloaders.fingerprint import Fingerprint, file_states
from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError, collected_warnings

logger = logging.getLogger(__name__)

PARTIAL_SUFFIX = ".partial"
INDEX_NAME = "cache.json"
DATA_NAME = "data.mdb"
_FIRST_MAP_BYTES = 1 << 28  # the map doubles when it is full; the file itself holds only what is written
_RECORDINGS_PER_WORKER = 4  # a worker takes some seconds to start: fewer recordings do not repay it
_IN_HAND = 2  # recordings per worker that are read ahead of the writer: bounds the memory


@dataclass(frozen=True)
class BuildReport:
    """What came of a build.

    Attributes:
        path: folder of the cache; None if no recording could be used.
        used: ids of the recordings in it.
        rejects: (recording id, reason) of those that could not be read.
        notices: (recording id, what was repaired or assumed).
    """

    path: Path | None
    used: list[str]
    rejects: list[tuple[str, str]]
    notices: list[tuple[str, str]]


@dataclass(frozen=True)
class ReadRecording:
    """A recording as a worker hands it over: its description and streams, or the reason why not."""

    recording_id: str
    meta: dict[str, Any] | None = None
    values: dict[str, bytes] | None = None
    reject: str = ""


def build_cache(data_config: DataConfig, num_processes: int | None = None, *, progress: bool = True) -> BuildReport:
    """Builds the cache of a corpus, or goes on with an interrupted build, or finds it whole.

    Args:
        data_config: which corpus, and at what rates.
        num_processes: readers; 1 reads in this process; None: one a core, fewer where there are not enough recordings
            to repay their start.
        progress: shows a bar on stderr.

    Raises:
        InputError: no corpus at `data.root`, no `data.cache_dir`, another builder at work, or a full disk.
    """
    if not data_config.cache_dir:
        raise InputError("data.cache_dir: not set; name the folder that caches go to, e.g. data.cache_dir=data/cache")
    recordings = sorted(DATASETS[data_config.format].find_recordings(data_config), key=lambda recording: recording.id)
    for notice in corpus_notices(recordings, data_config):
        logger.warning("%s: %s", data_config.root, notice)
    fingerprint = Fingerprint.of(data_config, recordings)
    folder = Path(data_config.cache_dir) / fingerprint.digest
    if folder.is_dir():
        return _report(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(folder):
        if folder.is_dir():  # finished by another builder between the look and the lock
            return _report(folder)
        try:
            return _build(folder, fingerprint, recordings, data_config, num_processes=num_processes, progress=progress)
        except lmdb.Error as error:
            raise InputError(
                f"cache {folder}: {error}; is the disk full? The same command goes on from here"
            ) from error


def partial_folder(folder: Path) -> Path:
    """Where the cache `folder` grows until it is whole."""
    return folder.with_name(folder.name + PARTIAL_SUFFIX)


def read_index(folder: Path) -> dict[str, Any]:
    """What a finished cache says of itself: its fingerprint, recordings and rejects.

    Raises:
        InputError: the file is not there or broken.
    """
    try:
        return json.loads((folder / INDEX_NAME).read_bytes())
    except (OSError, ValueError) as error:
        remedy = "move the folder away and build the cache again"
        raise InputError(f"cache {folder}: {INDEX_NAME} cannot be read: {error}; {remedy}") from error


def _build(
    folder: Path,
    fingerprint: Fingerprint,
    recordings: list[Recording],
    data_config: DataConfig,
    *,
    num_processes: int | None,
    progress: bool,
) -> BuildReport:
    partial = partial_folder(folder)
    partial.mkdir(exist_ok=True)
    rejects: dict[str, str] = {}
    with closing(_open_for_writing(partial)) as environment:
        done = _whole_recordings(environment)
        if done:
            logger.info("going on with %s: %d of %d recordings are there", partial, len(done), len(recordings))
        pending = [recording for recording in recordings if recording.id not in done]
        states = {recording.id: fingerprint.sources[recording.id] for recording in pending}
        with closing(read_all(pending, states, data_config, num_processes=num_processes)) as results:
            bar = tqdm(results, "cache", len(recordings), initial=len(done), unit="recording", disable=not progress)
            for result in bar:
                if result.reject:
                    rejects[result.recording_id] = result.reject
                    bar.set_postfix(rejected=len(rejects))
                else:
                    _write(environment, result)
        facts = _collect_facts(environment)
    assert facts.keys() ^ rejects.keys() == fingerprint.sources.keys(), "each recording is used or rejected"
    if not facts:
        shutil.rmtree(partial)  # this build's own, and empty
        return BuildReport(None, [], sorted(rejects.items()), [])
    index = {"fingerprint": asdict(fingerprint), "recordings": facts, "rejects": _reject_facts(recordings, rejects)}
    _finish(partial, folder, index)
    return _report(folder)


def _report(folder: Path) -> BuildReport:
    index = read_index(folder)
    notices = [(key, notice) for key, facts in index["recordings"].items() for notice in facts["notices"]]
    rejects = [(key, facts["reason"]) for key, facts in index["rejects"].items()]
    return BuildReport(folder, list(index["recordings"]), rejects, notices)


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Holds the lock of one cache; the system drops it when this process ends, however it ends."""
    path = folder.with_name(folder.name + ".lock")
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise InputError(
                f"cache {folder}: another process builds it just now; wait for it, then run the same command"
            ) from error
        # The holder before may have removed the file between our open and our lock: then this lock guards nothing.
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)
    try:
        yield
    finally:
        path.unlink()
        os.close(handle)


def _open_for_writing(partial: Path) -> lmdb.Environment:
    data = partial / DATA_NAME
    size = data.stat().st_size if data.exists() else 0
    # Our own lock keeps other writers out, and nobody reads an unfinished cache: LMDB needs no lock file.
    options = {"map_size": max(_FIRST_MAP_BYTES, 2 * size), "lock": False}
    try:
        return lmdb.open(str(partial), **options)
    except lmdb.InvalidError:  # killed while the first two pages were written
        logger.warning("%s is no valid LMDB file; starting anew", data)
        data.unlink()
        return lmdb.open(str(partial), **options)


def _write(environment: lmdb.Environment, result: ReadRecording) -> None:
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for stream, value in result.values.items():
                    transaction.put(stream_key(result.recording_id, stream), value)
                transaction.put(meta_key(result.recording_id), dump_json(result.meta))
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])


def _whole_recordings(environment: lmdb.Environment) -> set[str]:
    with environment.begin() as transaction:
        keys = (recording_of_meta_key(key) for key in transaction.cursor().iternext(values=False))
        return {key for key in keys if key is not None}


def _collect_facts(environment: lmdb.Environment) -> dict[str, dict[str, Any]]:
    """What the index says of each recording: all but the long lists, which are read with the recording."""
    facts = {}
    with environment.begin() as transaction:
        for recording_id in sorted(_whole_recordings(environment)):
            meta = json.loads(transaction.get(meta_key(recording_id)))
            facts[recording_id] = {key: meta[key] for key in ("recording", "num_frames", "streams", "notices")}
    return facts


def _reject_facts(recordings: list[Recording], rejects: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {r.id: {"recording": recording_facts(r), "reason": rejects[r.id]} for r in recordings if r.id in rejects}


def _finish(partial: Path, folder: Path, index: dict[str, Any]) -> None:
    """Makes the partial folder the cache; the rename is the one moment in which it comes to be."""
    temporary = partial / (INDEX_NAME + ".new")
    temporary.write_bytes(dump_json(index))
    temporary.replace(partial / INDEX_NAME)
    for path in (partial / INDEX_NAME, partial):
        _flush(path)
    partial.rename(folder)
    _flush(folder.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_all(
    recordings: list[Recording],
    states: dict[str, dict[str, list[int]]],
    data_config: DataConfig,
    *,
    num_processes: int | None,
) -> Iterator[ReadRecording]:
    """Reads recordings in this process or in a pool, in the order in which they get ready.

    Args:
        recordings: which.
        states: of the files of each (`fingerprint.file_states`); one that changes while it is read is rejected.
        data_config: where and at what rates.
        num_processes: as `build_cache`.
    """
    if num_processes is None:
        num_processes = min(_num_cores(), len(recordings) // _RECORDINGS_PER_WORKER)
    if num_processes <= 1 or len(recordings) <= 1:
        for recording in recordings:
            yield _read(recording, states[recording.id], data_config)
        return
    waiting, running = iter(recordings), set[Future[ReadRecording]]()
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an undefined state
    with ProcessPoolExecutor(min(num_processes, len(recordings)), context, _start_worker) as pool:
        try:
            while True:
                for recording in islice(waiting, _IN_HAND * num_processes - len(running)):
                    running.add(pool.submit(_read, recording, states[recording.id], data_config))
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


def _read(recording: Recording, states: dict[str, list[int]], data_config: DataConfig) -> ReadRecording:
    """Reads one recording; whatever is wrong with its files becomes the reason of a reject."""
    try:
        with collected_warnings() as warnings:
            sources = DATASETS[data_config.format].read_sources(recording, data_config)
        sources.notices.extend(warnings)
        clip = make_clip(sources, data_config.fps, data_config.sample_rate)
        if file_states(recording, data_config) != states:
            raise InputError("a file changed while it was read; run the same command again")
        return ReadRecording(recording.id, *encode_clip(clip, recording))
    except (InputError, OSError) as error:
        return ReadRecording(recording.id, reject=" ".join(str(error).split()))
    except (
        Exception
    ) as error:  # one strange file must not end a build of hours; the trace tells us where we were too trusting
        logger.exception("%s: unexpected error", recording.id)
        return ReadRecording(recording.id, reject=f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")
