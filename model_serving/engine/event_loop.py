"""The event loop of a worker process: it waits for clients, and runs what they ask for, in one thread.

That thread has the lead. Where a request keeps it in the application's code for longer than BLOCKED_SECONDS,
`relieve` gives the lead to a new thread, which serves everybody else (leader and followers). The old one
finishes its request, and those that wait in it, and ends. All state is guarded by `lock`; see
leading_thread.py.
"""

import contextlib
import heapq
import itertools
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from model_serving.engine.greenlet_waiting import GreenletWaiting, Pool
from model_serving.engine.leading_thread import LeadingThread, Task
from model_serving.utils.waiting_utils import install

BLOCKED_SECONDS = 0.05
LOOK_ROUND_SECONDS = 0.25

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Channel(Protocol):
    """What the loop watches."""

    def on_ready(self, events: int) -> None:
        """Read or write what can be. With the lock held."""

    def fail(self) -> None:
        """End, after an error that should not have happened: it would come again and again."""


class EventLoop:
    """Watches channels, and calls what is due."""

    def __init__(self, slots: int) -> None:
        self.lock = threading.Lock()
        self.slots = slots
        self.pool = Pool()
        self.on_look_round: list[Callable[[float], None]] = []
        self.running = False
        self._threads: list[threading.Thread] = []
        self.later: deque[Callable[[], None]] = deque()
        self._logger = logging.getLogger('engine')
        self._selector = selectors.DefaultSelector()
        self._alarm = Alarm()
        self._selector.register(self._alarm.receiver, READ, self._alarm)
        self._posted: deque[Callable[[], None]] = deque()
        self._delayed: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._looked_round = 0.0
        self.thread = LeadingThread(self.lock, self._alarm.ring)

    def start(self) -> None:
        """Begin, in a new thread."""
        self.running = True
        self._lead(self.thread)

    def stop(self, seconds: float) -> bool:
        """End. Returns whether all threads have ended, after at most `seconds`."""
        self.running = False
        self._alarm.ring()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads) and self.pool.is_idle()

    def watch(self, file: Any, events: int, channel: Channel) -> None:
        """Tell `channel` when `file` can be read or written; 0 events: no longer. With the lock held."""
        known = self._selector.get_map().get(file.fileno())
        if not events:
            if known:
                self._selector.unregister(file)
        elif known:
            self._selector.modify(file, events, channel)
        else:
            self._selector.register(file, events, channel)

    def post(self, function: Callable[[], None]) -> None:
        """Let the leading thread call `function`, with the lock held. From any thread."""
        self._posted.append(function)
        self._alarm.ring()

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call `function` after `seconds`. With the lock held."""
        heapq.heappush(self._delayed, (time.monotonic() + seconds, next(self._order), function))

    def serve(self, work: Callable[[Task], None], name: str) -> None:
        """Run `work` as a task of the leading thread. With the lock held."""
        if self.thread.is_current():
            self.thread.start(work, name)
        else:
            self.post(lambda: self.serve(work, name))

    def relieve(self) -> None:
        """Give the lead to another thread, if the one that has it is stuck. To be called now and then."""
        thread = self.thread
        since = thread.since
        if not since or time.monotonic() - since < BLOCKED_SECONDS:
            return
        with self.lock:
            if thread.since != since or thread.task is None or self.thread is not thread:
                return
            name = thread.task.name
            thread.stuck = True
            thread.task.on_blocked()
            self.thread = LeadingThread(self.lock, self._alarm.ring)
            self._lead(self.thread)
        self._logger.warning(
            '%s has kept the event loop for %d ms; others are now served by another thread',
            name,
            1000 * (time.monotonic() - since),
        )

    def _lead(self, thread: LeadingThread) -> None:
        started = threading.Thread(target=self._run, args=(thread,), name='leading', daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [started]
        started.start()

    def _run(self, thread: LeadingThread) -> None:
        thread.adopt()
        install(GreenletWaiting(thread, self.pool, self.slots))
        with self.lock:
            while self.running and self.thread is thread:
                try:
                    self._turn(thread)
                except Exception:
                    self._logger.exception('The event loop met an error and goes on')
            if self.running:
                self._finish(thread)
            thread.end()

    def _turn(self, thread: LeadingThread) -> None:
        """Handle all that has happened, then one thing that is for later."""
        for key, events in self._select(thread):
            try:
                key.data.on_ready(events)
            except Exception:
                self._logger.exception('A connection met an error and is closed')
                key.data.fail()
            if self.thread is not thread:
                return
        self._call_due(thread)
        thread.resume()
        if self.later and self.thread is thread:
            self.later.popleft()()
        self._look_round(thread)

    def _call_due(self, thread: LeadingThread) -> None:
        for _ in range(len(self._posted)):
            self._posted.popleft()()
            if self.thread is not thread:
                return
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            heapq.heappop(self._delayed)[2]()

    def _select(self, thread: LeadingThread) -> list[tuple[selectors.SelectorKey, int]]:
        thread.asleep = True
        timeout = self._sleep_s(thread)
        self.lock.release()
        try:
            return self._selector.select(timeout)
        finally:
            self.lock.acquire()
            thread.asleep = False

    def _sleep_s(self, thread: LeadingThread) -> float:
        if self.later or self._posted:
            return 0
        if not self._delayed:
            return thread.sleep_s()
        return min(thread.sleep_s(), max(0, self._delayed[0][0] - time.monotonic()))

    def _look_round(self, thread: LeadingThread) -> None:
        """Do now and then what need not be done at once."""
        now = time.monotonic()
        if now - self._looked_round < LOOK_ROUND_SECONDS:
            return
        self._looked_round = now
        thread.end_long_waits()
        for look in self.on_look_round:
            look(now)

    def _finish(self, thread: LeadingThread) -> None:
        """Answer, without the lead, the requests that still wait in this thread."""
        signal = threading.Event()
        thread.interrupt, thread.asleep = signal.set, True
        thread.recover()
        while thread.has_tasks() or thread.sleep_s() == 0:
            signal.clear()
            timeout = thread.sleep_s()
            self.lock.release()
            signal.wait(timeout)
            self.lock.acquire()
            thread.end_long_waits()
            thread.resume()


class Alarm:
    """Wakes the loop where it waits."""

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)

    def ring(self) -> None:
        """End the wait, or the next one. From any thread, and from a signal's handler."""
        with contextlib.suppress(BlockingIOError):
            self._sender.send(b'!')

    def fail(self) -> None:
        """Go on."""

    def on_ready(self, events: int) -> None:
        """Forget how often it rang."""
        with contextlib.suppress(BlockingIOError):
            self.receiver.recv(4096)
