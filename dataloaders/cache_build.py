"""Builds a cache, or adds to it what it lacks: workers read recordings and make clips, this process alone writes them.

A new cache grows in `<name>.partial` and is renamed to `<name>` when whole. An extension grows in a further data file
beside the others, `data_2.mdb`, that counts from the moment on in which the list of the cache names it (see
cache_index.py). One LMDB transaction holds one recording, so a kill at any moment loses at most the recordings in hand,
what was whole before stays whole, and the same command goes on where the last one stopped. A lock that dies with its
process keeps a second builder out.
"""

import json
import logging
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import lmdb
from tqdm import tqdm

from dataloaders.cache_check import Damage, describe_file, find_damage, without_damage
from dataloaders.cache_format import (
    META,
    ORIGIN,
    dump_json,
    recording_facts,
    recording_of_origin_key,
    value_key,
)
from dataloaders.cache_index import (
    DATA_NAME,
    PLAN_NAME,
    Facts,
    Index,
    empty_index,
    flush,
    partial_folder,
    write_index,
)
from dataloaders.cache_lock import Timeout, locked
from dataloaders.cache_match import (
    FoundCorpus,
    Match,
    find_match,
    find_partial,
    match_cache,
    new_folder,
    write_plan,
)
from dataloaders.corpora import DATASETS, corpus_notices
from dataloaders.fingerprint import content_digest, shaping_config
from dataloaders.recording_reader import ReadRecording, read_all
from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError

logger = logging.getLogger(__name__)

_FIRST_MAP_BYTES = 1 << 28  # the map doubles when it is full; the file itself holds only what is written
_INDEXED = ("recording", "num_frames", "streams", "notices")  # of META; the long lists are read with the recording


@dataclass(frozen=True)
class BuildReport:
    """What came of a build; two are equal if the caches are.

    Attributes:
        path: folder of the cache; None if no recording could be used.
        used: ids of the corpus' recordings in it.
        rejects: (recording id, reason) of those that could not be read.
        notices: (recording id, what was repaired or assumed).
        kept: ids of `used` that were there before.
        added: ids of `used` that are new.
        reread: ids of `used` whose files, or whose values in the cache, had changed.
        removed: ids in the cache that the corpus does not have any more.
    """

    path: Path | None
    used: list[str]
    rejects: list[tuple[str, str]]
    notices: list[tuple[str, str]]
    kept: list[str] = field(default_factory=list, compare=False)
    added: list[str] = field(default_factory=list, compare=False)
    reread: list[str] = field(default_factory=list, compare=False)
    removed: list[str] = field(default_factory=list, compare=False)


@dataclass
class _Job:
    """What is to be done for one corpus.

    Attributes:
        folder: of the cache, there already or to be made.
        index: its list without what is damaged.
        match: what of it serves the corpus; None for a new cache.
        pending: ids of the recordings to read.
        damages: of the data files.
        damaged: ids of the recordings that are lost by them.
    """

    folder: Path
    index: Index
    match: Match | None
    pending: list[str]
    damages: list[Damage] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        """The cache serves the corpus as it is."""
        return self.match is not None and not self.pending and not self.damages


def build_cache(data_config: DataConfig, num_processes: int | None = None, *, progress: bool = True) -> BuildReport:
    """Builds the cache of a corpus, goes on with an interrupted build, or adds to a cache what it lacks.

    Recordings whose files have the content that the cache knows are not read again. Those that are new, that changed,
    or whose values in the cache are damaged, are.

    Args:
        data_config: which corpus, and at what rates; of `speakers` alone where some are named.
        num_processes: readers; 1 reads in this process; None: one a core, fewer where there are not enough recordings
            to repay their start.
        progress: shows a bar on stderr.

    Raises:
        InputError: no corpus at `data.root`, no `data.cache_dir`, another builder at work, or a full disk.
    """
    if not data_config.cache_dir:
        raise InputError("data.cache_dir: not set; name the folder that caches go to, e.g. data.cache_dir=data/cache")
    if Path(data_config.cache_dir).is_file():
        raise InputError(f"data.cache_dir: {data_config.cache_dir} is a file; name a folder")
    recordings = DATASETS[data_config.format].find_recordings(data_config)
    for notice in corpus_notices(recordings, data_config):
        logger.warning("%s: %s", data_config.root, notice)
    corpus, cache_dir = FoundCorpus.of(recordings), Path(data_config.cache_dir)
    while True:
        job = _plan(cache_dir, corpus, data_config)
        if job.is_done:
            return _report(job, {}, {})
        folder = job.folder
        with _writable(cache_dir):
            cache_dir.mkdir(parents=True, exist_ok=True)
        with _only_builder(folder):
            job = _plan(cache_dir, corpus, data_config)  # another builder may have changed it before we had the lock
            if job.folder != folder:
                continue
            if job.is_done:
                return _report(job, {}, {})
            try:
                return _build(job, corpus, data_config, num_processes=num_processes, progress=progress)
            except lmdb.Error as error:
                raise InputError(
                    f"cache {folder}: {error}; is the disk full? The same command goes on from here"
                ) from error


