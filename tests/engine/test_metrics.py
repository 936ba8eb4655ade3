"""What is counted of requests that end in unusual ways, and by workers that come and go."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import Service, at_once, request_of, served, until
from tests.exposed_metrics import Exposed, read_metrics
from tests.raw_http import send


@pytest.fixture(scope='module')
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp('counted') / 'log', MODEL_SERVING_TIMEOUT_S='2') as service:
        yield service


def total(service: Service, **labels: str) -> float:
    return read_metrics(service.url).sum('requests_total', **labels)


def becomes(service: Service, count: float, **labels: str) -> None:
    until(lambda: total(service, **labels) == count)
    time.sleep(0.3)
    assert total(service, **labels) == count


def test_refusal_of_the_engine_is_counted(counted: Service) -> None:
    answers = [send(counted.url, b'no HTTP\r\n\r\n'), counted.get('/' + 'x' * 9000)]

    assert [answer.status for answer in answers] == [400, 414]
    assert all(answer.headers['x-request-id'] in counted.text() for answer in answers)
    assert total(counted, model='other', status='400', reason='invalid') == 1
    assert total(counted, model='other', status='414', reason='too_large') == 1


def test_id_of_a_refused_request_is_echoed(counted: Service) -> None:
    answer = counted.get('/', 'X-Request-ID: mine', *[f'X-{number}: x' for number in range(200)])

    assert (answer.status, answer.headers['x-request-id']) == (431, 'mine')
    assert '] - [mine] - [engine] - Refused a request with 431' in counted.text()


def test_late_request_is_counted_once_though_the_model_ends_later(counted: Service) -> None:
    assert counted.nap('Nap', 'late', 3).status == 504
    assert total(counted, model='Nap') == 1
    assert read_metrics(counted.url).sum('requests_in_flight', model='Nap') == 0

    until(lambda: read_metrics(counted.url).sum('model_duration_seconds_sum', model='Nap') >= 3)
    assert total(counted, model='Nap', status='504', reason='late') == total(counted, model='Nap') == 1


def test_request_in_a_stuck_thread_is_counted_once_for_its_model(counted: Service) -> None:
    for _ in range(5):
        assert counted.nap('Quick', 'quick', 0).status == 200  # Known to be quick: it runs in the loop.
    answer = counted.nap('Quick', 'stuck', 5)

    assert answer.status == 504
    assert total(counted, model='Quick', reason='late') == 1
    assert f'[{answer.headers["x-request-id"]}] - [access] - POST /v1/Quick 504' in counted.text()
    time.sleep(3.5)
    assert total(counted, model='Quick') == 6
    assert read_metrics(counted.url).sum('requests_in_flight') == 0


def test_client_that_goes_is_counted(counted: Service) -> None:
    with counted.connect() as connection:
        connection.sendall(request_of('POST', '/v1/Other', body=b'{"tag": "gone", "seconds": 1}'))
        until(lambda: read_metrics(counted.url).sum('requests_in_flight', model='Other') == 1)

    becomes(counted, 1, model='Other', status='499', reason='gone')


def test_crash_is_counted(counted: Service) -> None:
    before = total(counted, reason='crash')
    assert send(counted.url, request_of('POST', '/v1/Crash')).status == 500

    assert total(counted, reason='crash') == before + 1


def test_stream_is_counted_when_it_ends(counted: Service) -> None:
    before = total(counted, model='other', status='200', reason='ok')
    log = 'GET /stream 200 '
    assert counted.get('/stream?count=3&pause=0.2').status == 200

    line = next(line for line in counted.text().splitlines() if log in line)
    assert float(line.split(' ms ')[0].split()[-1]) > 500
    assert total(counted, model='other', status='200', reason='ok') >= before + 1


def test_stream_that_breaks_is_a_crash(counted: Service) -> None:
    with counted.connect() as connection:
        connection.sendall(request_of('GET', '/stream?count=3&fail=1'))
        while connection.recv(65536):
            pass

    becomes(counted, 1, model='other', status='200', reason='crash')


def test_stream_whose_client_goes_is_gone(counted: Service) -> None:
    with counted.connect() as connection:
        connection.sendall(request_of('GET', '/stream?count=1000&pause=0.02'))
        connection.recv(100)

    becomes(counted, 1, model='other', status='200', reason='gone')


def test_batches_are_counted(counted: Service) -> None:
    before = read_metrics(counted.url)
    with at_once() as submit:
        answers = [submit(counted.double, [0.1, number]) for number in range(20)]
    assert {answer.result().status for answer in answers} == {200}
    after = read_metrics(counted.url)

    def more(name: str) -> float:
        return after.sum(name, model='Rows') - before.sum(name, model='Rows')

    assert more('batch_rows_sum') == 20
    assert 3 <= more('batch_rows_count') < 20
    assert more('batch_queue_seconds_count') == 20
    assert more('model_duration_seconds_count') == more('batch_rows_count')
    assert more('model_duration_seconds_sum') >= 0.1 * more('batch_rows_count')


def test_lines_of_a_model_carry_the_id_of_the_request(counted: Service) -> None:
    def call(number: int) -> None:
        headers = f'X-Tag: t\r\nX-Request-ID: request-{number}'
        body = f'{{"tag": "tag-{number}", "seconds": 0.05}}'.encode()
        assert send(counted.url, request_of('POST', '/v1/Context?tag=t', headers, body=body)).status == 200

    with at_once() as submit:
        for called in [submit(call, number) for number in range(20)]:
            called.result()

    for number in range(20):
        mine = [line for line in counted.text().splitlines() if f'[request-{number}]' in line]
        assert [f'begins tag-{number}' in line for line in mine].count(True) == 1
        assert [f'ends tag-{number}' in line for line in mine].count(True) == 1
        assert 'POST /v1/Context 200' in mine[-1]
        assert len(mine) == 3


def test_metrics_are_not_in_the_access_log(counted: Service) -> None:
    assert counted.get('/metrics').status == 200
    assert counted.get('/state').status == 200

    assert 'GET /state' in counted.text()
    assert '/metrics' not in counted.text()


def hello(service: Service) -> int:
    return send(service.url, request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}')).status


def children(service: Service) -> set[int]:
    tasks = Path(f'/proc/{service.master()}/task').glob('*/children')
    return {int(child) for task in tasks for child in task.read_text().split()}


def test_counts_of_workers_that_have_ended_stay(tmp_path: Path) -> None:
    with served(tmp_path / 'log', WORKERS='2', GUNICORN_CMD_ARGS='--max-requests 40') as service:
        first, seen = children(service), 0.0
        with at_once(4) as submit:
            for called in [submit(hello, service) for _ in range(400)]:
                assert called.result() == 200
                now = total(service, model='XXXModel')
                assert now >= seen
                seen = now
        assert total(service, model='XXXModel', reason='ok') == 400
        assert len(first & children(service)) < 2


def test_counts_of_a_killed_worker_stay_and_what_it_was_doing_does_not(tmp_path: Path) -> None:
    with served(tmp_path / 'log', WORKERS='2') as service:
        for _ in range(30):
            hello(service)
        with service.connect() as connection:
            connection.sendall(request_of('POST', '/v1/Nap', body=b'{"tag": "t", "seconds": 60}'))
            until(lambda: read_metrics(service.url).sum('requests_in_flight', model='Nap') == 1)
            for child in (before := children(service)):
                os.kill(child, signal.SIGKILL)
        until(lambda: len(children(service) - before) == 2)
        until(service.answers_quickly)

        found = read_metrics(service.url)
        assert found.sum('requests_total', model='XXXModel') == 30
        assert found.sum('requests_in_flight') == 0


@pytest.mark.parametrize('preload', ['none', 'imports', 'models'])
def test_workers_are_added_up_whatever_they_share(tmp_path: Path, preload: str) -> None:
    with served(tmp_path / 'log', WORKERS='3', PRELOAD=preload, THREADS='2') as service:
        until(lambda: len({service.state()['pid'] for _ in range(20)}) == 3)
        with at_once(8) as submit:
            assert {called.result() for called in [submit(hello, service) for _ in range(300)]} == {200}
        # A request is counted just after its answer has been written.
        until(lambda: read_metrics(service.url).sum('requests_total', model='XXXModel') >= 300)
        readings = [read_metrics(service.url) for _ in range(12)]

    assert [found.sum('requests_total', model='XXXModel') for found in readings] == [300] * 12


def test_threads_of_another_worker_class_count_too(tmp_path: Path) -> None:
    arguments = '--worker-class gthread --threads 8'
    with served(tmp_path / 'log', WORKERS='2', GUNICORN_CMD_ARGS=arguments) as service:
        with at_once(16) as submit:
            assert {called.result() for called in [submit(hello, service) for _ in range(400)]} == {200}
        until(lambda: total(service, model='XXXModel') >= 400)
        assert total(service, model='XXXModel') == 400


def test_types_of_the_exposition_are_right(counted: Service) -> None:
    answer = counted.get('/metrics')

    assert answer.headers['content-type'].startswith('text/plain; version=')
    assert Exposed(answer.body.decode()).families
