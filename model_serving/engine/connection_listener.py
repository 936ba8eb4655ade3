"""Takes new connections, and sees to it that each worker has its share of them.

All workers wait at the same socket. The first to wake would often take a whole burst of connections and
keep them, while the other cores idle. So each worker writes down, in memory that all share, how many it
has, and one that has more than another leaves new ones to that for a moment.
"""

import errno
import mmap
import socket
import struct
from collections.abc import Callable
from typing import Any

from model_serving.engine.event_loop import READ, EventLoop

LEAVE_SECONDS = 0.0005
EXHAUSTED_SECONDS = 0.5
MOST_AT_ONCE = 64
MOST_WORKERS = 256
FRESH_SECONDS = 5.0
RECORD = struct.Struct('dd')


class ConnectionCounts:
    """How many connections each worker has. To be made before the workers are forked."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, MOST_WORKERS * RECORD.size)

    def write(self, worker: int, count: float, now: float) -> None:
        """Say how many connections a worker has now; infinity: it takes none."""
        RECORD.pack_into(self._memory, worker % MOST_WORKERS * RECORD.size, count, now)

    def least(self, worker: int, now: float) -> float:
        """The least of the other workers' counts; infinity if there is no other worker."""
        counts = [
            count
            for slot, (count, written) in enumerate(RECORD.iter_unpack(self._memory))
            if written > now - FRESH_SECONDS and slot != worker % MOST_WORKERS
        ]
        return min(counts, default=float('inf'))


class ConnectionListener:
    """A socket that clients connect to."""

    def __init__(
        self,
        loop: EventLoop,
        listener: socket.socket,
        has_more_than_others: Callable[[], bool],
        add: Callable[[socket.socket, Any], None],
    ) -> None:
        self.loop = loop
        self.listener = listener
        self.has_more_than_others = has_more_than_others
        self.add = add
        self._leaves_until = 0.0

    def open(self) -> None:
        """Begin to take connections. With the lock of the loop held."""
        self.loop.watch(self.listener, READ, self)

    def close(self) -> None:
        """Take those who wait already, and no more. With the lock of the loop held."""
        self.loop.watch(self.listener, 0, self)
        while self._accept():
            pass
        self.listener.close()

    def on_ready(self, events: int) -> None:
        """Take new connections, unless another worker should."""
        for _ in range(MOST_AT_ONCE):
            if self.has_more_than_others():
                self._leave(LEAVE_SECONDS)
                return
            if not self._accept():
                return

    def fail(self) -> None:
        """Try again a little later."""
        self._leave(EXHAUSTED_SECONDS)

    def _leave(self, seconds: float) -> None:
        """Leave the connections to others for a moment, but not for longer."""
        self.loop.watch(self.listener, 0, self)
        self.loop.call_later(seconds, self._return)

    def _return(self) -> None:
        if self.listener.fileno() >= 0:
            self.open()
            self._accept()

    def _accept(self) -> bool:
        try:
            connection, address = self.listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._leave(EXHAUSTED_SECONDS)
            return False  # Else another worker was faster, or the client has gone.
        self.add(connection, address)
        return True
