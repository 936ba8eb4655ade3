"""Makes requests of the bytes that a client sends."""

from collections import deque
from typing import Any

import httptools

from model_serving.engine.http_request import MOST_HEAD_BYTES, IncomingRequest, RefusedRequest

RECEIVE_BYTES = 64 * 1024
RECEIVE_BODY_BYTES = 1024 * 1024
LARGE_BODY_BYTES = 32 * 1024


class HTTPReceiver:
    """Parses what comes on one connection. Requests that are here stand in `complete`, in their order.

    A body larger than `most_body_bytes`, or one that breaks off, completes its request, too: the
    application says what is wrong with it. Nothing can follow it: `ended` is then set. `refused` is a
    request that is no HTTP.
    """

    def __init__(self, base: dict[str, Any], scheme_headers: dict[str, str], most_body_bytes: int) -> None:
        self.complete: deque[IncomingRequest] = deque()
        self.refused: RefusedRequest | None = None
        self.ended = False
        self.receiving = False
        self._base = base
        self._scheme_headers = scheme_headers
        self._most_body_bytes = most_body_bytes
        self._request = IncomingRequest(base)
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self._body_left = 0

    @property
    def received_bytes(self) -> int:
        """How much of the body of the request that is coming is here."""
        return self._request.received

    @property
    def environ(self) -> dict[str, Any]:
        """What is known of the request that is coming."""
        return self._request.environ

    def has_something(self) -> bool:
        """Whether something is to be done for this connection, besides reading."""
        return bool(self.complete or self.ended or self.receiving)

    def wanted_bytes(self) -> int:
        """How much to read from the socket at once."""
        return min(self._body_left, RECEIVE_BODY_BYTES) or RECEIVE_BYTES

    def wants_continue(self) -> bool:
        """Whether the client waits to be told that it may send the body; true once for a request."""
        wanted = self.receiving and self._request.expects_continue and self._request.received == 0
        self._request.expects_continue = False
        return wanted

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._body_left:
            data = self._feed_body(data)
        if self.ended or not data:
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            self._ignore_upgrade(data[error.args[0] :])
        except httptools.HttpParserCallbackError as error:
            self._refuse_for(error.__context__)
        except httptools.HttpParserError as error:
            self._break_off(str(error))
        else:
            self._look_ahead()

    def end(self) -> None:
        """The client sends no more."""
        if self.receiving and self._request.has_head:
            self._complete(lost='the connection ended within it' if self._request.declared is None else None)
        self.ended = True

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._request = IncomingRequest(self._base)
        self.receiving = True

    def on_url(self, target: bytes) -> None:
        """Take the target, or a piece of it."""
        self._request.add_target(target)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._request.add_header(name, value)

    def on_headers_complete(self) -> None:
        """See what kind of body comes."""
        self._head_bytes = 0
        self._request.end_head(self._parser, self._scheme_headers)
        if (self._request.declared or 0) > self._most_body_bytes:
            self._complete()

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self.receiving:
            self._request.add_body(piece)
            if self._request.received > self._most_body_bytes:
                self._complete()

    def on_message_complete(self) -> None:
        """The request is here."""
        self._head_bytes = 0
        if self.receiving:
            self.receiving = False
            self.complete.append(self._request)

    def _look_ahead(self) -> None:
        """Refuse a head that has no end; take the rest of a large body without the parser.

        The parser would only hand it on in pieces, each copied.
        """
        if not self.receiving:
            return
        if not self._request.has_head:
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse_for(RefusedRequest.of_large_head())
        elif self._request.left() > LARGE_BODY_BYTES:
            self._body_left = self._request.left()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 where the client would rather speak something else; the parser stops there."""
        request = self.complete[-1]
        if not request.declared:
            request.keep_alive = False
            self.ended = True
            return
        self.receiving = True
        self._request = self.complete.pop()
        self._body_left = request.declared
        self.feed(rest)

    def _feed_body(self, data: bytes) -> bytes:
        """Take what belongs to the body. Returns what comes after it."""
        piece, rest = data[: self._body_left], data[self._body_left :]
        self._request.add_body(piece)
        self._body_left -= len(piece)
        if not self._body_left:
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()
        return rest

    def _complete(self, lost: str | None = None) -> None:
        """Take the request as it is; what follows cannot be told from its body."""
        self._request.lost = lost
        self._request.keep_alive = False
        self._body_left = 0
        self.ended = True
        self.on_message_complete()

    def _break_off(self, reason: str) -> None:
        if self.receiving and self._request.has_head:
            self._complete(lost=reason)
        else:
            self._refuse_for(RefusedRequest(400, f'The request is not valid HTTP/1.1: {reason}'))

    def _refuse_for(self, error: BaseException | None) -> None:
        self.ended = True
        self.receiving = False
        if not isinstance(error, RefusedRequest):
            error = RefusedRequest(400, 'The request is not valid HTTP/1.1')
        self.refused = error
