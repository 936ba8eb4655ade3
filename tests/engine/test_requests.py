"""Requests as they come from the network: framed in every way, well or badly, slowly or all at once."""

import json
import socket
import time
from typing import Any

import pytest

from tests.engine.clients import (
    Service,
    at_once,
    nap_body,
    read_answers,
    read_to_end,
    request_of,
    until,
)
from tests.raw_http import Answer, chunked, post_chunks, read_answer, send

HELLO = request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}')
GREETING = {'result': 'Hello, Leo!'}


def environ(service: Service, path: str, *headers: str, method: str = 'GET') -> Any:
    """What the application is given for a request."""
    answer = send(service.url, request_of(method, path, *headers))
    assert answer.status == 200
    return answer.json['environ']


# Framing


def test_chunked_body_in_pieces_is_read(engine: Service) -> None:
    head = request_of(
        'POST',
        '/v1/XXXModel',
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
        'Connection: close',
    )
    with engine.connect() as connection:
        for piece in (
            head[:20],
            head[20:],
            b'5\r\n{"nam\r\n',
            b'a;ext=1\r\ne": "Leo"}',
            b'\r\n0',
            b'\r\n\r\n',
        ):
            connection.sendall(piece)
            time.sleep(0.02)
        assert read_answer(connection).json == GREETING


def test_trailer_is_no_header(engine: Service) -> None:
    """A proxy that guards headers may let trailers pass."""
    body = b'2\r\n{}\r\n0\r\nX-Forwarded-User: root\r\nX-Role: admin\r\n\r\n'
    answer = send(
        engine.url, request_of('POST', '/environ', 'X-Role: guest', 'Transfer-Encoding: chunked') + body
    )
    assert answer.json['environ'].get('HTTP_X_ROLE') == 'guest'
    assert 'HTTP_X_FORWARDED_USER' not in answer.json['environ']
    assert engine.answers_quickly()


def test_client_that_waits_to_be_told_may_send_its_body(engine: Service) -> None:
    head, _, body = HELLO.partition(b'\r\n\r\n')
    with engine.connect(5) as connection:
        connection.sendall(head + b'\r\nExpect: 100-continue\r\n\r\n')
        assert connection.recv(100) == b'HTTP/1.1 100 Continue\r\n\r\n'
        connection.sendall(body)
        assert read_answer(connection).json == GREETING


def test_client_with_too_large_a_body_is_not_told_to_send_it(engine: Service) -> None:
    with engine.connect(5) as connection:
        connection.sendall(
            b'POST /v1/XXXModel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
            b'Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n'
        )
        answer = read_answer(connection)
    assert (answer.status, 'limit' in answer.json['message']) == (413, True)


def test_continue_comes_after_the_answers_before_it(engine: Service) -> None:
    head, _, body = HELLO.partition(b'\r\n\r\n')
    first = request_of('POST', '/v1/Nap', body=nap_body('first', 0.1))
    with engine.connect(5) as connection:
        connection.sendall(first + head + b'\r\nExpect: 100-continue\r\n\r\n')
        received = b''
        while not received.endswith(b'HTTP/1.1 100 Continue\r\n\r\n'):
            received += connection.recv(65536)
        assert received.startswith(b'HTTP/1.1 200 ')
        connection.sendall(body)
        assert read_answer(connection).json == GREETING


@pytest.mark.parametrize('first', [0, 0.3])
def test_50_requests_in_one_write_are_answered_in_order(engine: Service, first: float) -> None:
    requests = [request_of('POST', '/v1/Nap', body=nap_body('number 0', first))]
    requests += [
        request_of('POST', '/v1/Nap', body=nap_body(f'number {number}', 0)) for number in range(1, 50)
    ]
    with engine.connect() as connection:
        connection.sendall(b''.join(requests))
        answers = read_answers(connection, 50)
    assert [answer.json['tag'] for answer in answers] == [f'number {number}' for number in range(50)]


def test_large_bodies_in_one_write_are_answered_in_order(engine: Service) -> None:
    rows = json.dumps({'rows': [[number] * 20 for number in range(2000)]}).encode()
    large = request_of('POST', '/v1/Size', body=rows)
    with engine.connect(10) as connection:
        connection.sendall(
            request_of('POST', '/v1/Nap', body=nap_body('slow', 0.3)) + large + HELLO + large + HELLO
        )
        answers = read_answers(connection, 5)
    assert [answer.json for answer in answers[1:]] == [{'rows': 2000}, GREETING] * 2
    assert 'event loop met an error' not in engine.text()


