"""How a call waits for something: by its thread, or by letting an event loop go on meanwhile.

Under most WSGI servers each request has a thread, and that thread waits. The event loop of
model_serving/engine serves many requests in one thread; it installs its own form here for that thread.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

Result = TypeVar('Result')


class Waiter(Protocol):
    """One place to wait at; a wake that comes before the wait is kept."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until woken, True, or for `timeout_s` seconds, False.

        An event loop lets all that has arrived be handled even when `timeout_s` is 0. Raises whatever ends
        the request meanwhile, such as a client that has gone.
        """

    def wake(self) -> None:
        """Let the one who waits go on. From any thread; more than once is as good as once."""

    def is_stuck(self) -> bool:
        """Whether a wake would do nothing for now: the thread of the one who waits is kept by another."""


class Waiting(Protocol):
    """A way to wait."""

    slots: int
    """How many calls of one view may run at the same time."""

    def waiter(self) -> Waiter:
        """Return a new place to wait at, for the caller's own request."""

    def run(self, function: Callable[[], Result], quick: bool) -> Result:
        """Return what `function` returns; unless it is `quick`, others are served while it runs."""

    def run_watched(self, function: Callable[[], Result], on_blocked: Callable[[], None]) -> Result:
        """Return what `function` returns, right here; `on_blocked` is called if it keeps others waiting."""

    def clock(self) -> float:
        """Seconds, from an arbitrary start, that the caller has kept its thread from others."""


class ThreadWaiter:
    """A Waiter that blocks its thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until woken, True, or for `timeout_s` seconds, False."""
        with _parked():
            if timeout_s == 0 and hasattr(os, 'sched_yield'):
                os.sched_yield()  # Those who wait for the interpreter get their turn.
            return self._lock.acquire(timeout=-1 if timeout_s is None else max(timeout_s, 0))

    def wake(self) -> None:
        """Let the thread go on."""
        try:
            self._lock.release()
        except RuntimeError:  # Already woken.
            return

    def is_stuck(self) -> bool:
        """Never: it has a thread for itself."""
        return False


class ThreadWaiting:
    """The way of a server that has a thread for each request."""

    slots = sys.maxsize

    def waiter(self) -> Waiter:
        """Return a place that blocks the calling thread."""
        return ThreadWaiter()

    def run(self, function: Callable[[], Result], quick: bool) -> Result:
        """Call `function`."""
        with _parked():
            return function()

    def run_watched(self, function: Callable[[], Result], on_blocked: Callable[[], None]) -> Result:
        """Call `function`, which keeps nobody waiting."""
        return function()

    def clock(self) -> float:
        """Return the time, less what this thread has spent waiting and in `run`."""
        return time.perf_counter() - _of_thread.parked_s


class _OfThread(threading.local):
    waiting: Waiting = ThreadWaiting()
    parked_s = 0.0


_of_thread = _OfThread()


@contextlib.contextmanager
def _parked() -> Iterator[None]:
    begin = time.perf_counter()
    before = _of_thread.parked_s
    try:
        yield
    finally:
        _of_thread.parked_s = before + time.perf_counter() - begin


def waiting() -> Waiting:
    """The way to wait that fits the calling thread."""
    return _of_thread.waiting


def install(way: Waiting) -> None:
    """Let calls of this thread wait in another way, from now on."""
    _of_thread.waiting = way
