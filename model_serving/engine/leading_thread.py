"""A thread that serves many requests at once: each in a greenlet, which it leaves while the request waits.

Everything that threads share here is guarded by one lock. A thread holds it whenever it runs, except while
it runs code of the application and while it waits for events. So a thread that is stuck in the application
can be relieved of the lead at any moment: see event_loop.py.
"""

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

from model_serving.utils.waiting_utils import Result

if TYPE_CHECKING:
    from model_serving.engine.greenlet_waiting import GreenletWaiter

SHORT_WAIT_SECONDS = 0.1
"""A longer wait may end late by as much."""
MOST_IDLE_TASKS = 64


class Task(greenlet):
    """A request being answered, and after it another; runs in the thread that made it, and nowhere else.

    A new greenlet for each request would cost two system calls and a page fault: Python maps memory for the
    frames of each.
    """

    def __init__(self, thread: 'LeadingThread') -> None:
        super().__init__(self._run, thread.hub)
        self.thread = thread
        self.waiter: GreenletWaiter | None = None
        self.parked_s = 0.0

    def begin(self, work: Callable[['Task'], None], name: str) -> None:
        """Do `work`, with no context variable set, until it first waits. From the hub."""
        self.work = work
        self.name = name
        self.end: BaseException | None = None
        self.on_blocked: Callable[[], None] = nothing
        self.gr_context = None
        self.switch()

    def _run(self) -> None:
        idle, hub = self.thread.idle, self.thread.hub
        while True:
            self.work(self)
            self.work = nothing
            if len(idle) >= MOST_IDLE_TASKS:
                return
            idle.append(self)
            hub.switch()

    def stop(self, error: BaseException) -> None:
        """Raise `error` where the task waits, now or the next time that it does. With the lock held."""
        self.end = error
        if self.waiter is not None:
            self.thread.wake(self.waiter)


class LeadingThread:
    """A thread with its tasks: those that wait, and those that can go on."""

    def __init__(self, lock: threading.Lock, interrupt: Callable[[], None]) -> None:
        self.lock = lock
        self.interrupt = interrupt
        self.hub: greenlet = getcurrent()
        self.task: Task | None = None
        self.idle: list[Task] = []
        self.since = 0.0
        self.asleep = False
        self.stuck = False
        self._ready: deque[GreenletWaiter] = deque()
        self._yielded: list[GreenletWaiter] = []
        self._parked: set[GreenletWaiter] = set()
        self._timers: list[tuple[float, int, GreenletWaiter, int]] = []
        self._order = itertools.count()

    def adopt(self) -> None:
        """Make the calling thread this one."""
        self.hub = getcurrent()

    def is_current(self) -> bool:
        """Whether the caller is this thread, between its tasks."""
        return getcurrent() is self.hub

    def start(self, work: Callable[[Task], None], name: str) -> None:
        """Run `work` in a new task until it first waits. With the lock held, from the hub."""
        task = self.idle.pop() if self.idle else Task(self)
        task.begin(work, name)

    def call_application(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call `function` of the application, with the lock released meanwhile. From a task."""
        self._enter(current_task())
        try:
            return function(*arguments)
        finally:
            self._leave()

    def wake(self, waiter: 'GreenletWaiter') -> None:
        """Let the task at `waiter` go on when its turn comes. From any thread."""
        self._ready.append(waiter)
        if self.asleep:
            self.interrupt()

    def park(self, waiter: 'GreenletWaiter', timeout_s: float | None) -> None:
        """Leave the thread to others until `waiter` is woken, its time is over, or its task is to end."""
        task = waiter.task
        begin = time.perf_counter()
        self._leave()
        if task.end is None:
            self._expect(waiter, timeout_s)
            self.hub.switch()
            waiter.parked += 1
            task.waiter = None
            self._parked.discard(waiter)
        self._enter(task)
        task.parked_s += time.perf_counter() - begin
        if task.end is not None:
            raise task.end

    def resume(self) -> None:
        """Let all tasks run that can go on. With the lock held, from the hub."""
        yielded, self._yielded = self._yielded, []
        self._ready.extend(yielded)
        self._end_short_waits()
        while self._ready:
            waiter = self._ready.popleft()
            if waiter.parked % 2:
                waiter.task.switch()

    def sleep_s(self) -> float:
        """For how many seconds nothing is to be done here, unless something happens."""
        if self._ready or self._yielded:
            return 0
        if not self._timers:
            return SHORT_WAIT_SECONDS
        return min(SHORT_WAIT_SECONDS, max(0, self._timers[0][0] - time.monotonic()))

    def end_long_waits(self) -> None:
        """Let those go on whose time is over. With the lock held."""
        now = time.monotonic()
        self._ready.extend(
            waiter for waiter in self._parked if waiter.until is not None and waiter.until <= now
        )

    def recover(self) -> None:
        """Let all tasks look at what has happened while one of them kept the thread. With the lock held."""
        self.stuck = False
        for waiter in list(self._parked):
            waiter.wake()

    def end(self) -> None:
        """Let go of what only this thread can. From the hub."""
        self.idle.clear()

    def has_tasks(self) -> bool:
        """Whether a task waits here."""
        return bool(self._parked)

    def _expect(self, waiter: 'GreenletWaiter', timeout_s: float | None) -> None:
        waiter.parked += 1
        waiter.task.waiter = waiter
        waiter.until = None if timeout_s is None else time.monotonic() + timeout_s
        self._parked.add(waiter)
        if timeout_s == 0:
            self._yielded.append(waiter)
        elif timeout_s is not None and timeout_s < SHORT_WAIT_SECONDS:
            end = time.monotonic() + timeout_s
            heapq.heappush(self._timers, (end, next(self._order), waiter, waiter.parked))

    def _end_short_waits(self) -> None:
        now = time.monotonic() if self._timers else 0
        while self._timers and self._timers[0][0] <= now:
            _, _, waiter, wait = heapq.heappop(self._timers)
            if waiter.parked == wait:
                self._ready.append(waiter)

    def _enter(self, task: Task) -> None:
        self.task = task
        self.since = time.monotonic()
        self.lock.release()

    def _leave(self) -> None:
        self.lock.acquire()
        self.since = 0.0
        self.task = None


def nothing(*_: Any) -> None:
    """Do nothing."""


def current_task() -> Task:
    """The task that calls."""
    task = getcurrent()
    if not isinstance(task, Task):
        raise TypeError('only a request can wait here')
    return task