def test_pipelined_requests_beyond_what_is_kept_are_answered(engine: Service) -> None:
    """The client stops reading meanwhile, and the service stops receiving."""
    count = 3000
    with engine.connect() as connection, at_once() as submit:
        slow = request_of('POST', '/v1/Nap', body=nap_body('slow', 0.3))
        sending = submit(
            connection.sendall, slow + request_of('GET', '/environ', f'X-Pad: {"x" * 300}') * count
        )
        answers = read_answers(connection, count + 1)
        sending.result()
    assert {answer.status for answer in answers} == {200}


def test_right_requests_before_a_broken_one_are_answered(engine: Service) -> None:
    many = [f'X-{number}: x' for number in range(101)]
    for broken, status in ((b'GARBAGE\r\n\r\n', 400), (request_of('GET', '/', *many), 431)):
        with engine.connect() as connection:
            connection.sendall(HELLO + HELLO + broken)
            answers = read_answers(connection, 3)
            assert [answer.status for answer in answers] == [200, 200, status]
            assert connection.recv(100) == b''


@pytest.mark.parametrize(
    ('version', 'header', 'kept'),
    [
        ('HTTP/1.1', '', True),
        ('HTTP/1.1', 'Connection: close\r\n', False),
        ('HTTP/1.0', '', False),
        ('HTTP/1.0', 'Connection: keep-alive\r\n', True),
    ],
)
def test_connection_is_kept_as_the_client_wants(
    engine: Service, version: str, header: str, kept: bool
) -> None:
    request = f'GET /state {version}\r\nHost: x\r\n{header}\r\n'.encode()
    with engine.connect(5) as connection:
        connection.sendall(request)
        first = read_answer(connection)
        assert first.headers['connection'] == ('keep-alive' if kept else 'close')
        if kept:
            connection.sendall(request)
            assert read_answer(connection).status == 200
        else:
            assert connection.recv(100) == b''


def test_head_has_the_headers_of_get_and_no_body(engine: Service) -> None:
    with engine.connect() as connection:
        connection.sendall(request_of('HEAD', '/') + HELLO)
        head = connection.recv(65536)
        while b'Hello' not in head:
            head += connection.recv(65536)
    first, _, second = head.partition(b'\r\n\r\n')
    assert f'Content-Length: {len(engine.get("/").body)}'.encode() in first
    assert second.startswith(b'HTTP/1.1 200')


def test_options_of_the_whole_service_is_answered_as_json(engine: Service) -> None:
    answer = send(engine.url, request_of('OPTIONS', '*'))
    assert answer.status in {200, 204, 404}
    assert answer.status != 404 or answer.json['message']


