"""`cache.json`, the list of what a cache holds, and `checked.json`, what was already found to be in order.

A cache is a folder with `cache.json` and data files (LMDB) that never change once the list names them: an extension
writes a further file, `data_2.mdb`, and then replaces the list in one step. So a reader that has the cache open never
meets a change, and a kill leaves either list whole. The list of a recording holds each version of it by content; a
corpus is served by the versions that its files have now.

`fingerprint.config`: the settings that shape the values. `data`: by file name its bytes, checksum, and the times at
which it was checked. `recordings`: by id the versions, the newest last. `rejects`: by id, why it cannot be read.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dataloaders.cache_format import dump_json
from dataloaders.cache_lock import Timeout, locked
from dataloaders.fingerprint import CACHE_VERSION
from emage.errors import InputError
from emage.motion.atomic import write_text_atomic

logger = logging.getLogger(__name__)

Index = dict[str, Any]
Facts = dict[str, Any]

PARTIAL_SUFFIX = ".partial"
INDEX_NAME = "cache.json"
DATA_NAME = "data.mdb"  # the first data file; the next are data_2.mdb, ...
MEMO_NAME = "checked.json"
PLAN_NAME = "plan.json"  # of an unfinished cache: the settings, and the recordings by their files' sizes
_WAIT_S = 600.0  # for another process that checks the same cache
_STAMPS_KEPT = 4  # by file: copies of one corpus take turns


def empty_index(config: dict[str, Any]) -> Index:
    """The list of a cache without recordings."""
    return {"fingerprint": {"config": config}, "data": {}, "recordings": {}, "rejects": {}}


def read_index(folder: Path) -> Index:
    """Reads the list of a finished cache.

    Raises:
        InputError: the file is not there, cannot be read or is damaged.
    """
    try:
        content = (folder / INDEX_NAME).read_bytes()
    except OSError as error:
        raise InputError(
            f"cache {folder}: {INDEX_NAME} cannot be read ({error.strerror or error}); give yourself the permission to"
            " read the folder and its files, or name another data.cache_dir"
        ) from error
    try:
        index = json.loads(content)
        if not isinstance(index, dict):
            raise ValueError(f"a {type(index).__name__} instead of an object")
        config = index["fingerprint"]["config"]
        if config["version"] == CACHE_VERSION:  # a list of another version is only told apart, and not used
            check = index.pop("crc32")
            if check != zlib.crc32(dump_json(index)):
                raise ValueError("its checksum differs")
        return index
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else error
        remedy = "copy the cache again, or move the folder away and build it again"
        raise InputError(f"cache {folder}: {INDEX_NAME} is damaged: {what}; {remedy}") from error


def write_index(folder: Path, index: Index) -> None:
    """Replaces the list in one step, on the disk before it returns."""
    ordered = index | {key: dict(sorted(index[key].items())) for key in ("recordings", "rejects")}
    temporary = folder / (INDEX_NAME + ".new")
    temporary.write_bytes(dump_json(ordered | {"crc32": zlib.crc32(dump_json(ordered))}))
    flush(temporary)
    temporary.replace(folder / INDEX_NAME)
    flush(folder)


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folder
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def partial_folder(folder: Path) -> Path:
    """Where the cache `folder` grows until it is whole."""
    return folder.with_name(folder.name + PARTIAL_SUFFIX)


def finished_caches(cache_dir: Path) -> list[Path]:
    """Folders of the caches in a folder."""
    return sorted(path.parent for path in cache_dir.glob(f"*/{INDEX_NAME}") if path.parent.suffix != PARTIAL_SUFFIX)


class Memo:
    """What was found to be in order since the cache was built, so that it is not read again at the next start.

    Kept beside the list, where the folder can be written to; a wrong or missing memo only costs time.

    Args:
        folder: of the cache.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._changed = folder / MEMO_NAME, False
        self._data: dict[str, list[int]] = {}
        self._stamps: dict[str, dict[str, list[int]]] = {}
        self._read()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Reads the memo again and saves it at the end; another process that wants to write it waits.

        So of several processes that start at once, one does the work and the others find it done.
        """
        with ExitStack() as stack:
            with suppress(OSError, Timeout):  # a disk that cannot be written to: each process does the work
                stack.enter_context(locked(self._path.with_suffix(".lock"), _WAIT_S))
            self._read()
            yield
            self._save()

    def _read(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            node = json.loads(self._path.read_bytes())
            if node["crc32"] == zlib.crc32(dump_json([node["data"], node["stamps"]])):
                self._data, self._stamps = node["data"], node["stamps"]

    def data_times(self, name: str) -> list[int] | None:
        """The times that a data file had when it was found to be whole; None: never."""
        return self._data.get(name)

    def set_data_times(self, name: str, times: list[int]) -> None:
        """Remembers that a data file is whole."""
        self._data[name], self._changed = times, True

    def has_stamp(self, recording_id: str, facts: Facts, kind: str, stamp: int) -> bool:
        """A file of this stamp was hashed before and had the content of this version."""
        return stamp in self._stamps.get(_version_key(recording_id, facts), {}).get(kind, ())

    def add_stamp(self, recording_id: str, facts: Facts, kind: str, stamp: int) -> None:
        """Remembers that a file of this stamp has the content of this version."""
        stamps = self._stamps.setdefault(_version_key(recording_id, facts), {}).setdefault(kind, [])
        if stamp not in stamps:
            stamps.append(stamp)
            del stamps[:-_STAMPS_KEPT]
            self._changed = True

    def _save(self) -> None:
        """Writes what is new; on a disk that cannot be written to it is found anew at each start."""
        if not self._changed:
            return
        node = {"data": self._data, "stamps": self._stamps}
        try:
            write_text_atomic(self._path, dump_json(node | {"crc32": zlib.crc32(dump_json([*node.values()]))}).decode())
        except OSError as error:
            logger.info("%s: not written (%s): the check is repeated at each start", self._path, error.strerror)
        self._changed = False


def _version_key(recording_id: str, facts: Facts) -> str:
    return f"{recording_id}/{facts['content']}"
