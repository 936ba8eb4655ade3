"""One call of a batched method, how its caller waits, and the calls that run together."""

import asyncio
import contextlib
import itertools
import math
import threading
import time
from collections.abc import Hashable, Sequence
from typing import Any

from model_serving.batching.wait_policy import Kind
from model_serving.errors import ClientGone, DeadlineExceeded
from model_serving.requests.current import current_request
from model_serving.requests.deadline import deadline
from model_serving.requests.slots import thread_state


class Call:
    """One call of the method: its arguments, its state and its outcome.

    `is_continuation`: it is a further piece of a large call. `withdrawn`: its caller has stopped waiting.
    """

    kind: Kind
    is_continuation = in_batch = withdrawn = done = False
    result: Any = None
    error: BaseException | None = None

    def __init__(
        self, arguments: tuple[Any, ...], options: dict[str, Any], size: int, key: Hashable | None
    ) -> None:
        self.arguments = arguments
        self.options = options
        self.size = size
        self.key = key
        self.rows = size or 1
        self.request = current_request.get()
        end = deadline.get()
        self.deadline = math.inf if end is None else end
        self.started = time.monotonic()

    def wake(self) -> None:
        """Let the caller look at its call again. From any thread, and any number of times."""
        raise NotImplementedError

    def settle(self, result: Any = None, error: BaseException | None = None) -> None:
        """Store the outcome for the caller, who is woken later."""
        self.result = result
        self.error = error
        self.done = True

    def expiry(self, now: float) -> BaseException | None:
        """The error to raise where nobody waits for the result any more."""
        if self.request is not None and self.request.client_gone:
            return ClientGone()
        return DeadlineExceeded() if self.withdrawn or self.deadline <= now else None

    def outcome(self) -> Any:
        """Return the result or raise the error, leaving no cycle of references behind."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return self.result
        finally:
            del error


class ThreadCall(Call):
    """A call whose caller blocks its thread."""

    next_thread: 'ThreadCall | None' = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.wakeup = threading.Lock()
        self.wakeup.acquire()

    def wait(self, timeout_s: float | None) -> None:
        """Block until woken, or for `timeout_s` seconds, and let another thread have the slot meanwhile."""
        slot = thread_state.slot
        slot.release()
        try:
            self.wakeup.acquire(timeout=-1 if timeout_s is None else timeout_s)
        finally:
            slot.reacquire()

    def wake_next(self) -> None:
        """Wake the next thread of the batch, whether or not this one was woken for it."""
        self.withdrawn = True
        if self.next_thread is not None:
            self.next_thread.wake()

    def wake(self) -> None:
        """Let the thread continue."""
        with contextlib.suppress(RuntimeError):  # It was woken already.
            self.wakeup.release()


class TaskCall(Call):
    """A call that is awaited in the service's loop."""

    woken = False
    future: 'asyncio.Future[None] | None' = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.loop = asyncio.get_running_loop()

    async def wait(self, timeout_s: float | None) -> None:
        """Suspend the task until woken, or for `timeout_s` seconds."""
        if not self.woken:
            self.future = self.loop.create_future()
            timer = None if timeout_s is None else self.loop.call_later(timeout_s, self.resume)
            try:
                await self.future
            finally:
                self.future = None
                if timer is not None:
                    timer.cancel()
        self.woken = False

    def resume(self) -> None:
        """Let the task continue; from its loop."""
        self.woken = True
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    def wake(self) -> None:
        """Let the task continue."""
        wake([self])


class Batch:
    """Calls that run together; `deadline` is the latest of theirs, `started` is 0 before the run."""

    started = 0.0
    task: 'asyncio.Task[None] | None' = None

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.calls: list[Call] = []
        self.rows = 0
        self.deadline = 0.0

    def add(self, call: Call) -> None:
        """Add a call."""
        call.in_batch = True
        self.calls.append(call)
        self.rows += call.rows
        self.deadline = max(self.deadline, call.deadline)


def wake(calls: Sequence[Call]) -> None:
    """Let the callers continue: tasks with one message to their loop, threads one after the other.

    Each thread wakes the next when it has its outcome, as all of them at once would compete for the
    interpreter. The first thread comes last: it has run the batch itself.
    """
    threads = [call for call in calls if isinstance(call, ThreadCall)]
    if len(threads) < len(calls):
        tasks = [call for call in calls if isinstance(call, TaskCall)]
        with contextlib.suppress(RuntimeError):  # The loop is closed, and so are its tasks.
            tasks[0].loop.call_soon_threadsafe(_resume, tasks)
    threads = threads[1:] + threads[:1]
    for call, next_thread in itertools.pairwise(threads):
        call.next_thread = next_thread
        if call.withdrawn:  # Perhaps before it could see that.
            next_thread.wake()
    if threads:
        threads[0].wake()


def _resume(tasks: list[TaskCall]) -> None:
    for call in tasks:
        call.resume()
