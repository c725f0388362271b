"""Whether the data files of a cache are whole: their size at every opening, their checksum once for each copy.

A data file is mapped into memory, and a page that is not there ends the process with a bus error. So the size is
compared before a file is mapped, and a file is read through by plain reads, 8 MiB at a time, before a value of it is
trusted. What its checksum covers besides the values, the search tree, could lead LMDB out of the map when it is
damaged: the search for the damaged values runs in a process of its own (`cache_values.py`).
"""

import json
import logging
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

from dataloaders import cache_values
from dataloaders.cache_format import value_key
from dataloaders.cache_index import Index, Memo
from emage.errors import InputError

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 8 << 20
_SLOW_BYTES = 1 << 30  # a file whose check is announced


@dataclass(frozen=True)
class Damage:
    """What is wrong with a data file.

    Attributes:
        name: of the file.
        reason: in words, for the whole file; "" where single values are damaged.
        values: the damaged (recording id, stream); empty where nothing of the file can be used.
    """

    name: str
    reason: str
    values: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.reason:
            return f"{self.name}: {self.reason}"
        (recording_id, stream), *more = self.values
        others = f", and {len(more)} more values" if more else ""
        return f"{self.name}: {recording_id}: the stream {stream} is damaged, its checksum differs{others}"


def size_fault(path: Path, num_bytes: int) -> str:
    """Why a data file has not its size; "" if it has."""
    try:
        found = path.stat().st_size
    except OSError as error:
        return error.strerror
    if found == num_bytes:
        return ""
    if found < num_bytes:
        return f"cut off: {found} of {num_bytes} bytes"
    return f"{found} bytes instead of {num_bytes}"


def file_times(path: Path) -> list[int]:
    """What changes whenever a file does: its modification time and its change time (on Windows: of creation), in ns."""
    status = path.stat()
    return [status.st_mtime_ns, status.st_ctime_ns]


def file_checksum(path: Path) -> int:
    """CRC-32 of a file."""
    checksum = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def describe_file(path: Path) -> dict:
    """What the list says of a data file that is finished."""
    times = file_times(path)  # before it is read: a change while it is read is then found at the next opening
    return {"bytes": path.stat().st_size, "crc32": file_checksum(path), "checked": times}


def find_size_damage(folder: Path, index: Index) -> list[Damage]:
    """The data files that have not their size."""
    reasons = {name: size_fault(folder / name, facts["bytes"]) for name, facts in index["data"].items()}
    return [Damage(name, reason) for name, reason in reasons.items() if reason]


def find_damage(folder: Path, index: Index, memo: Memo) -> list[Damage]:
    """All that is wrong with the data files; those that did not change since they were checked are not read again."""
    found = find_size_damage(folder, index)
    rest = [name for name in index["data"] if name not in {damage.name for damage in found}]
    if all(_is_checked(folder, index, memo, name) for name in rest):
        return found
    with memo.writing():
        for name in rest:
            if _is_checked(folder, index, memo, name):
                continue
            path, facts = folder / name, index["data"][name]
            if facts["bytes"] >= _SLOW_BYTES:
                logger.info("%s: a new copy, its checksum is compared once (%.1f GB)", path, facts["bytes"] / 1e9)
            times = file_times(path)
            damage = None if file_checksum(path) == facts["crc32"] else _search(folder, index, name)
            if damage is None:
                memo.set_data_times(name, times)
            else:
                found.append(damage)
    return found


def _is_checked(folder: Path, index: Index, memo: Memo, name: str) -> bool:
    return file_times(folder / name) in (index["data"][name]["checked"], memo.data_times(name))


def _search(folder: Path, index: Index, name: str) -> Damage | None:
    """The damaged values of a file whose checksum differs; None if all of them are right (the damage is in a gap)."""
    owners = {
        value_key(recording_id, stream).decode(): (recording_id, stream, checksum)
        for recording_id, versions in index["recordings"].items()
        for facts in versions
        if facts["data"] == name
        for stream, checksum in facts["crc32"].items()
    }
    path = (folder / name).resolve()
    request = {"path": str(path), "values": {key: checksum for key, (_, _, checksum) in owners.items()}}
    answer = subprocess.run(
        [sys.executable, "-m", cache_values.__name__],
        cwd=Path(__file__).resolve().parents[1],  # where the module is found
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        return Damage(name, "damaged, nothing of it can be used")
    values = tuple(owners[key][:2] for key in json.loads(answer.stdout))
    return Damage(name, "", values) if values else None


def without_damage(index: Index, damages: list[Damage]) -> Index:
    """The list without the files of which nothing can be used, and without the versions with a damaged value."""
    lost = {damage.name for damage in damages if not damage.values}
    bad = {(damage.name, recording_id) for damage in damages for recording_id, _ in damage.values}
    recordings = {}
    for recording_id, versions in index["recordings"].items():
        kept = [row for row in versions if row["data"] not in lost and (row["data"], recording_id) not in bad]
        if kept:
            recordings[recording_id] = kept
    data = {name: facts for name, facts in index["data"].items() if name not in lost}
    return index | {"data": data, "recordings": recordings}


def refuse_damage(folder: Path, damages: list[Damage], command: str) -> None:
    """Raises the first of the damages as an error.

    Raises:
        InputError: there is one.
    """
    if damages:
        raise InputError(f"cache {folder}: {damages[0]}; copy or build it again: {command}")
