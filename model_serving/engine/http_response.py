"""The bytes of a response."""

import functools
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

SERVER = 'model-serving'
ENGINE_HEADERS = frozenset(
    (
        'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date', 'server', 'te', 'upgrade',
        'x-content-type-options',
    )
)  # fmt: skip
"""Those that the engine sets itself; the application's own would contradict them."""
WITHOUT_BODY = ('1', '204', '304')


@functools.lru_cache(4)
def _common(second: int, keep_alive: bool) -> str:
    connection = 'keep-alive' if keep_alive else 'close'
    date = f'Date: {formatdate(second, usegmt=True)}\r\n'
    return f'Server: {SERVER}\r\n{date}Connection: {connection}\r\nX-Content-Type-Options: nosniff\r\n'


@functools.lru_cache(4)
def _ok(second: int, keep_alive: bool) -> bytes:
    return f'HTTP/1.1 200 OK\r\n{_common(second, keep_alive)}Content-Length: '.encode()


def json_response(body: bytes, headers: bytes, request_id: str, keep_alive: bool) -> bytes:
    """A complete response of status 200; `headers` are further lines."""
    start = _ok(int(time.time()), keep_alive)
    given = b'Content-Type: application/json\r\n', headers, request_id.encode()
    return b'%b%d\r\n%b%bX-Request-ID: %b\r\n\r\n%b' % (start, len(body), *given, body)


def head(status: str, headers: Iterable[tuple[str, str]], more: str, keep_alive: bool) -> bytes:
    """The status line and the headers, `more` of them given as lines. Raises ValueError."""
    lines = [f'{name}: {value}\r\n' for name, value in headers if name.lower() not in ENGINE_HEADERS]
    text = ''.join(lines)
    if not text.count('\n') == text.count('\r') == len(lines) or '\n' in status:
        raise ValueError('a line break in a header would begin another header')
    common = _common(int(time.time()), keep_alive)
    return f'HTTP/1.1 {status}\r\n{common}{more}{text}\r\n'.encode('latin-1')


def error_response(
    status: int, body: bytes, headers: Iterable[tuple[str, str]], keep_alive: bool, has_body: bool = True
) -> list[bytes]:
    """A response of JSON that the engine itself gives."""
    given = [('Content-Type', 'application/json'), *headers]
    line = f'{status} {HTTPStatus(status).phrase.upper()}'
    start = head(line, given, f'Content-Length: {len(body)}\r\n', keep_alive)
    return [start, body] if has_body else [start]


class WSGIResponse:
    """The response of a WSGI application: its `body`, or `chunks` to be sent as they come."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.status = ''
        self.headers: list[tuple[str, str]] = []
        self.body: bytes = b''
        self.chunks: Any = None
        self._is_head = environ['REQUEST_METHOD'] == 'HEAD'
        self.is_chunked = environ['SERVER_PROTOCOL'] == 'HTTP/1.1'

    @property
    def code(self) -> int:
        """The number of the status."""
        return int(self.status[:3])

    def read(self, chunks: Any) -> 'WSGIResponse':
        """Read what the application returned if the length is known; keep it in `chunks` otherwise."""
        if not (
            isinstance(chunks, list | tuple)
            or self._has_no_body()
            or any(name.lower() == 'content-length' for name, _ in self.headers)
        ):
            self.chunks = chunks
            return self
        try:
            self.body = b'' if self._has_no_body() else b''.join(chunks)
        finally:
            close(chunks)
        return self

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        """Be PEP 3333's start_response."""
        self.status, self.headers = status, headers
        return _refuse_write

    def complete(self, keep_alive: bool) -> list[bytes]:
        """The bytes of a response whose body has been read."""
        if not self._has_no_body():
            length = f'Content-Length: {len(self.body)}\r\n'
            return [head(self.status, self.headers, length, keep_alive), self.body]
        lengths = [value for name, value in self.headers if name.lower() == 'content-length']
        has_length = lengths and self._is_head and not self.status.startswith(WITHOUT_BODY)
        more = f'Content-Length: {lengths[0]}\r\n' if has_length else ''
        return [head(self.status, self.headers, more, keep_alive)]

    def stream_head(self, keep_alive: bool) -> bytes:
        """The head of a response whose body is sent in chunks."""
        more = 'Transfer-Encoding: chunked\r\n' if self.is_chunked else ''
        return head(self.status, self.headers, more, keep_alive and self.is_chunked)

    def _has_no_body(self) -> bool:
        return self._is_head or self.status.startswith(WITHOUT_BODY)


def _refuse_write(_data: bytes) -> None:
    raise NotImplementedError('return the body; the callable of PEP 3333 is not there for new applications')


def close(chunks: Any) -> None:
    """Close what the application returned, as PEP 3333 asks."""
    if hasattr(chunks, 'close'):
        chunks.close()
