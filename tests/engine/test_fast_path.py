"""The fast path against Flask's full dispatch: the same service, both ways, and the same bytes from both."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.clients import Service
from tests.engine.fast_service import resources
from tests.exposed_metrics import read_metrics
from tests.service_process import ROOT, running_service

BODY = b'{"name": "Leo"}'
JSON = 'Content-Type: application/json'
KEEP = 'Connection: keep-alive'
MINE = re.compile(rb'(?<=\r\nDate: )[^\r]+|(?<=\r\nX-Request-ID: )[0-9a-f]{16}-[0-9a-f]+')
"""What no two answers have in common."""
SESSION = re.compile(rb'(session=[\w-]+)\.[\w-]+\.[\w-]+')
"""A cookie whose second and third part say when it was signed."""
BROKEN = {'stream_breaks', 'later_stream_breaks', 'async_stream_breaks', 'async_later_stream_breaks'}
REFUSED_FIRST = {'read_before', 'limited', 'known_above'}


class Pair(NamedTuple):
    """Two services that differ in nothing but the way."""

    fast: Service
    whole: Service

    def ask(self, raw: bytes, ends: bool = False) -> bytes:
        """What both answer to these bytes."""
        fast, whole = [answer_of(service, raw, ends) for service in self]
        assert fast == whole
        return fast

    def get(self, path: str) -> list[bytes]:
        return [answer_of(service, request_of('GET', path)) for service in self]


def answer_of(service: Service, raw: bytes, ends: bool = False, signed: bool = False) -> bytes:
    """All that comes in answer, less what differs between any two answers."""
    place = urlsplit(service.url)
    received = []
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(raw)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1024 * 1024):
                received.append(piece)
    answer = b''.join(received).replace(str(place.port).encode(), b'PORT')
    return answer if signed else SESSION.sub(rb'\1', MINE.sub(b'', answer))


def request_of(
    method: str, path: str, *headers: str, body: bytes = b'', version: str = '1.1', last: bool = True
) -> bytes:
    lines = [f'{method} {path} HTTP/{version}', 'Host: service', *headers]
    if not any(header.startswith(('Content-Length', 'Transfer-Encoding')) for header in headers) and body:
        lines.append(f'Content-Length: {len(body)}')
    if last:
        lines.append('Connection: close')
    return '\r\n'.join([*lines, '', '']).encode('latin-1') + body


def post(name: str, *headers: str, body: bytes = BODY, **options: Any) -> bytes:
    return request_of('POST', f'/v1/{name}', *(headers or [JSON]), body=body, **options)


def body_of(answer: bytes) -> bytes:
    return answer.partition(b'\r\n\r\n')[2]


@contextlib.contextmanager
def pair(folder: pytest.TempPathFactory, name: str, **environment: str) -> Iterator[Pair]:
    with contextlib.ExitStack() as stack:
        services = []
        for fast in ('true', 'false'):
            log = folder.mktemp(name) / 'log'
            settings = {**environment, 'MODEL_SERVING_FAST_PATH': fast, 'PYTHONHASHSEED': '0'}  # For Allow.
            url = stack.enter_context(running_service(log, ROOT, 'tests.engine.fast_service:app', **settings))
            services.append(Service(url, log))
        yield Pair(*services)


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Without sessions."""
    with pair(tmp_path_factory, 'plain') as started:
        yield started


@pytest.fixture(scope='module')
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """With sessions in cookies."""
    with pair(
        tmp_path_factory, 'secret', SECRET='a secret', MODEL_SERVING_CORS_ORIGINS='https://a.b'
    ) as started:
        yield started


@pytest.mark.parametrize('name', resources)
def test_view_is_answered_alike(plain: Pair, secret: Pair, name: str) -> None:
    for services in (plain, secret):
        services.ask(post(name))
        fast, whole = services.get('/closed')
        assert fast == whole
        if name.removeprefix('async_') not in REFUSED_FIRST:
            classes = [json.loads(body_of(told))[name] for told in services.get('/seen')]
            assert classes == ['FastRequest', 'ServiceRequest']


