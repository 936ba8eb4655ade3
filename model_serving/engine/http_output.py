"""What is sent to one client: at the client's pace, and closed when all has arrived."""

import asyncio
import select
import time
from collections.abc import Callable, Sequence

JOINED_BYTES = 64 * 1024
STALLED_SECONDS = 15.0
LINGER_SECONDS = 2.0
MAX_LINGER_SECONDS = 15.0
MAX_DISCARDED_BYTES = 128 * 1024 * 1024


class HTTPOutput:
    """Writes to a transport.

    `is_full`: the client has yet to read what was written. `is_finished`: the last response was written; what
    the client still sends is discarded. `sent_at`: when the client last read something. `written_bytes`:
    the size of all that was written, `unsent`: how much of it the client had yet to read at the last check.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_full = self.is_finished = False
        self.sent_at = time.monotonic()
        self._transport = transport
        secure = getattr(transport, '_ssl_protocol', None)  # TLS hides the buffer of the transport beneath.
        self._tls_transport: asyncio.Transport | None = None if secure is None else secure._transport
        self.unsent = self._discarded = self.written_bytes = 0
        self._finished_at = self._received_at = 0.0
        self._on_drained: Callable[[], None] | None = None

    def fileno(self) -> int:
        """The descriptor of the client's socket."""
        number: int = self._transport.get_extra_info('socket').fileno()
        return number

    def has_unread(self) -> bool:
        """Whether the client has just sent something, or EOF: to close now would lose a request."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def write(self, pieces: Sequence[bytes]) -> None:
        """Write a part of a response."""
        if len(pieces) > 1 and sum(map(len, pieces)) <= JOINED_BYTES:
            pieces = [b''.join(pieces)]
        for piece in pieces:
            self._transport.write(piece)
            self.written_bytes += len(piece)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the client has read most of what was written, or has gone."""
        if self.is_full:
            self._on_drained = callback
        else:
            callback()

    def fill(self) -> None:
        """Note that the client has much to read."""
        self.is_full = True
        if not self.unsent:
            self.sent_at = time.monotonic()
        self.unsent = self._unsent_bytes()

    def drained(self) -> None:
        """Continue: the client has read most, or has gone."""
        self.is_full = False
        if self._on_drained is not None:
            callback, self._on_drained = self._on_drained, None
            callback()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def close(self) -> None:
        """Close the connection once all is sent."""
        if not self._transport.is_closing():  # A TLS transport that is closed twice breaks.
            self._transport.close()

    def finish(self, has_eof: bool) -> None:
        """Send EOF, and close when the client does, or has: earlier might cut a response off."""
        if self.is_finished:
            return
        self.is_finished = True
        self._finished_at = self._received_at = time.monotonic()
        if self._transport.can_write_eof() and not has_eof:
            try:
                self._transport.write_eof()
            except OSError:  # The client has reset the connection meanwhile.
                self.abort()
            else:
                self._transport.resume_reading()
        elif self._tls_transport is None or not self._unsent_bytes():
            self.close()  # Else once all is sent: TLS would cut it off.

    def discard(self, size: int) -> None:
        """Count bytes that have come after the last response."""
        self._received_at = time.monotonic()
        self._discarded += size
        if self._discarded > MAX_DISCARDED_BYTES:
            self.abort()

    def check_timeouts(self, now: float) -> bool:
        """Cut off a client that takes too long to read, or to close. Returns whether it has to do either."""
        unsent = self._unsent_bytes()
        if unsent != self.unsent:
            self.unsent, self.sent_at = unsent, now
        if unsent:
            if now - self.sent_at > STALLED_SECONDS:
                self.abort()
        elif self.is_finished:
            if self._tls_transport is not None and not self._transport.is_closing():
                self._finished_at = self._received_at = now
                self.close()
            elif now - self._received_at > LINGER_SECONDS or now - self._finished_at > MAX_LINGER_SECONDS:
                self.abort()
        return bool(unsent) or self.is_finished

    def _unsent_bytes(self) -> int:
        tls = 0 if self._tls_transport is None else self._tls_transport.get_write_buffer_size()
        return tls + self._transport.get_write_buffer_size()
