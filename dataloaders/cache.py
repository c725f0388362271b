"""The cache of a corpus: every stream of every recording at one frame rate, read by slices.

An LMDB holds one raw contiguous value per (recording, stream); a window is a slice of it, so no overlap is stored, and
speakers, window, stride, layout and model are chosen anew at each read. A cache is found by the settings that shaped
it and by the content of the corpus' files (see fingerprint.py, cache_match.py): one that was made otherwise, and a
recording whose files changed since, is an error that says how it differs, never a silent reuse.

Shapes: T frames, S samples.
"""

import json
import logging
import os
import weakref
from collections import Counter
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from dataloaders.cache_build import BuildReport, build_cache
from dataloaders.cache_check import find_damage, refuse_damage, size_fault
from dataloaders.cache_format import META, SUMS, WORDS, StreamSlot, decode_rows, stream_slots, value_key
from dataloaders.cache_index import Facts, Index, Memo, finished_caches, read_index
from dataloaders.cache_match import FoundCorpus, Match, differences, find_match, find_partial, name_some
from dataloaders.corpora import DATASETS
from dataloaders.fingerprint import build_command, config_differences, shaping_config, view_digest
from dataloaders.recording_sums import RecordingSums
from dataloaders.recordings import Recording, select_speakers
from emage.config import DataConfig
from emage.errors import InputError, warn_input
from emage.motion.skeleton import Skeleton
from emage.text import Word

__all__ = ["BuildReport", "MotionCache", "build_cache"]

logger = logging.getLogger(__name__)

_READ_KEYS = ("data", "num_frames", "streams")  # what reading needs of the list: each loader process has a copy


