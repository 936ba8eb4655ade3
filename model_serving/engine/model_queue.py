"""The queue of a model: its calls, the oldest first, and the threads that run them.

Calls begin one at a time, and more run beside them while those that run are found to wait (for a file,
another service, a device) or to compute in parallel: threads that compute in Python only take turns. A call
that waits for its batch, or streams, releases its slot to the next.
"""

import asyncio
import contextlib
import logging
import math
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from functools import partial

from model_serving.engine.slots import LARGE, SIZES, SMALL, QueuedCall, Slots, ThreadSlot
from model_serving.engine.threads import ThreadPool
from model_serving.errors import Overloaded
from model_serving.requests.slots import DEBUG, thread_state

MAX_STREAMS = 256
MAX_RETRY_SECONDS = 60
SHARE_OF_TIME = 0.7
"""A call is refused that would wait for longer than this share of its time: what is accepted is answered."""
OVERLOAD_SECONDS = 5.0
"""A queue that has refused a call is overloaded for so long, and kept short: it is over soon afterwards."""
SHORT_SECONDS = 0.5
BURST_SECONDS = 0.05
"""Until the first of a burst has waited for so long, nobody knows how fast they will be."""
NEGLIGIBLE_SECONDS = 0.1
"""Calls that one thread would run in this time are no overload, and cost no second look."""

logger = logging.getLogger('engine')


