"""Makes requests from the bytes that a client sends."""

from collections import deque
from typing import Any

import httptools

from model_serving.engine.body_budget import FREE_BYTES, LARGE_BYTES
from model_serving.engine.http_request import MAX_HEAD_BYTES, IncomingRequest, RefusedRequest

PIECE_BYTES = 4096
"""The parser is fed this much at a time, so that few requests are made before they are needed."""
LARGE_BODY_BYTES = 32 * 1024


class HTTPReceiver:
    """Parses what arrives on one connection, one request after the other.

    `complete` has the requests that have arrived, in order; bytes behind them wait in `unparsed`. `refused`
    is why no more can follow: the next request is not HTTP, too large, or broken off. `ended`: nothing more
    is to be read. `body_left`: so many bytes of a large body are still to come.
    """

    def __init__(self, base: dict[str, Any], scheme_headers: dict[str, str], max_body_bytes: int) -> None:
        self.complete: deque[IncomingRequest] = deque()
        self.refused: RefusedRequest | None = None
        self.ended = False
        self.unparsed = b''
        self.request: IncomingRequest | None = None
        self.body_left = 0
        self._base = base
        self._scheme_headers = scheme_headers
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0  # Fed to the parser since a head ended, or a piece of a body came.
        self._has_eof = False

    @property
    def environ(self) -> dict[str, Any]:
        """What is known of the request that is arriving."""
        return self._base if self.request is None else self.request.environ

    def is_empty(self) -> bool:
        """Whether nothing of a request has arrived."""
        return not (self.complete or self.unparsed or self.request or self.refused or self.ended)

    def size(self) -> int:
        """The bytes that the request which is arriving may take: more than FREE_BYTES, or 0."""
        request = self.request
        if request is None:
            return 0
        if not request.has_head:
            return MAX_HEAD_BYTES if self._head_bytes > FREE_BYTES else 0
        size = request.declared or 0
        if (
            request.is_chunked and request.received > FREE_BYTES
        ):  # Else two might wait for what the other has.
            size = LARGE_BYTES if request.received <= LARGE_BYTES else self._max_body_bytes
        return size if size > FREE_BYTES else 0

    def wants_continue(self) -> bool:
        """Whether the client waits to be told that it may send the body; true once for a request."""
        request = self.request
        if request is None or not request.expects_continue:
            return False
        request.expects_continue = False
        return request.received == 0

    def feed(self, data: bytes) -> None:
        """Parse the next bytes, up to the end of a request; those behind it wait."""
        if self.unparsed:
            data, self.unparsed = self.unparsed + data, b''
        while data and not (self.complete or self.ended):
            if self.body_left:
                data = self._feed_body(data)
            else:
                piece, data = data[:PIECE_BYTES], data[PIECE_BYTES:]
                rest = self._parse(piece)
                data = rest + data if rest else data
        self.unparsed = data
        if self._has_eof and not data:
            self._end()

    def feed_eof(self) -> None:
        """The client sends no more; unparsed bytes are still to be parsed."""
        self._has_eof = True
        if not self.unparsed:
            self._end()

    def _end(self) -> None:
        request = self.request
        if request is not None and request.has_head and not self.ended:
            message = f'The body ended after {request.received} of {request.declared} bytes'
            if request.declared is None:
                message = 'The body could not be read to its end: the connection ended within it'
            self._refuse(RefusedRequest(400, message))
        self.ended = True

    # The callbacks of httptools.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.request = IncomingRequest(self._base)

    def on_url(self, target: bytes) -> None:
        """Add a piece of the target."""
        if self.request:
            self.request.add_target(target)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        if self.request:
            self.request.add_header(name, value)

    def on_headers_complete(self) -> None:
        """Check what kind of body follows. Raises RefusedRequest."""
        self._head_bytes = 0
        request = self.request
        if request and not request.has_head:
            request.end_head(self._parser, self._scheme_headers)
            if (request.declared or 0) > self._max_body_bytes:
                raise RefusedRequest.of_large_body(self._max_body_bytes)

    def on_body(self, piece: bytes) -> None:
        """Add a piece of the body. Raises RefusedRequest."""
        self._head_bytes = 0
        if self.request:
            self.request.add_body(piece)
            if self.request.received > self._max_body_bytes:
                raise RefusedRequest.of_large_body(self._max_body_bytes)

    def on_message_complete(self) -> None:
        """Complete the request."""
        self._head_bytes = 0
        if self.request:
            self.request.finish()
            self.complete.append(self.request)
            self.request = None

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser. Returns the bytes that it has left."""
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            return self._ignore_upgrade(data[error.args[0] :])
        except httptools.HttpParserCallbackError as error:
            self._refuse(error.__context__)
        except httptools.HttpParserError as error:
            is_body = self.request is not None and self.request.has_head
            what = 'The body could not be read to its end' if is_body else 'The request is not valid HTTP/1.1'
            self._refuse(RefusedRequest(400, f'{what}: {error}'))
        else:
            self._look_ahead()
        return b''

    def _look_ahead(self) -> None:
        """Refuse an endless head or trailer; read the rest of a large body without the parser.

        The parser would only pass it on in pieces, each of them copied.
        """
        request = self.request
        if request is None:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(RefusedRequest.of_large_head())
        elif request.has_head and (request.declared or 0) - request.received > LARGE_BODY_BYTES:
            self.body_left = (request.declared or 0) - request.received

    def _ignore_upgrade(self, rest: bytes) -> bytes:
        """Continue in HTTP/1.1 where the client offers another protocol; the parser stops there.

        It takes the request for complete, without its body, which a new parser continues with.
        """
        request = self.complete.pop()
        self._parser = httptools.HttpRequestParser(self)
        if request.is_chunked:
            self._parser.feed_data(b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
            self.request = request
        elif request.declared:
            self.request, self.body_left = request, request.declared
        else:
            self.complete.append(request)
            self.ended = request.environ['REQUEST_METHOD'] == 'CONNECT'
            request.keep_alive &= not self.ended
        return rest

    def _feed_body(self, data: bytes) -> bytes:
        """Add what belongs to the body. Returns the bytes behind it."""
        piece, rest = data[: self.body_left], data[self.body_left :]
        if self.request:
            self.request.add_body(piece)
        self.body_left -= len(piece)
        if not self.body_left:
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()
        return rest

    def _refuse(self, error: BaseException | None) -> None:
        self.ended = True
        if not isinstance(error, RefusedRequest):
            error = RefusedRequest(400, 'The request is not valid HTTP/1.1')
        self.refused = error