class MotionCache:
    """A finished cache, opened for reading.

    The LMDB files are opened on the first read, and anew in each loader process, forked or spawned.

    Args:
        folder: where it lies.
        index: its list, if it was read already.
        used: the recordings that are seen, by id; None: all, each as it was built last.
        rejects: the recordings that could not be read; None: all.

    Attributes:
        folder: where it lies.
        fingerprint: twelve hexadecimal digits of the settings and the content of the recordings that are seen.
        fps: frames per second of every stream but the waveform.
        sample_rate: samples per second of the waveform.
        known: what each recording in it is, by id; where its files lie is not known any more.
        rejected: (recording, reason) of those that could not be read, by id.
        notices: what was repaired or assumed, by id.

    Raises:
        InputError: the list or a data file is damaged.
    """

    def __init__(
        self,
        folder: str | Path,
        index: Index | None = None,
        used: dict[str, Facts] | None = None,
        rejects: dict[str, Facts] | None = None,
    ) -> None:
        self.folder = Path(folder)
        index = read_index(self.folder) if index is None else index
        config = index["fingerprint"]["config"]
        rejects = index["rejects"] if rejects is None else rejects
        if used is None:
            used = {key: versions[-1] for key, versions in index["recordings"].items()}
        self.fps: float = config["fps"]
        self.sample_rate: int = config["sample_rate"]
        used = dict(sorted(used.items()))
        self._facts = {key: {name: facts[name] for name in _READ_KEYS} for key, facts in used.items()}
        self._sizes = {name: facts["bytes"] for name, facts in index["data"].items()}
        self.fingerprint = view_digest(config, {key: facts["content"] for key, facts in used.items()})
        self.known = {key: Recording(**facts["recording"]) for key, facts in used.items()}
        self.rejected = {
            key: (Recording(**facts["recording"]), facts["reason"])
            for key, facts in sorted(rejects.items())
            if key not in used
        }
        self.notices = {key: facts["notices"] for key, facts in used.items() if facts["notices"]}
        self._slots: dict[str, dict[str, StreamSlot]] = {}
        self._readers = self._open_readers()

    @classmethod
    def open(cls, data_config: DataConfig) -> "MotionCache":
        """Opens the cache of a corpus for the speakers asked for.

        Files of the corpus whose modification time is not the one that the cache knows are hashed; so is a data file
        that was copied or changed since it was checked. Where the folder can be written to, both is done once.
        A recording that the cache lacks, or that the corpus does not have any more, is left out with an InputWarning.
        If `data.root` is not there, the one cache in `data.cache_dir` with the same settings is taken, and a notice
        logged.

        Raises:
            InputError: there is no cache of the corpus, or of one of the speakers, or a recording changed, or the cache
                is damaged; the message says what differs, and which command builds it.
        """
        if not data_config.cache_dir:
            raise InputError("data.cache_dir: not set; name the folder that tools/build_cache.py wrote to")
        cache_dir = Path(data_config.cache_dir)
        if not data_config.root or not Path(data_config.root).is_dir():
            return _open_by_settings(cache_dir, data_config)
        recordings = DATASETS[data_config.format].find_recordings(data_config)
        corpus = FoundCorpus.of(recordings)
        match = find_match(cache_dir, corpus, data_config)
        if match is None:
            raise InputError(_why_none(cache_dir, corpus, data_config))
        _refuse_changed(match, data_config)
        _warn_incomplete(match, corpus, data_config)
        refuse_damage(match.folder, find_damage(match.folder, match.index, match.memo), build_command(data_config))
        cache = cls(match.folder, match.index, match.used, match.rejects)
        for recording_id in cache.known:  # the corpus may sort its recordings into other splits today
            cache.known[recording_id] = replace(corpus.recordings[recording_id], paths={}, members={})
        return cache

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_readers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._readers = self._open_readers()

    def _open_readers(self) -> "dict[str, _Reader]":
        names = sorted({facts["data"] for facts in self._facts.values()})
        return {name: _reader(self.folder / name, self._sizes[name]) for name in names}

    def recordings(self) -> list[str]:
        """Ids of the recordings that are seen, sorted."""
        return list(self._facts)

    @cached_property
    def layouts(self) -> dict[str, str | None]:
        """Layouts of motion and face, the same for all recordings; motion is None where there are faces alone."""
        return self.meta(self.recordings()[0])["layouts"] if self._facts else {}

    def num_frames(self, recording_id: str) -> int:
        """Frames of a recording.

        Raises:
            InputError: an unknown recording, or one that was rejected (with the reason).
        """
        return self._known(recording_id)["num_frames"]

    def meta(self, recording_id: str) -> dict[str, Any]:
        """All that describes a recording.

        Returns:
            recording, speaker, fps, num_frames, layouts, streams, notices as plain values; skeleton as a Skeleton,
            None for a recording of a face alone; words and phones as lists of Word; shape_code where the corpus has one.

        Raises:
            InputError: as `num_frames`.
        """
        meta = json.loads(bytes(self._value(recording_id, META)))
        meta["skeleton"] = meta["skeleton"] and Skeleton.from_dict(meta["skeleton"])
        for key in ("words", "phones"):
            meta[key] = [Word(*word) for word in meta[key]]
        return meta

    def read(self, recording_id: str, stream: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Reads part of one stream.

        Args:
            recording_id: which recording.
            stream: motion, face, waveform, word_index, emotion or semantic.
            start: first row: a frame, or a sample of the waveform.
            stop: row after the last; None: to the end.

        Returns:
            (stop - start, ...) a copy that the caller owns: float32, or the whole numbers of word_index and emotion.

        Raises:
            InputError: as `num_frames`.
            IndexError: rows that the stream does not have.
        """
        slot = self.slot(recording_id, stream)
        stop = slot.length if stop is None else stop
        if not 0 <= start <= stop <= slot.length:
            raise IndexError(f"{recording_id}: {stream} has rows 0 to {slot.length}: {start} to {stop} were asked for")
        reader = self._readers[self._facts[recording_id]["data"]]
        return decode_rows(reader.get(slot.key), slot, start=start, stop=stop)

    def sums(self, recording_id: str) -> RecordingSums:
        """What statistics need of all frames of a recording.

        Raises:
            InputError: as `num_frames`.
        """
        return RecordingSums.decode(self._value(recording_id, SUMS), self.layouts["motion"])

    def word_counts(self, recording_id: str) -> "Counter[str]":
        """How often each word, as it is written, begins within a recording.

        Raises:
            InputError: as `num_frames`.
        """
        return Counter(json.loads(bytes(self._value(recording_id, WORDS))))

    def slot(self, recording_id: str, stream: str) -> StreamSlot:
        """Where a stream lies and how long it is."""
        slots = self._slots.get(recording_id)
        if slots is None:
            slots = self._slots[recording_id] = stream_slots(recording_id, self._known(recording_id)["streams"])
        return slots[stream]

    def _value(self, recording_id: str, name: str) -> memoryview:
        facts = self._known(recording_id)
        return self._readers[facts["data"]].get(value_key(recording_id, name))

    def _known(self, recording_id: str) -> Facts:
        facts = self._facts.get(recording_id)
        if facts is None:
            reason = f": it was rejected: {self.rejected[recording_id][1]}" if recording_id in self.rejected else ""
            raise InputError(f"cache {self.folder}: no recording {recording_id}{reason}")
        return facts


class _Reader:
    """One LMDB file with a standing read transaction, opened in the process that reads."""

    def __init__(self, path: Path, num_bytes: int) -> None:
        self._path, self._num_bytes = path, num_bytes
        self._pid: int | None = None
        self._environment: lmdb.Environment | None = None
        self._get: Any = None

    def get(self, key: bytes) -> memoryview:
        """The value of a key; it must be copied before the reader is gone."""
        if self._pid != os.getpid():
            self._open()
        value = self._get(key)
        assert value is not None, f"{self._path}: {key!r} stands in the list and not in the data"
        return value

    def _open(self) -> None:
        if self._environment is not None:
            self._environment.close()  # inherited by a fork: its map is this process' own copy
        fault = size_fault(self._path, self._num_bytes)
        if fault:  # a read behind the end of the file would end the process
            raise InputError(f"cache {self._path.parent}: {self._path.name}: {fault}; copy or build it again")
        # A data file in use never changes: no lock is needed, so a read-only disk will do. Windows are read in random
        # order: the system should not read ahead.
        try:
            self._environment = lmdb.open(str(self._path), subdir=False, readonly=True, lock=False, readahead=False)
            self._get = self._environment.begin(buffers=True).get
        except lmdb.Error as error:
            raise InputError(
                f"cache {self._path.parent}: {self._path.name} cannot be opened: {error}; copy or build it again"
            ) from error
        self._pid = os.getpid()


# LMDB forbids to open one file twice in a process: caches of one folder share their readers.
_READERS: "weakref.WeakValueDictionary[tuple[int, int], _Reader]" = weakref.WeakValueDictionary()


def _reader(path: Path, num_bytes: int) -> _Reader:
    fault = size_fault(path, num_bytes)
    if fault:
        raise InputError(f"cache {path.parent}: {path.name}: {fault}; copy or build it again")
    status = path.stat()
    return _READERS.setdefault((status.st_dev, status.st_ino), _Reader(path, num_bytes))


def _refuse_changed(match: Match, data_config: DataConfig) -> None:
    if not match.changed:
        return
    recording_id, difference = next(iter(match.changed.items()))
    groups = {"changed": sorted(match.changed), "not in the cache": match.missing, "only in the cache": match.removed}
    counts = "; ".join(f"recordings, {what}: {name_some(ids)}" for what, ids in groups.items() if ids)
    raise InputError(
        f"cache {match.folder}: recording {recording_id} changed since it was built: {difference} ({counts});"
        f" read what changed again: {build_command(data_config)}"
    )


def _warn_incomplete(match: Match, corpus: FoundCorpus, data_config: DataConfig) -> None:
    """Says which recordings are left out.

    Raises:
        InputError: all recordings of a speaker are.
    """
    if match.missing:
        there = {facts["recording"]["speaker"] for facts in (*match.used.values(), *match.rejects.values())}
        lost = sorted({corpus.recordings[key].speaker for key in match.missing} - there, key=_by_number)
        add = f"add what is missing: {build_command(data_config)}"
        if lost:
            raise InputError(
                f"cache {match.folder}: recordings not in the cache: {name_some(match.missing)},"
                f" none of speaker {', '.join(lost)} is; {add}"
            )
        warn_input(f"cache {match.folder}: recordings not in the cache, left out: {name_some(match.missing)}; {add}")
    if match.removed:
        warn_input(
            f"cache {match.folder}: recordings that data.root does not have any more, left out:"
            f" {name_some(match.removed)}"
        )


def _by_number(label: str) -> tuple[int, str]:
    return len(label), label


def _why_none(cache_dir: Path, corpus: FoundCorpus, data_config: DataConfig) -> str:
    """The message where no cache belongs to a corpus."""
    command = build_command(data_config)
    unfinished = find_partial(cache_dir, corpus, data_config)
    if unfinished:
        return f"cache {unfinished}: not finished; go on with: {command}"
    others = {path: differences(read_index(path), corpus, data_config) for path in finished_caches(cache_dir)}
    if not others:
        return f"data.cache_dir {cache_dir}: no cache there; build it: {command}"
    of_these_settings = [path for path in others if others[path][0].startswith("recordings")]
    nearest = min(of_these_settings or others, key=lambda path: len(others[path]))
    return (
        f"data.cache_dir {cache_dir}: no cache of this data; {nearest.name} there differs in"
        f" {'; '.join(others[nearest])}; build it: {command}"
    )


def _open_by_settings(cache_dir: Path, data_config: DataConfig) -> MotionCache:
    asked, missing = shaping_config(data_config), f"data.root {data_config.root!r} is not there"
    indexes = {path: read_index(path) for path in finished_caches(cache_dir)}
    rows = {path: config_differences(asked, index["fingerprint"]["config"]) for path, index in indexes.items()}
    matching = [path for path in rows if not rows[path]]
    if not matching:
        found = "; ".join(f"{path.name}: {', '.join(rows[path])}" for path in rows)
        raise InputError(
            f"{missing}, and no cache in {cache_dir} has these settings{f' ({found})' if found else ''}; set data.root"
        )
    if len(matching) > 1:
        names = ", ".join(path.name for path in matching)
        raise InputError(
            f"{missing}, and several caches in {cache_dir} have these settings ({names}); set data.root to the corpus"
        )
    (folder,) = matching
    logger.warning("%s: taking the one cache in %s with the same settings, %s", missing, cache_dir, folder.name)
    index = indexes[folder]
    refuse_damage(folder, find_damage(folder, index, Memo(folder)), build_command(data_config))
    whole = MotionCache(folder, index)
    if not data_config.speakers:
        return whole
    everyone = [*whole.known.values(), *(recording for recording, _ in whole.rejected.values())]
    chosen = {recording.id for recording in select_speakers(everyone, data_config.speakers)}
    used = {key: versions[-1] for key, versions in index["recordings"].items() if key in chosen}
    return MotionCache(folder, index, used, {key: row for key, row in index["rejects"].items() if key in chosen})
