"""A request whose URL names no model waits in the queue of the model that its body names."""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model_serving.engine.errand import MAX_ERRANDS
from tests.engine.clients import ROOT, Service, at_once, request_of, until
from tests.raw_http import Answer, post, send
from tests.service_process import running_service

SERVED = 'tests.engine.forwarding_service:app'


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('forwarding') / 'log'
    settings = {
        'THREADS': '2',
        'MODEL_SERVING_TIMEOUT_S': '3',
        'MODEL_SERVING_MAX_WAITING': '200',
        'MODEL_SERVING_MAX_BODY_BYTES': '8000000',
        'MODEL_SERVING_MAX_BUFFERED_BYTES': '8000000',
    }
    with running_service(log, ROOT, SERVED, **settings) as url:
        yield Service(url, log)


def call(service: Service, path: str, value: Any) -> Answer:
    return post(service.url, path, json.dumps(value).encode())


BODIES = {
    'valid': {'seconds': 0, 'text': 'x'},
    'large': {'seconds': 0, 'text': 100_000 * 'x'},
    'invalid': {'seconds': 'long'},
    'crash': {'seconds': -1},
}


@pytest.mark.parametrize('value', BODIES.values(), ids=BODIES)
def test_answer_is_that_of_the_models_own_url(service: Service, value: Any) -> None:
    own, passed_on = (call(service, path, value) for path in ('/v1/Nap', '/any/Nap'))
    assert passed_on.status == 200
    assert passed_on.json == {'status': own.status, 'body': own.body.decode()}


def test_view_sees_a_request_to_its_own_url(service: Service) -> None:
    body = b'{"seconds": 0}'
    head = 'X-User: me', f'Content-Length: {len(body)}', 'Content-Type: text/plain'
    answer = send(service.url, request_of('POST', '/any/Nap?a=1', *head) + body)
    seen = json.loads(answer.json['body'])
    assert seen == {'path': '/v1/Nap', 'json': {'seconds': 0}, 'query': {}, 'user': 'me'}


@pytest.mark.parametrize(('name', 'body'), [('Words', 'one two'), ('Async', '{"number":1}\n')])
def test_stream_and_coroutine_come_whole(service: Service, name: str, body: str) -> None:
    assert call(service, f'/any/{name}', {}).json == {'status': 200, 'body': body}


def test_calls_share_the_slots_and_the_queue_of_the_model(service: Service) -> None:
    with at_once(300) as submit:
        calls = [submit(call, service, path, {'seconds': 0.01}) for path in 150 * ['/any/Nap', '/v1/Nap']]
        answers = [each.result() for each in calls]
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 503}
    assert call(service, '/any/Nap', {'seconds': 0}).status == 200
    assert service.get('/running').json['most'] <= 2
    refused = next(answer for answer in answers if answer.status == 503)
    assert 'requests to Nap are waiting' in refused.json['message']
    assert refused.headers['retry-after']


def test_model_takes_so_many_and_leaves_threads_to_the_others(service: Service) -> None:
    with at_once(160) as submit:
        calls = [submit(call, service, '/any/Await', {'seconds': 1.5}) for _ in range(160)]
        until(lambda: sum(each.done() for each in calls) >= 160 - MAX_ERRANDS)
        began = time.monotonic()
        assert call(service, '/any/Words', {}).status == 200
        assert time.monotonic() - began < 1
        statuses = [each.result().status for each in calls]
    assert set(statuses) == {200, 503}
    assert MAX_ERRANDS // 2 < statuses.count(200) <= MAX_ERRANDS


def test_slow_model_keeps_nobody_from_another(service: Service) -> None:
    with at_once() as submit:
        naps = [submit(call, service, '/any/Nap', {'seconds': 0.5}) for _ in range(4)]
        time.sleep(0.2)
        began = time.monotonic()
        assert call(service, '/any/Async', {}).status == 200
        assert time.monotonic() - began < 0.7
        assert [nap.result().status for nap in naps] == 4 * [200]


