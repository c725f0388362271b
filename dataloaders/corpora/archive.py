"""Zips of strangers, read in place: members by base name, nothing is ever written to disk.

A member whose path leaves the archive (absolute, `..`, a drive, a link) is refused, and so is one that unpacks to more
than its kind ever needs: the size that the archive states is not believed, reading stops at the cap. What is refused
is known with its reason, and the other members are used.
"""

import functools
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emage.errors import InputError

MAX_MEMBERS = 500_000
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, eq=False)
class Archive:
    """What a zip holds.

    Attributes:
        path: of the zip.
        members: base name -> the member's full name, of those that may be read.
        refused: base name -> why the member of that name is not read.
    """

    path: Path
    members: dict[str, str]
    refused: dict[str, str]

    def read(self, base_name: str, *, max_bytes: int) -> bytes:
        """The content of a member.

        Args:
            base_name: its file name, in whatever folder it lies.
            max_bytes: more than such a member ever has.

        Raises:
            InputError: it is not there, was refused, is damaged, or unpacks to more.
        """
        if base_name in self.refused:
            raise InputError(f"{self.path}: {base_name}: {self.refused[base_name]}")
        if base_name not in self.members:
            raise InputError(f"{self.path}: no member {base_name}")
        try:
            with _opened(self.path, _state(self.path)).open(self.members[base_name]) as file:
                content = file.read(max_bytes + 1)
        except _DAMAGED as error:
            raise InputError(f"{self.path}: {base_name}: damaged ({error}); copy the archive again") from error
        if len(content) > max_bytes:
            raise InputError(f"{self.path}: {base_name} unpacks to more than {max_bytes} bytes; it is not read further")
        return content

    def stamp(self, base_name: str) -> tuple[int, int]:
        """Size in bytes and CRC-32 of a member as the archive states them; (-1, 0) of one that cannot be read."""
        if base_name in self.refused or base_name not in self.members:
            return -1, 0
        info = _opened(self.path, _state(self.path)).getinfo(self.members[base_name])
        return info.file_size, info.CRC


def open_archive(path: Path) -> Archive:
    """The members of a zip.

    Raises:
        InputError: no such file, no zip, or more members than any corpus has.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such archive")
    return _listed(path, _state(path))


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=16)
def _opened(path: Path, state: tuple[int, int]) -> zipfile.ZipFile:
    """One open handle a process: to list thousands of members anew for each of them would take hours."""
    return zipfile.ZipFile(path)


@functools.lru_cache(maxsize=16)
def _listed(path: Path, state: tuple[int, int]) -> Archive:
    try:
        infos = _opened(path, state).infolist()
    except _DAMAGED as error:
        raise InputError(f"{path}: no zip archive, or cut off ({error}); copy it again") from error
    if len(infos) > MAX_MEMBERS:
        raise InputError(f"{path}: {len(infos)} members; no corpus has more than {MAX_MEMBERS}")
    members: dict[str, str] = {}
    refused: dict[str, str] = {}
    for info in infos:
        if info.is_dir():
            continue
        base_name = info.filename.replace("\\", "/").rsplit("/", 1)[-1]
        reason = _why_unsafe(info)
        if not reason and base_name in members:
            reason = f"is there twice, as {members[base_name]} and {info.filename}"
        if reason:
            refused.setdefault(base_name, reason)
        else:
            members[base_name] = info.filename
    return Archive(path, members, refused)


def _why_unsafe(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")) or "\0" in name:
        return f"its path {name!r} leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return f"{name!r} is a link"
    return "it is encrypted" if info.flag_bits & 1 else ""
