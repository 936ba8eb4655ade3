"""One client: its requests are read, served in turn and answered."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

from model_serving.engine.body_budget import FREE_BYTES, LARGE_BYTES, BodyBudget
from model_serving.engine.call import Call
from model_serving.engine.http_output import HTTPOutput
from model_serving.engine.http_receiver import HTTPReceiver
from model_serving.engine.http_request import IncomingRequest, RefusedRequest
from model_serving.engine.server import Server
from model_serving.errors import ServingError

WINDOW_SECONDS = 15.0
MIN_BYTES_PER_SECOND = 1000
MAX_BODY_SECONDS = 1200.0
"""A body must come so fast that the room reserved for it is not held for longer."""
GRACE_SECONDS = 0.05
"""A client that closes its sending side may still read for as long; then it counts as gone."""


class HTTPConnection(asyncio.BufferedProtocol):
    """The connection to one client. It runs in the event loop."""

    def __init__(self, server: Server, base: dict[str, Any], scheme_headers: dict[str, str]) -> None:
        self.server = server
        self.call: Call | None = None  # The request that is being answered.
        self.closed = False
        self.reserved = 0
        self.request_began = self._received_at = time.monotonic()
        self.output: HTTPOutput
        self._transport: asyncio.Transport
        self._receiver = HTTPReceiver(base, scheme_headers, server.application.max_body_bytes)
        self._window = (self.request_began, 0)  # When a window of the body's rate began, with how many bytes.
        self._buffer = server.buffer
        self._budget = server.small_budget
        self._has_eof = False
        self._waits_for_room = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self.output = HTTPOutput(self._transport)
        self.server.add(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where to put what arrives: all connections share it, as it is emptied at once."""
        server = self.server
        is_kept = self.call is not None or self.output.is_full  # Until the response has been sent.
        is_low = server.small_budget.is_low or server.budget.is_low
        if (is_kept or (is_low and not self.reserved)) and not self.output.is_finished:
            self._buffer = server.buffer[:FREE_BYTES]
        else:
            large = self._receiver.body_left > len(server.buffer)
            self._buffer = server.large_buffer if large else server.buffer
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        """Process what has arrived."""
        if self.output.is_finished:
            self.output.discard(size)
            return
        receiver = self._receiver
        self._received_at = time.monotonic()
        data = bytes(self._buffer[:size])
        if self.call is not None or self.output.is_full:
            receiver.unparsed += data
            if len(receiver.unparsed) >= FREE_BYTES:
                self._transport.pause_reading()
            return
        if receiver.is_empty():
            self._begin_request()
        receiver.feed(data)
        self._advance()

    def eof_received(self) -> bool:
        """See what is left to answer. Returns whether the connection stays open for that."""
        if self.output.is_finished:
            return False
        self._has_eof = True
        if self.call is not None:
            self.server.loop.call_later(GRACE_SECONDS, self._abort_call, self.call)
        self._receiver.feed_eof()
        self._advance()
        return self._transport.can_write_eof()  # TLS cannot close one half of a connection.

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the client; nobody wants the response that is being made."""
        self.closed = True
        self.server.remove(self)
        self._budget.release(self)
        if self.call is not None:
            call, self.call = self.call, None
            self.server.abandon(call)
        self.output.drained()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        self.output.fill()
        self.server.bound_unsent()

    def resume_writing(self) -> None:
        """Continue."""
        self.output.drained()
        self._advance()

    def resume_reading(self) -> None:
        """Read more, if there is room for it."""
        request = self._receiver.request
        if request is not None and request.has_head and self._refuse_early(request):
            return
        if size := self._receiver.size():
            waited, self._waits_for_room = self._waits_for_room, not self._budget_of(size).reserve(self, size)
            if self._waits_for_room:
                self._transport.pause_reading()
                return
            if waited:
                self._window = time.monotonic(), request.received if request else 0
        if request is not None and request.has_head and self._receiver.wants_continue():
            self._transport.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        self._transport.resume_reading()

    def refuse_for_lack_of_room(self) -> None:
        """Refuse a body that there has been no room for."""
        message = 'The service is busy with large requests; try again later'
        self._refuse(RefusedRequest(503, message, retry_after_s=1))

    def respond(self, pieces: Sequence[bytes], stays_open: bool) -> None:
        """Write the last bytes of a response, and go on to the next request."""
        self.call = None
        if self.closed:
            return
        if self.reserved:
            self._budget.release(self)
        self.output.write(pieces)
        receiver = self._receiver
        if not stays_open:
            self.output.finish(self._has_eof)
        elif receiver.is_empty():
            self._received_at = time.monotonic()
            self._transport.resume_reading()
        else:  # Others are served first.
            self._begin_request()
            self.server.loop.call_soon(self._advance)

    def check_timeouts(self, now: float) -> None:
        """See whether the client takes too long."""
        if self.output.check_timeouts(now):
            return
        active_at = max(self._received_at, self.output.sent_at)
        if self.call is not None:
            active_at = max(self.call.last_part, active_at)  # The client may just have read a long part.
            if self.call.streaming and now - active_at > self.server.timeout_s:
                self.output.abort()
        elif self._receiver.is_empty():
            if now - active_at > self.server.idle_seconds and not self.output.has_unread():
                self.output.close()
        elif not self._waits_for_room and self._is_too_slow(now):
            self._refuse(RefusedRequest(408, 'The request took too long to arrive; send it again'))

    def _advance(self) -> None:
        """Have the next request served, if there is one and no other is being served."""
        receiver = self._receiver
        if self.call is not None or self.closed or self.output.is_finished or self.output.is_full:
            return
        if not receiver.complete and receiver.unparsed:
            self._begin_request()
            receiver.feed(b'')
        if receiver.complete:
            self._serve(receiver.complete.popleft())
        elif receiver.refused is not None:
            self._refuse(receiver.refused)
        elif receiver.ended:
            self.output.finish(self._has_eof)
        else:
            self.resume_reading()

    def _serve(self, incoming: IncomingRequest) -> None:
        unparsed = self._receiver.unparsed
        size = incoming.size + len(unparsed) if unparsed else incoming.size
        if self.reserved:
            self._budget.release(self, size)
        elif size > FREE_BYTES and not self._budget_of(size).take(self, size):
            self.refuse_for_lack_of_room()
            return
        self.server.serve(self, incoming)

    def _budget_of(self, size: int) -> BodyBudget:
        """The budget for a request of so many bytes, with nothing reserved in the other one."""
        budget = self.server.small_budget if size <= LARGE_BYTES else self.server.budget
        if budget is not self._budget:
            self._budget.release(self)
            self._budget = budget
        return budget

    def _begin_request(self) -> None:
        """Count the time of the next request from now on."""
        self.request_began = self._received_at = time.monotonic()
        self._window = self.request_began, 0

    def _refuse(self, refused: ServingError) -> None:
        self._receiver.ended = True
        self.server.refuse(self, refused, self._receiver.environ)

    def _refuse_early(self, request: IncomingRequest) -> bool:
        """Refuse a request before its body has come, if that may be large and the guard is against it."""
        may_be_large = (request.declared or 0) > FREE_BYTES or request.is_chunked or request.expects_continue
        has_guard = self.server.application.has_guard
        refusal = self.server.application.refusal(request.environ) if has_guard and may_be_large else None
        if refusal is not None:
            self._refuse(refusal)
        return refusal is not None

    def _abort_call(self, call: Call) -> None:
        if self.call is call:
            self.output.abort()

    def _is_too_slow(self, now: float) -> bool:
        """Whether a head takes too long, or a body has come too slowly in the last window."""
        since, before = self._window
        if now - since < WINDOW_SECONDS:
            return False
        request = self._receiver.request
        received = request.received if request is not None else 0
        self._window = now, received
        min_rate = max(MIN_BYTES_PER_SECOND, self.reserved / MAX_BODY_SECONDS)
        return received - before < min_rate * WINDOW_SECONDS