def _plan(cache_dir: Path, corpus: FoundCorpus, data_config: DataConfig) -> _Job:
    """Compares the corpus with the caches that are there."""
    match = find_match(cache_dir, corpus, data_config)
    if match is None:
        folder = find_partial(cache_dir, corpus, data_config) or new_folder(cache_dir, corpus, data_config)
        return _Job(folder, empty_index(shaping_config(data_config)), None, sorted(corpus.recordings))
    damages = find_damage(match.folder, match.index, match.memo)
    damaged: set[str] = set()
    if damages:
        rest = without_damage(match.index, damages)
        damaged = match.index["recordings"].keys() - rest["recordings"].keys()
        match = match_cache(match.folder, rest, corpus, data_config)
    return _Job(match.folder, match.index, match, sorted([*match.missing, *match.changed]), damages, damaged)


def _build(
    job: _Job, corpus: FoundCorpus, data_config: DataConfig, *, num_processes: int | None, progress: bool
) -> BuildReport:
    if job.match is None:
        home, name = partial_folder(job.folder), DATA_NAME
        home.mkdir(exist_ok=True)
        write_plan(home, corpus, data_config)
    else:
        home, name = job.folder, _next_data_name([*job.index["data"], *(damage.name for damage in job.damages)])
    for damage in job.damages:
        logger.warning("cache %s: %s; what is damaged is read again", job.folder, damage)
    rejects: dict[str, Facts] = {}
    with closing(_open_for_writing(home / name)) as environment:
        done = _whole_recordings(environment, job.pending, corpus)
        if done:
            logger.info("going on with %s: %d of %d recordings are there", home / name, len(done), len(job.pending))
        recordings = [corpus.recordings[key] for key in job.pending if key not in done]
        initial = len(corpus.recordings) - len(recordings)
        with closing(read_all(recordings, data_config, num_processes=num_processes)) as results:
            bar = tqdm(results, "cache", initial + len(recordings), initial=initial, unit="rec.", disable=not progress)
            for result in bar:
                if result.reject:
                    rejects[result.recording_id] = _reject_facts(result, corpus.recordings[result.recording_id])
                    bar.set_postfix(rejected=len(rejects))
                else:
                    _write(environment, result)
        facts = _collect_facts(environment, name, [key for key in job.pending if key not in rejects])
    if not facts and job.match is None:
        shutil.rmtree(home)  # this build's own, and empty
        return _report(job, facts, rejects)
    _finish(job, home, name, facts, rejects)
    return _report(job, facts, rejects)


def _finish(job: _Job, home: Path, name: str, facts: dict[str, Facts], rejects: dict[str, Facts]) -> None:
    """Puts what was read in the list; the rename, or the change of the list, is the one moment in which it counts."""
    index = job.index
    if facts:
        flush(home / name)
        index["data"][name] = describe_file(home / name)
    for damage in job.damages:
        if damage.values:  # they are in no list any more: the rest is whole as it is
            index["data"][damage.name] = describe_file(home / damage.name)
    for recording_id, row in facts.items():
        index["recordings"].setdefault(recording_id, []).append(row)
        index["rejects"].pop(recording_id, None)
    index["rejects"] |= rejects
    write_index(home, index)
    if job.match is None:
        (home / PLAN_NAME).unlink()
        home.rename(job.folder)
        flush(job.folder.parent)
    unusable = [damage.name for damage in job.damages if not damage.values]
    for file in [*unusable, *([] if facts else [name])]:
        (home / file).unlink(missing_ok=True)


