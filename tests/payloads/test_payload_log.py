"""What the payload log says of calls, and what it never does."""

import contextlib
import http.client
import json
import os
import re
import signal
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.service.mounts import Mount, assemble
from model_serving.settings import SettingError
from tests.engine.clients import request_of
from tests.exposed_metrics import read_metrics
from tests.payloads.logged_service import SECRET
from tests.raw_http import Answer, post, send
from tests.service_process import WAYS, running_service

SERVICE = 'tests.payloads.logged_service:app'


class Logged(NamedTuple):
    """A running service and its payload log."""

    url: str
    file: Path
    log: Path

    def call(self, model: str, body: Any, *headers: str) -> Answer:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return send(self.url, request_of('POST', f'/v1/{model}', *headers, body=text))

    def lines(self, count: int) -> list[Any]:
        """The events, once there are so many."""
        end = time.monotonic() + 5
        while (text := self.file.read_text()).count('\n') < count and time.monotonic() < end:
            time.sleep(0.02)
        events = [json.loads(line) for line in text.splitlines()]
        assert len(events) == count, text
        return events

    def last(self, body: Any, model: str = 'Login', *headers: str) -> tuple[Answer, Any]:
        """The answer to a call, and the event of it."""
        before = len(self.file.read_text().splitlines())
        answer = self.call(model, body, *headers)
        return answer, self.lines(before + 1)[-1]


@contextlib.contextmanager
def logged(folder: Path, application: str = SERVICE, **environment: str) -> Iterator[Logged]:
    file, log = folder / 'payloads.jsonl', folder / 'log'
    settings = {'MODEL_SERVING_PAYLOAD_LOG': str(file), **environment}
    with running_service(log, application=application, **settings) as url:
        yield Logged(url, file, log)


@pytest.fixture(scope='module', params=WAYS.values(), ids=WAYS)
def service(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    with logged(tmp_path_factory.mktemp('logged'), MODEL_SERVING_VERSION='r7', **request.param) as running:
        yield running


def test_line_says_who_what_and_when(service: Logged) -> None:
    answer, event = service.last({'name': 'Leo'}, 'XXXModel', 'X-Request-ID: mine')

    assert answer.status == 200
    moment = datetime.fromisoformat(event.pop('time'))
    assert timedelta(0) <= datetime.now(UTC) - moment < timedelta(seconds=10)
    assert 0 < event['data'].pop('duration_ms') < 5000
    assert event == {
        'specversion': '1.0',
        'type': 'model-serving.call',
        'id': 'mine',
        'source': '/v1/XXXModel',
        'subject': 'XXXModel',
        'datacontenttype': 'application/json',
        'data': {
            'status': 200,
            'version': 'r7',
            'request_type': 'application/json',
            'request_bytes': 15,
            'request': {'name': 'Leo'},
            'response_type': 'application/json',
            'response_bytes': 25,
            'response': {'result': 'Hello, Leo!'},
        },
    }


def test_answers_are_those_of_a_service_without_it(service: Logged, tmp_path: Path) -> None:
    bodies = [
        ('XXXModel', {'name': 'Leo'}),
        ('Decorated', {}),
        ('Tuple', {}),
        ('Async', {'a': 1}),
        ('Image', {}),
    ]
    logged_answers = [service.call(model, body) for model, body in bodies]
    with running_service(tmp_path / 'log', application=SERVICE) as url:
        plain = [post(url, f'/v1/{model}', json.dumps(body).encode()) for model, body in bodies]

    assert [each.body for each in logged_answers] == [each.body for each in plain]
    assert [each.status for each in logged_answers] == [200, 200, 201, 200, 200]
    assert logged_answers[1].body == b'{"value":1,"seen":true}\n'


ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    'of a coroutine': ('Async', {'status': 200, 'response': {'asked': {}}}),
    'with a status': ('Tuple', {'status': 201, 'response': {'made': 1}}),
    'in parts': ('Stream', {'status': 200, 'response_type': 'text/event-stream', 'response_bytes': None}),
    'of another type': ('Image', {'status': 200, 'response_type': 'image/png', 'response_bytes': None}),
}


@pytest.mark.parametrize(('model', 'expected'), ANSWERS.values(), ids=ANSWERS)
def test_answer_is_logged(service: Logged, model: str, expected: dict[str, Any]) -> None:
    _, event = service.last({}, model)

    assert expected.items() <= event['data'].items()
    assert ('response' in event['data']) == ('response' in expected)


