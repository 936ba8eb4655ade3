r"""The WSGI service on an asyncio loop, for servers that speak ASGI: two of the engines that were measured.

greenlets: each request is a greenlet on the loop's own thread; where one waits, the loop goes on.
threads:   each request has a thread of a pool, and threads wait. A client that goes away is not noticed.

BRIDGED names the WSGI application (main:app unless given), BRIDGE_THREADS the size of the pool (64).
Beside requirements.txt it needs uvicorn-worker, uvloop and gunicorn_h1c. From the root of the project:

  gunicorn -c conf/gunicorn.conf.py -k benchmarks.engines.workers.QuietUvicornWorker \
    benchmarks.engines.bridge:greenlets
  gunicorn -c conf/gunicorn.conf.py -k benchmarks.engines.workers.RoomyASGIWorker --asgi-lifespan off \
    --threads 1 benchmarks.engines.bridge:greenlets
"""

import asyncio
import contextvars
import functools
import io
import os
import pkgutil
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import greenlet

from model_serving.utils.waiting_utils import Waiter, install

Result = TypeVar('Result')
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Emit = Callable[[Message], None]

UNTIL_WATCHED_SECONDS = 0.1
wsgi: Any = pkgutil.resolve_name(os.environ.get('BRIDGED', 'main:app'))
pool = ThreadPoolExecutor(int(os.environ.get('BRIDGE_THREADS', '64')), 'request')


class ClientGone(BaseException):
    """Nobody waits for the answer any more; no Exception, as no handler of errors is to answer it."""


class Call(greenlet.greenlet):
    """A request's greenlet, on the thread of its loop."""

    gone = False
    parked_s = 0.0
    waits: 'asyncio.Future[None] | None' = None
    done = True

    def serve(self, *arguments: Any) -> Any:
        """Answer one request after the other: a new greenlet for each costs two system calls and a page fault."""
        while True:
            self.done = self.gone = False
            result = answer(*arguments)
            self.done = True
            idle.append(self)
            arguments = cast('greenlet.greenlet', self.parent).switch(result)

    def leave(self) -> None:
        """End the call where it waits, or where it next does: its client has gone."""
        self.gone = True
        if self.waits:
            self.waits.cancel()


idle: list[Call] = []


def new_call() -> Call:
    """A greenlet that has not begun."""
    call = Call()
    call.run = call.serve
    return call


def current() -> Call:
    """The call that runs; only calls wait on the thread of a loop."""
    return cast('Call', greenlet.getcurrent())


def park(awaitable: Awaitable[Result]) -> Result:
    """Let the loop go on until `awaitable` has a result, and return it. Raises ClientGone."""
    call = current()
    if call.gone:
        raise ClientGone
    begin = time.perf_counter()
    try:
        result: Result = cast('greenlet.greenlet', call.parent).switch(awaitable)
    finally:
        call.parked_s += time.perf_counter() - begin
    return result


class LoopWaiter:
    """A Waiter that parks the greenlet of its request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._woken = False
        self._future: asyncio.Future[None] | None = None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Park until woken, True, or for `timeout_s` seconds, False. Raises ClientGone."""
        if not self._woken:
            call = current()
            self._future = call.waits = self._loop.create_future()
            timer = None if timeout_s is None else self._loop.call_later(timeout_s, _release, self._future)
            try:
                park(self._future)
            finally:
                self._future = call.waits = None
                if timer:
                    timer.cancel()
        woken, self._woken = self._woken, False
        return woken

    def wake(self) -> None:
        """Let the greenlet go on."""
        if threading.get_ident() == self._thread:
            self._wake()
        else:
            self._loop.call_soon_threadsafe(self._wake)

    def is_stuck(self) -> bool:
        """Never known here."""
        return False

    def _wake(self) -> None:
        self._woken = True
        if self._future:
            _release(self._future)


def _release(future: 'asyncio.Future[None]') -> None:
    if not future.done():
        future.set_result(None)


class LoopWaiting:
    """The way to wait on the thread of a loop."""

    slots = 8

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def waiter(self) -> Waiter:
        """Return a place where a greenlet parks."""
        return LoopWaiter(self._loop)

    def run_watched(self, function: Callable[[], Result], on_blocked: Callable[[], None]) -> Result:
        """Call `function` here; nobody watches over the loop."""
        return function()

    def clock(self) -> float:
        """The time that the current call has had for itself."""
        return time.perf_counter() - current().parked_s

    def run(self, function: Callable[[], Result], quick: bool) -> Result:
        """Call `function`: here if it is quick, else in a thread while the loop goes on."""
        if quick:
            return function()
        run = functools.partial(contextvars.copy_context().run, function)
        return park(self._loop.run_in_executor(pool, run))


