"""All bodies that a worker keeps have one budget: large ones wait for room, for 15 s at most."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clients import Service, at_once, nap_body, read_answers, request_of, served
from tests.engine.test_memory import megabytes
from tests.linux import linux_only
from tests.raw_http import Answer, chunked, post, post_chunks, read_answer

MB = 1_000_000
SETTINGS = {'MODEL_SERVING_MAX_BUFFERED_BYTES': str(10 * MB), 'MODEL_SERVING_MAX_BODY_BYTES': str(10 * MB)}
LARGE = b'{"rows": [' + b','.join([b'[1234567]'] * 300_000) + b']}'  # 3 MB
HELLO = request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}')


def begin(service: Service, size: int, sent: int) -> socket.socket:
    """A client whose body of so many bytes is not whole."""
    connection = service.connect(25)
    connection.sendall(request_of('POST', '/environ', f'Content-Length: {size}'))
    with contextlib.suppress(TimeoutError):
        connection.settimeout(0.5)
        connection.sendall(b'x' * sent)
    connection.settimeout(25)
    return connection


def drip(connection: socket.socket, seconds: float) -> None:
    """Send on, just fast enough."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(b'x' * 10_000)
        time.sleep(0.5)


# What takes more than 15 s each goes on at once.


def wait_in_vain(folder: Path) -> tuple[Answer, float, Answer]:
    """What a client gets for whom there is no room, and after how long; and a later one."""
    with (
        served(folder / 'vain.log', **SETTINGS) as service,
        begin(service, 6 * MB, 5 * MB) as holding,
        begin(service, 6 * MB, MB) as waiting,
        at_once() as submit,
    ):
        since = time.monotonic()
        dripping = submit(drip, holding, 15.5)
        answer = read_answer(waiting)
        seconds = time.monotonic() - since
        dripping.result()
        holding.close()
        return answer, seconds, post(service.url, '/v1/Size', LARGE)


def wait_long(folder: Path) -> Answer:
    """What a client gets that had to wait for 13 s, and then sends 2 kB a second, which is fast enough."""
    with (
        served(folder / 'long.log', **SETTINGS) as service,
        begin(service, 9 * MB, 8 * MB) as holding,
        begin(service, 5 * MB, 0) as waiting,
    ):
        drip(holding, 13)
        holding.close()
        for _ in range(8):
            waiting.sendall(b'x' * 1000)
            time.sleep(0.5)
        waiting.sendall(b'x' * (5 * MB - 8000))
        return read_answer(waiting)


def send_in_halves(folder: Path) -> list[Answer]:
    """What a client gets that sends half of a request behind a slow one, and half when that is answered."""
    with served(folder / 'half.log') as service, service.connect(30) as connection:
        connection.sendall(request_of('POST', '/v1/Nap', body=nap_body('slow', 15.5)) + HELLO[:60])
        first = read_answers(connection, 1)
        time.sleep(0.5)
        connection.sendall(HELLO[60:])
        return [*first, read_answer(connection)]


def send_too_slowly(folder: Path) -> tuple[Answer, float]:
    """What a client gets that sends much at once, and then next to nothing; and after how long."""
    return given_up(folder / 'slow.log', 8 * MB, 7 * MB, piece=100)


def send_for_hours(folder: Path) -> tuple[Answer, float]:
    """The same for one whose rate is above the least, but would hold much room for very long."""
    return given_up(folder / 'hours.log', 30 * MB, 0, piece=5000)


def given_up(log: Path, size: int, at_once: int, piece: int) -> tuple[Answer, float]:
    """What a client gets, and after how long, that sends `piece` bytes a second after the first."""
    with served(log) as service, begin(service, size, at_once) as connection:
        since = time.monotonic()
        connection.settimeout(1)
        while time.monotonic() - since < 35:
            connection.sendall(b'x' * piece)
            with contextlib.suppress(TimeoutError):
                return read_answer(connection), time.monotonic() - since
        raise AssertionError('it was not given up')


@pytest.fixture(scope='module')
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    scenes: list[Callable[[Path], Any]] = [
        *(wait_in_vain, wait_long, send_in_halves, send_too_slowly, send_for_hours)
    ]
    with at_once() as submit:
        yield {scene.__name__: submit(scene, tmp_path_factory.mktemp('scenes')) for scene in scenes}


