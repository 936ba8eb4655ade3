"""How many bytes of bodies the connections of a worker may hold, all together."""

import time
from collections import deque

from model_serving.engine.call import Connection

FREE_BYTES = 64 * 1024
MAX_WAIT_SECONDS = 15.0


class BodyBudget:
    """Grants `size` bytes, first come, first served. The first 64 kB of each body are free."""

    def __init__(self, size: int) -> None:
        self.available = size
        self._waiting: deque[tuple[Connection, float]] = deque()

    def reserve(self, connection: Connection, size: int) -> bool:
        """Whether `connection` may hold `size` bytes in all; if not, it is told when to try again."""
        more = size - connection.reserved
        if more <= 0 or size <= FREE_BYTES:
            return True
        is_next = not self._waiting or self._waiting[0][0] is connection
        if more > self.available or not is_next:
            if connection not in [each for each, _ in self._waiting]:
                self._waiting.append((connection, time.monotonic()))
            return False
        if self._waiting:
            self._waiting.popleft()
        self.available -= more
        connection.reserved = size
        return True

    def release(self, connection: Connection, kept: int = 0) -> None:
        """Take back what `connection` has reserved, except for `kept` bytes."""
        if connection.reserved > kept:
            self.available += connection.reserved - kept
            connection.reserved = kept
            self._serve_waiting()
        elif connection.closed:
            self._serve_waiting()

    def check_timeouts(self, now: float) -> None:
        """Refuse those that have waited too long."""
        while self._waiting and now - self._waiting[0][1] > MAX_WAIT_SECONDS:
            connection, _ = self._waiting.popleft()
            if not connection.closed:
                connection.refuse_for_lack_of_room()
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._waiting:
            connection = self._waiting[0][0]
            if connection.closed:
                self._waiting.popleft()
                continue
            connection.resume_reading()
            if self._waiting and self._waiting[0][0] is connection:
                return
