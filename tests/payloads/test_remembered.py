"""Answers that are given again, and those that must not be."""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask_restful import Resource

from model_serving.payloads.remembered import ENTRY_BYTES, Memory, remembering
from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.schemas.validation import validate_json
from model_serving.settings import SettingError
from tests.engine.clients import request_of
from tests.exposed_metrics import read_metrics
from tests.payloads.logged_service import add_seen
from tests.payloads.remembering_service import RESOURCES, schema
from tests.payloads.test_payload_log import WAYS
from tests.raw_http import Answer, post, send
from tests.service_process import running_service

SERVICE = 'tests.payloads.remembering_service:app'


@pytest.fixture(scope='module', params=WAYS.values(), ids=WAYS)
def url(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp('remembering') / 'log'
    with running_service(log, application=SERVICE, **request.param) as running:
        yield running


def call(url: str, model: str, body: bytes, *headers: str) -> Answer:
    return send(url, request_of('POST', f'/v1/{model}', *headers, body=body))


@pytest.mark.parametrize('model', ['Count', 'Async'])
def test_same_body_gets_the_same_answer_without_a_run(url: str, model: str) -> None:
    first, again, other, last = (
        call(url, model, body) for body in (b'{"x":1}', b'{"x":1}', b'{"x": 1}', b'{"x":1}')
    )
    assert first.status == other.status == 200
    assert first.body == again.body == last.body != other.body
    assert {**first.headers, 'x-request-id': '', 'date': ''} == {
        **again.headers,
        'x-request-id': '',
        'date': '',
    }
    assert first.headers['x-request-id'] != again.headers['x-request-id']


@pytest.mark.parametrize('header', ['Cache-Control: no-cache', 'cache-control: max-age=0, No-Store'])
def test_client_may_ask_for_a_run(url: str, header: str) -> None:
    body = b'{"x":2}'
    first = call(url, 'Count', body)
    assert call(url, 'Count', body, header).json['run'] > first.json['run']
    assert call(url, 'Count', body).body == first.body


def test_what_is_sent_in_another_way_is_another_request(url: str) -> None:
    body = b'{"x":3}'
    first = call(url, 'Count', body)
    assert post(url, '/v1/Count', body, 'text/plain').status == 415
    assert call(url, 'Count', body, 'Content-Encoding: gzip').status == 415
    assert post(url, '/v1/Count?of=other', body).body != first.body
    assert post(url, '/v1/Count', body, 'application/json; charset=latin-1').status == 415


@pytest.mark.parametrize('body', [b'{"x":"1"}', b'{"x":1', b'null', b'[]', b''])
def test_invalid_body_is_refused_each_time(url: str, body: bytes) -> None:
    answers = [post(url, '/v1/Count', body) for _ in range(2)]
    assert [answer.status for answer in answers] == [400, 400]
    assert answers[0].body == answers[1].body


def test_error_is_not_remembered(url: str) -> None:
    answers = [call(url, 'Count', b'{"x":-1}') for _ in range(2)]
    assert [answer.status for answer in answers] == [503, 503]
    assert answers[0].json != answers[1].json


@pytest.mark.parametrize(
    ('model', 'body'),
    [
        ('Tuple', b'{"x":1}'),
        ('Whole', b'{"x":1}'),
        ('Cookie', b'{"x":1}'),
        ('Cookie', b'{"x":0}'),
        ('Forgetful', b'{"x":1}'),
    ],
)
def test_what_says_more_than_json_runs_each_time(url: str, model: str, body: bytes) -> None:
    first, second = (call(url, model, body) for _ in range(2))
    assert first.json['run'] < second.json['run']
    assert ('set-cookie' in second.headers) == (model == 'Cookie')


def test_answer_stays_what_it_was_though_its_object_changes(url: str) -> None:
    first = call(url, 'Changing', b'{"x":1}')
    call(url, 'Changing', b'{"x":2}')
    assert call(url, 'Changing', b'{"x":1}').body == first.body == b'{"last":1}\n'


def test_calls_at_once_get_answers_to_their_own_bodies(url: str) -> None:
    def ask(number: int) -> tuple[int, int]:
        return number % 5, call(url, 'Changing', b'{"x":%d}' % (100 + number % 5)).json['last']

    for number in range(5):
        ask(number)
    with ThreadPoolExecutor(8) as pool:
        assert all(last == 100 + number for number, last in pool.map(ask, range(200)))


def test_hits_and_misses_are_counted_and_hits_are_no_runs(url: str) -> None:
    def read() -> list[float]:
        metrics = read_metrics(url)
        outcomes = [
            metrics.sum('remembered_answers_total', model='Count', outcome=each) for each in ('hit', 'miss')
        ]
        runs = metrics.sum('model_duration_seconds_count', model='Count')
        return [*outcomes, runs, metrics.sum('requests_total', model='Count', status='200')]

    before = read()
    for _ in range(3):
        call(url, 'Count', b'{"x":4}')
    assert [after - had for after, had in zip(read(), before, strict=True)] == [2, 1, 1, 3]


def test_remembered_answer_is_for_those_who_may_call_the_model(tmp_path: Path) -> None:
    keys = tmp_path / 'keys.conf'
    names = {'may': 'Count', 'other': 'Async'}
    keys.write_text(
        ''.join(
            f'{name} {hashlib.sha256(name.encode()).hexdigest()} {model}\n' for name, model in names.items()
        )
    )
    with running_service(tmp_path / 'log', application=SERVICE, MODEL_SERVING_KEYS=str(keys)) as url:
        answers = [
            call(url, 'Count', b'{"x":1}', *headers)
            for headers in (['X-API-Key: may'], ['X-API-Key: may'], ['X-API-Key: other'], [])
        ]
    assert [answer.status for answer in answers] == [200, 200, 403, 401]


def test_remembered_answer_is_logged(tmp_path: Path) -> None:
    file = tmp_path / 'payloads'
    with running_service(tmp_path / 'log', application=SERVICE, MODEL_SERVING_PAYLOAD_LOG=str(file)) as url:
        answers = [call(url, model, b'{"x":1}') for model in ('Count', 'Count', 'Async', 'Async')]
    assert file.read_text().count('"response":{"run":1}') == 4
    assert [answer.json['run'] for answer in answers] == [1, 1, 1, 1]


# The memory


def test_memory_holds_what_was_used_last_within_its_bytes() -> None:
    memory = Memory(10 * (ENTRY_BYTES + 100))
    for number in range(1000):
        memory.put(b'%d' % number, bytes(100))
        assert memory.get(b'0') is not None
        assert len(memory._answers) <= 10
    assert [number for number in range(1000) if memory.get(b'%d' % number)] == [0, *range(991, 1000)]
    memory.put(b'small', b'1')
    assert sum(len(each) + ENTRY_BYTES for each in memory._answers.values()) <= 10 * (ENTRY_BYTES + 100)


def test_answer_that_is_too_large_displaces_nothing() -> None:
    memory = Memory(1000)
    memory.put(b'small', bytes(100))
    memory.put(b'large', bytes(1001))
    assert (memory.get(b'small'), memory.get(b'large')) == (bytes(100), None)


def test_same_answer_twice_takes_its_bytes_once() -> None:
    memory = Memory(1000)
    for _ in range(100):
        memory.put(b'a', bytes(300))
    memory.put(b'b', bytes(50))
    assert memory.get(b'a')


def test_memory_keeps_its_bound_under_threads() -> None:
    memory = Memory(100_000)

    def use(start: int) -> None:
        for number in range(2000):
            key = b'%d' % ((start + number) % 700)
            answer = memory.get(key)
            assert answer in (None, key * 50)
            memory.put(key, key * 50)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(0, 800, 100)))
    used = sum(len(each) + ENTRY_BYTES for each in memory._answers.values())
    assert used == 100_000 - memory._left <= 100_000


