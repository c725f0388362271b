"""The lock: one holder at a time, free when its holder was killed, and nothing that only POSIX has."""

import ast
import os
import signal
import time
from pathlib import Path

import pytest

from dataloaders import cache_lock
from dataloaders.cache_lock import Timeout, locked

POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios"}
SOURCES = sorted(Path(cache_lock.__file__).parent.rglob("*.py"))


def test_a_second_holder_waits_or_is_told_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "a.lock"
    with locked(path, 0):
        with pytest.raises(Timeout), locked(path, 0):
            pass
        with pytest.raises(Timeout), locked(path, 0.1):
            pass
    with locked(path, 0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    path = tmp_path / "a.lock"
    ready, started = os.pipe()
    pid = os.fork()
    if pid == 0:
        with locked(path, 0):
            os.write(started, b"!")
            time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    with pytest.raises(Timeout), locked(path, 0):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with locked(path, 0):
        assert path.exists()


def test_a_folder_that_cannot_be_written_to_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), locked(tmp_path / "file" / "a.lock", 0):
        pass


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_module_imports_what_only_posix_has(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert not imported & POSIX_ONLY
