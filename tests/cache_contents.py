"""What tests of the cache share: all that is in one, and work that is done, and killed, in a process of its own."""

import json
import os
import signal
import time
from collections.abc import Callable

from dataloaders.cache import MotionCache
from dataloaders.cache_format import STREAMS


def contents(cache: MotionCache) -> dict[str, bytes]:
    """Every value of a cache, by recording and stream."""
    values = {f"{key}/{name}": cache.read(key, name).tobytes() for key in cache.recordings() for name in STREAMS}
    for key in cache.recordings():
        meta = cache.meta(key)
        meta["skeleton"] = meta["skeleton"].to_dict()
        values[f"{key}/meta"] = json.dumps(meta, sort_keys=True).encode()
    return values


def run_forked(work: Callable[[], object], kill_after_s: float | None = None) -> int:
    """Runs `work` in a fork of this process; returns its exit code, -9 if it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(77)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
