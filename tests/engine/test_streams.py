"""Answers that come bit by bit, and large ones."""

import socket
import time
from typing import Any

import pytest

from tests.engine.clients import Service, at_once, read_to_end, request_of, until

LARGE = 50_000_000


def head_and_body(received: bytes) -> tuple[bytes, bytes]:
    head, _, body = received.partition(b'\r\n\r\n')
    return head.lower(), body


def joined(body: bytes) -> tuple[bytes, bool]:
    """What the chunks of a body hold, and whether the last of them is there."""
    data = b''
    while body:
        size, found, body = body.partition(b'\r\n')
        if not found or len(body) < int(size, 16) + 2:
            return data, False
        if int(size, 16) == 0:
            return data, body == b'\r\n'
        data, body = data + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return data, False


def ask(service: Service, path: str, *headers: str) -> socket.socket:
    connection = service.connect()
    connection.sendall(request_of('GET', path, *headers))
    return connection


def has_ended(service: Service, tag: str) -> Any:
    return tag in service.state()['ended']


@pytest.mark.alone
def test_first_event_arrives_before_the_last_is_made(engine: Service) -> None:
    begin = time.monotonic()
    with ask(engine, '/stream?count=3&pause=0.3&tag=whole', 'Connection: close') as connection:
        received = b''
        while b'data: 0' not in received:
            received += connection.recv(65536)
        assert time.monotonic() - begin < 0.6
        received += read_to_end(connection)
    assert time.monotonic() - begin > 0.8
    head, body = head_and_body(received)
    assert head.startswith(b'http/1.1 200 ')
    assert b'\r\ncontent-type: text/event-stream' in head
    assert b'\r\ntransfer-encoding: chunked' in head
    assert b'\r\naccess-control-allow-origin: *' in head
    assert b'\r\ncontent-length' not in head
    assert joined(body) == (b''.join(b'data: %d x\n\n' % number for number in range(3)), True)
    assert engine.state()['ended'].count('whole') == 1


def test_connection_is_used_again_after_a_stream(engine: Service) -> None:
    with engine.connect() as connection:
        connection.sendall(
            request_of('GET', '/stream?count=2') * 2 + request_of('GET', '/', 'Connection: close')
        )
        received = read_to_end(connection)
    assert received.count(b'HTTP/1.1 200') == 3
    assert received.count(b'\r\n0\r\n\r\nHTTP/1.1 200') == 2


def test_http_1_0_gets_a_stream_without_chunks(engine: Service) -> None:
    with engine.connect() as connection:
        connection.sendall(b'GET /stream?count=2&pause=0.1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
        head, body = head_and_body(read_to_end(connection))
    assert body == b'data: 0 x\n\ndata: 1 x\n\n'
    assert b'transfer-encoding' not in head
    assert b'connection: close' in head


def test_stream_of_nothing_is_whole(engine: Service) -> None:
    with ask(engine, '/stream?count=0', 'Connection: close') as connection:
        head, body = head_and_body(read_to_end(connection))
    assert head.startswith(b'http/1.1 200')
    assert b'content-length: 0' in head or joined(body) == (b'', True)


def test_head_of_a_stream_has_no_body_and_ends_the_generator(engine: Service) -> None:
    with engine.connect() as connection:
        connection.sendall(request_of('HEAD', '/stream?count=2&tag=head', 'Connection: close'))
        head, body = head_and_body(read_to_end(connection))
    assert (head.startswith(b'http/1.1 200'), body) == (True, b'')


def test_client_that_goes_away_ends_the_generator(engine: Service) -> None:
    with ask(engine, '/stream?count=1000&pause=0.1&tag=gone') as connection:
        connection.recv(65536)
    until(lambda: has_ended(engine, 'gone'), 3)
    assert '/stream' not in ''.join(line for line in engine.text().splitlines() if 'crashed' in line)


def test_client_that_goes_away_without_reading_ends_the_generator(engine: Service) -> None:
    """It is waited for then, because it took nothing."""
    with ask(engine, '/stream?count=1000&size=1000000&tag=unread') as connection:
        connection.recv(1000)
        time.sleep(0.3)
    until(lambda: has_ended(engine, 'unread'), 5)


def test_generator_waits_for_a_slow_client(engine: Service) -> None:
    """Else all of a long stream would be kept in memory."""
    with ask(engine, '/stream?count=200&size=1000000&tag=slow', 'Connection: close') as connection:
        connection.recv(1000)
        time.sleep(0.5)
        assert not has_ended(engine, 'slow')
        size = len(read_to_end(connection))
    assert size > 200 * 1_000_000
    until(lambda: has_ended(engine, 'slow'))


def test_generator_that_raises_midway_leaves_the_answer_unfinished(engine: Service) -> None:
    with ask(engine, '/stream?count=5&fail=2&tag=fails') as connection:
        head, body = head_and_body(read_to_end(connection))
    assert head.startswith(b'http/1.1 200')
    data, whole = joined(body)
    assert (data, whole) == (b'data: 0 x\n\ndata: 1 x\n\n', False)
    assert engine.answers_quickly()
    assert 'ZeroDivisionError: midway' in engine.text()
    assert has_ended(engine, 'fails')


def test_generator_that_raises_at_once_is_500(engine: Service) -> None:
    with ask(engine, '/stream?count=5&fail=0', 'Connection: close') as connection:
        head, body = head_and_body(read_to_end(connection))
    assert head.startswith(b'http/1.1 500')
    assert b'"message"' in body


def test_several_streams_run_at_once(engine: Service) -> None:
    begin = time.monotonic()
    with at_once() as submit:
        answers = [submit(engine.get, '/stream?count=5&pause=0.1') for _ in range(24)]
        assert engine.answers_quickly()
        assert {answer.result().body.count(b'data:') for answer in answers} == {5}
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize('path', [f'/whole?size={LARGE}', f'/stream?count=1&size={LARGE}'])
def test_slow_reader_of_a_large_answer_gets_it_and_holds_nobody_up(engine: Service, path: str) -> None:
    with ask(engine, path, 'Connection: close') as connection:
        size = len(connection.recv(1000))
        for _ in range(5):
            assert engine.answers_quickly()
            size += len(connection.recv(200_000))
            time.sleep(0.05)
        size += len(read_to_end(connection))
    assert LARGE < size < LARGE + 1000


def test_stream_of_what_is_no_text_breaks_off_and_holds_no_thread(engine: Service) -> None:
    for _ in range(3):
        with ask(engine, '/stream?type=dict') as connection:
            head, body = head_and_body(read_to_end(connection))
        assert head.startswith(b'http/1.1 200')
        assert joined(body) == (b'one', False)
    assert 'a stream yields text or bytes, not dict' in engine.text()


def test_stream_with_a_header_that_is_no_http_is_500(engine: Service) -> None:
    answer = engine.get('/stream?count=1&name=%E6%97%A5')
    assert (answer.status, answer.json) == (500, {'message': 'Internal Server Error'})
