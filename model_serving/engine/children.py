"""The processes that models start: they inherit nothing of the server's, and end with their worker."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing import active_children, process, util

from gunicorn.workers.base import Worker

SIGNALS = Worker.SIGNALS
POLL_SECONDS = 0.02
NULL = os.open(os.devnull, os.O_RDWR)  # Now: a child may have reached its limit of open files.

server_files: list[Callable[[], Iterable[int]]] = []
blocked = threading.local()


def isolate_children(files: Callable[[], Iterable[int]]) -> None:
    """Let what this process forks start without the server's signal handlers and without these `files`.

    `files` is called in the child, so it must not wait for a lock. A second call replaces it.
    """
    if not server_files:
        os.register_at_fork(before=_block_signals, after_in_parent=_restore_signals, after_in_child=_isolate)
        process._children.clear()  # type: ignore[attr-defined]  # The master's children, which it ends itself.
    server_files[:] = [files]


def _block_signals() -> None:
    # A child that has the server's handlers would stop the server, through the pipe that they share.
    blocked.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _restore_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked.mask)


def _isolate() -> None:
    if not server_files:  # This is a child's own child.
        return _restore_signals()
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # Even those that a thread of the server blocks.
    for file in server_files.pop()():
        with contextlib.suppress(OSError):  # Not closed: its object would later close what has its number.
            os.dup2(NULL, file, inheritable=False)


def end_children(timeout_s: float, parent: int) -> None:
    """End what this worker has started. Its `parent` later ends what is left of its process group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_processes(timeout_s, group := os.getpid())
    if os.getppid() != parent and os.fork() == 0:  # The parent has gone; this child does it.
        os.setpgid(0, 0)
        end_group(group, timeout_s)
        os._exit(0)


def end_processes(timeout_s: float, group: int | None = None) -> None:
    """End those of multiprocessing, which the interpreter would wait for, and send SIGTERM to a `group`."""
    end = time.monotonic() + timeout_s
    # Pools first: they replace a process that is killed, and wait forever for a lock that it held.
    pools = threading.Thread(target=util._run_finalizers, args=[0], daemon=True)  # type: ignore[attr-defined]
    pools.start()
    pools.join(timeout_s / 2)
    if group:
        os.killpg(group, signal.SIGTERM)
    for child in active_children():
        child.terminate()
    for child in active_children():
        child.join(max(0, end - time.monotonic()))
        if child.is_alive() and child.pid:  # Not kill(), which joblib's processes lack.
            with contextlib.suppress(ProcessLookupError):  # It has ended meanwhile.
                os.kill(child.pid, signal.SIGKILL)


def end_group(group: int, timeout_s: float) -> None:
    """End the processes of a group that is not this one's: SIGTERM, and SIGKILL after `timeout_s`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # Nearly always, there are none.
        os.killpg(group, signal.SIGTERM)
        for _ in range(int(timeout_s / POLL_SECONDS)):
            with contextlib.suppress(ChildProcessError):  # Process 1 has become their parent.
                os.waitpid(-group, os.WNOHANG)
            os.killpg(group, 0)
            time.sleep(POLL_SECONDS)
        os.killpg(group, signal.SIGKILL)
