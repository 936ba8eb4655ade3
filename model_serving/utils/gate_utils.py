"""What one view lets in: how many calls run at the same time, how many wait, and for how long.

Under the event loop a view that has been quick so far runs right in the loop: handing it to another thread
would cost more than it does. Any other, and one that is not known yet, runs in a thread of a pool, in one
of a few slots, so that the loop goes on. Who finds the slots taken waits in line.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from model_serving.utils.deadline_utils import deadline, remaining_s
from model_serving.utils.error_utils import DeadlineExceeded, Overloaded
from model_serving.utils.waiting_utils import Result, Waiter, Waiting, waiting

QUICK_SECONDS = 0.005
SLOW_SECONDS = 1.0
"""What a call counts as that has kept the event loop so long that it was taken away."""
SHARE_OF_SHORTER = 0.3
SHARE_OF_LONGER = 0.1
"""How much the last call counts in the usual time of a call. A longer one counts less: in a pool of threads
it may only have waited for the interpreter."""
LONGEST_RETRY_S = 60


class OpenGate:
    """Lets every call in, right where it comes: for views that do nothing but answer."""

    def call(self, view: Callable[[], Result], until: float | None = None) -> Result:
        """Return what `view` returns."""
        return view()


class Slot:
    """The right of one call to run; `until` is when its request is over, in seconds of time.monotonic."""

    def __init__(self) -> None:
        self.until = deadline.get() or math.inf


class Place:
    """A place in line."""

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self.slot: Slot | None = None


class Gate:
    """Lets calls of one view in."""

    def __init__(self, name: str, most_waiting: int) -> None:
        self.name = name
        self.most_waiting = most_waiting
        self._lock = threading.Lock()
        self._line: deque[Place] = deque()
        self._running: set[Slot] = set()
        self._seconds = math.inf

    def call(self, view: Callable[[], Result], until: float | None = None) -> Result:
        """Return what `view` returns. `until` is the deadline, in seconds of time.monotonic.

        Raises Overloaded where too many wait, or where the view hangs, and DeadlineExceeded where the time is
        over; a view that runs then still runs to its end.
        """
        token = deadline.set(until)
        try:
            way = waiting()
            if self._seconds < QUICK_SECONDS:
                return way.run_watched(lambda: self._timed(view), self._became_slow)
            slot = self._enter(way)
            return way.run(lambda: self._run(view, slot), quick=False)
        finally:
            deadline.reset(token)

    def _run(self, view: Callable[[], Result], slot: Slot) -> Result:
        """Run `view`, and give the slot on, whether or not anybody still waits for the result."""
        try:
            return self._timed(view)
        finally:
            self._leave(slot)

    def _timed(self, view: Callable[[], Result]) -> Result:
        clock = waiting().clock
        begin = clock()
        try:
            result = view()
        except Exception:
            # A request that is refused says nothing about one that is answered, unless it took longer.
            if clock() - begin > self._seconds:
                self._learn(clock() - begin)
            raise
        self._learn(clock() - begin)
        return result

    def _learn(self, seconds: float) -> None:
        known = seconds if self._seconds == math.inf else self._seconds
        share = SHARE_OF_LONGER if seconds > known else SHARE_OF_SHORTER
        self._seconds = known + share * (seconds - known)

    def _became_slow(self) -> None:
        self._seconds = max(self._seconds, SLOW_SECONDS)

    def _enter(self, way: Waiting) -> Slot:
        """Take a slot, or wait for one."""
        with self._lock:
            if len(self._running) < way.slots:
                return self._new_slot()
            self._refuse_if_hanging()
            if len(self._line) >= self.most_waiting:
                raise Overloaded(
                    f'{len(self._line)} requests to {self.name} are waiting already; try again later',
                    retry_after_s=self._retry_after_s(way.slots),
                )
            place = Place(way.waiter())
            self._line.append(place)
        return self._wait(place, way.slots)

    def _wait(self, place: Place, slots: int) -> Slot:
        try:
            while place.slot is None:
                place.waiter.wait(self._patience_s())
                with self._lock:
                    if place.slot is None and len(self._running) < slots:
                        self._line.remove(place)
                        place.slot = self._new_slot()
                    elif place.slot is None:
                        self._refuse_if_hanging()
                        self._refuse_if_late()
        except BaseException:
            self._give_up(place)
            raise
        # The slot was that of another request while it was handed over.
        place.slot.until = deadline.get() or math.inf
        return place.slot

    def _patience_s(self) -> float | None:
        """Seconds until the time of this request, or of all that run, is over."""
        with self._lock:
            end = min(deadline.get() or math.inf, max((slot.until for slot in self._running), default=0.0))
        return None if end == math.inf else max(0.001, end - time.monotonic())

    def _give_up(self, place: Place) -> None:
        with self._lock:
            if place in self._line:
                self._line.remove(place)
        if place.slot is not None:
            self._leave(place.slot)

    def _new_slot(self) -> Slot:
        slot = Slot()
        self._running.add(slot)
        return slot

    def _leave(self, slot: Slot) -> None:
        """Give a slot to the next in line; one whose thread is stuck could not use it."""
        with self._lock:
            place = next((place for place in self._line if not place.waiter.is_stuck()), None)
            if place is None:
                self._running.discard(slot)
                return
            self._line.remove(place)
            slot.until = math.inf
            place.slot = slot
        place.waiter.wake()

    def _refuse_if_hanging(self) -> None:
        """Turn a request away where all that run have run longer than they may. Raises Overloaded."""
        if all(slot.until <= time.monotonic() for slot in self._running):
            raise Overloaded(
                f'{self.name} is busy with requests that take too long; try again later',
                retry_after_s=LONGEST_RETRY_S,
            )

    def _refuse_if_late(self) -> None:
        if remaining_s() == 0:
            raise DeadlineExceeded(f'{self.name} had no time for the request; send fewer at a time')

    def _retry_after_s(self, slots: int) -> int:
        """When those in line will have been served, at the pace of the last calls."""
        pace = 0 if self._seconds == math.inf else self._seconds
        return math.ceil(min(max(len(self._line) * pace / slots, 1), LONGEST_RETRY_S))
