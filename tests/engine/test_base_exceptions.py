"""What author code may raise besides an Exception: one call fails, and nobody else notices."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import at_once, read_to_end, until
from tests.engine.odd_clients import Client, Odd, many, odd
from tests.engine.odd_models import KINDS
from tests.raw_http import Answer

NAMES = [kind.__name__ for kind in KINDS]
EVENT = b'data: %d'


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('base') / 'log') as service:
        yield service


def assert_crash(service: Odd, answer: Answer, name: str, model: str, before: float) -> None:
    """It is 500, with the trace in the log alone, is counted, and the service goes on."""
    assert (answer.status, answer.json) == (500, {'message': 'Internal Server Error'})
    assert f'{name}: odd' in service.text()
    until(lambda: service.crashes(model) == before + 1)
    assert service.is_well()
    assert service.call(model, '', 9 if model == 'Stream' else 0).status == 200


@pytest.mark.parametrize('name', NAMES)
def test_view_that_raises_it_is_500(service: Odd, name: str) -> None:
    before = service.crashes('Raise')
    assert_crash(service, service.call('Raise', name), name, 'Raise', before)


@pytest.mark.parametrize('number', range(len(NAMES)), ids=NAMES)
def test_batch_that_raises_it_fails_for_one_caller(service: Odd, number: int) -> None:
    before = service.crashes('Raise')
    with at_once() as submit:
        others = [submit(service.call, 'Raise', '', 20 + other) for other in range(16)]
        failed = submit(service.call, 'Raise', '', -1 - number)
        others += [submit(service.call, 'Raise', '', 20 + other) for other in range(16)]
        results = [future.result().json for future in others]
    assert results == [{'result': 2 * (20 + other % 16)} for other in range(32)]
    assert_crash(service, failed.result(), NAMES[number], 'Raise', before)


def test_batches_that_raise_under_load_fail_for_the_right_callers(service: Odd) -> None:
    def call(client: Client, number: int) -> bool:
        bad = number % 7 == 0
        status, _ = client.call('Raise', '', -1 - number % len(NAMES) if bad else number)
        return status == (500 if bad else 200)

    assert many(service, 16, 300, call) == []


@pytest.mark.parametrize('model', ['Stream', 'AsyncStream'])
@pytest.mark.parametrize('name', NAMES)
def test_stream_that_raises_it_at_once_is_500(service: Odd, model: str, name: str) -> None:
    before = service.crashes(model)
    answer = service.call(model, *(name, 0) if model == 'Stream' else (f'{name} 0', 0.01))
    assert_crash(service, answer, name, model, before)


@pytest.mark.parametrize('model', ['Stream', 'AsyncStream'])
@pytest.mark.parametrize('name', NAMES)
def test_stream_that_raises_it_midway_is_left_unfinished(service: Odd, model: str, name: str) -> None:
    before = service.crashes(model)
    wanted = service.wanted(model, *(name, 2) if model == 'Stream' else (f'{name} 2', 0.01))
    with service.connect(10) as connection:
        connection.sendall(wanted)
        received = read_to_end(connection)
    assert EVENT % 1 in received
    assert EVENT % 2 not in received
    assert not received.endswith(b'0\r\n\r\n')
    assert f'{name}: odd' in service.text()
    until(lambda: service.crashes(model) == before + 1)
    assert service.is_well()


@pytest.mark.parametrize('name', NAMES)
def test_coroutine_that_raises_it_is_500(service: Odd, name: str) -> None:
    before = service.crashes('Async')
    answer = service.call('Async', name, 0.01)
    assert (answer.status, answer.json) == (500, {'message': 'Internal Server Error'})
    assert f'{name}: odd' in service.text()
    until(lambda: service.crashes('Async') == before + 1)
    assert service.call('Async', 'sleep', 0).status == 200
    assert service.is_well()


def test_task_that_a_coroutine_awaits_may_raise_it(service: Odd) -> None:
    assert service.call('Async', 'nested', 0.01).status == 500
    assert service.is_well()


def test_tasks_that_are_left_behind_harm_nobody(service: Odd) -> None:
    """Others are on their way when the loop meets each of them."""

    def call(client: Client, number: int) -> bool:
        if number % 40 == 0:
            return client.call('Async', 'leave', 0.03)[0] == 200
        model, what, n = [('Around', 'lock', number), ('Async', 'batch', number)][number % 2]
        return client.call(model, what, n) == (200, {'result': 2 * number})

    assert many(service, 16, 400, call) == []
    until(lambda: service.call('Async', 'sleep', 0).status == 200)
    assert 'SystemExit: odd' in service.text()
    assert 'KeyboardInterrupt: odd' in service.text()
    assert service.is_well()


def test_it_is_raised_in_many_places_at_once_and_nothing_is_lost(service: Odd) -> None:
    stop = threading.Event()
    pid = service.state()['pid']

    def call(client: Client, number: int) -> bool:
        if number % 2:
            return client.call('Around', 'local', number) == (200, {'result': 2 * number})
        return client.call(('Raise', 'Async')[number // 2 % 2], NAMES[number % len(NAMES)], 0)[0] == 500

    with at_once() as submit:
        probes = submit(lambda: [service.get('/health/live').status for _ in range(200)])
        assert many(service, 16, 400, call) == []
        stop.set()
        assert set(probes.result()) == {200}
    assert service.state()['pid'] == pid


def test_example_that_raises_it_is_a_failure_that_passes(tmp_path: Path) -> None:
    with at_once() as submit:
        for future in [submit(fail_for_a_while, tmp_path, name) for name in ('CancelledError', 'Panic')]:
            future.result()


def fail_for_a_while(folder: Path, name: str) -> None:
    file = folder / name
    file.write_text(name)
    with odd(folder / f'{name}.log', ODD_FILE=str(file)) as service:
        until(lambda: service.call('Example').status == 503)
        ready = service.get('/health/ready')
        assert (ready.status, f'failed on its own example: {name} (error ' in ready.json['message']) == (
            503,
            True,
        )
        assert service.is_well()
        file.write_text('')
        until(lambda: service.get('/health/ready').status == 200, 15)
        assert service.call('Example').json == {'result': 2}
        assert f'{name}: odd' in service.text()