def _report(job: _Job, facts: dict[str, Facts], rejects: dict[str, Facts]) -> BuildReport:
    """What came of a build that read `facts` and `rejects`."""
    used, unreadable, before, removed = dict(facts), dict(rejects), set(), []
    if job.match is not None:
        used, unreadable = used | job.match.used, unreadable | job.match.rejects
        before, removed = {*job.match.changed, *job.damaged}, job.match.removed
    return BuildReport(
        job.folder if used else None,
        sorted(used),
        sorted((key, row["reason"]) for key, row in unreadable.items()),
        [(key, notice) for key, row in sorted(used.items()) for notice in row["notices"]],
        kept=sorted(used.keys() - facts.keys()),
        added=sorted(facts.keys() - before),
        reread=sorted(facts.keys() & before),
        removed=removed,
    )


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Holds the lock of one cache; the system drops it when this process ends, however it ends."""
    path = folder.with_name(folder.name + ".lock")
    if path.is_dir():
        raise InputError(f"data.cache_dir: {path} is a folder, where the builder keeps its lock; remove it")
    with ExitStack() as stack:
        try:
            with _writable(folder.parent):
                stack.enter_context(locked(path, 0))
        except Timeout as error:
            raise InputError(
                f"cache {folder}: another process builds it just now; wait for it, then run the same command"
            ) from error
        yield


def _next_data_name(names: list[str]) -> str:
    """The name of a further data file: data_2.mdb, data_3.mdb, ... after the highest that is there."""
    stem, _, ending = DATA_NAME.partition(".")
    numbers = [int(name.removesuffix(f".{ending}").removeprefix(stem).removeprefix("_") or 1) for name in names]
    return f"{stem}_{max(numbers, default=1) + 1}.{ending}"


def _open_for_writing(data: Path) -> lmdb.Environment:
    size = data.stat().st_size if data.exists() else 0
    # Our own lock keeps other writers out, and nobody reads an unfinished file: LMDB needs no lock file.
    options = {"subdir": False, "map_size": max(_FIRST_MAP_BYTES, 2 * size), "lock": False}
    with suppress(lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError):
        environment = lmdb.open(str(data), **options)
        if (environment.info()["last_pgno"] + 1) * environment.stat()["psize"] <= max(size, data.stat().st_size):
            return environment
        environment.close()
    # Killed while its first two pages were written, or cut off by a crash of the machine.
    logger.warning("%s is no valid LMDB file; starting anew", data)
    data.unlink()
    return lmdb.open(str(data), **options)


def _write(environment: lmdb.Environment, result: ReadRecording) -> None:
    origin = {
        "content": content_digest(result.files),
        "files": result.files,
        "crc32": {name: zlib.crc32(value) for name, value in result.values.items()},
    }
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for name, value in result.values.items():
                    transaction.put(value_key(result.recording_id, name), value)
                transaction.put(value_key(result.recording_id, ORIGIN), dump_json(origin))
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])


def _whole_recordings(environment: lmdb.Environment, pending: list[str], corpus: FoundCorpus) -> set[str]:
    """Of the recordings to read those that a killed build has written, of the same files and undamaged."""
    wanted, whole = set(pending), set()
    with environment.begin(buffers=True) as transaction:
        for key, value in transaction.cursor():
            recording_id = recording_of_origin_key(bytes(key))
            if recording_id not in wanted:
                continue
            origin = json.loads(bytes(value))
            values = {name: transaction.get(value_key(recording_id, name)) for name in origin["crc32"]}
            undamaged = all(
                value is not None and zlib.crc32(value) == origin["crc32"][name] for name, value in values.items()
            )
            if undamaged and corpus.has_files(recording_id, origin["files"]):
                whole.add(recording_id)
    return whole


def _collect_facts(environment: lmdb.Environment, name: str, recording_ids: list[str]) -> dict[str, Facts]:
    """What the list says of each recording of a data file."""
    facts = {}
    with environment.begin() as transaction:
        for recording_id in recording_ids:
            meta, origin = (json.loads(transaction.get(value_key(recording_id, key))) for key in (META, ORIGIN))
            facts[recording_id] = origin | {"data": name} | {key: meta[key] for key in _INDEXED}
    return facts


def _reject_facts(result: ReadRecording, recording: Recording) -> Facts:
    return {
        "content": content_digest(result.files),
        "files": result.files,
        "recording": recording_facts(recording),
        "reason": result.reject,
    }


@contextmanager
def _writable(cache_dir: Path) -> Iterator[None]:
    """Turns what the system says about the folder of the caches into one line with the remedy."""
    try:
        yield
    except Timeout:  # an OSError too
        raise
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        raise InputError(
            f"data.cache_dir: {cache_dir} cannot be written to ({getattr(error, 'strerror', None) or error}); make it a"
            " folder that you can write to, or name another with data.cache_dir=DIR"
        ) from error
