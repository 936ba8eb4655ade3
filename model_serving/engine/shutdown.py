"""Whether the whole service ends, and not only this worker: gunicorn's first process tells its workers.

A worker that another replaces just leaves. When the service ends, what sends it clients has to learn of that
first, so its workers go on for `drain_s` seconds, and are not ready meanwhile.
"""

import mmap
import signal
from collections.abc import Callable
from typing import Any

_memory = mmap.mmap(-1, 1)


def announce_shutdown(server: Any, ends_the_service: Callable[[], bool]) -> None:
    """Let gunicorn's `server` tell its workers when it stops, unless another master goes on instead.

    A second SIGTERM reaches them, too, and skips the wait.
    """
    stop = server.stop

    def announce_and_stop(graceful: bool = True) -> None:
        if ends_the_service():
            _memory[0] = 1
            signal.signal(signal.SIGTERM, lambda *_: server.kill_workers(signal.SIGTERM))
        stop(graceful)

    server.stop = announce_and_stop


def service_ends() -> bool:
    """Whether gunicorn's first process has begun to stop."""
    return _memory[0] == 1