BASIC = 'Authorization: Basic bGVvOg=='
MULTIPART = 'Content-Type: multipart/form-data; boundary=x'
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nfile\r\n'
    b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nLeo\r\n--x--\r\n'
)
CHUNKED = b'5\r\n{"nam\r\na\r\ne": "Leo"}\r\n0\r\nX-Trailer: a\r\n\r\n'
REQUESTS = {
    '400 before 401': (post('known_below', body=b'{}'), b'400'),
    '401 before 400': (post('known_above', body=b'{}'), b'401'),
    '401 after 400': (post('known_below'), b'401'),
    'with a password': (post('known_above', JSON, BASIC), b'200'),
    'with a password, below': (post('async_known_below', JSON, BASIC), b'200'),
    'no JSON': (post('dict', body=b'{"name"'), b'400'),
    'no body': (post('dict', body=b''), b'400'),
    'null': (post('dict', body=b'null'), b'400'),
    'breaks the schema': (post('dict', body=b'{"name": 1}'), b'400'),
    'no content type': (post('dict', 'X: y'), b'415'),
    'another charset': (post('dict', f'{JSON}; charset=latin-1'), b'415'),
    'an encoding': (post('dict', JSON, 'Content-Encoding: gzip'), b'415'),
    'chunks': (post('part_data', JSON, 'Transfer-Encoding: chunked', body=CHUNKED), b'200'),
    'a WebSocket': (
        post('dict', JSON, 'Connection: upgrade, close', 'Upgrade: websocket', last=False),
        b'400',
    ),
    'HTTP/1.0': (post('stream', version='1.0'), b'200'),
    'HTTP/1.0 without a host': (post('part_url', version='1.0').replace(b'Host: service\r\n', b''), b'200'),
    'HTTP/1.0, kept alive': (post('dict', KEEP, JSON, version='1.0', last=False) + post('dict'), b'200'),
    'an odd host': (post('urls', JSON, version='1.0').replace(b'Host: service', b'Host: a b/<'), b'200'),
    'a port': (post('urls').replace(b'Host: service', b'Host: a.b:80'), b'200'),
    'an upload': (post('uploads', MULTIPART, body=UPLOAD), b'200'),
    'a form that is JSON': (post('read_after', 'Content-Type: application/x-www-form-urlencoded'), b'200'),
    'a query': (post('parts?of=args+values+query_string&a=%C3%BC&a=b&c'), b'200'),
    'hooks after an error': (post('after?raise'), b'203'),
    'an age': (post('parsed?age=3'), b'200'),
    'a percent-encoded path': (post('%64ict'), b'200'),
    'a slash too many': (post('dict/'), b'404'),
    'two slashes': (post('/dict'), b'404'),
    'a cookie': (post('parts?of=cookies', JSON, 'Cookie: a=b; c="d"'), b'200'),
    'its own id': (post('dict', JSON, 'X-Request-ID: mine'), b'200'),
    'an origin': (post('dict', JSON, 'Origin: https://a.b'), b'200'),
    'a large body': (post('part_content_length', body=b'{"name": "%s"}' % (b'x' * 100_000)), b'200'),
    'two at once': (post('stream', last=False) + post('crash'), b'200'),
    'two errors at once': (post('dict', body=b'{}', last=False) + post('async_teapot'), b'400'),
    'GET': (request_of('GET', '/v1/dict'), b'405'),
    'HEAD': (request_of('HEAD', '/v1/dict'), b'405'),
    'OPTIONS': (request_of('OPTIONS', '/v1/dict', 'Origin: https://a.b'), b'200'),
}


