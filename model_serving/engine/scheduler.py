"""The queues of all models: when their calls begin, and how often threads switch."""

import asyncio
import sys
import time

from model_serving.batching.batcher import has_hanging_batch
from model_serving.engine.model_queue import ModelQueue
from model_serving.engine.threads import ThreadPool

ADJUST_SECONDS = 0.025
USUAL_SWITCH_SECONDS = 0.005
SHORT_SWITCH_SECONDS = 0.0005
SHORT_FOR_SECONDS = 10.0


class Scheduler:
    """Lets the calls of each queue run in threads of `pool`. All but `why_hanging` runs in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pool: ThreadPool, slots: int, max_waiting: int
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._slots = slots
        self._max_waiting = max_waiting
        self._queues: dict[str, ModelQueue] = {}
        self._to_start: set[ModelQueue] = set()
        self._adjust_timer: asyncio.TimerHandle | None = None
        self._short_until = 0.0

    def queue(self, name: str) -> ModelQueue:
        """The queue of this name."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = ModelQueue(name, self._slots, self._max_waiting, self._pool)
        return queue

    def why_hanging(self, name: str) -> str | None:
        """Why a model has stopped serving, in words that follow its name; None if it serves. Thread-safe."""
        queue = self._queues.get(name)
        if queue is not None and (reason := queue.why_hanging()):
            return reason
        return 'hangs: its batch has outlived its callers' if has_hanging_batch(name) else None

    def start(self, queue: ModelQueue) -> None:
        """Let the calls of a queue begin, once all that has arrived is read.

        A thread that wakes up takes the interpreter from the loop.
        """
        if not self._to_start:
            self._loop.call_soon(self._start)
        self._to_start.add(queue)
        if self._adjust_timer is None and any(queue.waiting):
            self._adjust_timer = self._loop.call_later(ADJUST_SECONDS, self._adjust)

    def adjust_switch_interval(self, now: float, late_s: float) -> None:
        """Have threads switch more often while the loop is `late_s` late because a call computes in Python.

        Such a thread keeps the interpreter for 5 ms by default, and each read or write of the loop waits for
        it anew.
        """
        slots = [slot for queue in self._queues.values() for slot in list(queue.slots.threads)]
        computes = any(slot.held and now - slot.began > USUAL_SWITCH_SECONDS for slot in slots)
        if computes and late_s > 0.8 * sys.getswitchinterval():
            self._short_until = now + SHORT_FOR_SECONDS
            sys.setswitchinterval(SHORT_SWITCH_SECONDS)
        elif self._short_until and now > self._short_until:
            self._short_until = 0.0
            sys.setswitchinterval(USUAL_SWITCH_SECONDS)

    def _start(self) -> None:
        while self._to_start:
            self._to_start.pop().start()

    def _adjust(self) -> None:
        self._adjust_timer = None
        now = time.monotonic()
        waiting = [queue for queue in self._queues.values() if any(queue.waiting)]
        for queue in waiting:
            queue.adjust(now)
        if waiting:
            self._adjust_timer = self._loop.call_later(ADJUST_SECONDS, self._adjust)
