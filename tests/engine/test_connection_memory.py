"""What a worker holds for all its connections together is bounded, however many they are."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import Service, nap_body, request_of, served, until
from tests.engine.test_memory import megabytes
from tests.linux import linux_only
from tests.raw_http import post, read_answer

MB = 1_000_000
JSON = 'Content-Type: application/json'
HELLO = b'{"name": "Leo"}'
SETTINGS = {'MODEL_SERVING_MAX_BUFFERED_BYTES': str(10 * MB), 'MODEL_SERVING_MAX_BODY_BYTES': str(10 * MB)}
CLIENTS = 800
"""Of 60 kB each: 48 MB."""
OWN_MEGABYTES = 0.03 * CLIENTS
"""What connections take that send nothing."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with served(tmp_path / 'log', **SETTINGS) as service:
        yield service


@contextlib.contextmanager
def clients(service: Service, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    """Clients that each send as much of `data` as the system takes from them at once."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(count)]
        for connection in connections:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.send(data)
        yield connections


SENT = {
    'bodies': request_of('POST', '/v1/Size', 'Content-Length: 60000') + b'x' * 59_000,
    'chunks': request_of('POST', '/v1/Size', 'Transfer-Encoding: chunked') + b'EA60\r\n' + b'x' * 59_000,
    'heads': b'GET / HTTP/1.1\r\nHost: a\r\n' + (b'X: %s\r\n' % (b'x' * 590)) * 90,
    'next requests': request_of('POST', '/v1/Nap', body=nap_body('a', 0.1)) + b'x' * 59_000,
    'waiting bodies': request_of('POST', '/v1/Nap', body=nap_body('a', 1).ljust(59_000)),
}


@linux_only
@pytest.mark.parametrize('data', SENT.values(), ids=SENT)
def test_small_requests_have_a_budget_too(service: Service, data: bytes) -> None:
    """Each client keeps 60 kB in the worker; they get in turns what there is, and small ones pass."""
    pid = service.state()['pid']
    before = megabytes(pid, 'VmRSS')
    with clients(service, CLIENTS, data):
        until(lambda: megabytes(pid, 'VmRSS') - before > 8)
        for _ in range(3):
            assert post(service.url, '/v1/XXXModel', HELLO).json == {'result': 'Hello, Leo!'}
        assert megabytes(pid, 'VmHWM') - before < 10 + 10 + OWN_MEGABYTES


def test_small_body_waits_for_room(service: Service) -> None:
    body = HELLO.ljust(60_000)
    head = request_of(
        'POST', '/v1/XXXModel', 'Content-Type: application/json', f'Content-Length: {len(body)}'
    )
    with clients(service, 200, SENT['bodies']) as others, service.connect() as waiting:
        waiting.sendall(head)
        waiting.sendall(body[:5000])
        for other in others:
            other.close()
        waiting.sendall(body[5000:])
        assert read_answer(waiting).json == {'result': 'Hello, Leo!'}


@linux_only
def test_answers_that_nobody_reads_are_bounded(service: Service) -> None:
    """Those of the clients that have read nothing for longest go; one that reads gets all of it."""
    pid = service.state()['pid']
    before = megabytes(pid, 'VmRSS')
    large = request_of('GET', f'/whole?size={6 * MB}')
    with clients(service, 40, large), service.connect() as reading:
        until(lambda: service.text().count('GET /whole ') >= 40)
        reading.sendall(large)
        assert len(read_answer(reading).body) == 6 * MB
        until(lambda: megabytes(pid, 'VmRSS') - before < 100)


def test_answer_may_be_larger_than_all_that_is_kept(service: Service) -> None:
    with service.connect() as reading:
        reading.sendall(request_of('GET', f'/whole?size={30 * MB}'))
        until(lambda: 'GET /whole 200' in service.text())
        assert len(read_answer(reading).body) == 30 * MB
