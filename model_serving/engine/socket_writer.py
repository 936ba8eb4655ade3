"""Writes to a socket that may not take everything at once."""

import socket

MOST_PIECES = 64


class SocketWriter:
    """Sends what the socket takes, and keeps the rest for later."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._left: list[memoryview] = []

    def write(self, pieces: list[bytes]) -> None:
        """Send these bytes after those that are left. Raises OSError if the client has gone."""
        if self._left:
            self._left.extend(map(memoryview, pieces))
            return
        try:
            sent = self._socket.send(pieces[0]) if len(pieces) == 1 else self._socket.sendmsg(pieces)
        except (BlockingIOError, InterruptedError):
            sent = 0
        self._left = unsent(pieces, sent)

    def flush(self) -> None:
        """Send what the socket takes now. Raises OSError if the client has gone."""
        try:
            sent = self._socket.sendmsg(self._left[:MOST_PIECES])
        except (BlockingIOError, InterruptedError):
            return
        self._left = unsent(self._left, sent)

    def has_more(self) -> bool:
        """Whether something is left to send."""
        return bool(self._left)


def unsent(pieces: 'list[bytes] | list[memoryview]', sent: int) -> list[memoryview]:
    """What is left of `pieces` after `sent` bytes."""
    left = []
    for piece in pieces:
        if sent < len(piece):
            left.append(memoryview(piece)[sent:])
        sent = max(0, sent - len(piece))
    return left
