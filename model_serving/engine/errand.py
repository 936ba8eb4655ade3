"""Work of one request in the queue of another model than its URL names: that of /mcp names none."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from typing import Any

from model_serving.engine.call import LARGE_BYTES
from model_serving.engine.scheduler import Scheduler
from model_serving.engine.slots import LARGE, SMALL
from model_serving.errors import DeadlineExceeded, Overloaded, ServingError
from model_serving.requests.current import current_request
from model_serving.requests.deadline import remaining_s
from model_serving.requests.room import room
from model_serving.requests.slots import thread_state

MAX_ERRANDS = 128
"""Of one model: each has a thread that waits, of the few that those of other models have, too."""


class Errand:
    """A function that waits for a slot in a queue, while the thread that wants its result waits for that."""

    def __init__(self, function: Callable[[], Any], size: int, timeout_s: float) -> None:
        self.size = LARGE if size > LARGE_BYTES else SMALL
        self.received_at = time.monotonic()
        self.deadline = self.received_at + timeout_s
        self._function = function
        self._context = copy_context()
        self._future: Future[Any] = Future()

    def run(self) -> None:
        """Run the function, in a thread that has a slot; not if nobody waits for it any more."""
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            self._future.set_result(self._context.run(self._function))
        except BaseException as error:  # Even SystemExit is for the thread that waits.
            self._future.set_exception(error)
        finally:
            if (request := self._context.get(current_request)) is not None:
                room.give_back(request)  # Who waited may have ended before.

    def refuse(self, error: ServingError) -> None:
        """Have the thread that waits raise an error."""
        if self._future.set_running_or_notify_cancel():
            self._future.set_exception(error)

    def cancel(self) -> None:
        """Do not begin: nobody waits for it any more."""
        self._future.cancel()

    def result(self) -> Any:
        """Wait for what the function returns; another call has the calling thread's slot meanwhile.

        Raises what the function raises, what it was refused with, and DeadlineExceeded.
        """
        request, slot = current_request.get(), thread_state.slot
        slot.release()
        try:
            return self._future.result(max(0.0, self.deadline - time.monotonic()))
        except (TimeoutError, CancelledError) as error:
            self.cancel()
            if not self._future.cancelled() and self._future.done() and self._future.exception() is error:
                raise  # It is the function's own.
            raise DeadlineExceeded from error
        finally:
            slot.reacquire()
            if request is not None:
                request.cancel = None


class Errands:
    """The errands of a server, each at most `timeout_s` long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, scheduler: Scheduler, timeout_s: float) -> None:
        self._loop = loop
        self._scheduler = scheduler
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def run(self, model: str, size: int, function: Callable[[], Any]) -> Any:
        """What `function` returns, run in a slot of the model. In a thread; as `run_in_queue`."""
        left, request = remaining_s(), current_request.get()
        errand = Errand(function, size, self._timeout_s if left is None else left)
        if request is not None:  # Not later: what runs may have put its own there.
            request.cancel = errand.cancel
        with self._counted(model):
            self._loop.call_soon_threadsafe(self._begin, model, errand)
            try:
                return errand.result()
            except DeadlineExceeded:
                self._loop.call_soon_threadsafe(self._abandon, model, errand)
                raise

    @contextlib.contextmanager
    def _counted(self, model: str) -> Iterator[None]:
        with self._lock:
            if self._counts[model] >= MAX_ERRANDS:
                raise Overloaded(f'{MAX_ERRANDS} requests to {model} are waiting already; try again later')
            self._counts[model] += 1
        try:
            yield
        finally:
            with self._lock:
                self._counts[model] -= 1

    def _begin(self, model: str, errand: Errand) -> None:
        queue = self._scheduler.queue(model)
        try:
            queue.add(errand)
        except Overloaded as error:
            errand.refuse(error)
        else:
            self._scheduler.start(queue)

    def _abandon(self, model: str, errand: Errand) -> None:
        queue = self._scheduler.queue(model)
        queue.remove(errand)
        queue.refuse_if_hanging()
        queue.log_hang()