@pytest.fixture(scope='module')
def small(tmp_path_factory: pytest.TempPathFactory, scenes: Any) -> Iterator[Service]:
    """A service that keeps 10 MB of bodies."""
    with served(tmp_path_factory.mktemp('small') / 'log', **SETTINGS) as service:
        yield service


@linux_only
def test_bodies_that_wait_are_bounded_and_get_room_in_turn(small: Service) -> None:
    pid = small.state()['pid']
    before = megabytes(pid, 'VmRSS')
    holding = [begin(small, 5 * MB, 5 * MB - 1) for _ in range(2)]
    waiting = [begin(small, 5 * MB, MB) for _ in range(4)]
    assert megabytes(pid, 'VmRSS') - before < 20
    assert small.get('/').status == 200
    assert post(small.url, '/v1/Size', b'{"rows": [%s]}' % b','.join([b'[1]'] * 10_000)).status == 200
    holding[0].sendall(b'x')
    assert read_answer(holding[0]).json['body'] == 5 * MB
    for connection in waiting[:2]:
        connection.sendall(b'x' * 4 * MB)
        assert read_answer(connection).json['body'] == 5 * MB
    holding[1].close()
    for connection in waiting[2:]:
        connection.sendall(b'x' * 4 * MB)
        assert read_answer(connection).status == 200
    for connection in (holding[0], *waiting):
        connection.close()


def test_chunked_body_may_be_as_large_as_all_that_is_kept(small: Service) -> None:
    body = b'{"rows": [' + b' ' * (9_900_000 - 12) + b']}'
    answer = post_chunks(small.url, '/v1/Size', chunked(body))
    assert (answer.status, answer.json) == (200, {'rows': 0})
    assert post(small.url, '/v1/Size', body).status == 200


def test_24_clients_with_3_mb_each_share_10_mb(small: Service) -> None:
    """None waits for what another has that waits for it."""
    with at_once() as submit:
        whole = [submit(post, small.url, '/v1/Size', LARGE) for _ in range(12)]
        chunks = [submit(post_chunks, small.url, '/v1/Size', chunked(LARGE)) for _ in range(12)]
        assert {str(future.result().json) for future in whole + chunks} == {"{'rows': 300000}"}


def test_waiting_client_that_goes_keeps_no_place(small: Service) -> None:
    with begin(small, 9 * MB, 8 * MB), contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(begin(small, 9 * MB, 0))
        stack.close()
    assert post(small.url, '/v1/Size', LARGE).status == 200


def test_body_without_room_for_15_s_is_503(scenes: dict[str, Future[Any]]) -> None:
    answer, seconds, later = scenes['wait_in_vain'].result()
    assert (answer.status, answer.headers['connection']) == (503, 'close')
    assert int(answer.headers['retry-after']) >= 1
    assert 'try again' in answer.json['message']
    assert 13 < seconds < 18
    assert later.json == {'rows': 300_000}


def test_slow_client_that_got_room_late_is_not_too_slow(scenes: dict[str, Future[Any]]) -> None:
    """It could send nothing while it had to wait."""
    answer = scenes['wait_long'].result()
    assert (answer.status, answer.json.get('body')) == (200, 5 * MB)


def test_half_of_a_request_behind_a_slow_one_has_its_own_time(scenes: dict[str, Future[Any]]) -> None:
    first, second = scenes['send_in_halves'].result()
    assert (first.status, second.json) == (200, {'result': 'Hello, Leo!'})


def test_body_that_would_take_hours_is_too_slow(scenes: dict[str, Future[Any]]) -> None:
    answer, seconds = scenes['send_for_hours'].result()
    assert (answer.status, answer.headers['connection']) == (408, 'close')
    assert 14 < seconds < 32


def test_body_is_too_slow_by_its_last_seconds(scenes: dict[str, Future[Any]]) -> None:
    """However fast its beginning was."""
    answer, seconds = scenes['send_too_slowly'].result()
    assert (answer.status, answer.headers['connection']) == (408, 'close')
    assert 14 < seconds < 32