@pytest.mark.parametrize(('raw', 'status'), REQUESTS.values(), ids=REQUESTS)
def test_request_is_answered_alike(plain: Pair, secret: Pair, raw: bytes, status: bytes) -> None:
    for services in (plain, secret):
        assert services.ask(raw).split(b' ', 2)[1] == status
        fast, whole = services.get('/closed')
        assert fast == whole


def test_body_that_ends_early_is_answered_alike(plain: Pair) -> None:
    for name in ('dict', 'async_dict', 'limited'):
        plain.ask(post(name)[:-3], ends=True)


def test_session_goes_on(secret: Pair) -> None:
    first = [answer_of(service, post('counted'), signed=True) for service in secret]
    cookies = [re.search(rb'Set-Cookie: (session=[^;]+)', answer)[1].decode() for answer in first]  # type: ignore[index]
    for name in ('counted', 'looked_at', 'flashed', 'dict', 'counted?permanent'):
        requests = [post(name, JSON, f'Cookie: {cookie}') for cookie in cookies]
        for _ in range(5):  # A cookie holds the second in which it was signed.
            fast, whole = map(answer_of, secret, requests)
            if fast == whole:
                break
        assert fast == whole
        assert b'200 OK' in fast


HEADERS = st.sampled_from(
    """
    Origin: https://a.b | Origin: null | Accept: text/html | Content-Type: a/b | Content-Encoding: br
    | Access-Control-Request-Method: PUT | Access-Control-Request-Private-Network: true
    | Access-Control-Request-Headers: X-A | Cookie: session=wrong; a=b | Cookie: ;;= | Range: bytes=0-1
    | X-Request-ID: a | X-Request-ID: a b | Te: trailers | X-Forwarded-For: 1.2.3.4 | Upgrade: h2c
    | Upgrade: WebSocket | Content-Encoding: identity | If-None-Match: "a" | Authorization: Basic bGVvOg==
    | Authorization: Bearer x | X-HTTP-Method-Override: GET | traceparent: 00-1-2-3 | Expect: 100-continue
    """.strip().split('|')
).map(str.strip)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.just('name'), VALUES) | st.builds(dict, name=st.text(), more=VALUES)
PIECES = st.text(max_size=4).map(lambda text: quote(text, safe=''))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request of any kind; most of them are to a view, and many are valid."""
    method = draw(st.sampled_from(['POST'] * 8 + ['GET', 'PUT', 'OPTIONS', 'HEAD']))
    path = draw(st.sampled_from(sorted(set(resources) - BROKEN)) | PIECES)
    query = draw(st.just('') | st.builds('?of=args+form+values&{}={}'.format, PIECES, PIECES))
    type_of_body = draw(st.sampled_from([JSON, JSON, f'{JSON}; charset=UTF-8', 'Content-Type: text/plain']))
    headers = [type_of_body, *draw(st.lists(HEADERS, max_size=3, unique=True))]
    body = draw(OBJECTS.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
    version = draw(st.sampled_from(['1.1', '1.1', '1.1', '1.0']))
    if version == '1.1' and draw(st.booleans()):
        headers.append('Transfer-Encoding: chunked')
        body = b'%x\r\n%b\r\n' % (len(body), body) * bool(body) + b'0\r\n\r\n'
    before = post('dict', last=False) if draw(st.booleans()) else b''
    return before + request_of(method, f'/v1/{path}{query}', *headers, body=body, version=version)


@given(requests())
@settings(max_examples=400, deadline=None)
def test_any_request_is_answered_alike(plain: Pair, secret: Pair, raw: bytes) -> None:
    plain.ask(raw)
    secret.ask(raw)


def test_all_was_counted_alike(plain: Pair, secret: Pair) -> None:
    """The last test here: it looks back at all the others."""
    for services in (plain, secret):
        fast, whole = [
            {
                tuple(sample.labels.values()): sample.value
                for sample in read_metrics(service.url).found('requests_total', {})
                if sample.value and sample.labels['model'] != 'other'
            }
            for service in services
        ]
        assert fast == whole
        assert len(fast) > 200
