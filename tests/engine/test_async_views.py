"""Views that are coroutines, under the engine and under gunicorn's own threads."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clients import at_once, read_to_end, until
from tests.engine.odd_clients import Client, Odd, many, odd, seconds_of
from tests.raw_http import post, read_answer

GTHREAD = {'GUNICORN_CMD_ARGS': '--worker-class gthread'}
CALLERS = 500


@pytest.fixture(scope='module')
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('async') / 'log', MODEL_SERVING_TIMEOUT_S='3') as service:
        yield service


@pytest.fixture(scope='module')
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('fast') / 'log', MODEL_SERVING_FAST_PATH='true') as service:
        yield service


@pytest.fixture(scope='module')
def gthread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('gthread') / 'log', MODEL_SERVING_TIMEOUT_S='3', **GTHREAD) as service:
        yield service


@pytest.fixture(params=['ours', 'gthread'])
def service(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


# Under both


def test_result_and_contexts(service: Odd) -> None:
    def call(client: Client, number: int) -> bool:
        status, json = client.call('Async', 'sleep', number / 1e5)
        return status == 200 and json['result'][:3] == [number / 1e5] * 3

    assert many(service, 16, 400, call) == []


def test_batched_method_is_awaited(service: Odd) -> None:
    def call(client: Client, number: int) -> bool:
        return client.call('Async', 'batch', number) == (200, {'result': 2 * number})

    assert many(service, 16, 400, call) == []


@pytest.mark.parametrize(
    ('what', 'status', 'json'),
    [
        ('invalid', 400, {'message': 'n is odd'}),
        ('tuple', 201, {'result': 0.0}),
        ('unhandled', 422, {'message': 'handled'}),
        ('MemoryError', 500, {'message': 'Internal Server Error'}),
    ],
)
def test_errors_and_other_results(service: Odd, what: str, status: int, json: Any) -> None:
    answer = service.call('Async', what, 0)
    assert (answer.status, answer.json) == (status, json)
    assert answer.headers['access-control-allow-origin'] == '*'
    assert answer.headers['x-request-id']
    assert (answer.headers.get('x-odd') == 'yes') == (what == 'tuple')
    assert service.is_well()


@pytest.mark.parametrize('what', ['SystemExit', 'nested'])
def test_what_would_end_the_worker_of_another_server_is_a_crash(ours: Odd, what: str) -> None:
    answer = ours.call('Async', what, 0)
    assert (answer.status, answer.json) == (500, {'message': 'Internal Server Error'})
    assert ours.is_well()


def test_body_is_validated(service: Odd) -> None:
    answer = post(service.url, '/v1/Async', b'{"what": 1, "n": 2}')
    assert (answer.status, answer.json['message']) == (400, "1 is not of type 'string'")


def test_lock_that_was_made_at_import_is_shared(service: Odd) -> None:
    service.forget()
    with at_once() as submit:
        futures = [submit(service.call, 'Async', 'lock', 0.02) for _ in range(16)]
        assert [future.result().status for future in futures] == [200] * 16
    assert service.state()['most_at_once'] == 1


@pytest.mark.alone
def test_coroutine_is_cancelled_at_its_deadline(service: Odd) -> None:
    service.forget()
    answer, seconds = [None], 0.0
    seconds = seconds_of(lambda: answer.__setitem__(0, service.call('Async', 'sleep', 30)))
    assert answer[0] is not None
    assert answer[0].status == 504
    assert 2.8 < seconds < 3.6
    until(lambda: service.state()['notes'] == ['cancelled 30'])
    assert 'crashed' not in [line for line in service.text().splitlines() if 'CancelledError' in line]


@pytest.mark.alone
def test_stream_comes_bit_by_bit(service: Odd) -> None:
    with service.connect(10) as connection:
        begin = time.monotonic()
        connection.sendall(service.wanted('AsyncStream', 'plain', 0.2))
        received = b''
        while b'data: 0' not in received:
            received += connection.recv(65536)
        assert time.monotonic() - begin < 0.5
        while b'data: 4' not in received:
            received += connection.recv(65536)
        assert 0.7 < time.monotonic() - begin < 2
    assert b'text/event-stream' in received


def test_stream_is_whole_and_its_generator_ends(service: Odd) -> None:
    service.forget()
    answer = service.call('AsyncStream', 'whole', 0)
    assert answer.body == b''.join(b'data: %d x\n\n' % number for number in range(5))
    until(lambda: service.state()['notes'] == ['closed whole'])


def test_client_that_goes_closes_the_generator(service: Odd) -> None:
    service.forget()
    with service.connect() as connection:
        connection.sendall(service.wanted('AsyncStream', 'gone', 0.5))
        connection.recv(65536)
    until(lambda: service.state()['notes'] == ['closed gone'], 4)
    assert 'AsyncStream crashed' not in service.text()


def test_generator_that_raises_midway_leaves_the_stream_unfinished(service: Odd) -> None:
    with service.connect() as connection:
        connection.sendall(service.wanted('AsyncStream', 'MemoryError 2', 0))
        received = read_to_end(connection)
    assert b'data: 1' in received
    assert b'data: 2' not in received
    assert not received.endswith(b'0\r\n\r\n')
    assert 'MemoryError: odd' in service.text()


# What the engine alone does


def test_client_that_goes_cancels_the_coroutine(ours: Odd) -> None:
    ours.forget()
    before = ours.text().count('crashed')
    with ours.connect() as connection:
        connection.sendall(ours.wanted('Async', 'sleep', 2.5))
        time.sleep(0.3)
    until(lambda: 'cancelled 2.5' in ours.state()['notes'], 1.5)
    assert ours.text().count('crashed') == before


def test_500_that_wait_need_no_500_threads_on_the_fast_path(fast: Odd) -> None:
    connections = [fast.connect() for _ in range(CALLERS)]
    for connection in connections:
        connection.sendall(fast.wanted('Async', 'sleep', 1.5))
    assert fast.is_well()
    answers = []
    for connection in connections:
        with connection:
            answers.append(read_answer(connection))
    assert {answer.status for answer in answers} == {200}
    assert max(answer.json['result'][4] for answer in answers) < 40


def test_generator_waits_for_a_slow_client(ours: Odd) -> None:
    ours.forget()
    with ours.connect() as connection:
        connection.sendall(ours.wanted('AsyncStream', 'large', 0))
        size = len(connection.recv(1000))
        time.sleep(0.5)
        assert ours.state()['notes'] == []
        while size < 50_000_000:
            size += len(connection.recv(1_000_000))
    until(lambda: ours.state()['notes'] == ['closed large'])


@pytest.mark.parametrize(('model', 'what'), [('Async', 'block'), ('AsyncStream', 'block 1')])
def test_coroutine_that_keeps_the_loop_is_named(ours: Odd, model: str, what: str) -> None:
    assert ours.call(model, what, 0.15).status == 200
    warnings = [line for line in ours.text().splitlines() if '[WARNING]' in line and f'/v1/{model}' in line]
    found = re.search(r'blocked the event loop for (\d+) ms', warnings[-1])
    assert found
    assert 150 <= int(found[1]) < 1000


def test_coroutine_in_time_is_not_named(ours: Odd) -> None:
    before = ours.text().count('blocked the event loop')
    assert ours.call('Async', 'sleep', 0.3).status == 200
    assert ours.call('Async', 'block', 0.02).status == 200
    assert ours.text().count('blocked the event loop') == before


def test_error_handler_that_is_a_coroutine_does_not_stop_the_loop(tmp_path: Path) -> None:
    with (
        odd(tmp_path / 'log', ODD_ASYNC_HANDLER='1', MODEL_SERVING_TIMEOUT_S='5') as service,
        at_once() as submit,
    ):
        answers = [submit(service.call, 'Async', 'unhandled', 0) for _ in range(4)]
        assert seconds_of(lambda: service.get('/health/live')) < 1
        for answer in answers:
            assert (answer.result().status, answer.result().json) == (422, {'message': 'handled later'})
