"""One call of a WSGI application."""

import logging
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit

from model_serving.engine.http_response import answer_head, error_answer
from model_serving.utils.current_request_utils import REQUEST, new_id
from model_serving.utils.waiting_utils import waiting

if TYPE_CHECKING:
    from model_serving.engine.http_connection import HTTPConnection
    from model_serving.engine.leading_thread import Task

JOINED_BYTES = 16 * 1024
WITHOUT_BODY = ('1', '204', '304')
CRASHED = b'{"message":"Internal Server Error"}\n'

logger = logging.getLogger('engine')


class WSGICall:
    """Calls the application with one request, and writes its answer to the client, if that is still there."""

    def __init__(self, application: Any, connection: 'HTTPConnection', environ: dict[str, Any]) -> None:
        self.application = application
        self.connection: HTTPConnection | None = connection
        self.environ = environ
        self.begun = False
        self.task: Task | None = None
        self._status = ''
        self._headers: list[tuple[str, str]] = []

    @property
    def name(self) -> str:
        """The request, for the log."""
        return f'{self.environ["REQUEST_METHOD"]} {self.environ["PATH_INFO"]!r}'

    def abandon(self, error: BaseException) -> None:
        """Nobody wants the answer any more. With the lock of the loop held."""
        self.connection = None
        if self.task is not None:
            self.task.stop(error)

    def run(self, task: 'Task') -> None:
        """Answer. The work of a task, which holds the loop's lock except in the application."""
        self.task = task
        try:
            pieces = task.thread.call_application(self._answer)
        except (GreenletExit, Exception):
            pieces = self._after_crash()
        self.task = None
        if self.connection is not None:
            self.connection.answer(pieces)

    def _answer(self) -> list[bytes]:
        """What is to be written, all of it or, after a stream, its end."""
        chunks = self.application(self.environ, self._start_response)
        if not self._is_whole(chunks):
            return waiting().run(lambda: self._stream(chunks), quick=False)
        try:
            body = b''.join(chunks)
        finally:
            close(chunks)
        return self._whole(body)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        self._status, self._headers = status, headers
        return self._write

    def _write(self, data: bytes) -> None:
        raise NotImplementedError(
            'return the body; the callable of PEP 3333 is not there for new applications'
        )

    def _is_whole(self, chunks: Iterable[bytes]) -> bool:
        """Whether the body is here; else it comes bit by bit."""
        if isinstance(chunks, list | tuple):
            return True
        return any(name.lower() == 'content-length' for name, _ in self._headers) or self._has_no_body()

    def _has_no_body(self) -> bool:
        return self.environ['REQUEST_METHOD'] == 'HEAD' or self._status.startswith(WITHOUT_BODY)

    def _whole(self, body: bytes) -> list[bytes]:
        if self._has_no_body():
            return [self._head('')]
        more = f'Content-Length: {len(body)}\r\n'
        self._headers = [header for header in self._headers if header[0].lower() != 'content-length']
        head = self._head(more)
        return [head + body] if len(body) < JOINED_BYTES else [head, body]

    def _head(self, more: str) -> bytes:
        keep_alive = self.connection is not None and not self.connection.closing
        return answer_head(self._status, self._headers, more, keep_alive)

    def _stream(self, chunks: Iterable[bytes]) -> list[bytes]:
        """Write what comes as it comes. In a thread of the pool, which also waits for a slow client."""
        chunked = self.environ['SERVER_PROTOCOL'] == 'HTTP/1.1'
        try:
            for chunk in chunks:
                framed = b'%x\r\n%b\r\n' % (len(chunk), chunk) if chunked else chunk
                if chunk and not self._write_part(framed, chunked):
                    return []
        finally:
            close(chunks)
        if not self.begun:
            return self._whole(b'')
        return [b'0\r\n\r\n'] if chunked else []

    def _write_part(self, data: bytes, chunked: bool) -> bool:
        """Write a part of the answer. Returns whether the client is still there."""
        written = threading.Event()
        connection = self.connection
        if connection is None:
            return False
        with connection.loop.lock:
            if not self.begun:
                self.begun = True
                connection.closing |= not chunked
                data = self._head('Transfer-Encoding: chunked\r\n' if chunked else '') + data
            if connection.write([data], written.set):
                return not connection.closed
        written.wait()  # It also ends when the connection is closed, because the client reads nothing.
        return not connection.closed

    def _after_crash(self) -> list[bytes]:
        if self.connection is None:
            return []
        logger.exception("%s crashed outside the application's own handling", self.name)
        self.connection.closing = True
        if self.begun:  # The client must see that the answer is not whole.
            self.connection.close()
            return []
        asked = self.environ.get(REQUEST)
        return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, CRASHED, asked.id if asked else new_id())


def close(chunks: Any) -> None:
    """Do what PEP 3333 asks for at the end."""
    if hasattr(chunks, 'close'):
        chunks.close()
