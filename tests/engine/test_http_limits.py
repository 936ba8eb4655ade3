"""What clients may cost: memory, time of the loop, and connections."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import (
    Service,
    nap_body,
    read_answers,
    read_to_end,
    request_of,
    served,
)
from tests.engine.test_memory import megabytes
from tests.linux import linux_only
from tests.raw_http import read_answer, send

MB = 1_000_000


@pytest.fixture(scope='module')
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp('usual') / 'log') as service:
        yield service


def rss(service: Service) -> float:
    return megabytes(service.state()['pid'], 'VmRSS')


# Memory


@linux_only
def test_idle_connection_keeps_no_body(usual: Service) -> None:
    body = b'x' * (8 * MB)
    before = rss(usual)
    connections = []
    for _ in range(20):
        connection = usual.connect()
        connection.sendall(request_of('POST', '/environ', body=body))
        assert read_answer(connection).status == 200
        connections.append(connection)
    assert rss(usual) - before < 40
    for connection in connections:
        connection.close()


@linux_only
def test_pipelined_requests_stay_the_bytes_they_are(usual: Service) -> None:
    slow = request_of('POST', '/v1/Nap', body=nap_body('slow', 2))
    tiny = b'GET / HTTP/1.0\r\n\r\n'
    before = rss(usual)
    connections = [usual.connect() for _ in range(30)]
    for connection in connections:
        connection.sendall(slow + tiny * (64_000 // len(tiny)))
    time.sleep(0.5)
    assert rss(usual) - before < 30
    for connection in connections:
        connection.close()


@linux_only
def test_caches_do_not_grow_with_what_clients_send(usual: Service) -> None:
    def use(number: int) -> None:
        pad = f'{number}-' + 'x' * 20_000
        for headers in (
            [f'X-{pad[:250]}: x'],
            [f'Origin: http://{pad}'],
            [f'Access-Control-Request-Headers: {pad}', 'Access-Control-Request-Method: POST', 'Origin: x'],
            [f'X-Request-ID: {pad}'],
            [f'traceparent: {pad}'],
        ):
            send(usual.url, request_of('OPTIONS', f'/environ?{pad[:4000]}', *headers))
        send(
            usual.url, request_of('GET', f'/{pad[:8000]}').replace(b'Host: service', f'Host: {pad}'.encode())
        )

    for number in range(20):
        use(number)
    before = rss(usual)
    for number in range(300):
        use(20 + number)
    assert rss(usual) - before < 12


def test_long_name_of_a_header_is_431(usual: Service) -> None:
    assert send(usual.url, request_of('GET', '/', f'X-{"x" * 300}: x')).status == 431
    assert send(usual.url, request_of('GET', '/', f'X-{"x" * 200}: x')).status == 200


# Time


@pytest.mark.alone
@pytest.mark.parametrize(
    ('start', 'more'),
    [
        (b'0\r\nX-Trailer: ', b'x' * 10_000),
        (b'0\r\n', b'X-T: x\r\n' * 1000),
        (b'2;', b'x' * 10_000),
        (b'', b'0' * 10_000),
    ],
    ids=['trailer', 'trailers', 'extension', 'size'],
)
def test_chunks_without_end_are_refused_soon(usual: Service, start: bytes, more: bytes) -> None:
    with usual.connect(10) as connection:
        since = time.monotonic()
        connection.sendall(request_of('POST', '/environ', 'Transfer-Encoding: chunked') + start)
        for _ in range(30):
            connection.sendall(more)
        assert read_answer(connection).status in {400, 431}
        assert time.monotonic() - since < 2
    assert usual.answers_quickly()


@pytest.mark.alone
def test_pipelined_requests_keep_nobody_waiting(usual: Service) -> None:
    slow = request_of('POST', '/v1/Nap', body=nap_body('slow', 0.3))
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(usual.connect())
            connection.sendall(slow + request_of('GET', '/health/live') * 1200)
        times = []
        end = time.monotonic() + 2
        while time.monotonic() < end:
            since = time.monotonic()
            assert usual.get('/health/live').status == 200
            times.append(time.monotonic() - since)
    assert max(times) < 0.3
    assert sorted(times)[len(times) // 2] < 0.1


def test_300_requests_of_a_client_that_then_closes_its_side_are_answered(usual: Service) -> None:
    """They are more than are parsed at a time."""
    with usual.connect(10) as connection:
        connection.sendall(request_of('GET', '/health/live') * 300)
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection).count(b'HTTP/1.1 200 ') == 300


def test_connection_is_used_again_after_70_kb_of_pipelined_requests(usual: Service) -> None:
    count = 70_000 // len(request_of('GET', '/health/live'))
    with usual.connect(10) as connection:
        connection.sendall(request_of('POST', '/v1/Nap', body=nap_body('slow', 0.3)))
        time.sleep(0.1)
        connection.sendall(request_of('GET', '/health/live') * count)
        assert len(read_answers(connection, count + 1)) == count + 1
        connection.sendall(request_of('GET', '/health/live'))
        assert read_answer(connection).status == 200


@linux_only
def test_limit_of_files_is_logged_once_and_passes(tmp_path: Path) -> None:
    with served(tmp_path / 'log') as service, contextlib.ExitStack() as stack:
        pid = service.state()['pid']
        known = stack.enter_context(service.connect())
        known.sendall(request_of('GET', '/state'))
        assert read_answer(known).status == 200
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        opened = len(list(Path(f'/proc/{pid}/fd').iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + 3, before[1]))
        clients = [stack.enter_context(service.connect()) for _ in range(20)]
        for client in clients:
            client.sendall(request_of('GET', '/health/live'))
        time.sleep(1.5)
        known.sendall(request_of('GET', '/state'))
        assert read_answer(known).status == 200
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert {read_answer(client).status for client in clients} == {200}
        assert service.text().count('Cannot accept connections') == 1
        assert 'Traceback' not in service.text()
