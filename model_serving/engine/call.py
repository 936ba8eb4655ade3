"""One request on its way: from the event loop through a thread, and back."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from model_serving.engine.http_output import HTTPOutput
from model_serving.engine.http_request import IncomingRequest
from model_serving.engine.http_response import WSGIResponse
from model_serving.engine.model_queue import ModelQueue
from model_serving.engine.slots import LARGE, SMALL
from model_serving.engine.threads import ThreadPool
from model_serving.errors import ServingError
from model_serving.observability.log_guard import check_logging
from model_serving.protocols.body import plain_bytes
from model_serving.requests.coroutines import monitored
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.requests.deadline import deadline
from model_serving.requests.room import room

LARGE_BYTES = 64 * 1024
"""Requests with larger bodies queue apart, and begin one at a time."""

Response = bytes | WSGIResponse
Answer = Response | Coroutine[Any, Any, Response]
Handler = Callable[['Call'], Answer]

logger = logging.getLogger('engine')


class ClientDisconnected(BaseException):
    """Ends the stream of a client that has gone."""


class Connection(Protocol):
    """What the server and its calls need of the connection to a client."""

    output: HTTPOutput
    call: 'Call | None'
    request_began: float
    closed: bool
    reserved: int

    def respond(self, pieces: Sequence[bytes], stays_open: bool) -> None:
        """Write the last bytes of a response."""

    def resume_reading(self) -> None:
        """Read more, if there is room for it."""

    def refuse_for_lack_of_room(self) -> None:
        """Refuse a body that there has been no room for."""

    def check_timeouts(self, now: float) -> None:
        """See whether the client takes too long."""


class _Server(Protocol):
    loop: asyncio.AbstractEventLoop
    pool: ThreadPool
    timeout_s: float
    stopping: bool

    def deliver(self, call: 'Call') -> None: ...

    def stream(self, call: 'Call', response: WSGIResponse) -> None: ...

    async def stream_in_loop(self, call: 'Call', response: WSGIResponse) -> None: ...


class Call:
    """A request that is being answered, by the function `answer`.

    `pieces` are the response or, after a stream, its end. `streaming`: a part of it has been sent, the last
    one at `last_part`. Whoever ends a call sets `connection` to None: nothing is written from then on.
    """

    answer: Handler
    streaming = False
    last_part = 0.0
    task: asyncio.Task[None] | None = None
    error: ServingError | None = None
    status = 0
    pieces: Sequence[bytes] = ()
    _was_stopping: bool | None = None

    def __init__(
        self, server: _Server, connection: Connection, incoming: IncomingRequest, queue: ModelQueue
    ) -> None:
        self.server = server
        self.connection: Connection | None = connection
        self.written_before = connection.output.written_bytes
        self.environ = incoming.environ
        self.body = incoming.body
        self.keep_alive = incoming.keep_alive
        self.queue = queue
        encoding = incoming.environ.get('HTTP_CONTENT_ENCODING')
        size = plain_bytes(self.body, encoding) if encoding else len(self.body)
        self.size = LARGE if size > LARGE_BYTES else SMALL
        self.received_at = connection.request_began
        self.deadline = self.received_at + server.timeout_s
        self.request = CurrentRequest(self.environ)
        self.request.started -= time.monotonic() - self.received_at
        self.request.finished_by_engine = True
        self.context = contextvars.Context()

    def stays_open(self) -> bool:
        """Whether the connection is kept after the response; what was said once remains true."""
        if self._was_stopping is None:
            self._was_stopping = self.server.stopping
        return self.keep_alive and not self._was_stopping

    def run(self) -> None:
        """Answer, in a thread of the pool."""
        if self.connection is None or time.monotonic() > self.deadline:
            return  # Nobody waits for it, or it gets 504 at the next tick.
        coroutine = self.context.run(self._run)
        if coroutine is None:
            if self.request.room:
                room.give_back(self.request)
        else:  # Its task could not enter the context while this thread is in it.
            self.server.loop.call_soon_threadsafe(self._start_task, coroutine)

    def refuse(self, error: ServingError) -> None:
        """Answer with an error."""
        self.error = error
        self.server.deliver(self)

    def count_sent(self, connection: Connection) -> None:
        """Note how many bytes the response had, as far as it went."""
        self.request.sent_bytes = connection.output.written_bytes - self.written_before

    def log(self, *message: object) -> None:
        """Log what becomes of the request, under its id. In its context."""
        current_request.set(self.request)
        logger.info(*message)

    def cancel(self) -> None:
        """Cancel the coroutine of a request that nobody waits for, once it can leave its contexts."""
        self.request.client_gone = True
        if self.task is not None:
            self.server.loop.call_soon(self.task.cancel)
        elif (cancel := self.request.cancel) is not None:
            cancel()

    def deliver(self, pieces: Sequence[bytes]) -> None:
        """Have the event loop write the response, or the rest of it."""
        self.pieces = pieces
        self.server.deliver(self)

    def _run(self) -> Coroutine[Any, Any, Response] | None:
        current_request.set(self.request)
        deadline.set(self.deadline)
        try:
            response = self.answer(self)
            if not isinstance(response, bytes | WSGIResponse):
                return response
            self._respond(response)
        except BaseException as error:
            self._crash(error)
        return None

    def _respond(self, response: Response) -> None:
        if isinstance(response, bytes):
            self.status = 200
            self.deliver([response])
            return
        self.status = response.code
        if response.chunks is None:
            self.deliver(response.complete(self.stays_open()))
        else:
            self.server.stream(self, response)

    def _respond_in_thread(self, response: Response) -> None:
        try:
            self._respond(response)
        except BaseException as error:
            self._crash(error)

    def _start_task(self, coroutine: Coroutine[Any, Any, Response]) -> None:
        """Run the rest of a view that is a coroutine. In the event loop."""
        task = monitored(self._await(coroutine), str(self.request))
        self.task = self.server.loop.create_task(task, context=self.context)
        self.queue.tasks.add(self.task)
        self.task.add_done_callback(self.queue.tasks.discard)
        if self.connection is None:
            self.cancel()

    async def _await(self, coroutine: Coroutine[Any, Any, Response]) -> None:
        try:
            response = await coroutine
            if isinstance(response, bytes) or response.chunks is None:
                self._respond(response)
            elif hasattr(response.chunks, '__aiter__'):
                self.status = response.code
                await self.server.stream_in_loop(self, response)
            else:  # A synchronous generator must not block the loop.
                self.server.pool.run(partial(self.context.copy().run, self._respond_in_thread, response))
        except BaseException as error:
            self._crash(error)
        finally:
            room.give_back(self.request)

    def _crash(self, error: BaseException) -> None:
        """Respond to an error that nothing has handled, even SystemExit."""
        if self.connection is None and isinstance(error, asyncio.CancelledError | ClientDisconnected):
            return
        self.request.reason = 'crash'
        self.error = ServingError()
        try:
            check_logging(self.queue.name)
            logger.error('%s crashed', self.request, exc_info=error)
        finally:  # A filter or a handler of the log may fail in its turn.
            self.server.deliver(self)