def test_error_of_a_coroutine_is_logged(service: Logged) -> None:
    _, event = service.last({'refuse': 1}, 'Async')
    assert event['data']['error'] == {'message': 'as you like'}


def test_invalid_body_is_logged_by_its_violations(service: Logged) -> None:
    answer, event = service.last({'name': 3}, 'XXXModel')

    assert event['data']['status'] == 400
    assert event['data']['error'] == json.loads(answer.body)
    assert event['data'].keys().isdisjoint({'request', 'response', 'request_bytes'})


HIDING: dict[str, Any] = {
    'named': {'name': 'Leo', 'password': SECRET},
    'in a list, by allOf behind $ref': {'name': 'Leo', 'cards': [{'bank': 'B', 'number': SECRET}]},
    'mistyped name': {'name': 'Leo', 'Password': SECRET},
    'unknown below': {'name': 'Leo', 'cards': [{'bank': 'B', 'pin': [{SECRET: SECRET}]}]},
    'twice': f'{{"name": "Leo", "password": "{SECRET}", "password": "{SECRET}"}}'.encode(),
    'invalid': {'name': 'Leo', 'password': f'x{SECRET}'},
    'beside what is invalid': {'name': 'too long', 'password': SECRET},
    'of a wrong type': {'name': 'Leo', 'password': [SECRET]},
    'as the body': SECRET,
    'as a name': {SECRET: {'name': SECRET}},
    'in no JSON': f'{{"name": "Leo", "password": "{SECRET}"'.encode(),
    'of a crash': {'name': 'Leo', 'password': SECRET, 'then': 'crash'},
    'of a refusal': {'name': 'Leo', 'password': SECRET, 'then': 'refuse'},
}


@pytest.mark.parametrize('body', HIDING.values(), ids=HIDING)
def test_secret_is_not_logged(service: Logged, body: Any) -> None:
    answer, event = service.last(body)

    assert answer.status in (200, 400, 500)
    assert event['data']['status'] == answer.status
    assert SECRET not in service.file.read_text()
    if answer.status == 200:
        assert event['data']['request']['name'] == 'Leo'


def test_call_that_a_url_without_a_model_sends_on_is_logged(service: Logged) -> None:
    for body, status in ({'name': 'Leo', 'password': SECRET}, 200), ({'name': [SECRET]}, 400):
        before = len(service.file.read_text().splitlines())
        answer = post(service.url, '/sends', json.dumps(body).encode())
        event = service.lines(before + 1)[-1]

        assert (answer.status, answer.json) == (200, {'status': status})
        assert (event['source'], event['subject']) == ('/sends', 'Login')
        assert event['data']['status'] == status
        assert event['data'].get('request') == ({'name': 'Leo'} if status == 200 else None)
        assert SECRET not in service.file.read_text()


def test_file_is_logged_by_its_type_and_size_though_it_looks_like_json(service: Logged) -> None:
    before = len(service.file.read_text().splitlines())
    answer = post(service.url, '/v1/File', b'{"file": "x"}', content_type='text/plain')
    data = service.lines(before + 1)[-1]['data']

    assert answer.json == {'size': 20}
    assert (data['request_type'], data['request_bytes'], 'request' in data) == ('text/plain', 13, False)


def test_what_is_no_call_is_not_logged(service: Logged) -> None:
    before = service.file.read_text()
    answers = [
        send(service.url, b'GET /v1/XXXModel HTTP/1.1\r\nHost: a\r\n\r\n'),
        post(service.url, '/v1/Nobody', b'{}'),
    ]
    assert [answer.status for answer in answers] == [405, 404]
    _, event = service.last({'name': 'Leo'}, 'XXXModel')
    assert service.file.read_text().startswith(before)
    assert event['source'] == '/v1/XXXModel'


def test_late_call_is_logged_with_its_words(tmp_path: Path) -> None:
    with logged(tmp_path, MODEL_SERVING_TIMEOUT_S='0.5') as service:
        answer, event = service.last({'name': 'Leo', 'password': SECRET, 'then': 'sleep'})
        time.sleep(1.5)
        service.lines(1)
    assert (answer.status, event['data']['status']) == (504, 504)
    assert event['data']['request'] == {'name': 'Leo', 'then': 'sleep'}
    assert 'response_bytes' not in event['data']


