"""How a request waits that runs in a greenlet: its thread serves others meanwhile."""

import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from model_serving.engine.leading_thread import LeadingThread, Task, current_task
from model_serving.utils.deadline_utils import remaining_s
from model_serving.utils.error_utils import DeadlineExceeded
from model_serving.utils.waiting_utils import Result

MOST_POOL_THREADS = 256


class GreenletWaiter:
    """A Waiter that leaves the thread to other tasks."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.woken = False
        self.parked = 0  # Counts the waits, odd while one lasts: so an old timer ends no later wait.
        self.until: float | None = None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Let others run until woken, True, or for `timeout_s` seconds, False.

        All that has arrived is handled before this returns, even when `timeout_s` is 0. Raises what ends the
        task meanwhile.
        """
        if not self.woken:
            self.task.thread.park(self, timeout_s)
        woken, self.woken = self.woken, False
        return woken

    def wake(self) -> None:
        """Let the task go on. From any thread."""
        if not self.woken:
            self.woken = True
            self.task.thread.wake(self)

    def is_stuck(self) -> bool:
        """Whether another task keeps the thread, so that this one cannot go on."""
        return self.task.thread.stuck


class GreenletWaiting:
    """The Waiting of a thread that leads, or led, the event loop."""

    def __init__(self, thread: LeadingThread, pool: 'Pool', slots: int) -> None:
        self.thread = thread
        self.pool = pool
        self.slots = slots

    def waiter(self) -> GreenletWaiter:
        """Return a place where the current task may wait."""
        return GreenletWaiter(current_task())

    def run(self, function: Callable[[], Result], quick: bool) -> Result:
        """Run `function`: right here if it is `quick`, else in a thread of the pool while others are served.

        Raises DeadlineExceeded when the request's time is over; the function then still runs to its end.
        """
        return self._run_here(function) if quick else self._run_in_pool(function)

    def run_watched(self, function: Callable[[], Result], on_blocked: Callable[[], None]) -> Result:
        """Run `function` right here; call `on_blocked`, from another thread, if it keeps the event loop."""
        task = current_task()
        before, task.on_blocked = task.on_blocked, on_blocked
        try:
            return function()
        finally:
            task.on_blocked = before

    def clock(self) -> float:
        """Seconds that the current task has had this thread for itself, from an arbitrary start."""
        return time.perf_counter() - current_task().parked_s

    def _run_here(self, function: Callable[[], Result]) -> Result:
        begin = time.perf_counter()
        try:
            return function()
        finally:
            current_task().parked_s += time.perf_counter() - begin

    def _run_in_pool(self, function: Callable[[], Result]) -> Result:
        waiter = self.waiter()
        future: Future[Result] = self.pool.submit(contextvars.copy_context().run, function)
        future.add_done_callback(lambda _: waiter.wake())
        while not future.done():
            if not waiter.wait(remaining_s()):
                raise DeadlineExceeded
        return future.result()


class Pool(ThreadPoolExecutor):
    """Threads for what would keep the event loop."""

    def __init__(self) -> None:
        super().__init__(MOST_POOL_THREADS, thread_name_prefix='off-loop')
        self._running: set[Future[Any]] = set()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> 'Future[Result]':  # type: ignore[override]
        """Run `function` in a thread."""
        future = super().submit(function, *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def is_idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running
