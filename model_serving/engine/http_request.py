"""A request as WSGI wants it, made from what httptools parses."""

import functools
import io
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADERS = 100
MOST_TARGET_BYTES = 8190
SMALL_BYTES = 4096
SINGLE = ('HTTP_HOST', 'CONTENT_TYPE', 'CONTENT_LENGTH')


class RefusedRequest(Exception):
    """A request that cannot be passed to the application, with the status and the message for its client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @classmethod
    def of_large_head(cls) -> 'RefusedRequest':
        """For more headers, or longer ones, than any request needs."""
        return cls(
            431, f'The headers are larger than {MOST_HEAD_BYTES} bytes, or over {MOST_HEADERS}; send fewer'
        )


class LostBody(io.RawIOBase):
    """The body of a request that did not arrive whole: reading it says why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def readable(self) -> bool:
        """It can be tried."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Raises OSError."""
        raise OSError(self.reason)


class IncomingRequest:
    """What httptools has found of one request, and the WSGI environment of it."""

    def __init__(self, base: dict[str, Any]) -> None:
        self.environ = base.copy()
        self.target = b''
        self.body: list[bytes | bytearray] = []
        self.received = 0
        self.declared: int | None = None
        self.expects_continue = False
        self.has_head = False
        self.lost: str | None = None
        self.keep_alive = True
        self._size = 0
        self._count = 0

    def add_target(self, piece: bytes) -> None:
        """Take the target of the request line, or a piece of it. Raises RefusedRequest."""
        self.target += piece
        if len(self.target) > MOST_TARGET_BYTES:
            raise RefusedRequest(414, f'The URL is over {MOST_TARGET_BYTES} bytes; send data in the body')

    def add_header(self, name: bytes, value: bytes) -> None:
        """Put a header into the environment, the way of PEP 3333. Raises RefusedRequest."""
        if self.has_head:  # A trailer of a chunked body: it must not pass for a header.
            return
        self._size += len(name) + len(value)
        self._count += 1
        if self._size > MOST_HEAD_BYTES or self._count > MOST_HEADERS:
            raise RefusedRequest.of_large_head()
        key = environment_key(name)
        if key is None:
            return
        text = value.decode('latin-1').strip(' \t')
        if key in self.environ:
            if key in SINGLE:
                raise RefusedRequest(400, f'The request has more than one header {name.decode("latin-1")}')
            text = f'{self.environ[key]}{"; " if key == "HTTP_COOKIE" else ","}{text}'
        self.environ[key] = text

    def end_head(self, parser: httptools.HttpRequestParser, scheme_headers: dict[str, str]) -> None:
        """Take the request line, and what the headers say about the body. Raises RefusedRequest."""
        version = parser.get_http_version()
        if version not in ('1.0', '1.1'):
            raise RefusedRequest(400, 'The request is not valid HTTP/1.1: no such version')
        environ = self.environ
        self.has_head = True
        environ['REQUEST_METHOD'] = parser.get_method().decode('latin-1')
        environ['SERVER_PROTOCOL'] = f'HTTP/{version}'
        for key, value in scheme_headers.items():
            if key in environ and environ[key] == value:
                environ['wsgi.url_scheme'] = 'https'
        self.keep_alive = parser.should_keep_alive()
        environ['RAW_URI'], environ['PATH_INFO'], environ['QUERY_STRING'] = split_target(self.target)
        if (length := environ.get('CONTENT_LENGTH')) is not None:
            self.declared = int(length)
        if 'HTTP_EXPECT' in environ:
            self.expects_continue = environ['HTTP_EXPECT'].lower() == '100-continue'

    def add_body(self, piece: bytes) -> None:
        """Take the next bytes of the body; many small pieces become one."""
        self.received += len(piece)
        if not self.body or len(piece) > SMALL_BYTES:
            self.body.append(piece)
        elif isinstance(self.body[-1], bytearray):
            self.body[-1] += piece
        else:
            self.body.append(bytearray(piece))

    def left(self) -> int:
        """How many bytes of the body are still to come; 0 where that is not known."""
        return 0 if self.declared is None else self.declared - self.received

    def finish(self) -> dict[str, Any]:
        """The environment, with the body to be read from it."""
        if self.lost:
            self.environ['wsgi.input'] = LostBody(self.lost)
        else:
            whole = self.body[0] if len(self.body) == 1 else b''.join(self.body)
            self.environ['wsgi.input'] = io.BytesIO(whole)
        self.body.clear()
        return self.environ


@functools.lru_cache(128)
def split_target(target: bytes) -> tuple[str, str, str]:
    """The target of a request line without what names the server; its path, decoded; its query."""
    if not target.startswith(b'/') and target != b'*':
        url = httptools.parse_url(target)
        target = (url.path or b'/') + (b'?' + url.query if url.query else b'')
    path, _, query = target.partition(b'#')[0].partition(b'?')
    path = unquote_to_bytes(path) if b'%' in path else path
    return target.decode('latin-1'), path.decode('latin-1'), query.decode('latin-1')


@functools.lru_cache(1024)
def environment_key(name: bytes) -> str | None:
    """The key of a header in a WSGI environment; None where another header might be meant by it.

    X_Y and X-Y would have the same key: a client could give a header that only a proxy may set.
    """
    if b'_' in name:
        return None
    key = name.decode('latin-1').upper().replace('-', '_')
    return key if key in ('CONTENT_TYPE', 'CONTENT_LENGTH') else f'HTTP_{key}'


def base_environment(server: tuple[str, str], client: tuple[str, str], workers: int) -> dict[str, Any]:
    """What the environments of all requests of a connection share."""
    return {
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.errors': sys.stderr,
        'wsgi.input_terminated': True,
        'wsgi.multithread': True,
        'wsgi.multiprocess': workers > 1,
        'wsgi.run_once': False,
        'SCRIPT_NAME': '',
        'SERVER_NAME': server[0],
        'SERVER_PORT': server[1],
        'REMOTE_ADDR': client[0],
        'REMOTE_PORT': client[1],
    }
