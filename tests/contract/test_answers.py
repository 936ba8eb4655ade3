"""The HTTP contract: what good input gets, from the real service under gunicorn."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from main import MODELS
from model_serving import create_app
from tests.project_copy import copy_with_models
from tests.raw_http import Answer, chunked, post, post_chunks, read_answer, send
from tests.service_process import LOG_SECONDS, running_service

HELLO = '/v1/XXXModel'
DEFAULT_MODELS = [mount.name for mount in MODELS if not mount.opt_in]


def get(url: str, path: str, **headers: str) -> Answer:
    lines = [f'{name.replace("_", "-")}: {value}' for name, value in headers.items()]
    return send(url, '\r\n'.join([f'GET {path} HTTP/1.1', 'Host: service', *lines, '', '']).encode())


def test_hello(service: str) -> None:
    answer = post(service, HELLO, b'{"name": "Leo"}')

    assert (answer.status, answer.body) == (200, b'{"result":"Hello, Leo!"}\n')
    assert answer.headers['content-type'] == 'application/json'


def test_text_stays_readable_both_ways(service: str) -> None:
    assert (
        post(service, HELLO, '{"name": "Zoë 你好"}'.encode()).body
        == '{"result":"Hello, Zoë 你好!"}\n'.encode()
    )


def test_chunked_body_is_read(service: str) -> None:
    assert post_chunks(service, HELLO, chunked(b'{"name": "Leo"}', 3)).json == {'result': 'Hello, Leo!'}


def test_every_model_answers_its_example(service: str) -> None:
    for model in get(service, '/').json['models']:
        answer = post(service, model['url'], json.dumps(model['schema']['examples'][0]).encode())
        assert answer.status == 200, model['name']


def test_requests_on_one_connection_are_answered_in_turn(service: str) -> None:
    place = urlsplit(service)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    for body, status in [(b'{"name": "Leo"}', 200), (b'{"name"', 400), (b'', 400), (b'{"name": "Zoe"}', 200)]:
        connection.request('POST', HELLO, body, {'Content-Type': 'application/json'})
        response = connection.getresponse()
        assert (response.status, response.read() != b'') == (status, True)
    connection.close()


def test_index_is_json_for_a_program(service: str) -> None:
    for headers in ({}, {'Accept': '*/*'}, {'Accept': 'application/json'}):
        answer = get(service, '/', **headers)
        assert answer.headers['content-type'] == 'application/json'
        assert [model['name'] for model in answer.json['models']] == DEFAULT_MODELS
        assert answer.json['models'][0]['url'] == HELLO
        assert answer.headers['vary']


def test_index_is_a_page_for_a_browser(service: str) -> None:
    answer = get(service, '/', Accept='text/html,application/xhtml+xml,*/*;q=0.8')

    assert answer.headers['content-type'].startswith('text/html')
    assert b'POST /v1/DigitsModel' in answer.body


def test_host_header_is_escaped_in_the_page(service: str) -> None:
    request = b'GET / HTTP/1.1\r\nHost: x"><script>alert(1)</script>\r\nAccept: text/html\r\n\r\n'

    assert b'<script>alert' not in send(service, request).body


def test_warmup_runs_every_model(service: str) -> None:
    answer = get(service, '/_ah/warmup')

    assert (answer.status, answer.json) == (200, {'warmed_up': DEFAULT_MODELS})


def test_warmup_that_fails_names_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from model_serving.resources.xxx_model_resource import xxx_model_instance

    monkeypatch.setattr(xxx_model_instance, 'hello', lambda name: 1 / 0)
    response = create_app(MODELS, only=['XXXModel']).test_client().get('/_ah/warmup')

    assert response.status_code == 503
    assert re.fullmatch(
        r'XXXModel failed on its own example: ZeroDivisionError \(error [0-9a-f]{8} in the log\); see .*',
        response.json['message'],
    )


# CORS

PREFLIGHT = {
    'Origin': 'https://shop.example.com',
    'Access_Control_Request_Method': 'POST',
    'Access_Control_Request_Headers': 'content-type',
}


def preflight(url: str, path: str) -> Answer:
    lines = [f'{name.replace("_", "-")}: {value}' for name, value in PREFLIGHT.items()]
    head = [f'OPTIONS {path} HTTP/1.1', 'Host: service', *lines, 'Content-Length: 0', '', '']
    return send(url, '\r\n'.join(head).encode())


def test_preflight_is_answered(service: str) -> None:
    answer = preflight(service, HELLO)

    assert answer.status == 200
    assert answer.headers['access-control-allow-origin'] in ('*', PREFLIGHT['Origin'])
    assert 'POST' in answer.headers['access-control-allow-methods']
    assert 'content-type' in answer.headers['access-control-allow-headers'].lower()


def test_listed_origin_alone_is_allowed(tmp_path: Path) -> None:
    origins = 'https://shop.example.com,http://localhost:3000'
    with running_service(
        tmp_path / 'log', MODEL_SERVING_MODELS='XXXModel', MODEL_SERVING_CORS_ORIGINS=origins
    ) as url:
        for path in (HELLO, '/v1/None', '/'):
            allowed = get(url, path, Origin='https://shop.example.com')
            assert allowed.headers['access-control-allow-origin'] == 'https://shop.example.com'
            for other in ('https://evil.example.com', 'https://shop.example.com.evil.com', 'null'):
                assert 'access-control-allow-origin' not in get(url, path, Origin=other).headers
        assert 'Origin' in allowed.headers['vary']
        assert preflight(url, HELLO).headers['access-control-allow-origin'] == 'https://shop.example.com'


# The log

LINE = re.compile(r'\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] - \[[A-Z]+\] - \[[\w.-]+\] - \[[\w.]+\] - .+')


def test_log_has_one_form_and_a_line_for_each_request(service: str, service_log: Path) -> None:
    post(service, HELLO, b'{}')
    get(service, '/v1/two%0Alines%1b[31m')

    time.sleep(LOG_SECONDS)
    lines = service_log.read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert any(line.endswith('[INFO] - [-] - [XXXModel] - Initializing XXX Model ...') for line in lines)
    assert any(
        re.search(r'\[access\] - POST /v1/XXXModel 400 \d+\.\d ms \d+ B 127\.0\.0\.1$', line)
        for line in lines
    )
    assert any('[access] - GET /v1/two%0Alines%1B%5B31m 404 ' in line for line in lines)


# Several requests at a time

SLOW_MODEL = """
import time
from typing import Any

