"""What RFC 9110 and 9112 ask of a server."""

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.engine.clients import Service, read_to_end, request_of, until
from tests.engine.odd_clients import Odd, odd
from tests.raw_http import read_answer, send

HELLO = b'{"name": "Leo"}'
GREETING = {'result': 'Hello, Leo!'}
UPGRADE = ('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')
JSON = 'Content-Type: application/json'
CHUNKS = b'5\r\n{"nam\r\na\r\ne": "Leo"}\r\n0\r\n\r\n'


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('rules') / 'log', MODEL_SERVING_MAX_BODY_BYTES='200000') as service:
        yield service


def hello(*headers: str, body: bytes = b'', version: str = '1.1') -> bytes:
    lines = [f'POST /v1/XXXModel HTTP/{version}', 'Host: service', JSON, *headers]
    return '\r\n'.join([*lines, '', '']).encode() + body


def raw(service: Service, request: bytes) -> tuple[bytes, bytes]:
    """The head and the body that come until the connection is closed."""
    with service.connect(5) as connection:
        connection.sendall(request)
        head, _, body = read_to_end(connection).partition(b'\r\n\r\n')
    return head.lower() + b'\r\n', body


# An offer to change to HTTP/2, as Java's client makes


@pytest.mark.parametrize('rest', [b'', b'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])
@pytest.mark.parametrize('pause', [0, 0.05])
@pytest.mark.parametrize(
    ('framing', 'body'), [('Transfer-Encoding: chunked', CHUNKS), (f'Content-Length: {len(HELLO)}', HELLO)]
)
def test_body_of_a_client_that_offers_http_2_is_read(
    service: Odd, framing: str, body: bytes, pause: float, rest: bytes
) -> None:
    with service.connect(5) as connection:
        request = hello(*UPGRADE, framing, body=body) + rest
        half = len(request) // 2 if pause else len(request)
        connection.sendall(request[:half])
        time.sleep(pause)
        connection.sendall(request[half:])
        answer = read_answer(connection)
        assert (answer.status, answer.json) == (200, GREETING)
        assert answer.headers['connection'] == 'keep-alive'


def test_too_large_body_of_a_client_that_offers_http_2_is_413(service: Odd) -> None:
    assert send(service.url, hello(*UPGRADE, 'Content-Length: 200001')).status == 413
    chunk = b'%x\r\n%s\r\n' % (100_000, b' ' * 100_000)
    answer = send(service.url, hello(*UPGRADE, 'Transfer-Encoding: chunked', body=chunk * 2 + b'1\r\nx\r\n'))
    assert answer.status == 413


# Responses


def test_204_has_neither_length_nor_body(service: Odd) -> None:
    head, body = raw(service, request_of('DELETE', '/v1/State', 'Connection: close'))
    assert head.startswith(b'http/1.1 204 ')
    assert b'\ncontent-length:' not in head
    assert b'transfer-encoding' not in head
    assert body == b''


def test_304_has_no_body(service: Odd) -> None:
    head, body = raw(service, request_of('PUT', '/v1/State', 'X-304: yes', 'Connection: close'))
    assert head.startswith(b'http/1.1 304 ')
    assert (b'\r\netag: "1"' in head, b'content-length: 0' in head, body) == (True, False, b'')


@pytest.mark.parametrize('path', ['/', '/v1/State', '/nowhere', '/health/live', '/openapi.json'])
def test_head_is_get_without_the_body(service: Odd, path: str) -> None:
    of_get, body = raw(service, request_of('GET', path, 'Connection: close'))
    of_head, nothing = raw(service, request_of('HEAD', path, 'Connection: close'))
    assert nothing == b''
    names = [[line.partition(b':')[0] for line in head.splitlines()] for head in (of_get, of_head)]
    assert names[0] == names[1]
    if path == '/':
        assert b'content-length: %d\r\n' % len(body) in of_head


def test_application_does_not_speak_of_the_connection(service: Odd) -> None:
    head, body = raw(service, request_of('PUT', '/v1/State', 'Connection: close'))
    assert body == b'abc'
    for line in (b'connection: close', b'content-length: 3', b'server: model-serving'):
        assert head.count(line.partition(b':')[0] + b':') == 1
        assert b'\r\n' + line + b'\r\n' in head
    assert (head.count(b'\r\ndate: '), b'date: never' in head) == (1, False)
    assert b'transfer-encoding' not in head
    assert b'keep-alive' not in head


@pytest.mark.parametrize('path', ['/', '/nowhere', '/client/', '/client/index.html', '/metrics', '/v1/State'])
def test_there_is_one_date(service: Odd, path: str) -> None:
    for method in ('GET', 'HEAD', 'OPTIONS', 'POST'):
        if (method, path) != ('OPTIONS', '/v1/State'):
            head, _ = raw(service, request_of(method, path, 'Connection: close'))
            assert (head.count(b'\r\ndate: '), head.count(b'\r\nserver: ')) == (1, 1)


# Requests


@pytest.mark.parametrize(
    'request_bytes',
    [
        hello('Transfer-Encoding: chunked', 'Connection: keep-alive', body=CHUNKS, version='1.0'),
        hello('Transfer-Encoding: gzip', body=HELLO),
        hello('Transfer-Encoding: gzip, chunked', body=CHUNKS),
        hello('Transfer-Encoding: chunked', body=b'z' + CHUNKS),
        hello(*UPGRADE, 'Transfer-Encoding: gzip', body=CHUNKS),
        b'GET /v1/State HTTP/1.1\r\n\r\n',
        b'GET /v1/State HTTP/1.1\r\nHost: a b\r\n\r\n',
        b'GET /v1/State HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
        b'GET /v1/State HTTP/1.1\r\nHost: a/b\r\n\r\n',
    ],
    ids=[
        '1.0 with chunks',
        'gzip',
        'gzip, chunked',
        'bad chunk',
        'upgrade',
        'no host',
        'two',
        'hosts',
        'slash',
    ],
)
def test_bad_framing_and_bad_hosts_are_400_and_reach_no_view(service: Odd, request_bytes: bytes) -> None:
    head, body = raw(service, request_bytes)
    assert head.startswith(b'http/1.1 400 ')
    assert b'connection: close' in head
    assert json.loads(body)['message']


def test_broken_body_runs_no_view(service: Odd) -> None:
    """Not even one that reads no body."""
    service.forget()
    path = '/v1/Sleep'
    body = json.dumps({'what': '0', 'n': 7}).encode()
    for framing in (b'zz\r\n' + body, b'5\r\n' + body, b'%x\r\n%s\r\nz' % (len(body), body)):
        request = request_of('POST', path, JSON, 'Transfer-Encoding: chunked') + framing
        head, _ = raw(service, request)
        assert head.startswith(b'http/1.1 400 ')
    raw_delete = request_of('DELETE', '/v1/State', 'Transfer-Encoding: chunked') + b'zz\r\n'
    assert raw(service, raw_delete)[0].startswith(b'http/1.1 400 ')
    assert service.state()['calls'] == []


def test_client_of_http_1_0_is_not_told_to_continue(service: Odd) -> None:
    request = hello('Expect: 100-continue', f'Content-Length: {len(HELLO)}', version='1.0')
    with service.connect(5) as connection:
        connection.sendall(request)
        time.sleep(0.1)
        connection.sendall(HELLO)
        assert read_to_end(connection).startswith(b'HTTP/1.1 200 ')


def test_contradicting_schemes_are_refused(service: Odd) -> None:
    both = 'X-Forwarded-Proto: http', 'X-Forwarded-Ssl: on'
    assert send(service.url, request_of('GET', '/', *both)).status == 400
    assert send(service.url, request_of('GET', '/', 'X-Forwarded-Proto: https', both[1])).status == 200


@pytest.mark.alone
def test_preflight_of_an_authors_own_does_not_hold_the_loop(service: Odd) -> None:
    with service.connect(5) as connection:
        connection.sendall(request_of('OPTIONS', '/v1/State'))
        begin = time.monotonic()
        assert service.get('/health/live').status == 200
        assert time.monotonic() - begin < 0.5
        assert read_answer(connection).json == {}
    assert service.is_well()


def test_slow_answer_while_stopping_says_that_the_connection_closes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with odd(tmp_path_factory.mktemp('stopping') / 'log') as service, service.connect(10) as connection:
        connection.sendall(service.wanted('Sleep', '1', 1) + request_of('GET', '/health/live'))
        pid = until(lambda: service.state()['calls'] and service.state()['pid'])
        with service.connect() as stream:
            stream.sendall(service.wanted('Stream', 'slow', 30))
            assert stream.recv(100).startswith(b'HTTP/1.1 200 ')
            os.kill(pid, signal.SIGTERM)
            received = read_to_end(connection)
            streamed = read_to_end(stream)
    assert received.startswith(b'HTTP/1.1 200 ')
    assert b'Connection: close' in received
    assert b'keep-alive' not in received
    assert streamed.endswith(b'data: 4\n\n\r\n0\r\n\r\n')