def test_larger_body_is_logged_by_its_size(tmp_path: Path) -> None:
    with logged(tmp_path, MODEL_SERVING_PAYLOAD_LOG_MAX_BYTES='20') as service:
        _, small = service.last({'name': 'Leo'}, 'XXXModel')
        _, large = service.last({'name': 'Leonardo'}, 'XXXModel')
    assert (small['data']['request'], small['data']['response_bytes']) == ({'name': 'Leo'}, 25)
    assert (large['data']['request_bytes'], large['data']['response_bytes']) == (20, 30)
    assert 'response' not in small['data']


def test_sample_is_a_share_of_the_calls(tmp_path: Path) -> None:
    with logged(tmp_path, MODEL_SERVING_PAYLOAD_LOG_SAMPLE='0.5') as service:
        for _ in range(200):
            service.call('XXXModel', {'name': 'Leo'})
        written = until(lambda: read_metrics(service.url).sum('payloads_total', outcome='written'), 60)
    assert 60 <= written <= 140
    assert written == len(service.file.read_text().splitlines())


def until(read: Callable[[], float], least: float) -> float:
    end = time.monotonic() + 5
    while (value := read()) < least and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)
    return read() or value


# Each protocol


IRIS = {'sepal_length': 5.1, 'sepal_width': 3.5, 'petal_length': 1.4, 'petal_width': 0.2}
ROW = [5.1, 3.5, 1.4, 0.2]
INPUT = {'name': 'flowers', 'datatype': 'FP64', 'shape': [1, 4]}
PROTOCOLS: dict[str, tuple[str, Any]] = {
    'own': ('/v1/IrisModel', {'instances': [IRIS]}),
    'TensorFlow Serving': ('/v1/models/IrisModel:predict', {'instances': [ROW]}),
    'Open Inference': ('/v2/models/IrisModel/infer', {'inputs': [{**INPUT, 'data': ROW}]}),
    'MLflow': ('/invocations', {'dataframe_split': {'columns': list(IRIS), 'data': [ROW]}}),
    'own JSON at MLflow': ('/invocations', {'instances': [IRIS]}),
}


@pytest.fixture(scope='module')
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    folder = tmp_path_factory.mktemp('iris')
    with logged(folder, 'main:app', MODEL_SERVING_MODELS='IrisModel') as running:
        yield running


@pytest.mark.parametrize(('path', 'body'), PROTOCOLS.values(), ids=PROTOCOLS)
def test_call_of_each_protocol_is_logged_once(iris: Logged, path: str, body: Any) -> None:
    before = len(iris.file.read_text().splitlines())
    answer = post(iris.url, path, json.dumps(body).encode())
    event = iris.lines(before + 1)[-1]

    assert (event['source'], event['subject'], event['data']['status']) == (path, 'IrisModel', 200)
    assert (event['data']['request'], event['data']['response']) == (body, json.loads(answer.body))


def test_bytes_are_logged_by_type_and_size(iris: Logged) -> None:
    before = len(iris.file.read_text().splitlines())
    head = json.dumps({'inputs': [{**INPUT, 'parameters': {'binary_data_size': 32}}]}).encode()
    length = f'Inference-Header-Content-Length: {len(head)}'
    body = head + b''.join(struct.pack('<d', number) for number in ROW)
    answer = send(iris.url, request_of('POST', '/v2/models/IrisModel/infer', length, body=body))
    assert answer.status == 200, answer
    data = iris.lines(before + 1)[-1]['data']
    assert data['request_bytes'] == len(body)
    assert 'request' not in data
    assert data['response'] == answer.json


# The file


def test_only_its_owner_may_read_it(service: Logged) -> None:
    assert service.file.stat().st_mode & 0o777 == 0o600


def test_what_waits_is_written_when_the_service_ends(tmp_path: Path) -> None:
    with logged(tmp_path) as service:
        for _ in range(50):
            assert service.call('XXXModel', {'name': 'Leo'}).status == 200
    assert len(service.lines(50)) == 50


