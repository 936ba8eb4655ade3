"""How much memory the parsed bodies of a process may take together."""

import threading
import time
from collections import Counter, defaultdict

from model_serving.errors import Overloaded
from model_serving.json_cost import parsed_bytes, require_few_containers
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.requests.deadline import remaining_s
from model_serving.requests.slots import thread_state

FREE_BYTES = 64 * 1024
"""Bodies up to this size take no room: few of them are parsed at a time."""
MAX_WAIT_SECONDS = 15.0


class Room:
    """Memory that requests take before their bodies are parsed, and give back when they have been answered.

    `size` is all that there is. The requests of one model have half of it together; one that needs more than
    that takes this half, and there is one such at a time. So that no model waits for those of others, the
    first request of a model may take an eighth of `size` even where nothing is left.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken: Counter[str] = Counter()
        self._larger: CurrentRequest | None = None
        self._changed = threading.Condition()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def take(self, size: int) -> None:
        """Wait until the current request has `size` bytes; another call has the thread's slot meanwhile.

        Raises Overloaded after 15 s.
        """
        request = current_request.get()
        # One that has enough must not wait for its turn: who has that may wait for what this one has.
        if request is None or not request.takes_room:
            return
        if min(size, self.size // 2) <= request.room or self._take_now(request, size):
            return
        left = remaining_s()
        end = time.monotonic() + (MAX_WAIT_SECONDS if left is None else min(left, MAX_WAIT_SECONDS))
        thread_state.slot.release()
        try:
            self._wait(request, size, end)
        finally:
            thread_state.slot.reacquire()

    def give_back(self, request: CurrentRequest) -> None:
        """Give back what a request has taken."""
        if request.room:
            with self._changed:
                self._taken[request.model] -= request.room
                request.room = 0
                if self._larger is request:
                    self._larger = None
                self._changed.notify_all()

    def _take_now(self, request: CurrentRequest, size: int) -> bool:
        with self._changed:
            return not self._turns[request.model].locked() and self._fits(request, size)

    def _wait(self, request: CurrentRequest, size: int, end: float) -> None:
        """One of a model waits for room, its others for their turn: else small ones would overtake it."""
        turn = self._turns[request.model]
        if turn.acquire(timeout=max(0.0, end - time.monotonic())):
            try:
                with self._changed:
                    if self._changed.wait_for(lambda: self._fits(request, size), end - time.monotonic()):
                        return
            finally:
                turn.release()
        raise Overloaded('The service is busy with large requests; try again later')

    def _fits(self, request: CurrentRequest, size: int) -> bool:
        half = self.size // 2
        is_larger, size = size > half, min(size, half)
        more, taken = max(0, size - request.room), self._taken
        if is_larger and self._larger not in (None, request):
            return False
        is_first = taken[request.model] == request.room and size <= self.size // 8
        if not is_first and (taken[request.model] + more > half or taken.total() + more > self.size):
            return False
        if is_larger:
            self._larger = request
        taken[request.model] += more
        request.room += more
        return True


room = Room(128 * 1024 * 1024)
"""That of this process."""


def take_room(body: bytes, max_bytes: int) -> None:
    """Take what the JSON in `body` becomes. Raises what `take` and `require_few_containers` raise."""
    if len(body) > FREE_BYTES:
        require_few_containers(body, max_bytes)
        room.take(parsed_bytes(body))
