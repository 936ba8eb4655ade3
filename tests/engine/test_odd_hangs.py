"""Models that hang, sleeping or computing, and streams that last."""

import time
from collections.abc import Iterator

import pytest

from tests.engine.clients import at_once, read_to_end, until
from tests.engine.odd_clients import Odd, many, odd, seconds_of


@pytest.fixture(scope='module')
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    """Two slots, two seconds."""
    settings = {'THREADS': '2', 'MODEL_SERVING_TIMEOUT_S': '2'}
    with odd(tmp_path_factory.mktemp('double') / 'log', **settings) as service:
        yield service


@pytest.mark.alone
def test_stream_whose_model_batches_takes_no_slot_for_long(double: Odd) -> None:
    """Its generator waits for batches; eight of them are open for longer than a request may take."""
    connections = [double.connect() for _ in range(8)]
    for connection in connections:
        connection.sendall(double.wanted('Stream', 'batch', 150))  # It pauses for 1.5 s between its batches.
    time.sleep(2.5)
    begin = time.monotonic()
    assert double.call('Stream', '', 9).status == 200
    assert time.monotonic() - begin < 1
    assert 'hangs' not in str(double.get('/health/ready').body)
    for connection in connections:
        connection.close()


@pytest.mark.alone
def test_model_that_hangs_is_503_and_failed_and_nobody_else_is(double: Odd) -> None:
    with at_once() as submit:
        hanging = [submit(double.call, 'Sleep', '8', number) for number in range(2)]
        assert [future.result().status for future in hanging] == [504, 504]
        begin = time.monotonic()
        answer = double.call('Sleep', '0', 9)
        assert (answer.status, int(answer.headers['retry-after']) >= 1) == (503, True)
        ready = double.get('/health/ready')
        assert ready.status == 503
        assert 'Sleep hangs: 2 calls have run for ' in ready.json['message']
        assert double.get('/health/live').status == 200
        assert double.is_well()
        assert double.call('Around', 'lock', 2).json == {'result': 4}
        assert time.monotonic() - begin < 0.5
    until(lambda: double.call('Sleep', '0', 9).status == 200, 12)
    assert double.get('/health/ready').status == 200


def test_batch_that_hangs_for_coroutines_is_told_by_readiness(double: Odd) -> None:
    with at_once() as submit:
        assert submit(double.call, 'Async', 'hang', 6).result().status == 504
        ready = double.get('/health/ready')
        assert (ready.status, 'Async hangs: its batch has outlived' in ready.json['message']) == (503, True)
        assert double.call('Async', 'hang', 0).status == 503
        assert double.is_well()
    until(lambda: double.get('/health/ready').status == 200, 12)
    assert double.call('Async', 'hang', 0).json == {'result': 0}


def test_stream_that_yields_nothing_is_cut_off(double: Odd) -> None:
    with double.connect() as connection:
        connection.sendall(double.wanted('Stream', 'hang', -2))
        begin = time.monotonic()
        answer = read_to_end(connection)
        assert 1.5 < time.monotonic() - begin < 6
    assert b'data: 1' in answer
    assert not answer.endswith(b'0\r\n\r\n')
    assert double.is_well()


def test_no_slot_is_lost_where_the_log_fails(double: Odd) -> None:
    for _ in range(3):
        assert double.call('Log', 'SystemExit').status == 500
    assert double.call('Log').json == {'result': 1}


@pytest.mark.alone
def test_model_that_computes_for_ever_is_503_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Though it is given fewer slots than one that sleeps."""
    log = tmp_path_factory.mktemp('loops') / 'log'
    with odd(log, THREADS='8', MODEL_SERVING_TIMEOUT_S='2') as service, at_once() as submit:
        hanging = [submit(service.call, 'Compute', '', 5) for _ in range(4)]
        assert {future.result().status for future in hanging} <= {503, 504}
        later = [submit(service.call, 'Compute', '', 0) for _ in range(4)]
        assert {future.result().status for future in later} <= {503, 504}
        assert service.is_well()
        ready = service.get('/health/ready')
        assert (ready.status, 'Compute hangs: ' in ready.json['message']) == (503, True)
        assert seconds_of(lambda: service.call('Compute', '', 0)) < 0.5
        until(lambda: service.call('Compute', '', 0).status == 200, 30)


def test_model_of_which_one_call_hangs_serves_the_others(double: Odd) -> None:
    with at_once() as submit:
        hanging = submit(double.call, 'Mixed', '6', 0)
        assert hanging.result().status == 504
        assert double.call('Mixed', '0', 0.001).status == 200
        assert double.get('/health/ready').status == 200
        many(double, 4, 20, lambda client, _: client.call('Mixed', '0', 0.01)[0] == 200)
        assert double.call('Mixed', '0', 0).status == 200
