"""Serves one application to all clients of a worker."""

import asyncio
import logging
import operator
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from model_serving.access.guard import ADMITTED
from model_serving.engine.application import application_of
from model_serving.engine.body_budget import BodyBudget
from model_serving.engine.call import Call, Connection, Handler
from model_serving.engine.errand import Errands
from model_serving.engine.http_request import IncomingRequest
from model_serving.engine.http_response import error_response
from model_serving.engine.scheduler import Scheduler
from model_serving.engine.streams import stream, stream_in_loop
from model_serving.engine.threads import ThreadPool
from model_serving.errors import DeadlineExceeded, Overloaded, ServingError

BUFFER_BYTES = 64 * 1024
LARGE_BUFFER_BYTES = 1024 * 1024
TICK_SECONDS = 0.1
CHECKS_PER_ROUND = 10
MIN_CHECKED = 200
CLIENT_GONE = 499
SENT_AT = operator.attrgetter('sent_at')
UNPARSED = {'REQUEST_METHOD': '', 'PATH_INFO': '', 'SERVER_PROTOCOL': 'HTTP/1.1'}
"""The environment of what is not HTTP."""

logger = logging.getLogger('engine')


class Server:
    """What the connections of a worker share. All but `deliver` and `stream` runs in the event loop."""

    stream = staticmethod(stream)
    stream_in_loop = staticmethod(stream_in_loop)

    def __init__(self, wsgi: Any, loop: asyncio.AbstractEventLoop, slots: int, keep_alive_s: float) -> None:
        self.application = application = application_of(wsgi)
        self.timeout_s = application.timeout_s
        self.loop = loop
        self.idle_seconds = keep_alive_s  # For how long a client may keep an idle connection.
        self.connections: set[Connection] = set()
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.large_buffer = memoryview(bytearray(LARGE_BUFFER_BYTES))
        self.budget = BodyBudget(application.max_buffered_bytes)
        self.small_budget = BodyBudget(application.max_buffered_bytes)
        self.pool = ThreadPool()
        self.scheduler = Scheduler(loop, self.pool, slots, application.max_waiting)
        self.errands = Errands(loop, self.scheduler, self.timeout_s)
        application.use_hang_check(self.scheduler.why_hanging)
        self.served = 0
        self.on_disconnect: Callable[[], None] = lambda: None
        self.stopping = False
        self._in_flight: dict[Call, None] = {}
        self._delivered: deque[Call] = deque()
        self._write_scheduled = False
        self._unchecked: list[Connection] = []
        self._tick_timer: asyncio.TimerHandle | None = None
        self._tick_due = 0.0

    def add(self, connection: Connection) -> None:
        """Serve a new client."""
        self.connections.add(connection)
        if self._tick_timer is None:
            self._schedule_tick()

    def remove(self, connection: Connection) -> None:
        """Forget a client that has gone."""
        self.connections.discard(connection)
        self.on_disconnect()

    def serve(self, connection: Connection, incoming: IncomingRequest) -> None:
        """Have a request answered."""
        application, environ = self.application, incoming.environ
        refusal = application.refusal(environ) if application.has_guard else None
        name, answer, is_quick = application.target(environ)
        call = self._begin(connection, incoming, name, answer)
        self.served += 1
        if refusal is not None:
            self._finish(call, refusal)
            return
        if is_quick:
            self._write_scheduled = True
            call.run()
            self._write_delivered()
            return
        try:
            call.queue.add(call)
        except Overloaded as error:
            self._finish(call, error)
            return
        self.scheduler.start(call.queue)

    def refuse(self, connection: Connection, refused: ServingError, environ: dict[str, Any]) -> None:
        """Answer what is not passed to the application."""
        incoming = IncomingRequest(environ if 'PATH_INFO' in environ else {**UNPARSED, **environ})
        incoming.keep_alive = False
        name, answer, _ = self.application.target(incoming.environ)
        call = self._begin(connection, incoming, name, answer)
        call.context.run(call.log, 'Refused a request with %d: %s', refused.status, refused.message)
        self._finish(call, refused)

    def bound_unsent(self) -> None:
        """Cut off clients that have read nothing for the longest while all have too much to read."""
        full = sorted((each.output for each in self.connections if each.output.unsent), key=SENT_AT)
        unsent = sum([output.unsent for output in full])
        for output in full[:-1]:  # The last response may be as large as it likes.
            if unsent <= self.application.max_buffered_bytes:
                break
            unsent -= output.unsent
            output.abort()

    def deliver(self, call: Call) -> None:
        """Have a response written. From any thread; the loop wakes up once for many."""
        self._delivered.append(call)
        if not self._write_scheduled:
            self._write_scheduled = True
            self.loop.call_soon_threadsafe(self._write_delivered)

    def abandon(self, call: Call) -> None:
        """Drop a request whose client has gone."""
        self._in_flight.pop(call, None)
        if call.connection is not None:
            call.count_sent(call.connection)
        call.connection = None
        call.queue.remove(call)
        call.cancel()
        call.request.reason = call.request.reason or 'gone'
        self.application.record(call.request, call.status if call.streaming else CLIENT_GONE)

    def _begin(self, connection: Connection, incoming: IncomingRequest, name: str, answer: Handler) -> Call:
        call = Call(self, connection, incoming, self.scheduler.queue(name))
        call.answer = answer
        connection.call = call
        self._in_flight[call] = None
        if self.application.has_guard:
            call.request.key = incoming.environ.get(ADMITTED, '')
        self.application.begin(call.request, name)
        return call

    def _write_delivered(self) -> None:
        self._write_scheduled = False
        delivered = self._delivered
        while delivered:
            call = delivered.popleft()
            try:
                self._finish(call, call.error)
            except Exception:
                logger.exception('A response could not be written')

    def _finish(self, call: Call, error: ServingError | None) -> None:
        """Write a response, or the end of it, or an error."""
        self._in_flight.pop(call, None)
        connection, call.connection = call.connection, None
        if connection is None:  # It was answered already, or nobody waits for it.
            return
        request = call.request
        try:
            if error is None:
                connection.respond(call.pieces, call.stays_open())
            elif call.streaming:  # The client must see that the response is incomplete.
                request.reason = 'crash'
                connection.call = None
                connection.output.abort()
            else:
                call.status = error.status
                request.reason = request.reason or error.reason
                request.error = error.message, error.details
                connection.respond(self._error_response(call, error), call.stays_open())
        finally:
            call.pieces = ()
            call.count_sent(connection)
            self.application.record(request, call.status)

    def _error_response(self, call: Call, error: ServingError) -> list[bytes]:
        body, headers = self.application.error_content(call.environ, error)
        if error.retry_after_s is not None:
            headers = [('Retry-After', str(error.retry_after_s)), *headers]
        headers = [*error.headers, *headers, ('X-Request-ID', call.request.id)]
        has_body = call.environ['REQUEST_METHOD'] != 'HEAD'
        return error_response(error.status, body, headers, call.stays_open(), has_body)

    def _tick(self) -> None:
        """Check the deadlines of requests, and the time that clients take."""
        now = time.monotonic()
        late_s = now - self._tick_due
        self._schedule_tick()
        self.scheduler.adjust_switch_interval(now, late_s)
        for call in list(self._in_flight):
            if call.deadline <= now and not call.streaming:
                self._time_out(call)
        self._check_connections(now)
        self.budget.check_timeouts(now)
        self.small_budget.check_timeouts(now)
        if self._tick_timer is not None and not (self.connections or self._in_flight):
            self._tick_timer.cancel()
            self._tick_timer = None

    def _check_connections(self, now: float) -> None:
        """Check some of many, so that they do not delay each other: each within a second."""
        unchecked = self._unchecked = self._unchecked or list(self.connections)
        most = max(MIN_CHECKED, len(self.connections) // CHECKS_PER_ROUND)
        for _ in range(min(most, len(unchecked))):
            connection = unchecked.pop()
            if not connection.closed:
                connection.check_timeouts(now)

    def _schedule_tick(self) -> None:
        self._tick_due = time.monotonic() + TICK_SECONDS
        self._tick_timer = self.loop.call_later(TICK_SECONDS, self._tick)

    def _time_out(self, call: Call) -> None:
        queue = call.queue
        was_queued = queue.remove(call)
        call.cancel()
        message = f'{queue.name} had no time for the request; send fewer at a time' if was_queued else None
        self._finish(call, DeadlineExceeded(message))
        queue.refuse_if_hanging()
        queue.log_hang()