@functools.cache
def way_to_wait(loop: asyncio.AbstractEventLoop) -> LoopWaiting:
    """Let what runs on the thread of `loop` wait without holding it."""
    way = LoopWaiting(loop)
    install(way)
    return way


async def greenlets(scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request by a greenlet."""
    body = await body_of(receive)
    if body is None:
        return
    loop = asyncio.get_running_loop()
    way_to_wait(loop)
    call = idle.pop() if idle else new_call()
    call.gr_context = None
    watch = None
    step = call.switch(environ_of(scope, body), lambda message: park(send(message)))
    try:
        while not (call.dead or call.done):
            watch = watch or Watch(loop, call, receive)
            try:
                value = await step
            except BaseException as error:
                step = call.throw(ClientGone() if call.gone else error)
            else:
                step = call.switch(value)
    except ClientGone:
        return
    finally:
        if watch:
            watch.end()
    for message in step:
        await send(message)


class Watch:
    """Looks out for the client of a call that takes long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Call, receive: Receive) -> None:
        self._call = call
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self._timer = loop.call_later(UNTIL_WATCHED_SECONDS, self._start, loop)

    def end(self) -> None:
        """Look out no longer."""
        self._timer.cancel()
        if self._task:
            self._task.cancel()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._look_out())

    async def _look_out(self) -> None:
        while (await self._receive())['type'] != 'http.disconnect':
            pass
        self._call.leave()


async def threads(scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request by a thread of the pool."""
    body = await body_of(receive)
    if body is None:
        return
    loop = asyncio.get_running_loop()
    emit: Emit = lambda message: asyncio.run_coroutine_threadsafe(send(message), loop).result()  # noqa: E731
    for message in await loop.run_in_executor(pool, answer, environ_of(scope, body), emit):
        await send(message)


async def body_of(receive: Receive) -> bytes | None:
    """The body of a request, to one byte above the limit of the service; None if the client goes."""
    message = await receive()
    if message['type'] == 'http.request' and not message.get('more_body'):
        body: bytes = message.get('body', b'')
        return body
    pieces, left = [], wsgi.config['MAX_CONTENT_LENGTH'] + 1
    while message['type'] == 'http.request':
        pieces.append(message.get('body', b'')[:left])
        left -= len(pieces[-1])
        if not message.get('more_body'):
            return b''.join(pieces)
        message = await receive()
    return None


@functools.lru_cache(256)
def _key(name: bytes) -> str:
    key = name.decode('latin-1').upper().replace('-', '_')
    return key if key in ('CONTENT_TYPE', 'CONTENT_LENGTH') else f'HTTP_{key}'


def environ_of(scope: Message, body: bytes) -> dict[str, Any]:
    """What WSGI calls a request."""
    host, port = scope['server'] or ('localhost', 0)
    environ = {
        'REQUEST_METHOD': scope['method'],
        'SCRIPT_NAME': '',
        'PATH_INFO': scope['path'].encode().decode('latin-1'),
        'QUERY_STRING': scope['query_string'].decode('latin-1'),
        'SERVER_NAME': host,
        'SERVER_PORT': str(port),
        'SERVER_PROTOCOL': f'HTTP/{scope["http_version"]}',
        'REMOTE_ADDR': (scope['client'] or ('',))[0],
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': scope['scheme'],
        'wsgi.input': io.BytesIO(body),
        'wsgi.input_terminated': True,
        'wsgi.errors': sys.stderr,
        'wsgi.multithread': True,
        'wsgi.multiprocess': True,
        'wsgi.run_once': False,
    }
    for name, value in scope['headers']:
        if b'_' not in name:
            key, text = _key(name), value.decode('latin-1')
            environ[key] = f'{environ[key]},{text}' if key in environ else text
    return environ


def answer(environ: dict[str, Any], emit: Emit) -> list[Message]:
    """Call the application; return the last messages of its answer, after those that went to `emit`.

    An answer whose first piece is its whole body, by its Content-Length, is returned; others are streamed.
    """
    head: Message = {'type': 'http.response.start'}

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        head['status'] = int(status[:3])
        head['headers'] = [
            (name.lower().encode('latin-1'), value.encode('latin-1')) for name, value in headers
        ]

    pieces = wsgi(environ, start)
    try:
        rest = iter(pieces)
        piece = next(rest, b'')
        last = {'type': 'http.response.body', 'body': piece}
        if (b'content-length', b'%d' % len(piece)) in head['headers']:
            return [head, last]
        emit(head)
        emit({**last, 'more_body': True})
        for piece in rest:
            emit({'type': 'http.response.body', 'body': piece, 'more_body': True})
        return [{'type': 'http.response.body'}]
    finally:
        if hasattr(pieces, 'close'):
            pieces.close()