class ModelQueue:
    """The calls of one model. `slots` of them may run, `max_waiting` wait, in the queue or as coroutines."""

    def __init__(self, name: str, slots: int, max_waiting: int, pool: ThreadPool) -> None:
        self.name = name
        self.max_waiting = max_waiting
        self.lock = threading.Lock()
        self.waiting: tuple[deque[QueuedCall], deque[QueuedCall]] = deque(), deque()
        self.slots = Slots(slots)
        self.tasks: set[asyncio.Task[None]] = set()  # Coroutines of calls that have left the queue.
        self._pool = pool
        self._starting = 0  # Threads that were started for the queue, and have yet to take their first call.
        self._streams: set[QueuedCall] = set()
        self._is_known_to_hang = False
        self._mean_seconds = 0.0
        self._overloaded_until = 0.0

    def add(self, call: QueuedCall) -> None:
        """Queue a call. Raises Overloaded where too many wait, or where the model hangs."""
        with self.lock:
            waiting = sum(map(len, self.waiting)) + len(self.tasks)
            if waiting >= self.max_waiting:
                raise self._overloaded(waiting)
            may_be_long = waiting * self._mean_seconds > NEGLIGIBLE_SECONDS
            if may_be_long and self._is_too_long(waiting, call.deadline):
                raise self._overloaded(waiting)
            if self.slots.is_full(call.size) and (reason := self.why_hanging()):
                raise self._hanging(reason)
            self.waiting[call.size].append(call)

    def start(self) -> None:
        """Let calls that were added begin."""
        with self.lock:
            self.start_threads()

    def remove(self, call: QueuedCall) -> bool:
        """Remove a call that nobody waits for. Returns whether it was still queued."""
        with self.lock:
            if call not in self.waiting[call.size]:
                return False
            self.waiting[call.size].remove(call)
            return True

    @contextlib.contextmanager
    def stream(self, call: QueuedCall) -> Iterator[None]:
        """Count a call as a stream while it runs. Raises Overloaded where too many do."""
        with self.lock:
            if len(self._streams) >= MAX_STREAMS:
                raise Overloaded(f'{MAX_STREAMS} streams of {self.name} run already; try again later')
            self._streams.add(call)
        try:
            yield
        finally:
            with self.lock:
                self._streams.discard(call)

    def why_hanging(self) -> str | None:
        """Why the model does not serve: late calls have all its slots, its batch, or all its streams."""
        if not (late := self.slots.hanging_calls() or self._hanging_streams()):
            return None
        seconds = time.monotonic() - max(call.received_at for call in late)
        return f'hangs: {len(late)} calls have run for {seconds:.0f} s'

    def refuse_if_hanging(self) -> None:
        """Refuse all calls that wait, if the model hangs."""
        with self.lock:
            if (reason := self.why_hanging()) is None:
                return
            calls = [*self.waiting[SMALL], *self.waiting[LARGE]]
            for queue in self.waiting:
                queue.clear()
        for call in calls:
            call.refuse(self._hanging(reason))

    def log_hang(self) -> None:
        """Log that the model hangs, and where, unless it is known."""
        if self._is_known_to_hang or (reason := self.why_hanging()) is None:
            return
        self._is_known_to_hang = True
        late = self.slots.hanging_calls()
        threads = [slot.thread for slot in list(self.slots.threads) if slot.call in late]
        frame = sys._current_frames().get(threads[0]) if threads else None
        where = '; one is here:\n' + ''.join(traceback.format_stack(frame)) if frame else ''
        logger.error('%s %s%s', self.name, reason, where)

    def start_threads(self) -> None:
        """Start a thread for each call that may begin. With the lock held."""
        for size in SIZES:
            while len(self.waiting[size]) > self._starting and self.slots.may_begin(size, self._starting):
                self._starting += 1
                try:
                    self._pool.run(partial(run_calls, self))
                except RuntimeError:  # The system has no more threads; `adjust` tries again.
                    self._starting -= 1
                    break
        if DEBUG:
            assert self.lock.locked()  # noqa: S101
            assert self._starting >= 0  # noqa: S101
            self.slots.check()

    def first_call(self, slot: ThreadSlot) -> QueuedCall | None:
        """The first call of a thread that was started; None if another thread has taken it."""
        with self.lock:
            self._starting -= 1
            call = self._begin_call(slot)
            if call is not None:
                self.slots.threads.add(slot)
                if any(self.waiting):
                    self.start_threads()
            return call

    def next_call(self, slot: ThreadSlot) -> QueuedCall | None:
        """The next call of a thread; None if it has to leave."""
        with self.lock:
            weight = 0.1 if self._mean_seconds else 1
            self._mean_seconds += weight * (time.monotonic() - slot.began - self._mean_seconds)
            slot.call = None
            self._is_known_to_hang = False
            if slot.held:
                self.slots.release(slot)
            call = self._begin_call(slot)
            if call is None:
                self.slots.remove(slot)
                if any(self.waiting):
                    self.start_threads()
            return call

    def adjust(self, now: float) -> None:
        """Let more or fewer calls run, by the CPU time that those that run have used."""
        with self.lock:
            self.slots.adjust(now, [size for size in SIZES if self.waiting[size]])
            self.start_threads()

    def _hanging_streams(self) -> list[QueuedCall]:
        """All streams, if there may be no more and none has sent anything in time."""
        now, streams = time.monotonic(), list(self._streams)
        full = len(streams) >= MAX_STREAMS
        return streams if full and all(call.deadline <= now for call in streams) else []

    def _begin_call(self, slot: ThreadSlot) -> QueuedCall | None:
        waiting = self.waiting
        sizes = [size for size in SIZES if waiting[size] and self.slots.may_begin(size)]
        if not sizes:
            return None
        size = sizes[0] if len(sizes) == 1 else min(sizes, key=lambda size: waiting[size][0].received_at)
        call = waiting[size].popleft()
        slot.begin(call)
        return call

    def _hanging(self, reason: str) -> Overloaded:
        return Overloaded(f'{self.name} {reason}; try again later', MAX_RETRY_SECONDS)

    def _wait_s(self, waiting: int) -> float:
        """How long so many calls will wait, if as many threads as now run calls as long as the last."""
        return waiting * self._mean_seconds / max(len(self.slots.threads), 1)

    def _is_too_long(self, waiting: int, deadline: float) -> bool:
        """Whether a call that `waiting` others precede might be too late, or would prolong an overload."""
        now = time.monotonic()
        limit_s = SHARE_OF_TIME * (deadline - now) - self._mean_seconds
        if now < self._overloaded_until:
            limit_s = min(limit_s, SHORT_SECONDS)
        if waiting <= len(self.slots.threads) or self._wait_s(waiting) <= limit_s:
            return False
        first = min((queue[0].received_at for queue in self.waiting if queue), default=now)
        return now - first > BURST_SECONDS

    def _overloaded(self, waiting: int) -> Overloaded:
        """The error that says when the queue will have drained, at the pace of the last calls."""
        self._overloaded_until = time.monotonic() + OVERLOAD_SECONDS
        message = f'{waiting} requests to {self.name.lstrip("_")} are waiting already; try again later'
        return Overloaded(message, math.ceil(min(max(self._wait_s(waiting), 1), MAX_RETRY_SECONDS)))


def run_calls(queue: ModelQueue) -> None:
    """Run calls of a queue until there are none, or others have the slots. The job of a thread."""
    slot = thread_state.slot = ThreadSlot(queue.slots, queue.lock, queue.start_threads)
    call = queue.first_call(slot)
    while call is not None:
        try:
            call.run()
        except BaseException:  # Else the slot would be lost. Perhaps the log itself has failed.
            traceback.print_exc()
        call = queue.next_call(slot)
    del thread_state.slot
