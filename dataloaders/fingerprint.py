"""What a recording and a cache are: the content of the files, and the settings that shape the values.

A recording in a cache is its id and a hash of the content of its files. Modification times only save work: a file of
unchanged size and time is not hashed again. A cache belongs to the settings that shape its values, and to nothing else:
not to where the corpus lies, and not to speakers, layout, window, stride or model, which are chosen when it is read.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from dataloaders.corpora.archive import open_archive
from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError

# To be raised when a clip, or what is stored of it, comes to hold other values for the same files.
CACHE_VERSION = 2
_COMMAND_KEYS = ("format", "root", "annotation_root", "cache_dir", "fps", "sample_rate", "audio_track", "speakers")
_BLOCK_BYTES = 1 << 20
_MAX_MEMBER_BYTES = 1 << 28  # far more than any adapter takes from an archive
_NUM_THREADS = 8  # hashing waits for the disk more than for a core, and releases Python's lock


class FileState(NamedTuple):
    """What is known of a file without reading it.

    Attributes:
        size: in bytes.
        stamp: modification time in ns; of a member of an archive its CRC-32.
    """

    size: int
    stamp: int


ABSENT = FileState(-1, 0)


def shaping_config(data_config: DataConfig) -> dict[str, Any]:
    """The settings that shape a cache's values."""
    shaping = {
        "version": CACHE_VERSION,
        "format": data_config.format,
        "fps": float(data_config.fps),
        "sample_rate": int(data_config.sample_rate),
    }
    if data_config.format == "singinghead":  # the other corpora have one sound
        shaping["audio_track"] = data_config.audio_track
    return shaping


def config_differences(asked: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Rows `key: asked, found in the cache` of two shaping configs."""
    names = {"version": "cache version"}
    return [
        f"{names.get(key, f'data.{key}')}: {asked.get(key)} is asked for, the cache has {found.get(key)}"
        for key in sorted(asked.keys() | found.keys())
        if asked.get(key) != found.get(key)
    ]


def cache_name(config: dict[str, Any], sizes: dict[str, dict[str, int]]) -> str:
    """The folder name of a new cache: twelve hexadecimal digits.

    Args:
        config: of `shaping_config`.
        sizes: by recording and kind, bytes of each file: known without reading 75 GB. Two corpora that differ in
            content alone would have one name; `cache_build` then numbers the second.
    """
    return _short_hash([config, sizes])


def view_digest(config: dict[str, Any], contents: dict[str, str]) -> str:
    """Twelve hexadecimal digits of settings and content by recording: equal digests mean equal values."""
    return _short_hash([config, contents])


def _short_hash(node: Any) -> str:
    text = json.dumps(node, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def file_states(recording: Recording) -> dict[str, FileState]:
    """Size and stamp of a recording's files by kind; ABSENT for one that cannot be looked at, e.g. a link to nowhere."""
    states = {}
    for kind, path in sorted(recording.paths.items()):
        try:
            if kind in recording.members:
                states[kind] = FileState(*open_archive(path).stamp(recording.members[kind]))
                continue
            status = path.stat()
        except (OSError, InputError):
            states[kind] = ABSENT
            continue
        states[kind] = FileState(status.st_size, status.st_mtime_ns)
    return states


def hash_file(recording: Recording, kind: str) -> str:
    """BLAKE2b hash of the content of one file, 32 hexadecimal digits; "" for a member that cannot be read.

    Raises:
        InputError: the file cannot be read.
    """
    path, digest = recording.paths[kind], hashlib.blake2b(digest_size=16)
    if kind in recording.members:
        try:
            digest.update(open_archive(path).read(recording.members[kind], max_bytes=_MAX_MEMBER_BYTES))
        except InputError:  # missing, refused or damaged: that is what it is until the archive states another one
            return ""
        return digest.hexdigest()
    try:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; its content cannot be compared with the cache") from error
    return digest.hexdigest()


def hash_files(files: Iterable[tuple[Recording, str]]) -> dict[tuple[str, str], str]:
    """Hashes of (recording, kind) by (id, kind), read by several threads; a zip is read by one alone.

    Raises:
        InputError: a file cannot be read.
    """
    files = list(files)
    plain = [(recording, kind) for recording, kind in files if kind not in recording.members]
    hashes = {(r.id, kind): hash_file(r, kind) for r, kind in files if kind in r.members}
    with ThreadPoolExecutor(min(_NUM_THREADS, max(1, len(plain)))) as pool:
        found = pool.map(lambda file: hash_file(*file), plain)
        hashes |= {(r.id, kind): value for (r, kind), value in zip(plain, found, strict=True)}
    return hashes


def content_digest(files: dict[str, list]) -> str:
    """Hash of a recording's content, 32 hexadecimal digits.

    Args:
        files: by kind [size, stamp, hash]; the stamp does not count.
    """
    rows = [[kind, size, value] for kind, (size, _, value) in sorted(files.items())]
    return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def build_command(data_config: DataConfig) -> str:
    """The command line that builds the cache which `data_config` asks for, whatever config the command starts from."""
    items = []
    for key in _COMMAND_KEYS:
        value = getattr(data_config, key)
        if value and (key != "audio_track" or data_config.format == "singinghead"):
            text = f"[{','.join(value)}]" if isinstance(value, list) else str(value)
            items.append(shlex.quote(f"data.{key}={text}"))
    return " ".join(["python tools/build_cache.py", *items])
