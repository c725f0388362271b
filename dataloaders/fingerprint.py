"""What shapes the data of a cache, in one short hash.

A cache belongs to the settings and the files that it was made from, and to nothing else: not to where the corpus lies,
and not to layout, window, stride or model, which are chosen when it is read. Two caches with one fingerprint are equal
by value.
"""

import dataclasses
import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataloaders.recordings import Recording
from emage.config import DataConfig
from emage.errors import InputError

# To be raised when a clip comes to hold other values for the same files: caches made before are then not used any more.
CACHE_VERSION = 1
_COMMAND_KEYS = ("format", "root", "annotation_root", "cache_dir", "fps", "sample_rate", "audio_track", "speakers")
_EXAMPLES = 3  # differing recordings that an error names


@dataclass(frozen=True)
class Fingerprint:
    """The settings and the source files of a cache.

    Attributes:
        config: the cache version and the settings that shape the values.
        sources: for each recording its files, by path relative to the root, as [bytes, modification time in ns].
    """

    config: dict[str, Any]
    sources: dict[str, dict[str, list[int]]]

    @classmethod
    def of(cls, data_config: DataConfig, recordings: list[Recording]) -> "Fingerprint":
        """Takes the fingerprint of a corpus as it lies on disk now."""
        sources = {
            recording.id: file_states(recording, data_config) for recording in sorted(recordings, key=lambda r: r.id)
        }
        return cls(shaping_config(data_config), sources)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits; the name of the cache's folder."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]

    def differences(self, other: "Fingerprint") -> list[str]:
        """Rows that say how `other` (a cache) differs from this one (what is asked for); empty if it does not."""
        rows = config_differences(self.config, other.config)
        groups = {
            "not in the cache": self.sources.keys() - other.sources.keys(),
            "only in the cache": other.sources.keys() - self.sources.keys(),
            "changed files": {
                key for key in self.sources.keys() & other.sources.keys() if self.sources[key] != other.sources[key]
            },
        }
        for what, ids in groups.items():
            if ids:
                more = ", ..." if len(ids) > _EXAMPLES else ""
                rows.append(f"recordings, {what}: {len(ids)} ({', '.join(sorted(ids)[:_EXAMPLES])}{more})")
        return rows


def shaping_config(data_config: DataConfig) -> dict[str, Any]:
    """The settings that shape a cache's values."""
    shaping = {
        "version": CACHE_VERSION,
        "format": data_config.format,
        "fps": float(data_config.fps),
        "sample_rate": int(data_config.sample_rate),
    }
    if data_config.format == "singinghead":  # the other corpora have one sound, and caches that do not know of the key
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


def file_states(recording: Recording, data_config: DataConfig) -> dict[str, list[int]]:
    """Size in bytes and modification time in ns of a recording's files, by path relative to the corpus' root.

    Raises:
        InputError: if a file is gone since it was found.
    """
    states = {}
    for path in sorted(recording.paths.values()):
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; it was there when the corpus was searched") from error
        states[_relative(path, data_config)] = [status.st_size, status.st_mtime_ns]
    return states


def _relative(path: Path, data_config: DataConfig) -> str:
    for root in (data_config.root, data_config.annotation_root):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


def build_command(data_config: DataConfig) -> str:
    """The command line that builds the cache which `data_config` asks for, whatever config the command starts from."""
    items = []
    for key in _COMMAND_KEYS:
        value = getattr(data_config, key)
        if value and (key != "audio_track" or data_config.format == "singinghead"):
            text = f"[{','.join(value)}]" if isinstance(value, list) else str(value)
            items.append(shlex.quote(f"data.{key}={text}"))
    return " ".join(["python tools/build_cache.py", *items])
