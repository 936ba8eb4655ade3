"""A request as WSGI wants it, made from what httptools parses."""

import functools
import io
import re
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from model_serving.errors import ServingError
from model_serving.platforms import PREFIX
from model_serving.requests.client_address import proxies

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
MAX_NAME_BYTES = 256
MAX_TARGET_BYTES = 8190
MAX_CACHED_BYTES = 256
SMALL_PIECE_BYTES = 4096
UNIQUE_HEADERS = ('HTTP_HOST', 'CONTENT_TYPE', 'CONTENT_LENGTH')
HOST = re.compile(r'[A-Za-z0-9._~!$&\'()*+,;=%:\[\]-]*')


class RefusedRequest(ServingError):
    """A request that the engine answers itself, before the application sees it."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.status = status  # type: ignore[misc]

    @classmethod
    def of_large_head(cls) -> 'RefusedRequest':
        """For more headers, or longer ones, than any request needs."""
        message = f'The headers are larger than {MAX_HEAD_BYTES} bytes, or over {MAX_HEADERS}; send fewer'
        return cls(431, message)

    @classmethod
    def of_large_body(cls, limit: int) -> 'RefusedRequest':
        """For a body larger than `limit` bytes."""
        return cls(413, f'The body is larger than the limit of {limit} bytes; send it in smaller parts')


class IncomingRequest:
    """One request as far as it has been received, and its WSGI environment.

    `size`: the bytes of its headers and its body, when it is complete.
    """

    def __init__(self, base: dict[str, Any]) -> None:
        self.environ = base.copy()
        self.body = b''
        self.received = self.size = 0
        self.declared: int | None = None
        self.expects_continue = False
        self.has_head = False
        self.keep_alive = True
        self._target = b''
        self._pieces: list[bytes | bytearray] = []
        self._head_bytes = 0
        self._header_count = 0

    def add_target(self, piece: bytes) -> None:
        """Add a piece of the request line's target. Raises RefusedRequest."""
        self._target += piece
        if len(self._target) > MAX_TARGET_BYTES:
            raise RefusedRequest(414, f'The URL is over {MAX_TARGET_BYTES} bytes; send data in the body')

    def add_header(self, name: bytes, value: bytes) -> None:
        """Put a header into the environment, the way of PEP 3333. Raises RefusedRequest."""
        if self.has_head:  # A trailer of a chunked body: it must not pass for a header.
            return
        length = len(value)
        self._head_bytes += len(name) + length
        self._header_count += 1
        if (
            self._head_bytes > MAX_HEAD_BYTES
            or self._header_count > MAX_HEADERS
            or len(name) > MAX_NAME_BYTES
        ):
            raise RefusedRequest.of_large_head()
        parse = parse_header if length <= MAX_CACHED_BYTES else parse_header.__wrapped__
        key, text = parse(name, value)
        environ = self.environ
        if key is None:
            return
        if key in environ:
            if key in UNIQUE_HEADERS:
                raise RefusedRequest(400, f'The request has more than one header {name.decode("latin-1")}')
            text = f'{environ[key]}{"; " if key == "HTTP_COOKIE" else ","}{text}'
        environ[key] = text

    def end_head(self, parser: httptools.HttpRequestParser, scheme_headers: dict[str, str]) -> None:
        """Take over the request line, and what the headers say about the body. Raises RefusedRequest.

        `scheme_headers` are those of a trusted proxy, and what they say of a request over TLS.
        """
        version = parser.get_http_version()
        environ = self.environ
        self.has_head = True
        environ['REQUEST_METHOD'] = parser.get_method().decode('latin-1')
        environ['SERVER_PROTOCOL'] = f'HTTP/{version}'
        if version == '1.1':
            host = environ.get('HTTP_HOST')
            if host is None or len(host) > MAX_CACHED_BYTES or not is_host(host):
                raise RefusedRequest(400, 'The request is not valid HTTP/1.1: it has no valid header Host')
            self.expects_continue = environ.get('HTTP_EXPECT', '').lower() == '100-continue'
        elif version != '1.0':
            raise RefusedRequest(400, 'The request is not valid HTTP/1.1: no such version')
        elif 'HTTP_TRANSFER_ENCODING' in environ:
            raise RefusedRequest(400, 'HTTP/1.0 has no Transfer-Encoding; send Content-Length')
        if self.is_chunked and environ['HTTP_TRANSFER_ENCODING'].lower() != 'chunked':
            raise RefusedRequest(400, 'The only Transfer-Encoding that is understood is chunked')
        said = [(environ[key], value) for key, value in scheme_headers.items() if key in environ]
        # Of a list, the first is that of the proxy nearest to the client.
        if secure := {text.partition(',')[0].strip().lower() == value.lower() for text, value in said}:
            if len(secure) > 1:
                raise RefusedRequest(400, 'The headers contradict each other about the scheme of the request')
            environ['wsgi.url_scheme'] = 'https' if secure == {True} else 'http'
        self.keep_alive = parser.should_keep_alive()
        split = split_target if len(self._target) <= MAX_CACHED_BYTES else split_target.__wrapped__
        environ['RAW_URI'], environ['PATH_INFO'], environ['QUERY_STRING'] = split(self._target)
        # Where all are trusted, clients may have written it: proxies seldom remove this header.
        may_say = bool(scheme_headers) and not proxies.are_all
        if environ.get('SCRIPT_NAME') or (may_say and 'HTTP_X_FORWARDED_PREFIX' in environ):
            self._take_prefix(environ.get('HTTP_X_FORWARDED_PREFIX', '') if may_say else '')
        if (length := environ.get('CONTENT_LENGTH')) is not None:
            self.declared = int(length)

    def _take_prefix(self, forwarded: str) -> None:
        """Take the service's own prefix, or that of a proxy, off the path; the proxy may have done so."""
        environ = self.environ
        prefix = forwarded.rstrip('/')
        if not PREFIX.fullmatch(prefix):
            prefix = environ.get('SCRIPT_NAME', '')
        environ['SCRIPT_NAME'], path = prefix, environ['PATH_INFO']
        if f'{path}/'.startswith(f'{prefix}/'):
            environ['PATH_INFO'] = path[len(prefix) :] or '/'

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return 'HTTP_TRANSFER_ENCODING' in self.environ

    def add_body(self, piece: bytes) -> None:
        """Add the next bytes of the body; many small pieces become one."""
        self.received += len(piece)
        pieces = self._pieces
        if not pieces or len(piece) > SMALL_PIECE_BYTES:
            pieces.append(piece)
        elif isinstance(pieces[-1], bytearray):
            pieces[-1] += piece
        else:
            pieces.append(bytearray(piece))

    def finish(self) -> None:
        """Join the body, for `body` and for the environment's input."""
        pieces = self._pieces
        if pieces:
            self.body = bytes(pieces[0]) if len(pieces) == 1 else b''.join(pieces)
            self._pieces = []
        self.size = self._head_bytes + len(self.body)
        self.environ['wsgi.input'] = io.BytesIO(self.body)


