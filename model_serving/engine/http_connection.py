"""One client: its requests are served in turn, its answers written, and its time is limited."""

import contextlib
import contextvars
import json
import logging
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from model_serving.engine.event_loop import READ, WRITE
from model_serving.engine.http_receiver import HTTPReceiver
from model_serving.engine.http_request import RefusedRequest
from model_serving.engine.http_response import error_answer
from model_serving.engine.socket_writer import SocketWriter
from model_serving.utils.current_request_utils import CurrentRequest, current_request
from model_serving.utils.error_utils import ClientGone
from model_serving.utils.metrics_utils import leave

if TYPE_CHECKING:
    from model_serving.engine.wsgi_call import WSGICall
    from model_serving.engine.wsgi_server import WSGIServer

MOST_WAITING_BYTES = 256 * 1024
MOST_DISCARDED_BYTES = 128 * 1024 * 1024
DISCARD_BYTES = 1024 * 1024
STALLED_SECONDS = 15
LEAST_BYTES_PER_SECOND = 1000
LINGER_SECONDS = 2
LONGEST_LINGER_SECONDS = 15

logger = logging.getLogger('engine')


class HTTPConnection:
    """Reads from a socket, has the requests served one after the other, and writes the answers.

    All is called with the lock of the loop held.
    """

    def __init__(
        self, server: 'WSGIServer', sock: socket.socket, base: dict[str, Any], scheme_headers: dict[str, str]
    ) -> None:
        self.server = server
        self.loop = server.loop
        self.call: WSGICall | None = None  # The request that is being answered.
        self.closing = False  # It is the last one.
        self.closed = False
        self._socket = sock
        self._receiver = HTTPReceiver(base, scheme_headers, server.most_body_bytes)
        self._writer = SocketWriter(sock)
        self._waiting = b''  # What came while a request was being answered.
        self._when_written: Callable[[], None] | None = None
        self._discarded: int | None = None  # How much came after the last answer; None before that.
        self._since = self._progress = time.monotonic()
        self._events = READ
        self.loop.watch(sock, READ, self)

    def on_ready(self, events: int) -> None:
        """Write what can be written, read what has come."""
        if events & WRITE:
            self._flush()
        if events & READ and not self.closed:
            self._receive()

    def look(self, now: float) -> None:
        """See whether the client takes too long."""
        if self.call is not None and not self._writer.has_more():
            self.server.answer_if_stuck(self.call, now)
        elif self._is_idle():
            if now - self._since > self.server.idle_seconds():
                self._receive()  # A last look: what has come just now is still served.
                if self._is_idle():
                    self.close()
        elif self._discarded is not None:
            if now - self._progress > LINGER_SECONDS or now - self._since > LONGEST_LINGER_SECONDS:
                self.close()
        elif self._writer.has_more():
            if now - self._progress > STALLED_SECONDS:
                self.close()
        elif self._receives_too_slowly(now):
            self._refuse(RefusedRequest(408, 'The request took too long to arrive; send it again'))

    def close(self) -> None:
        """Close the socket; nobody wants the answer that is being made."""
        if self.closed:
            return
        self.closed = True
        self.loop.watch(self._socket, 0, self)
        self._socket.close()
        self.server.forget(self)
        if self.call is not None:
            self.call.abandon(ClientGone())
        if self._when_written is not None:
            self._when_written()

    fail = close

    # Reading.

    def _receive(self) -> None:
        if self._discarded is not None:
            self._discard()
            return
        data = self._read(self._receiver.wanted_bytes())
        if data is None:
            return
        if self._takes_more():
            self._take(data)
        elif data:
            self._keep(data)
        elif self.call is not None:
            self.close()
        else:  # It is seen again when what came before it has been answered.
            self._watch(self._events & ~READ)

    def _takes_more(self) -> bool:
        """Whether all that came before has been answered."""
        return self.call is None and not (self._waiting or self._receiver.complete or self._writer.has_more())

    def _read(self, size: int) -> bytes | None:
        """What has come; empty at the end of the stream, None if nothing has."""
        try:
            return self._socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b''

    def _take(self, data: bytes) -> None:
        receiver = self._receiver
        self._progress = time.monotonic()
        if not receiver.receiving:
            self._since = self._progress
        if data:
            receiver.feed(data)
        else:
            receiver.end()
            self._watch(self._events & ~READ)
        self.advance()

    def _keep(self, data: bytes) -> None:
        """Keep what comes behind the request that is being answered."""
        self._waiting += data
        if len(self._waiting) > MOST_WAITING_BYTES:
            self._watch(self._events & ~READ)

    def _discard(self) -> None:
        """Read on, within reason: a client that is still sending would see a reset, not the answer."""
        data = self._read(DISCARD_BYTES)
        if data is None or self._discarded is None:
            return
        self._discarded += len(data)
        self._progress = time.monotonic()
        if not data or self._discarded > MOST_DISCARDED_BYTES:
            self.close()

    def _receives_too_slowly(self, now: float) -> bool:
        allowed = STALLED_SECONDS + self._receiver.received_bytes / LEAST_BYTES_PER_SECOND
        return now - self._progress > STALLED_SECONDS or now - self._since > allowed

    # Serving.

    def advance(self) -> None:
        """Have the next request served, if there is one and no other is being served."""
        receiver = self._receiver
        while (
            self.call is None and self._discarded is None and not self.closed and not self._writer.has_more()
        ):
            if receiver.complete:
                self.server.serve(self, receiver.complete.popleft())
            elif receiver.refused is not None:
                self._refuse(receiver.refused)
            elif self._waiting:
                data, self._waiting = self._waiting, b''
                receiver.feed(data)
            else:
                self._go_on_reading()
                return

    def _go_on_reading(self) -> None:
        if self._receiver.ended:
            self.close()
        elif self._receiver.wants_continue():
            self._write([b'HTTP/1.1 100 Continue\r\n\r\n'])
        self._watch(self._events | READ)

    def _is_idle(self) -> bool:
        """Whether nothing is being received, answered or written."""
        return not (
            self.closed
            or self.call
            or self._waiting
            or self._discarded is not None
            or self._receiver.receiving
            or self._writer.has_more()
        )

    # Answering.

    def answer(self, pieces: list[bytes]) -> None:
        """Write the last bytes of an answer; then comes the next request."""
        self.call = None
        self._write(pieces)
        self._since = time.monotonic()
        if self.closing:
            self._hang_up()
        elif self._waiting or self._receiver.has_something():
            self.loop.post(self.advance)

    def write(self, pieces: list[bytes], when_written: Callable[[], None]) -> bool:
        """Write a part of an answer. Returns whether it has left; `when_written` tells when not."""
        self._write(pieces)
        if not self._writer.has_more():
            return True
        self._when_written = when_written
        return False

    def _refuse(self, refused: RefusedRequest) -> None:
        """Answer what cannot be passed to the application, and hang up."""
        asked = CurrentRequest(self._receiver.environ)
        contextvars.Context().run(self._note, asked, refused)
        self.closing = True
        body = json.dumps({'message': refused.message}).encode()
        self.answer(error_answer(refused.status, body, asked.id))

    def _note(self, asked: CurrentRequest, refused: RefusedRequest) -> None:
        """Log and count what the application never sees."""
        current_request.set(asked)
        asked.status = refused.status
        leave(asked)
        logger.info('Refused a request with %d: %s', refused.status, refused.message)

    def _write(self, pieces: list[bytes]) -> None:
        if self.closed or not pieces:
            return
        try:
            self._writer.write(pieces)
        except OSError:
            self.close()
            return
        if self._writer.has_more():
            self._progress = time.monotonic()
            self._watch(self._events | WRITE)

    def _flush(self) -> None:
        try:
            self._writer.flush()
        except OSError:
            self.close()
            return
        self._progress = time.monotonic()
        if self._writer.has_more():
            return
        self._watch(self._events & ~WRITE)
        if self._when_written is not None:
            written, self._when_written = self._when_written, None
            written()
        elif self.call is None:
            self._since = self._progress
            if self.closing:
                self._hang_up()
            else:
                self.advance()

    def _hang_up(self) -> None:
        """Say goodbye, and close when the client does: earlier might cut the answer off."""
        if self._writer.has_more() or self.closed:
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._discarded = 0
        self._progress = time.monotonic()
        self._watch(READ)

    def _watch(self, events: int) -> None:
        if events != self._events and not self.closed:
            self._events = events
            self.loop.watch(self._socket, events, self)
