"""How many calls of a model run at a time: few of those that compute in Python, many of those that wait."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from model_serving.cores import numeric_threads
from model_serving.engine.threads import cpu_clock, cpu_seconds
from model_serving.errors import ServingError
from model_serving.requests.slots import Slot

SMALL, LARGE = SIZES = 0, 1
MAX_THREADS = 512
"""So many threads of a queue run, wait for their batches, or stream."""
MAX_INTERVAL_SECONDS = 0.05
"""A measurement over a longer time is ignored: this process may have had no CPU."""
HANG_SHARE = 0.5
WAITING_SHARE = 0.1
"""Calls that use less of a core each are waiting for something."""
PARALLEL_SHARE = 0.75
"""Calls that use more of a core each compute in parallel."""


class QueuedCall(Protocol):
    """What waits in a queue. Large ones and small ones queue apart."""

    size: int
    received_at: float
    deadline: float

    def run(self) -> None:
        """Answer, in a thread that has a slot."""

    def refuse(self, error: ServingError) -> None:
        """Answer with an error. In the event loop."""


class ThreadSlot(Slot):
    """The slot of a thread that runs the calls of a queue."""

    def __init__(self, slots: 'Slots', lock: threading.Lock, start_threads: Callable[[], None]) -> None:
        self._slots, self._lock, self._start_threads = slots, lock, start_threads
        self._releases = 0  # How often it was released, and not reacquired.
        self.thread = threading.get_ident()
        self.size = SMALL
        self.held = False
        self.call: QueuedCall | None = None
        self.began = 0.0
        self._clock = cpu_clock()
        self._cpu_before = cpu_seconds(self._clock)

    def begin(self, call: QueuedCall) -> None:
        """Hold a slot for a call."""
        self._releases = 0
        self.call = call
        self.began = time.monotonic()
        self._slots.acquire(self, call.size)

    def cpu_seconds(self) -> float:
        """The CPU time of the thread since it came to the queue."""
        return cpu_seconds(self._clock) - self._cpu_before

    def is_late(self, now: float) -> bool:
        """Whether its call is past its deadline."""
        return self.call is not None and self.call.deadline <= now

    def hangs(self, call: QueuedCall, now: float) -> bool:
        """Whether its call is past its deadline, and not just because it has waited for most of its time."""
        return call.deadline <= now and now - self.began >= HANG_SHARE * (call.deadline - call.received_at)

    def release(self) -> None:
        """Let another call run."""
        self._releases += 1
        if self.held:
            with self._lock:
                self._slots.release(self)
                self._start_threads()

    def reacquire(self) -> None:
        """Go on, beside however many run by now; a stream, which has released it for good, without it."""
        self._releases -= 1
        if not self._releases:
            with self._lock:
                self._slots.acquire(self, self.size)


class Slots:
    """The slots of a queue, which holds its lock around each call: `capacity` can be held at a time.

    `limits` are how many calls of each size may run. They grow and shrink with the CPU time that calls use.
    `all_stuck`: calls are only computing, and all of them are late.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.active = [0, 0]
        self.limits = [capacity, capacity] if cpu_clock() is None else [1, 1]
        self.threads: set[ThreadSlot] = set()
        self.all_stuck = False
        self._cpu_of_others = 0.0  # That of threads that have left.
        self._measured = 0.0, 0.0

    def may_begin(self, size: int, starting: int = 0) -> bool:
        """Whether a call of that size may begin, beside `starting` others that will."""
        return not self.is_full(size, starting) and len(self.threads) + starting < MAX_THREADS

    def is_full(self, size: int, starting: int = 0) -> bool:
        """Whether calls of that size have all the slots that they may have."""
        active = self.active
        return active[size] + starting >= self.limits[size] or sum(active) + starting >= self.capacity

    def acquire(self, slot: ThreadSlot, size: int) -> None:
        """Count a slot as held."""
        slot.size, slot.held = size, True
        self.active[size] += 1

    def release(self, slot: ThreadSlot) -> None:
        """Count a slot as free."""
        slot.held = False
        self.active[slot.size] -= 1

    def remove(self, slot: ThreadSlot) -> None:
        """Forget a thread, but not its CPU time."""
        self.threads.discard(slot)
        self._cpu_of_others += slot.cpu_seconds()

    def hanging_calls(self) -> list[QueuedCall]:
        """The calls past their deadlines, if they have all slots, or the batch, or only compute."""
        now = time.monotonic()
        busy = [(slot, slot.call) for slot in list(self.threads) if slot.held or slot.runs_batch]
        late = [(slot, call) for slot, call in busy if call is not None and slot.hangs(call, now)]
        stuck = any(slot.runs_batch for slot, _ in late) or (self.all_stuck and len(late) == len(busy))
        return [call for _, call in late] if stuck or len(late) >= self.capacity else []

    def adjust(self, now: float, waiting: list[int]) -> None:
        """Change the limits of sizes with `waiting` calls, by the CPU time used since the last adjustment."""
        spent = self._cpu_of_others + sum(slot.cpu_seconds() for slot in self.threads)
        (then, before), self._measured = self._measured, (now, spent)
        if not 0 < now - then < MAX_INTERVAL_SECONDS:
            return
        used, running = (spent - before) / (now - then), sum(self.active)
        # More such calls would only compete for the interpreter, with each other and with other models.
        self.all_stuck = used >= WAITING_SHARE * running and all(slot.is_late(now) for slot in self.threads)
        for size in waiting:
            if self.active[size] >= self.limits[size]:
                self.limits[size] = min(self._new_limit(size, used, running), self.capacity)

    def check(self) -> None:
        """Raise AssertionError where the counts are wrong."""
        assert min(self.active) >= 0  # noqa: S101
        assert sum(self.active) == sum(slot.held for slot in self.threads)  # noqa: S101

    def _new_limit(self, size: int, used: float, running: int) -> int:
        limit = self.limits[size]
        if PARALLEL_SHARE < used < PARALLEL_SHARE * running:  # They only take turns.
            return max(limit // 2, 1)
        if used < WAITING_SHARE * running or (used > PARALLEL_SHARE * running and limit < numeric_threads()):
            return 2 * limit
        return limit
