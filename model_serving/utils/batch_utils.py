"""Micro-batching: calls that come at the same time are answered by one run of the model.

There is no thread behind it. A call that finds nobody at work takes the runner's role: it gathers the
calls that come meanwhile, runs the method once for all of them, and hands the role to the first call
that is still queued. The lock guards bookkeeping only; nobody waits or runs a model with it.
"""

import dataclasses
import functools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar, cast

from model_serving.utils.batch_call_utils import Batch, Call
from model_serving.utils.batch_rows_utils import check_result, cut, join, row_count, row_kind
from model_serving.utils.current_request_utils import current_request
from model_serving.utils.deadline_utils import deadline
from model_serving.utils.error_utils import DeadlineExceeded, Overloaded
from model_serving.utils.metrics_utils import observe_batch
from model_serving.utils.waiting_utils import waiting

QUICK_SECONDS = 0.005
NEWEST_WEIGHT = 0.2
LONGEST_RETRY_SECONDS = 60
SHORTEST_LOOK_SECONDS = 0.01

Method = TypeVar('Method', bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Limits:
    """What `batched` was given."""

    max_batch_size: int
    max_wait_ms: float
    max_queue_rows: int

    def __post_init__(self) -> None:
        if self.max_batch_size < 1 or self.max_wait_ms < 0 or self.max_queue_rows < 1:
            raise ValueError(f'{self}: sizes must be at least 1, times at least 0')


def batched(
    max_batch_size: int = 32, max_wait_ms: float = 5.0, max_queue_rows: int = 2048
) -> Callable[[Method], Method]:
    """Let concurrent calls of a method be answered by one run of it.

    Positional arguments are parallel batches: lists or numpy arrays of the same length. Keyword arguments are
    options. The method returns a list, an array or a tuple of those, with one entry for each row; otherwise
    its callers get TypeError or ValueError. A call whose arguments are no batch runs alone.

    One run has at most `max_batch_size` rows. A run that could begin waits up to `max_wait_ms` for calls that
    are known to be about. Callers get Overloaded where more than `max_queue_rows` rows would be queued or
    where the model hangs, and DeadlineExceeded where their request's deadline passes.
    """
    limits = Limits(max_batch_size, max_wait_ms, max_queue_rows)

    def decorate(method: Method) -> Method:
        return cast(Method, BatchedMethod(method, limits))

    return decorate


class BatchedMethod:
    """The method as its class has it: gives each instance a Batcher."""

    def __init__(self, function: Callable[..., Any], limits: Limits) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.limits = limits
        self.attribute = f'batcher of {function.__module__}.{function.__qualname__}'

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the Batcher of `instance`; a copy of an instance gets its own."""
        if instance is None:
            return self
        batcher = instance.__dict__.get(self.attribute)
        if batcher is None or batcher.instance is not instance:
            with _making:
                batcher = instance.__dict__.get(self.attribute)
                if batcher is None or batcher.instance is not instance:
                    batcher = Batcher(instance, self.function, self.limits)
                    instance.__dict__[self.attribute] = batcher
        return batcher

    def __call__(self, instance: Any, *arguments: Any, **options: Any) -> Any:
        """Call the method of `instance`, as `Class.method(instance, rows)` does."""
        return self.__get__(instance)(*arguments, **options)


class Batcher:
    """One method of one instance, and the calls of it that are under way.

    Whenever calls are queued, there is either a `runner`, the first of them, or a batch that is `running`
    and hands the role on when it ends. `expected` is how many calls are known to come at the same time.
    `batches` and `rows` count what was run, `queued_rows` what waits.
    """

    def __init__(self, instance: Any, function: Callable[..., Any], limits: Limits) -> None:
        self.instance = instance
        self.method = function.__get__(instance)
        functools.update_wrapper(self, self.method)
        self.title = f'{type(instance).__name__}.{function.__name__}'
        self.limits = limits
        self.reset()
        _batchers.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave it out where the instance is pickled or copied."""
        return type(None), ()

    def reset(self) -> None:
        """Start with an empty queue, whatever a parent process was doing."""
        self.lock = threading.Lock()
        self.queue: list[Call] = []
        self.runner: Call | None = None
        self.gathering = False
        self.running: Batch | None = None
        self.expected = 1
        self.queued_rows = self.batches = self.rows = 0
        self.mean_seconds = self.mean_rows = 0.0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return the rows' results, computed together with those of other calls."""
        if self in _inside.get():
            return self.method(*arguments, **options)
        size = row_count(arguments)
        end = deadline.get()
        call = Call(
            arguments, options, size, math.inf if end is None else end, waiting().waiter(), time.monotonic()
        )
        if (asked := current_request.get()) is not None:
            asked.batched = True
        if self.queue or self.running:
            call.kind = self.kind(call)
        with self.lock:
            self.admit(call)
        try:
            while not call.done:
                if self.runner is call:
                    self.lead(call)
                else:
                    call.waiter.wait(self.patience_s(call))
        except BaseException:
            self.leave(call)
            raise
        return call.outcome()

    def kind(self, call: Call) -> Hashable | None:
        """What calls that share a batch have in common; None for a call that shares with nobody."""
        shares = 0 < call.size <= self.limits.max_batch_size
        return row_kind(call.arguments, call.options) if shares else None

    def admit(self, call: Call) -> None:
        """Queue a call. Raises Overloaded."""
        running, runner = self.running, self.runner
        if self.queue and self.queued_rows + call.rows > self.limits.max_queue_rows:
            raise self.overloaded('has too much to do')
        self.queue.append(call)
        self.queued_rows += call.rows
        self.expected = max(self.expected, len(self.queue) + (len(running.calls) if running else 0))
        if runner and not runner.waiter.is_stuck():
            if self.gathering and self.is_gathered():
                runner.waiter.wake()
        elif not running:
            self.runner = call

    def patience_s(self, call: Call) -> float | None:
        """Seconds until a call that does not lead must look again; None for ever.

        Raises DeadlineExceeded, or Overloaded where the batch ahead has outlived all its callers.
        """
        with self.lock:
            now = time.monotonic()
            if call.end <= now:
                raise DeadlineExceeded
            look = call.end
            if not (call.taken or call.done):
                if not (self.runner or self.running):
                    self.runner = call
                    return 0
                if self.running and self.running.end <= now:
                    raise self.overloaded('hangs')
                ahead = self.running or self.queue[0]
                look = min(look, max(ahead.end, now + SHORTEST_LOOK_SECONDS))
            return None if look == math.inf else look - now

    def lead(self, call: Call) -> None:
        """Run the batch that begins with `call`."""
        self.gather(call)
        with self.lock:
            if self.runner is not call:  # Another call took over while this one's thread was kept.
                return
            batch = self.take(call)
        try:
            run = functools.partial(copy_context().run, self.execute, batch)
            waiting().run(run, self.is_quick(batch.rows))
        except BaseException:
            self.withdraw(batch)
            raise

    def gather(self, call: Call) -> None:
        """Wait for the calls that are known to be about, or until the batch is full."""
        call.waiter.wait(0)
        if len(self.queue) == self.expected == 1:
            return
        call.kind = call.kind or self.kind(call)
        if call.kind is None:
            return
        self.gathering = True
        until = min(time.monotonic() + self.limits.max_wait_ms / 1000, call.end)
        while not self.is_gathered():
            if not call.waiter.wait(max(until - time.monotonic(), 0)):
                with self.lock:
                    self.expected = len(self.queue)
                return

    def is_gathered(self) -> bool:
        """Whether waiting longer would not make the batch fuller."""
        return len(self.queue) >= self.expected or self.queued_rows >= self.limits.max_batch_size

    def take(self, call: Call) -> Batch:
        """Take a batch of the kind of `call`, the first, from the queue. Raises DeadlineExceeded."""
        now = time.monotonic()
        if call.end <= now:
            raise DeadlineExceeded
        batch = Batch([], 0, call.end, now)
        left = []
        for position, other in enumerate(self.queue):
            if other is not call and (other.kind is None or other.kind != call.kind):
                left.append(other)
            elif batch.rows and batch.rows + other.rows > self.limits.max_batch_size:
                left += self.queue[position:]
                break
            else:
                self.queued_rows -= other.rows
                if not other.settle_if_late(now):
                    batch.add(other)
        self.queue = left
        self.runner = None
        self.gathering = False
        self.running = batch
        return batch

    def is_quick(self, rows: int) -> bool:
        """Whether a batch of that many rows is known to take little."""
        if not self.batches:
            return False
        return self.mean_seconds * max(1, rows / self.mean_rows) < QUICK_SECONDS

    def execute(self, batch: Batch) -> None:
        """Run a batch and let the next begin, in whatever thread and however late this is called."""
        with self.lock:
            if batch.withdrawn:
                return
            batch.begun = True
        batch.started = time.monotonic()
        _inside.set((*_inside.get(), self))
        deadline.set(None if batch.end == math.inf else batch.end)
        try:
            self.answer(batch.calls)
        finally:
            seconds = time.monotonic() - batch.started
            with self.lock:
                self.measure(batch.rows, seconds)
                self.release(batch)
            observe_batch(batch.rows, seconds, [batch.started - call.came for call in batch.calls])

    def answer(self, calls: list[Call]) -> None:
        """Give each call its result; where the method fails, try halves, so that each gets its own error."""
        now = time.monotonic()
        calls = [call for call in calls if not call.settle_if_late(now)]
        if not calls:
            return
        try:
            results = self.results(calls)
        except Exception as error:
            if len(calls) == 1:
                calls[0].settle(error=error)
                return
        else:
            for call, result in zip(calls, results, strict=True):
                call.settle(result)
            return
        middle = len(calls) // 2
        self.answer(calls[:middle])
        self.answer(calls[middle:])

    def results(self, calls: list[Call]) -> list[Any]:
        """Run the method once, or for one call piece by piece where it is too large."""
        if len(calls) == 1:
            return [self.result(calls[0])]
        rows = sum(call.rows for call in calls)
        joined = self.method(*join([call.arguments for call in calls]), **calls[0].options)
        check_result(joined, rows, self.title)
        results, start = [], 0
        for call in calls:
            results.append(cut(joined, start, start + call.rows))
            start += call.rows
        return results

    def result(self, call: Call) -> Any:
        """Run the method for one call alone."""
        if not call.size:
            return self.method(*call.arguments, **call.options)
        most = self.limits.max_batch_size
        if call.size <= most:
            return check_result(self.method(*call.arguments, **call.options), call.size, self.title)
        results = []
        for start in range(0, call.size, most):
            piece = cut(call.arguments, start, start + most)
            result = self.method(*piece, **call.options)
            results.append(check_result(result, len(piece[0]), self.title))
        return join(results)

    def measure(self, rows: int, seconds: float) -> None:
        """Take a batch into account."""
        weight = NEWEST_WEIGHT if self.batches else 1
        self.mean_seconds += weight * (seconds - self.mean_seconds)
        self.mean_rows += weight * (rows - self.mean_rows)
        self.batches += 1
        self.rows += rows

    def withdraw(self, batch: Batch) -> None:
        """Put a batch that nobody has begun to run back."""
        with self.lock:
            if not batch.begun:
                batch.withdrawn = True
                self.release(batch)

    def release(self, batch: Batch) -> None:
        """End a batch: calls without an outcome are queued again, in front, and the first call leads."""
        again = [call for call in batch.calls if not (call.done or call.left)]
        for call in again:
            call.taken = False
            self.queued_rows += call.rows
        self.queue[:0] = again
        self.running = None
        self.pass_on()

    def leave(self, call: Call) -> None:
        """Forget a call whose caller waits no longer."""
        with self.lock:
            call.left = True
            if not call.taken and call in self.queue:
                self.queue.remove(call)
                self.queued_rows -= call.rows
            if self.runner is call:
                self.pass_on()

    def pass_on(self) -> None:
        """Make the first call in the queue the runner."""
        self.gathering = False
        # One whose thread is kept by another task could not run now; the next call to come would.
        self.runner = next((call for call in self.queue if not call.waiter.is_stuck()), None)
        if self.runner:
            self.runner.waiter.wake()

    def overloaded(self, trouble: str) -> Overloaded:
        """Make the error for a call that is turned away."""
        busy_s = time.monotonic() - self.running.started if self.running else 0
        drain_s = self.queued_rows * self.mean_seconds / max(self.mean_rows, 1)
        retry_after_s = min(max(math.ceil(max(busy_s, drain_s)), 1), LONGEST_RETRY_SECONDS)
        return Overloaded(f'The model {trouble}; try again in {retry_after_s} s', retry_after_s)


_inside: ContextVar[tuple[Batcher, ...]] = ContextVar('_inside', default=())
_batchers: 'weakref.WeakSet[Batcher]' = weakref.WeakSet()
_making = threading.Lock()


def _start_afresh() -> None:
    """Forget, in a child process, what the threads of its parent were doing."""
    global _making  # noqa: PLW0603
    _making = threading.Lock()
    for batcher in list(_batchers):
        batcher.reset()


if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    os.register_at_fork(after_in_child=_start_afresh)
