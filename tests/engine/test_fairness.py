"""Who gets his turn when: models beside each other, calls of one model, and probes beside everything."""

import statistics
import threading
import time
from collections.abc import Iterator

import pytest

from tests.engine.clients import at_once, until
from tests.engine.odd_clients import Client, Odd, body_of, many, odd, seconds_of, slowest
from tests.raw_http import post


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('fair') / 'log') as service:
        yield service


@pytest.fixture(scope='module')
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    """One slot for each model, four places in its line, three seconds for a request."""
    settings = {'THREADS': '1', 'MODEL_SERVING_MAX_WAITING': '4', 'MODEL_SERVING_TIMEOUT_S': '3'}
    with odd(tmp_path_factory.mktemp('single') / 'log', **settings) as service:
        yield service


# Models beside each other


@pytest.mark.alone
def test_greeting_beside_16_clients_of_a_model_that_computes(service: Odd) -> None:
    times = []

    def compute(client: Client, number: int) -> bool:
        return client.call('Compute', '', 0.02)[0] == 200

    load = threading.Thread(target=many, args=[service, 16, 250, compute])
    load.start()
    time.sleep(0.2)
    while load.is_alive():
        times.append(seconds_of(lambda: post(service.url, '/v1/XXXModel', b'{"name": "Leo"}')))
        time.sleep(0.01)
    assert len(times) > 50
    assert statistics.quantiles(times, n=100)[98] < 0.5


@pytest.mark.alone
@pytest.mark.parametrize('kind', ['computes', 'sleeps', 'batches', 'streams'])
def test_live_is_answered_within_a_tenth_of_a_second(service: Odd, kind: str) -> None:
    """More than once in fifty only where the machine itself has no time."""
    model, what, n = {
        'computes': ('Compute', '', 0.05),
        'sleeps': ('Sleep', '0.05', 1.0),
        'batches': ('Around', 'pool', 1.0),
        'streams': ('Stream', 'slow', 6.0),
    }[kind]
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            service.call(model, what, n)

    with at_once() as submit:
        clients = [submit(call) for _ in range(12)]
        probes = submit(slowest, service, '/health/live', stop)
        time.sleep(2)
        stop.set()
        times = probes.result()
        for client in clients:
            client.result()
    assert len(times) > 20
    assert times[int(0.98 * len(times)) - 1] < 0.1


# Calls of one model


@pytest.mark.alone
def test_model_that_waits_gets_all_its_slots(service: Odd) -> None:
    service.forget()

    def call(client: Client, number: int) -> bool:
        return client.call('Sleep', '0.05', number)[0] == 200

    assert many(service, 8, 40, call) == []
    # 4 s one by one, half a second by eight.
    assert seconds_of(lambda: many(service, 8, 80, call)) < 1.5
    assert 6 <= service.state()['most_at_once'] <= 8


@pytest.mark.alone
def test_so_does_one_that_computes_for_a_quarter_of_its_time(service: Odd) -> None:
    def call(client: Client, number: int) -> bool:
        return client.call('Mixed', '0.03', 0.01)[0] == 200

    assert many(service, 8, 40, call) == []
    # 3.2 s one by one, and not less than 0.8 s in one interpreter.
    assert min(seconds_of(lambda: many(service, 8, 80, call)) for _ in range(2)) < 2.6


def test_one_thread_runs_one_call_at_a_time(single: Odd) -> None:
    """Small bodies and large ones."""
    single.forget()
    pad = b' ' * 100_000
    with at_once() as submit:
        answers = []
        for number in range(4):
            body = body_of('0.1', number) + (pad if number % 2 else b'')
            answers.append(submit(post, single.url, '/v1/Sleep', body))
        assert {answer.result().status for answer in answers} == {200}
    assert single.state()['most_at_once'] == 1


def test_calls_of_a_model_run_oldest_first(single: Odd) -> None:
    single.forget()
    with at_once() as submit:
        answers = []
        for number in range(5):
            answers.append(submit(single.call, 'Sleep', '0.3' if number == 0 else '0.01', number))
            time.sleep(0.05)
        assert {answer.result().status for answer in answers} == {200}
    assert single.state()['calls'] == [0, 1, 2, 3, 4]


def test_call_beyond_the_line_is_503_and_may_come_again(single: Odd) -> None:
    single.forget()
    with at_once() as submit:
        answers = []
        for number in range(6):
            answers.append(submit(single.call, 'Sleep', '0.5' if number == 0 else '0.01', number))
            time.sleep(0.04)
        *served, refused = [answer.result() for answer in answers]
    assert [answer.status for answer in served] == [200] * 5
    assert refused.status == 503
    assert int(refused.headers['retry-after']) >= 1
    assert 'waiting' in refused.json['message']
    assert single.state()['calls'] == [0, 1, 2, 3, 4]


def test_call_that_waits_past_its_deadline_is_504_unrun(single: Odd) -> None:
    single.forget()
    with at_once() as submit:
        first = submit(single.call, 'Sleep', '2.4', 1)
        time.sleep(0.3)
        second = submit(single.call, 'Sleep', '2.9', 2)
        time.sleep(0.1)
        third = submit(single.call, 'Sleep', '2.9', 3)
        assert first.result().status == 200
        assert second.result().status == 504
        assert third.result().status in {503, 504}  # The one before it runs on.
    until(lambda: single.call('Sleep', '0', 4).status == 200)
    assert single.state()['calls'] == [1, 2, 4]


@pytest.mark.alone
def test_time_counts_from_the_first_byte(single: Odd) -> None:
    """In the log, and for the deadline, whatever else is in flight."""
    request = single.wanted('Sleep', '1.5', 1)
    with single.connect() as slow, single.connect() as other:
        begin = time.monotonic()
        slow.sendall(request[:-5])
        time.sleep(1)
        other.sendall(single.wanted('AsyncStream', 'beside', 1))  # It is younger, and stays for long.
        time.sleep(1)
        slow.sendall(request[-5:])
        assert slow.recv(1000).startswith(b'HTTP/1.1 504 ')
        assert 2.9 < time.monotonic() - begin < 3.4
    line = [line for line in single.text().splitlines() if '/v1/Sleep 504' in line][-1]
    assert 2900 < float(line.split(' ms ')[0].split()[-1]) < 3400