@pytest.mark.parametrize(
    ('target', 'path', 'query'),
    [
        ('/environ/a%20b%2Fc%c3%a9', '/environ/a b/cé', ''),
        ('/environ/%zz', '/environ/%zz', ''),
        ('/environ/x;y=1?a=%20b&c', '/environ/x;y=1', 'a=%20b&c'),
        ('/environ/x?', '/environ/x', ''),
        ('http://else.example/environ/x?a=1', '/environ/x', 'a=1'),
        ('/environ/%ff', '/environ/\ufffd', ''),
    ],
)
def test_target_is_told_apart(engine: Service, target: str, path: str, query: str) -> None:
    answer = send(engine.url, f'GET {target} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
    assert (answer.status, answer.json['path']) == (200, path)
    assert answer.json['environ']['QUERY_STRING'] == query


def test_headers_become_the_environment_of_wsgi(engine: Service) -> None:
    found = environ(
        engine, '/environ', 'X-Twice: a', 'X-Twice: b', 'Cookie: a=1', 'Cookie: b=2', 'X-Spaced:  c d \t'
    )
    assert found['HTTP_X_TWICE'] in ('a,b', 'a, b')
    assert found['HTTP_COOKIE'] == 'a=1; b=2'
    assert found['HTTP_X_SPACED'] == 'c d'
    assert found['SERVER_PROTOCOL'] == 'HTTP/1.1'
    assert (found['REQUEST_METHOD'], found['REMOTE_ADDR'], found['SCRIPT_NAME']) == ('GET', '127.0.0.1', '')
    assert engine.url.endswith(f':{found["SERVER_PORT"]}')


def test_header_with_an_underscore_is_left_out(engine: Service) -> None:
    found = environ(engine, '/environ', 'X_Role: admin', 'Content_Type: a/b', 'X-Role: guest')
    assert found['HTTP_X_ROLE'] == 'guest'
    assert 'CONTENT_TYPE' not in found


def test_client_that_asks_for_another_protocol_gets_this_one(engine: Service) -> None:
    """Java's client asks for HTTP/2 with its first request."""
    head, _, body = HELLO.partition(b'\r\n\r\n')
    upgrade = b'\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n'
    assert send(engine.url, head + upgrade + body).json == GREETING


# Bad requests

SMUGGLED = b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
BAD_REQUESTS = {
    'two_hosts': request_of('GET', '/', 'Host: other'),
    'two_lengths': request_of('POST', '/environ', 'Content-Length: 2', 'Content-Length: 3') + b'{} ',
    'two_equal_lengths': request_of('POST', '/environ', 'Content-Length: 2', 'Content-Length: 2') + b'{}',
    'length_and_chunks': request_of('POST', '/environ', 'Content-Length: 5', 'Transfer-Encoding: chunked')
    + b'0\r\n\r\n',
    'chunks_and_length': request_of('POST', '/environ', 'Transfer-Encoding: chunked', 'Content-Length: 5')
    + b'0\r\n\r\n',
    'other_coding': request_of('POST', '/environ', 'Transfer-Encoding: gzip') + b'{}',
    'chunked_not_last': request_of('POST', '/environ', 'Transfer-Encoding: chunked, gzip') + b'0\r\n\r\n',
    'chunked_twice': request_of('POST', '/environ', 'Transfer-Encoding: chunked', 'Transfer-Encoding: x')
    + b'0\r\n\r\n',
    'length_with_sign': request_of('POST', '/environ', 'Content-Length: +2') + b'{}',
    'length_with_comma': request_of('POST', '/environ', 'Content-Length: 2, 2') + b'{}',
    'length_beyond_numbers': request_of('POST', '/environ', 'Content-Length: 99999999999999999999999'),
    'negative_length': request_of('POST', '/environ', 'Content-Length: -1'),
    'space_before_colon': request_of('GET', '/', 'Transfer-Encoding : chunked'),
    'folded_header': request_of('GET', '/', 'X-Folded: a', ' b'),
    'zero_in_header': request_of('GET', '/', 'X-Zero: a\0b'),
    'raw_bytes_in_path': 'GET /environ/é HTTP/1.1\r\nHost: x\r\n\r\n'.encode(),
    'no_name': request_of('GET', '/', ': x'),
    'space_in_target': b'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
    'strange_version': b'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
    'garbage': b'\x00\xff\x13garbage\r\n\r\n',
    'spaces': b'   \r\n\r\n',
    'preface_of_http_2': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00',
    'hello_of_tls': bytes.fromhex('16030100c8010000c40303') + bytes(range(189)),
    'connect': b'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n',
}


@pytest.mark.parametrize('request_bytes', BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_request_is_400_and_ends_the_connection(engine: Service, request_bytes: bytes) -> None:
    with engine.connect(5) as connection:
        connection.sendall(request_bytes + SMUGGLED)
        received = read_to_end(connection)
    head, _, body = received.partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.1 400 ')
    assert b'Content-Type: application/json' in head
    assert json.loads(body)['message']  # And nothing behind it.
    assert_no_trace(engine)


def assert_no_trace(service: Service) -> None:
    """What a client sends is no fault of the service."""
    text = service.text()
    assert 'event loop met an error' not in text
    assert "outside the application's own" not in text


@pytest.mark.parametrize(
    'headers',
    [[f'X-{number}: x' for number in range(101)], [f'X-Large: {"x" * 70_000}']],
    ids=['many', 'large'],
)
def test_too_many_headers_are_431(engine: Service, headers: list[str]) -> None:
    answer = send(engine.url, request_of('GET', '/', *headers))
    assert (answer.status, bool(answer.json['message'])) == (431, True)
    assert answer.headers['connection'] == 'close'


def test_too_long_a_target_is_refused(engine: Service) -> None:
    answer = send(engine.url, request_of('GET', f'/{"x" * 70_000}'))
    assert answer.status in {414, 431}
    assert answer.json['message']


def test_100_headers_and_60_kb_are_taken(engine: Service) -> None:
    headers = [f'X-{number}: {"x" * 500}' for number in range(98)]
    assert len(environ(engine, '/environ', *headers)['HTTP_X_97']) == 500


def test_client_that_closes_its_side_after_the_request_is_answered(engine: Service) -> None:
    for _ in range(20):
        with engine.connect(5) as connection:
            connection.sendall(HELLO)
            connection.shutdown(socket.SHUT_WR)
            assert json.loads(read_to_end(connection).partition(b'\r\n\r\n')[2]) == GREETING


def test_connection_without_a_request_is_no_matter(engine: Service) -> None:
    before = engine.text().count('Refused')
    for data in (b'', b'\r\n', b'GET / HT'):
        with engine.connect() as connection:
            connection.sendall(data)
    until(engine.answers_quickly)
    assert engine.text().count('Refused') == before


def test_blank_lines_before_a_request_are_skipped(engine: Service) -> None:
    assert send(engine.url, b'\r\n\r\n' + HELLO).json == GREETING


def test_tiny_chunks_are_read(engine: Service) -> None:
    body = b'{"name": "%s"}' % (b'x' * 50_000)
    answer: Answer = post_chunks(engine.url, '/v1/XXXModel', chunked(body, 1))
    assert answer.status == 200
