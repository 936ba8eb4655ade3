"""The same application under servers that have a thread for each request, and under the engine."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import Service, at_once, read_to_end, request_of, served, until
from tests.raw_http import post, read_answer, send
from tests.service_process import ROOT, free_port, wait_until_it_answers

SETTINGS = {'MODEL_SERVING_TIMEOUT_S': '1', 'MODEL_SERVING_MAX_BODY_BYTES': '100000'}
START = """
from model_serving.commands.serve import serve
from tests.engine.served import app

serve(lambda: app, '127.0.0.1', '{port}', debug=False)
"""


@contextlib.contextmanager
def under_flask(log: Path) -> Iterator[Service]:
    port = free_port()
    url = f'http://127.0.0.1:{port}'
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, '-c', START.format(port=port)],
            cwd=ROOT,
            env={**os.environ, **SETTINGS},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_it_answers(url, process, log)
        yield Service(url, log)
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope='module', params=['engine', 'gthread', 'flask'])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service under one server after the other."""
    log = tmp_path_factory.mktemp(request.param) / 'log'
    if request.param == 'flask':
        with under_flask(log) as service:
            yield service
        return
    options = (
        {'GUNICORN_CMD_ARGS': '--worker-class gthread --threads 16'} if request.param == 'gthread' else {}
    )
    with served(log, **SETTINGS, **options) as service:
        assert service.state()['engine'] == (request.param == 'engine')
        yield service


def test_hello(server: Service) -> None:
    assert post(server.url, '/v1/XXXModel', b'{"name": "Leo"}').json == {'result': 'Hello, Leo!'}
    assert post(server.url, '/v1/XXXModel', b'{}').status == 400


@pytest.mark.alone
def test_calls_are_batched(server: Service) -> None:
    """One by one, 12 calls of 0.2 s would take 2.4 s; in batches of 8 they take 0.4 s or a little more."""
    begin = time.monotonic()
    with at_once() as submit:
        answers = [submit(server.double, [0.2, number]) for number in range(12)]
        assert [answer.result().json for answer in answers] == [
            {'rows': [[0.4, 2 * number]]} for number in range(12)
        ]
    assert time.monotonic() - begin < 1.6


def test_slow_call_does_not_hold_up_others(server: Service) -> None:
    with at_once() as submit:
        slow = submit(server.nap, 'Nap', 'slow', 0.7)
        time.sleep(0.1)
        assert server.answers_quickly()
        assert slow.result().status == 200


def test_body_beyond_the_limit_is_413(server: Service) -> None:
    with server.connect(5) as connection:
        connection.sendall(request_of('POST', '/v1/Size', body=b' ' * 100_001))
        assert read_answer(connection).status == 413


def test_call_of_a_batched_model_that_is_busy_too_long_gets_an_error_in_time(server: Service) -> None:
    with at_once() as submit:
        first = submit(server.double, [1.4, 0])
        time.sleep(0.3)
        second = submit(server.double, [0, 1])
        assert second.result().status in {503, 504}
        assert first.result().status in {200, 504}
    until(lambda: server.double([0, 1]).status == 200)


@pytest.mark.alone
def test_stream_comes_bit_by_bit(server: Service) -> None:
    begin = time.monotonic()
    with server.connect() as connection:
        connection.sendall(request_of('GET', '/stream?count=3&pause=0.3', 'Connection: close'))
        received = b''
        while b'data: 0' not in received:
            received += connection.recv(65536)
        assert time.monotonic() - begin < 0.8
        assert (received + read_to_end(connection)).count(b'data:') == 3


def test_crash_is_500(server: Service) -> None:
    answer = post(server.url, '/v1/Crash', b'')
    assert (answer.status, answer.json) == (500, {'message': 'Internal Server Error'})
    assert 'a secret' in server.text()


def test_what_an_application_is_given_is_the_same(server: Service) -> None:
    answer = send(
        server.url, request_of('POST', '/environ/a%20b?c=%20d', 'X-A: b', 'User-Agent: x', body=b'{}')
    )
    found = answer.json['environ']
    known = {
        'CONTENT_LENGTH': '2',
        'CONTENT_TYPE': 'application/json',
        'HTTP_HOST': 'service',
        'HTTP_USER_AGENT': 'x',
        'HTTP_X_A': 'b',
        'PATH_INFO': '/environ/a b',
        'QUERY_STRING': 'c=%20d',
        'REMOTE_ADDR': '127.0.0.1',
        'REQUEST_METHOD': 'POST',
        'SCRIPT_NAME': '',
        'SERVER_NAME': '127.0.0.1',
        'SERVER_PORT': server.url.rpartition(':')[2],
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'wsgi.url_scheme': 'http',
    }
    assert {name: found.get(name) for name in known} == known


FORWARDED = {
    'proto': ('X-Forwarded-Proto: https', 'https'),
    'protocol': ('X-Forwarded-Protocol: ssl', 'https'),
    'ssl': ('X-Forwarded-Ssl: on', 'https'),
    'http': ('X-Forwarded-Proto: http', 'http'),
    'other': ('X-Forwarded-Proto: gopher', 'http'),
}


@pytest.mark.parametrize(('header', 'scheme'), FORWARDED.values(), ids=FORWARDED)
def test_proxy_of_this_machine_says_how_its_client_came(server: Service, header: str, scheme: str) -> None:
    if 'flask' in str(server.log):  # It believes no proxy.
        scheme = 'http'
    assert server.get('/environ', header).json['url'] == f'{scheme}://service/environ'
    assert (
        f'curl {scheme}://service/v1/XXXModel' in server.get('/', header, 'Accept: text/html').body.decode()
    )


def test_proxy_that_is_not_trusted_is_not_believed(tmp_path: Path) -> None:
    with served(tmp_path / 'log', FORWARDED_ALLOW_IPS='10.0.0.1') as service:
        assert service.get('/environ', 'X-Forwarded-Proto: https').json['url'].startswith('http://')