def test_call_that_is_too_late_gets_504_and_is_not_begun(service: Service) -> None:
    with at_once() as submit:
        naps = [submit(call, service, '/v1/Nap', {'seconds': 3.6}) for _ in range(2)]
        until(lambda: service.get('/running').json['now'] == 2)
        begun = service.get('/running').json['begun']
        assert call(service, '/any/Nap', {'seconds': 0}).status in (503, 504)
        [nap.result() for nap in naps]
    until(lambda: service.get('/running').json['now'] == 0)
    assert service.get('/running').json['begun'] == begun


def test_call_of_a_client_that_has_gone_is_not_begun(service: Service) -> None:
    with at_once() as submit:
        naps = [submit(call, service, '/v1/Nap', {'seconds': 1}) for _ in range(2)]
        until(lambda: service.get('/running').json['now'] == 2)
        begun = service.get('/running').json['begun']
        with service.connect() as connection:
            connection.sendall(request_of('POST', '/any/Nap', body=b'{"seconds": 0}'))
            time.sleep(0.3)
        [nap.result() for nap in naps]
    time.sleep(0.3)
    assert service.get('/running').json['begun'] == begun


def test_coroutines_of_clients_that_have_gone_are_cancelled(service: Service) -> None:
    before = service.get('/running').json
    with contextlib.ExitStack() as stack:
        for _ in range(16):  # Of many, some might be refused.
            connection = stack.enter_context(service.connect())
            connection.sendall(request_of('POST', '/any/Await', body=b'{"seconds": 2.5}'))
        until(lambda: service.get('/running').json['awaited'] - before['awaited'] == 16)
    until(lambda: service.get('/running').json['cancelled'] - before['cancelled'] == 16, 5)


def test_memory_that_is_taken_after_the_deadline_comes_back(service: Service) -> None:
    rows = 30_000 * [[1]]
    with at_once() as submit:
        late = [submit(call, service, '/any/Late', {'rows': rows}) for _ in range(4)]
        assert {each.result().status for each in late} <= {503, 504}
    time.sleep(4)
    assert call(service, '/v1/Late', {'rows': rows, 'text': ''}).status == 200


def test_failure_counts_as_one_whatever_the_status_of_the_request(service: Service) -> None:
    assert call(service, '/any/Nap', {'seconds': -1}).status == 200
    assert call(service, '/any/Nap', {'seconds': 'long'}).status == 200
    metrics = service.get('/metrics').body.decode()
    for reason in 'crash', 'invalid':
        assert re.search(rf'_requests_total\{{model="Nap",reason="{reason}",status="200"\}} [1-9]', metrics)


def test_metrics_and_log_know_the_model_and_the_request(service: Service) -> None:
    body = b'{"seconds": 0}'
    answer = send(service.url, request_of('POST', '/any/Nap', 'X-Request-ID: mine', body=body))
    assert answer.headers['x-request-id'] == 'mine'
    assert '[mine] - [nap] - slept' in service.text()
    [line] = [line for line in service.text().splitlines() if '[mine] - [access]' in line]
    assert line.endswith('127.0.0.1 model=Nap')
    counted = r'^model_serving_requests_total\{model="Nap",.*status="200".*\} [1-9]'
    until(lambda: re.search(counted, service.get('/metrics').body.decode(), re.MULTILINE))


def test_other_servers_answer_alike(tmp_path: Any) -> None:
    with running_service(tmp_path / 'log', ROOT, SERVED, GUNICORN_CMD_ARGS='--worker-class gthread') as url:
        other = Service(url, tmp_path / 'log')
        assert call(other, '/any/Nap', {'seconds': 'long'}).json['status'] == 400
        assert call(other, '/any/Async', {}).json == {'status': 200, 'body': '{"number":1}\n'}
        lines = [line for line in other.text().splitlines() if ' - [access] - POST /any/' in line]
        assert [' 200 ' in line for line in lines] == [True, True]
