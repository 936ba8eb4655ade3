"""Accepts connections, and sees to it that each worker gets its share of them.

All workers wait at the same socket. The first to wake up would often take a whole burst of connections and
keep them, while the other cores idle. So each worker writes the number of its connections to memory that all
share, and one that has more than another leaves new ones to that for a moment.
"""

import asyncio
import errno
import logging
import math
import mmap
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

YIELD_SECONDS = 0.0005
EXHAUSTED_SECONDS = 0.5
MAX_AT_ONCE = 64
MAX_WORKERS = 256
FRESH_SECONDS = 5.0
TOLERANCE = 16
RECORD = struct.Struct('dd')
EXHAUSTED = errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM

logger = logging.getLogger('engine')


class ConnectionCounts:
    """The number of connections of each worker. To be made before the workers are forked."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, MAX_WORKERS * RECORD.size)

    def write(self, worker: int, count: float) -> None:
        """Set the number of a worker's connections; infinity: it accepts none."""
        RECORD.pack_into(self._memory, worker % MAX_WORKERS * RECORD.size, count, time.monotonic())

    def has_more(self, worker: int, count: int) -> bool:
        """Whether a worker with `count` connections has notably more than another."""
        oldest = time.monotonic() - FRESH_SECONDS
        others = [
            other
            for index, (other, written_at) in enumerate(RECORD.iter_unpack(self._memory))
            if written_at > oldest and index != worker % MAX_WORKERS
        ]
        return count > min(others, default=math.inf) + 1 + count // TOLERANCE


class Listener:
    """A socket that clients connect to. `add` is given each new connection, unless this worker `has_more`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        has_more: Callable[[], bool],
        add: Callable[[socket.socket, Any], None],
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._has_more = has_more
        self._add = add
        self._is_exhausted = False

    def open(self) -> None:
        """Begin to accept connections."""
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept_some)

    def close(self) -> None:
        """Accept those that wait already, and no more."""
        self._loop.remove_reader(self._socket)
        while self._accept():
            pass
        self._socket.close()

    def _accept_some(self) -> None:
        for _ in range(MAX_AT_ONCE):
            if self._has_more():
                self._pause(YIELD_SECONDS)
                return
            if not self._accept():
                return

    def _pause(self, seconds: float) -> None:
        """Leave the connections to other workers for a moment."""
        self._loop.remove_reader(self._socket)
        self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self.open()
            self._accept()

    def _accept(self) -> bool:
        try:
            connection, address = self._socket.accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                if not self._is_exhausted:  # Once, not twice a second.
                    logger.warning('Cannot accept connections for now: %s', error)
                self._is_exhausted = True
                self._pause(EXHAUSTED_SECONDS)
            return False  # Else another worker was faster, or the client has gone.
        self._is_exhausted = False
        self._add(connection, address)
        return True