from flask_restful import Resource


class SlowModelResource(Resource):
    def get(self) -> Any:
        time.sleep(1)
        return {'slept': 1}
"""


@pytest.fixture
def slow_root(tmp_path: Path) -> Path:
    """A copy of the project with a model that sleeps a second."""
    return copy_with_models(tmp_path / 'a project', {'SlowModel': SLOW_MODEL})


@pytest.mark.alone
def test_one_worker_keeps_several_requests_in_flight(slow_root: Path, tmp_path: Path) -> None:
    with running_service(tmp_path / 'log', slow_root, MODEL_SERVING_MODELS='XXXModel,SlowModel') as url:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            start = time.perf_counter()
            slow = [pool.submit(get, url, '/v1/SlowModel') for _ in range(4)]
            time.sleep(0.2)
            assert post(url, HELLO, b'{"name": "Leo"}').status == 200
            assert time.perf_counter() - start < 0.9
            assert [future.result().json for future in slow] == [{'slept': 1}] * 4
        assert time.perf_counter() - start < 2.5


def test_stop_lets_requests_in_flight_finish(slow_root: Path, tmp_path: Path) -> None:
    answers = []
    with running_service(tmp_path / 'log', slow_root, MODEL_SERVING_MODELS='SlowModel') as url:
        caller = threading.Thread(
            target=lambda: answers.append(get(url, '/v1/SlowModel', Connection='close'))
        )
        caller.start()
        time.sleep(0.3)
    caller.join(10)
    assert [answer.json for answer in answers] == [{'slept': 1}]


@contextlib.contextmanager
def left_open(url: str, sent: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections on which clients sent this, and now wait."""
    place = urlsplit(url)
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=30))
            for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(sent)
        yield connections


def test_clients_that_do_not_hang_up_hold_nobody(service: str) -> None:
    """gunicorn's own worker waits two seconds for each, and serves no one meanwhile."""
    with left_open(service, b'GARBAGE\r\n\r\n', 10):
        start = time.perf_counter()
        assert post(service, HELLO, b'{"name": "Leo"}').status == 200
        assert time.perf_counter() - start < 1.5


def test_half_sent_heads_hold_a_worker_for_a_while_only(tmp_path: Path) -> None:
    half_a_head = b'POST /v1/XXXModel HTTP/1.1\r\nHo'
    with (
        running_service(tmp_path / 'log', MODEL_SERVING_MODELS='XXXModel', THREADS='2') as url,
        left_open(url, half_a_head, 2),
    ):
        time.sleep(0.2)
        assert post(url, HELLO, b'{"name": "Leo"}').status == 200
    assert 'Traceback' not in (tmp_path / 'log').read_text()


def test_client_that_stalls_or_leaves_harms_nobody(service: str) -> None:
    head = f'POST {HELLO} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n'
    with left_open(service, f'{head}Content-Length: 99\r\n\r\n{{'.encode(), 4) as stalled:
        assert post(service, HELLO, b'{"name": "Leo"}').status == 200
        stalled[0].shutdown(socket.SHUT_WR)
        answer = read_answer(stalled[0])
        assert (answer.status, answer.json['message'][:4]) == (400, 'The ')
    assert post(service, HELLO, b'{"name": "Leo"}').status == 200
