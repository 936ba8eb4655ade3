"""The queue of a batched method: who runs the model next, and for which calls.

There is no thread behind it. A call that finds the model idle becomes the runner: it gathers the calls that
come meanwhile, runs the method once for all of them, and hands its role to the first call that is still
queued. The lock guards bookkeeping only; no call waits or runs a model while holding it.
"""

import math
import threading
import time

from model_serving.batching.calls import Batch, Call
from model_serving.batching.wait_policy import WaitPolicy
from model_serving.errors import Overloaded
from model_serving.requests.slots import DEBUG

NEWEST_WEIGHT = 0.2
MAX_RETRY_SECONDS = 60
MIN_CHECK_SECONDS = 0.01


class BatchQueue:
    """The unfinished calls of one method.

    Whenever calls are queued, the first of them is the `runner`, or a batch is `running` and makes it the
    runner when it ends. `batches` and `rows` count what was run, `queued_rows` what waits.
    """

    def __init__(self, max_batch_size: int, max_wait_ms: float, max_queue_rows: int) -> None:
        self.max_batch_size = max_batch_size
        self.max_wait_ms = max_wait_ms
        self.max_queue_rows = max_queue_rows
        self.reset()

    def reset(self) -> None:
        """Forget all calls, such as those of a parent process."""
        self.lock = threading.Lock()
        self.queue: list[Call] = []
        self.policy = WaitPolicy(self.max_batch_size, self.max_wait_ms / 1000)
        self.runner: Call | None = None
        self.running: Batch | None = None
        self.queued_rows = self.batches = self.rows = 0
        self.mean_seconds = self.mean_rows = 0.0

    def admit(self, call: Call) -> None:
        """Queue a call. Raises Overloaded; not for further pieces of a large call that was admitted."""
        with self.lock:
            rows = self.queued_rows + call.rows
            if self.queue and rows > self.max_queue_rows and not call.is_continuation:
                raise self.overloaded('has too much to do')
            kind = call.kind = self.policy.kind(call.key)
            self.enqueue(call, len(self.queue))
            running = self.running
            unfinished = kind.calls + (len(running.calls) if running and running.kind is kind else 0)
            kind.expected = max(kind.expected, unfinished)
            if self.runner:
                if self.policy.until and self.policy.is_full(self.runner.kind):
                    self.runner.wake()
            elif not running:
                self.runner = call
            if DEBUG:
                self.check()

    def next_step(self, call: Call) -> Batch | float | None:
        """What the caller does now: run a batch, or wait that many seconds at most; None: without a limit.

        Raises DeadlineExceeded or ClientGone, or Overloaded where the batch ahead hangs.
        """
        with self.lock:
            now = time.monotonic()
            if error := call.expiry(now):
                raise error
            if self.runner is call:
                return self.policy.wait_s(call.kind, now, call.deadline) or self.form_batch(call)
            check_at = call.deadline
            if not (call.in_batch or call.done):
                if self.running and self.running.deadline <= now:
                    raise self.overloaded('hangs')
                ahead = self.running or self.queue[0]
                check_at = min(check_at, max(ahead.deadline, now + MIN_CHECK_SECONDS))
            return None if check_at == math.inf else max(check_at - now, 0)

    def form_batch(self, call: Call) -> Batch:
        """Move the first calls of the kind of `call`, the first of all, into a batch; with the lock held."""
        batch = Batch(call.kind)
        remaining = []
        for position, other in enumerate(self.queue):
            if other.kind is not call.kind:
                remaining.append(other)
            elif batch.calls and batch.rows + other.rows > self.max_batch_size:
                remaining += self.queue[position:]
                break
            else:
                self.count(other, -1)
                batch.add(other)
        self.queue = remaining
        self.runner = self.policy.until = None
        self.running = batch
        if DEBUG:
            self.check()
        return batch

    def begin(self, batch: Batch) -> bool:
        """Whether a batch is to be run now; not where its leader has withdrawn before."""
        with self.lock:
            batch.started = time.monotonic()
            return self.running is batch

    def finish(self, batch: Batch) -> float:
        """Count a batch that was run, and let the next begin; return how many seconds it took."""
        with self.lock:
            seconds = time.monotonic() - batch.started
            weight = NEWEST_WEIGHT if self.batches else 1
            self.mean_seconds += weight * (seconds - self.mean_seconds)
            self.mean_rows += weight * (batch.rows - self.mean_rows)
            self.batches += 1
            self.rows += batch.rows
            self.end_batch(batch)
            return seconds

    def withdraw(self, call: Call) -> None:
        """Remove a call whose caller has stopped waiting, and the batch that it was about to run."""
        with self.lock:
            call.withdrawn = True
            batch = self.running
            if batch and batch.calls[0] is call and not batch.started:
                self.end_batch(batch)
            elif call in self.queue:
                self.queue.remove(call)
                self.count(call, -1)
                self.policy.discard(call.kind)
                if self.runner is call:
                    self.appoint_runner()

    def end_batch(self, batch: Batch) -> None:
        """Requeue the calls of a batch that have no outcome, in front; with the lock held."""
        unsettled = [call for call in batch.calls if not (call.done or call.withdrawn)]
        for position, call in enumerate(unsettled):
            self.enqueue(call, position)
        self.policy.discard(batch.kind)
        self.running = None
        self.appoint_runner()

    def appoint_runner(self) -> None:
        """Make the first call in the queue the runner; with the lock held."""
        self.policy.until = None
        self.runner = self.queue[0] if self.queue else None
        if self.runner:
            self.runner.wake()
        if DEBUG:
            self.check()

    def enqueue(self, call: Call, position: int) -> None:
        """Insert a call into the queue; with the lock held."""
        self.queue.insert(position, call)
        call.in_batch = False
        self.count(call, 1)

    def count(self, call: Call, sign: int) -> None:
        """Count a call that has joined the queue, 1, or left it, -1; with the lock held."""
        self.queued_rows += sign * call.rows
        call.kind.rows += sign * call.rows
        call.kind.calls += sign

    def overloaded(self, problem: str) -> Overloaded:
        """The error for a call that is refused; with the lock held."""
        busy_s = time.monotonic() - self.running.started if self.running and self.running.started else 0
        drain_s = self.queued_rows * self.mean_seconds / max(self.mean_rows, 1)
        retry_after_s = min(max(math.ceil(max(busy_s, drain_s)), 1), MAX_RETRY_SECONDS)
        return Overloaded(f'The model {problem}; try again in {retry_after_s} s', retry_after_s)

    def check(self) -> None:
        """Raise AssertionError where the bookkeeping is wrong."""
        assert self.lock.locked()  # noqa: S101
        assert self.queued_rows == sum(call.rows for call in self.queue)  # noqa: S101
        assert not any(call.withdrawn or call.in_batch for call in self.queue)  # noqa: S101
        assert self.runner is (None if self.running or not self.queue else self.queue[0])  # noqa: S101
