"""The cache of a corpus: every stream of every recording at one frame rate, read by slices.

An LMDB holds one raw contiguous value per (recording, stream); a window is a slice of it, so no overlap is stored, and
window, stride, layout and model are chosen anew at each read. A cache is found by what shaped it (see fingerprint.py):
one that was made otherwise is an error that says how it differs, never a silent reuse.

Shapes: T frames, S samples.
"""

import json
import logging
import os
import weakref
from functools import cached_property
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from dataloaders.cache_build import (
    DATA_NAME,
    INDEX_NAME,
    PARTIAL_SUFFIX,
    BuildReport,
    build_cache,
    partial_folder,
    read_index,
)
from dataloaders.cache_format import StreamSlot, decode_rows, meta_key, stream_slots
from dataloaders.corpora import DATASETS
from dataloaders.fingerprint import Fingerprint, build_command, config_differences, shaping_config
from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.skeleton import Skeleton
from emage.text import Word

__all__ = ["BuildReport", "MotionCache", "build_cache"]

logger = logging.getLogger(__name__)


class MotionCache:
    """A finished cache, opened for reading.

    The LMDB is opened on the first read, and anew in each loader process, forked or spawned.

    Attributes:
        folder: where it lies.
        fingerprint: twelve hexadecimal digits of what shaped it.
        fps: frames per second of every stream but the waveform.
        sample_rate: samples per second of the waveform.
        known: what each recording in it is, by id; where its files lie is not known any more.
        rejected: (recording, reason) of those that could not be read, by id.
        notices: what was repaired or assumed, by id.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        index = read_index(self.folder)
        config = index["fingerprint"]["config"]
        self.fingerprint: str = self.folder.name
        self.fps: float = config["fps"]
        self.sample_rate: int = config["sample_rate"]
        self._facts: dict[str, dict[str, Any]] = index["recordings"]
        self.known = {key: Recording(**facts["recording"]) for key, facts in self._facts.items()}
        self.rejected = {
            key: (Recording(**facts["recording"]), facts["reason"]) for key, facts in index["rejects"].items()
        }
        self.notices = {key: facts["notices"] for key, facts in self._facts.items() if facts["notices"]}
        self._slots: dict[str, dict[str, StreamSlot]] = {}
        self._reader = _reader(self.folder)

    @classmethod
    def open(cls, data_config: DataConfig) -> "MotionCache":
        """Opens the cache that belongs to a corpus and its settings.

        If `data.root` is not there, the one cache in `data.cache_dir` with the same settings is taken, and a notice
        logged.

        Raises:
            InputError: there is none; the message says what differs from those that are there, and which command
                builds it.
        """
        if not data_config.cache_dir:
            raise InputError("data.cache_dir: not set; name the folder that tools/build_cache.py wrote to")
        cache_dir = Path(data_config.cache_dir)
        if data_config.root and Path(data_config.root).is_dir():
            return cls(_find_by_fingerprint(cache_dir, data_config))
        return cls(_find_by_settings(cache_dir, data_config))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_reader"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reader = _reader(self.folder)

    def recordings(self) -> list[str]:
        """Ids of the recordings in it, sorted."""
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
        self._known(recording_id)
        meta = json.loads(bytes(self._reader.get(meta_key(recording_id))))
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
        return decode_rows(self._reader.get(slot.key), slot, start=start, stop=stop)

    def slot(self, recording_id: str, stream: str) -> StreamSlot:
        """Where a stream lies and how long it is."""
        slots = self._slots.get(recording_id)
        if slots is None:
            slots = self._slots[recording_id] = stream_slots(recording_id, self._known(recording_id)["streams"])
        return slots[stream]

    def _known(self, recording_id: str) -> dict[str, Any]:
        facts = self._facts.get(recording_id)
        if facts is None:
            reason = f": it was rejected: {self.rejected[recording_id][1]}" if recording_id in self.rejected else ""
            raise InputError(f"cache {self.folder}: no recording {recording_id}{reason}")
        return facts


class _Reader:
    """One LMDB with a standing read transaction, opened in the process that reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid: int | None = None
        self._environment: lmdb.Environment | None = None
        self._get: Any = None

    def get(self, key: bytes) -> memoryview:
        """The value of a key; it must be copied before the reader is gone."""
        if self._pid != os.getpid():
            self._open()
        value = self._get(key)
        assert value is not None, f"{self._folder}: {key!r} stands in the index and not in the data"
        return value

    def _open(self) -> None:
        if self._environment is not None:
            self._environment.close()  # inherited by a fork: its map is this process' own copy
        # A finished cache never changes: no lock is needed, so a read-only disk will do. Windows are read in random
        # order: the system should not read ahead.
        self._environment = lmdb.open(str(self._folder), readonly=True, lock=False, readahead=False)
        self._get = self._environment.begin(buffers=True).get
        self._pid = os.getpid()


# LMDB forbids to open one file twice in a process: caches of one folder share their reader.
_READERS: "weakref.WeakValueDictionary[tuple[int, int], _Reader]" = weakref.WeakValueDictionary()


def _reader(folder: Path) -> _Reader:
    status = (folder / DATA_NAME).stat()
    return _READERS.setdefault((status.st_dev, status.st_ino), _Reader(folder))


def _finished_caches(cache_dir: Path) -> list[Path]:
    return sorted(path.parent for path in cache_dir.glob(f"*/{INDEX_NAME}") if path.parent.suffix != PARTIAL_SUFFIX)


def _find_by_fingerprint(cache_dir: Path, data_config: DataConfig) -> Path:
    asked = Fingerprint.of(data_config, DATASETS[data_config.format].find_recordings(data_config))
    folder = cache_dir / asked.digest
    if folder.is_dir():
        return folder
    command = build_command(data_config)
    if partial_folder(folder).is_dir():
        raise InputError(f"cache {folder}: not finished; go on with: {command}")
    others = {
        path: asked.differences(Fingerprint(**read_index(path)["fingerprint"])) for path in _finished_caches(cache_dir)
    }
    if not others:
        raise InputError(f"data.cache_dir {cache_dir}: no cache there; build it: {command}")
    nearest = min(others, key=lambda path: len(others[path]))
    differences = "; ".join(others[nearest])
    raise InputError(
        f"data.cache_dir {cache_dir}: no cache of this data; {nearest.name} there differs in {differences};"
        f" build it: {command}"
    )


def _find_by_settings(cache_dir: Path, data_config: DataConfig) -> Path:
    asked, missing = shaping_config(data_config), f"data.root {data_config.root!r} is not there"
    differences = {
        path: config_differences(asked, read_index(path)["fingerprint"]["config"])
        for path in _finished_caches(cache_dir)
    }
    matching = [path for path, rows in differences.items() if not rows]
    if len(matching) == 1:
        logger.warning(
            "%s: taking the one cache in %s with the same settings, %s", missing, cache_dir, matching[0].name
        )
        return matching[0]
    if matching:
        names = ", ".join(path.name for path in matching)
        raise InputError(
            f"{missing}, and several caches in {cache_dir} have these settings ({names}); set data.root to the corpus"
        )
    found = "; ".join(f"{path.name}: {', '.join(rows)}" for path, rows in differences.items())
    raise InputError(
        f"{missing}, and no cache in {cache_dir} has these settings{f' ({found})' if found else ''}; set data.root"
    )
