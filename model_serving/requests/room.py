"""How much memory the parsed bodies of a process may take together."""

import threading
import time

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

    `size` is all that there is; a request that needs more has it all.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken = 0
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    def take(self, size: int) -> None:
        """Wait until the current request has `size` bytes; another call has the thread's slot meanwhile.

        Raises Overloaded after 15 s.
        """
        request = current_request.get()
        size = min(size, self.size)
        if request is None or self._take_now(request, size):
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
                self._taken -= request.room
                request.room = 0
                self._changed.notify_all()

    def _take_now(self, request: CurrentRequest, size: int) -> bool:
        with self._changed:
            return not self._turn.locked() and self._fits(request, size)

    def _wait(self, request: CurrentRequest, size: int, end: float) -> None:
        """One waits for room, the others for their turn: else small ones would overtake it for ever."""
        if self._turn.acquire(timeout=max(0.0, end - time.monotonic())):
            try:
                with self._changed:
                    if self._changed.wait_for(lambda: self._fits(request, size), end - time.monotonic()):
                        return
            finally:
                self._turn.release()
        raise Overloaded('The service is busy with large requests; try again later')

    def _fits(self, request: CurrentRequest, size: int) -> bool:
        more = max(0, size - request.room)
        if self._taken + more > self.size:
            return False
        self._taken += more
        request.room += more
        return True


room = Room(128 * 1024 * 1024)
"""That of this process."""


def take_room(body: bytes, max_bytes: int) -> None:
    """Take what the JSON in `body` becomes. Raises what `take` and `require_few_containers` raise."""
    if len(body) > FREE_BYTES:
        require_few_containers(body, max_bytes)
        room.take(parsed_bytes(body))