def test_what_waits_is_written_by_a_worker_that_ends_without_a_busy_model(tmp_path: Path) -> None:
    with logged(tmp_path) as service, ThreadPoolExecutor() as pool:
        [worker] = re.findall(r'Booting worker with pid: (\d+)', service.log.read_text())
        busy = pool.submit(service.call, 'Login', {'name': 'Leo', 'then': 'sleep'})
        time.sleep(0.5)
        service.call('XXXModel', {'name': 'Leo'})
        os.kill(int(worker), signal.SIGQUIT)
        with contextlib.suppress(OSError, http.client.HTTPException):
            busy.result()
        assert service.lines(1)[0]['subject'] == 'XXXModel'
    assert 'A model is still busy; the worker ends without it' in service.log.read_text()


def test_lines_of_several_workers_do_not_mix(tmp_path: Path) -> None:
    body = {'name': 'L' * 30_000}
    with logged(tmp_path, WORKERS='2') as service:
        for _ in range(200):
            assert service.call('XXXModel', body).status == 200
    assert {len(event['data']['request']['name']) for event in service.lines(200)} == {30_000}


def test_moved_file_is_made_anew_and_an_emptied_one_filled(service: Logged) -> None:
    service.last({'name': 'Leo'}, 'XXXModel')
    service.file.rename(service.file.with_suffix('.1'))
    service.call('XXXModel', {'name': 'Leo'})
    end = time.monotonic() + 5
    while not service.file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert len(service.lines(1)) == 1
    os.truncate(service.file, 0)  # As logrotate's copytruncate does.
    service.call('XXXModel', {'name': 'Leo'})
    assert len(service.lines(1)) == 1
    assert service.file.read_bytes()[:1] == b'{'


def test_full_disk_is_counted_and_said_once(tmp_path: Path) -> None:
    with logged(tmp_path, MODEL_SERVING_PAYLOAD_LOG='/dev/full') as service:
        for _ in range(20):
            assert service.call('XXXModel', {'name': 'Leo'}).status == 200
        failed = until(lambda: read_metrics(service.url).sum('payloads_total', outcome='failed'), 20)
    assert failed == 20
    said = re.findall('Payloads of .*', service.log.read_text())
    assert said == ['Payloads of 1 calls are lost: No space left on device']


def test_nobody_waits_for_a_file_that_takes_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    body = {'name': 'L' * 60_000}
    with logged(tmp_path, MODEL_SERVING_PAYLOAD_LOG=str(pipe)) as service:
        begin = time.monotonic()
        for _ in range(250):  # Of 120 kB each: twice as much as may wait.
            assert service.call('XXXModel', body).status == 200
        assert time.monotonic() - begin < 20
        dropped = read_metrics(service.url).sum('payloads_total', model='XXXModel', outcome='dropped')
        ending = time.monotonic()
    assert 80 < dropped < 200
    assert time.monotonic() - ending < 15
    os.close(reader)


# The resources


def test_calls_keep_the_fast_path(tmp_path: Path) -> None:
    with logged(tmp_path) as service:
        assert (
            'On the fast path: Async, File, Image, Login, Stream, Tuple, XXXModel\n'
            in service.log.read_text()
        )


# The settings


MOUNTS = [Mount('XXXModel', 'model_serving.resources.xxx_model_resource:XXXModelResource')]


def test_without_it_the_resource_itself_is_mounted() -> None:
    app: Any = assemble(MOUNTS, (), False)
    assert app.view_functions['XXXModel'].view_class is XXXModelResource


@pytest.mark.parametrize(
    ('variable', 'value', 'message'),
    [
        ('PAYLOAD_LOG', '/none/payloads', "payload_log: '/none/payloads' cannot be written: No such file"),
        ('PAYLOAD_LOG', 'docs', "payload_log: 'docs' cannot be written: Is a directory"),
        ('PAYLOAD_LOG_SAMPLE', '10', 'payload_log_sample: 10.0 is too large; 1 logs each call'),
        ('PAYLOAD_LOG_MAX_BYTES', '-1', 'is too small'),
    ],
)
def test_wrong_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f'MODEL_SERVING_{variable}', value)
    with pytest.raises(SettingError, match=re.escape(message)):
        assemble(MOUNTS, (), False)


def test_pipe_that_nobody_reads_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    monkeypatch.setenv('MODEL_SERVING_PAYLOAD_LOG', str(tmp_path / 'pipe'))
    with pytest.raises(SettingError, match='cannot be written: No such device or address; name a file'):
        assemble(MOUNTS, (), False)
