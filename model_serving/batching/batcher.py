"""One batched method of one instance: how callers wait, and how a batch is run for them."""

import asyncio
import functools
import math
import time
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from copy import deepcopy
from typing import Any, TypeVar

from model_serving.batching.calls import Batch, TaskCall, ThreadCall, wake
from model_serving.batching.queue import BatchQueue
from model_serving.batching.rows import check_result, join, repeat_first, row_count, row_kind, slice_rows
from model_serving.batching.runs import retry, run_once, try_run
from model_serving.observability.metrics import observe_batch
from model_serving.requests.coroutines import run_in_thread, running_loop
from model_serving.requests.current import current_request, on_trial
from model_serving.requests.deadline import deadline
from model_serving.requests.slots import thread_state

AnyCall = TypeVar('AnyCall', ThreadCall, TaskCall)

batchers: 'weakref.WeakSet[Batcher]' = weakref.WeakSet()
"""All of this process."""


def has_hanging_batch(model: str) -> bool:
    """Whether a batch that runs for requests to a model is past the deadlines of them all."""
    now = time.monotonic()
    running = [batch for batcher in list(batchers) if (batch := batcher.running) is not None]
    requests = [call.request for batch in running if batch.deadline <= now for call in batch.calls]
    return any(request is not None and request.model == model for request in requests)


class Batcher(BatchQueue):
    """The method as an instance has it."""

    def __init__(self, instance: Any, function: Callable[..., Any], limits: dict[str, Any]) -> None:
        super().__init__(**limits)
        self.instance = instance
        self.method = function.__get__(instance)
        self.title = f'{type(instance).__name__}.{function.__name__}'
        self.run = functools.partial(run_once, self.method, self.title)
        functools.update_wrapper(self, self.method)
        batchers.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be None in a pickle or a copy of the instance."""
        return type(None), ()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return the rows' results, computed together with those of other calls; in the loop an awaitable."""
        if self in _running_batchers.get():
            return self.method(*arguments, **options)
        if (request := current_request.get()) is not None:
            request.batched = True
        elif (trials := on_trial.get()) is not None:
            trials += self.trials(arguments, options)
        if running_loop() is not None:
            return self.call_async(arguments, options)
        return join([self.wait_in_thread(call) for call in self.split(ThreadCall, arguments, options)])

    async def call_async(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Do the same without blocking the loop."""
        return join([await self.wait_in_task(call) for call in self.split(TaskCall, arguments, options)])

    def trials(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> list[Callable[[], None]]:
        """Runs of the method on the first row alone, and three times; none where that cannot be copied.

        A list of two outputs passes for the outputs of two rows, but not of one and of three.
        """
        sizes = sorted({1, min(3, self.max_batch_size)}) if row_count(arguments) else []
        try:
            # Copies, and now: the model may change or use up what it gets.
            copies = [
                (rows, *deepcopy(([repeat_first(each, rows) for each in arguments], options)))
                for rows in sizes
            ]
        except Exception:  # Anything that an author's class raises.
            return []
        return [functools.partial(copy_context().run, self.run_trial, *each) for each in copies]

    def run_trial(self, rows: int, arguments: list[Any], options: dict[str, Any]) -> None:
        """Run the method, and raise TypeError or ValueError if its result has not a row for each row.

        What it raises itself is ignored: it may have a reason, such as rows that must differ.
        """
        _running_batchers.set((*_running_batchers.get(), self))
        on_trial.set(None)
        deadline.set(None)
        try:
            result = self.method(*arguments, **options)
        except Exception:
            return
        check_result(result, rows, self.title)

    def split(
        self, make: type[AnyCall], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Iterator[AnyCall]:
        """The call, or one call for each piece of a large one, made when the piece before has its result."""
        size = row_count(arguments)
        max_rows = self.max_batch_size
        for start in range(0, size, max_rows) or [0]:
            piece = arguments if size <= max_rows else slice_rows(arguments, start, start + max_rows)
            rows = min(size - start, max_rows)
            call = make(piece, options, rows, row_kind(piece, options) if rows else None)
            call.is_continuation = start > 0
            yield call

    def wait_in_thread(self, call: ThreadCall) -> Any:
        """Return the result of a call, or raise its error, once it has one; the thread may run its batch."""
        try:
            self.admit(call)
            while not call.done:
                step = self.next_step(call)
                if isinstance(step, Batch):
                    self.execute_here(step)
                else:
                    call.wait(step)
        except BaseException:
            self.withdraw(call)
            raise
        finally:
            call.wake_next()
        return call.outcome()

    async def wait_in_task(self, call: TaskCall) -> Any:
        """Do the same in the service's loop; another thread runs the batch."""
        try:
            self.admit(call)
            while not call.done:
                if self.runner is call and call.kind.rows < self.max_batch_size:
                    # Let the loop read what else has arrived, and the tasks of that make their calls.
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                step = self.next_step(call)
                if isinstance(step, Batch):
                    # A task of its own, as this one may be cancelled or late before the run ends.
                    step.task = asyncio.create_task(self.execute_in_thread(step, call))
                else:
                    await call.wait(step)
        except BaseException:
            self.withdraw(call)
            raise
        return call.outcome()

    def execute_here(self, batch: Batch) -> None:
        """Run a batch in the calling thread; calls of the next batch have its slot meanwhile."""
        slot = thread_state.slot
        slot.runs_batch = True
        slot.release()
        try:
            copy_context().run(self.execute, batch)
        finally:
            slot.reacquire()
            slot.runs_batch = False

    async def execute_in_thread(self, batch: Batch, leader: TaskCall) -> None:
        """Run a batch in a thread; if none can be started, the leader gets that error."""
        try:
            await run_in_thread(functools.partial(self.execute, batch))
        except BaseException as error:
            if not leader.done:
                leader.settle(error=error)
            self.withdraw(leader)
            leader.wake()

    def execute(self, batch: Batch) -> None:
        """Run a batch and let the next begin."""
        if not self.begin(batch):
            return
        _running_batchers.set((*_running_batchers.get(), self))
        deadline.set(None if batch.deadline == math.inf else batch.deadline)
        try:
            if not try_run(self.run, batch.calls):
                retry(self.run, batch.calls)
        finally:
            seconds = self.finish(batch)
            wake(batch.calls)
            observe_batch(batch.rows, seconds, [batch.started - call.started for call in batch.calls])


_running_batchers: ContextVar[tuple[Batcher, ...]] = ContextVar('_running_batchers', default=())
"""Those whose method is running, and may call itself."""