@functools.lru_cache(128)
def is_host(host: str) -> bool:
    """Whether a header Host can name a server."""
    return HOST.fullmatch(host) is not None


@functools.lru_cache(128)
def split_target(target: bytes) -> tuple[str, str, str]:
    """The target of a request line without scheme and host, its decoded path, and its query."""
    if not target.startswith(b'/') and target != b'*':
        url = httptools.parse_url(target)
        target = (url.path or b'/') + (b'?' + url.query if url.query else b'')
    path, _, query = target.partition(b'#')[0].partition(b'?')
    path = unquote_to_bytes(path) if b'%' in path else path
    return target.decode('latin-1'), path.decode('latin-1'), query.decode('latin-1')


@functools.lru_cache(1024)
def parse_header(name: bytes, value: bytes) -> tuple[str | None, str]:
    """The key of a header in a WSGI environment, and its text; None for a name that could pass for another.

    X_Y and X-Y would have the same key: a client could send a header that only a proxy may set.
    """
    text = value.decode('latin-1').strip(' \t')
    if b'_' in name:
        return None, text
    key = name.decode('latin-1').upper().replace('-', '_')
    return key if key in ('CONTENT_TYPE', 'CONTENT_LENGTH') else f'HTTP_{key}', text


def base_environment(
    server: tuple[str, str], client: tuple[str, str], workers: int, scheme: str, prefix: str = ''
) -> dict[str, Any]:
    """What the environments of all requests of a connection share; `prefix` is that of all paths."""
    return {
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': scheme,
        'wsgi.errors': sys.stderr,
        'wsgi.input_terminated': True,
        'wsgi.multithread': True,
        'wsgi.multiprocess': workers > 1,
        'wsgi.run_once': False,
        'SCRIPT_NAME': prefix,
        'SERVER_NAME': server[0],
        'SERVER_PORT': server[1],
        'REMOTE_ADDR': client[0],
        'REMOTE_PORT': client[1],
    }
