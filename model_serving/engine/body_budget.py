"""How many bytes of requests the connections of a worker may hold, all together."""

import time

from model_serving.engine.call import Connection

FREE_BYTES = 4 * 1024
"""What each connection may hold beside all budgets."""
LARGE_BYTES = 64 * 1024
"""Larger requests have a budget of their own: they would keep small ones waiting."""
MAX_WAIT_SECONDS = 15.0


class BodyBudget:
    """Grants `size` bytes, first come, first served. `is_low`: what a client sends next may be too much."""

    def __init__(self, size: int) -> None:
        self.available = size
        self.is_low = False
        self._waiting: dict[Connection, float] = {}

    def reserve(self, connection: Connection, size: int) -> bool:
        """Whether `connection` may hold `size` bytes in all; if not, it is told when to try again."""
        if size <= connection.reserved:
            return True
        is_next = not self._waiting or next(iter(self._waiting)) is connection
        if is_next and self.take(connection, size):
            self._waiting.pop(connection, None)
            return True
        self._waiting.setdefault(connection, time.monotonic())
        self.is_low = True
        return False

    def take(self, connection: Connection, size: int) -> bool:
        """Whether `connection` may hold `size` bytes in all, now."""
        more = max(0, size - connection.reserved)
        if more > self.available:
            return False
        self.available -= more
        self.is_low = self.available < LARGE_BYTES
        connection.reserved += more
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
        while (
            self._waiting and now - self._waiting[connection := next(iter(self._waiting))] > MAX_WAIT_SECONDS
        ):
            del self._waiting[connection]
            if not connection.closed:
                connection.refuse_for_lack_of_room()
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        self.is_low = self.available < LARGE_BYTES
        while self._waiting:
            connection = next(iter(self._waiting))
            if connection.closed:
                del self._waiting[connection]
                continue
            connection.resume_reading()
            if connection in self._waiting:
                return
