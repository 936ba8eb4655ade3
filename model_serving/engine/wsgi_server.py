"""Passes requests to a WSGI application, and its answers to the clients."""

import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from model_serving.engine.event_loop import EventLoop
from model_serving.engine.http_connection import HTTPConnection
from model_serving.engine.http_request import IncomingRequest
from model_serving.engine.wsgi_call import WSGICall
from model_serving.utils.deadline_utils import DEADLINE, REFUSAL
from model_serving.utils.error_utils import DeadlineExceeded

LARGE_BODY_BYTES = 64 * 1024
LATE_SECONDS = 1.0
STOPPING_SECONDS = 0.5


class WSGIServer:
    """Serves one application to all clients of a worker."""

    def __init__(self, application: Any, loop: EventLoop, keep_alive_s: float, most_body_bytes: int) -> None:
        self.application = application
        self.loop = loop
        self.keep_alive_s = keep_alive_s
        self.most_body_bytes = most_body_bytes
        self.connections: set[HTTPConnection] = set()
        self.served = 0
        self.stopping = False
        self.on_change: Callable[[], None] = lambda: None
        loop.on_look_round.append(self._look)

    # With the lock of the loop held:

    def add(self, sock: socket.socket, base: dict[str, Any], scheme_headers: dict[str, str]) -> None:
        """Serve a new client."""
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # A UNIX socket has no such option.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(HTTPConnection(self, sock, base, scheme_headers))
        self.on_change()

    def forget(self, connection: HTTPConnection) -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        self.on_change()

    def serve(self, connection: HTTPConnection, request: IncomingRequest) -> None:
        """Answer a request; a large one after the small ones that are here, which it would keep waiting."""
        connection.closing |= self.stopping or not request.keep_alive
        connection.call = WSGICall(self.application, connection, request.finish())
        self.served += 1
        if request.received > LARGE_BODY_BYTES:
            self.loop.later.append(partial(self._start, connection.call))
        else:
            self._start(connection.call)

    def stop(self) -> None:
        """Finish what is here, and let each client go after it."""
        self.stopping = True

    def idle_seconds(self) -> float:
        """For how long a client may keep a connection without using it."""
        return STOPPING_SECONDS if self.stopping else self.keep_alive_s

    def answer_if_stuck(self, call: WSGICall, now: float) -> None:
        """Answer for a request whose own thread is stuck beyond the request's time."""
        end = call.environ.get(DEADLINE)
        if end is None or now < end + LATE_SECONDS or call.begun or call.connection is None:
            return
        connection, call.connection = call.connection, None
        environ = {**call.environ, REFUSAL: DeadlineExceeded(), DEADLINE: None}
        connection.call = WSGICall(self.application, connection, environ)
        self._start(connection.call)

    def _look(self, now: float) -> None:
        for connection in list(self.connections):
            connection.look(now)

    def _start(self, call: WSGICall) -> None:
        if call.connection is not None:
            self.loop.serve(call.run, call.name)
