"""One process at a time: a lock file that the system frees when its holder ends, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Timeout", "locked"]


@contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Holds a lock file, and removes it at the end.

    Args:
        path: of the lock file.
        timeout_s: how long to wait for another holder; 0: not at all.

    Raises:
        Timeout: another process holds it.
        OSError: the file cannot be written.
    """
    while True:
        lock = FileLock(path, timeout=timeout_s)
        lock.acquire()
        # The holder before may have removed the file between our open and our lock: then this lock guards nothing.
        if path.exists():
            break
        lock.release()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file: there it stays, empty
            path.unlink()
        lock.release()