# The resource


def test_resource_that_does_not_ask_for_it_is_mounted_itself() -> None:
    assert remembering(XXXModelResource) is XXXModelResource
    assert remembering(RESOURCES['Count']) is not RESOURCES['Count']


def resource(decorate: Any = lambda view: view, **attributes: Any) -> Any:
    def answer(self: Any) -> Any:
        return {}

    return type('OddResource', (Resource,), {'post': decorate(validate_json(schema)(answer)), **attributes})


@pytest.mark.parametrize(
    ('odd', 'message'),
    [
        (resource(remember_mib=-1), 'remember_mib of OddResource: it is a number of MiB'),
        (resource(remember_mib='16'), 'remember_mib of OddResource: it is a number of MiB'),
        (resource(remember_mib=1, safe_to_retry=False), 'for a model that is safe_to_retry'),
        (resource(remember_mib=1, method_decorators=[add_seen]), 'nothing may stand around post'),
        (resource(remember_mib=1, dispatch_request=lambda self: {}), 'nothing may stand around post'),
        (resource(add_seen, remember_mib=1), 'nothing may stand around post'),
        (type('GetResource', (Resource,), {'remember_mib': 1}), 'nothing may stand around post'),
    ],
)
def test_odd_resource_stops_the_start(odd: Any, message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        remembering(odd)
