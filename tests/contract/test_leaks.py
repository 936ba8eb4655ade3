"""The text of an exception is for the log: it may hold a password, and no answer has it."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engine.clients import read_to_end, request_of, until
from tests.project_copy import copy_with_models
from tests.raw_http import post, send
from tests.service_process import running_service

SECRET = 'postgresql://user:hunter2@host'
HEAD = f"""
from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving.utils.batch_utils import batched
from model_serving.utils.tensor_utils import Signature, Tensor
from model_serving.utils.validation_utils import validate_json


class {{name}}:
    def __init__(self) -> None:
        self.fail('init')

    def fail(self, where: str) -> Any:
        if where == '{{where}}':
            raise RuntimeError(f'cannot connect to {SECRET} in {{{{where}}}}')

    @batched()
    def run(self, rows: list[str]) -> list[str]:
        self.fail('batch')
        return rows

    def predict(self, rows: Any) -> Any:
        self.fail('predict')
        return rows

    def chunks(self) -> Any:
        yield b'begin'
        self.fail('stream')

    async def async_chunks(self) -> Any:
        yield b'begin'
        self.fail('async_stream')


instance = {{name}}()
instance.fail('import')


class {{name}}Resource(Resource):
    tensors = Signature([Tensor('x', 'FP32', [-1])], [Tensor('y', 'FP32', [-1])], instance.predict)

    @validate_json({{{{'type': 'string', 'examples': {{examples}}}}}})
    {{kind}} post(self) -> Any:
        instance.fail('view')
        instance.fail('{{where}}' if '{{where}}' == 'async_view' else '')
        instance.fail('example')
        if '{{where}}' == 'batch':
            return instance.run([request.json])
        if '{{where}}' == 'stream':
            return Response(instance.chunks(), mimetype='text/plain')
        if '{{where}}' == 'async_stream':
            return Response(instance.async_chunks(), mimetype='text/plain')
        return instance.predict([request.json])
"""
PLACES = (*('import', 'init', 'view', 'predict', 'batch', 'stream', 'async_stream', 'async_view', 'example'),)
NAMES = {f'{place.title().replace("_", "")}Fails': place for place in PLACES}


def code_of(name: str, place: str) -> str:
    kind = 'async def' if place.startswith('async') else 'def'
    return HEAD.format(name=name, where=place, kind=kind, examples=['a'] if place == 'example' else [])


@pytest.fixture(scope='module', params=['true', 'false'], ids=['fast_path', 'full_dispatch'])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp('leaks')
    models = {name: code_of(name, place) for name, place in NAMES.items()}
    project = copy_with_models(folder / 'project', models)
    settings = {'MODEL_SERVING_MODELS': ','.join(models), 'MODEL_SERVING_FAST_PATH': request.param}
    with running_service(folder / 'log', project, **settings) as url:
        until(lambda: b'failed on its own example' in get(url, '/health/ready'))
        yield url, folder / 'log'


def exchange(url: str, request: bytes) -> bytes:
    """All that the service sends, as a stream may break off."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(request)
        return read_to_end(connection)


def get(url: str, path: str, accept: str = '*/*') -> bytes:
    return exchange(url, request_of('GET', path, f'Accept: {accept}', 'Connection: close'))


def paths_of(name: str) -> list[tuple[str, bytes]]:
    rows = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}'
    return [
        (f'/v1/{name}', b'"a"'),
        (f'/v2/models/{name}/infer', rows),
        (f'/v1/models/{name}:predict', b'{"instances": [1]}'),
    ]


def test_no_answer_has_the_text_of_an_exception(service: tuple[str, Path]) -> None:
    url, log = service
    answers = {}
    for path in (
        '/',
        '/openapi.json',
        '/health/ready',
        '/_ah/warmup',
        '/v2/health/ready',
        '/metrics',
        '/docs',
    ):
        answers[path] = get(url, path)
    answers['console'] = get(url, '/', 'text/html')
    for name in NAMES:
        for path in ('/v1/models/{}', '/v1/models/{}/metadata', '/v2/models/{}', '/v2/models/{}/ready'):
            answers[path.format(name)] = get(url, path.format(name))
        for path, body in paths_of(name):
            answers[path] = exchange(url, request_of('POST', path, 'Connection: close', body=body))
    assert [
        path for path, answer in answers.items() if b'hunter2' in answer or b'cannot connect' in answer
    ] == []
    assert answers['/v1/ViewFails'].startswith(b'HTTP/1.1 500 ')
    assert answers['/v1/StreamFails'].startswith(b'HTTP/1.1 200 ')
    text = until(lambda: (text := log.read_text()).count(SECRET) >= len(PLACES) and text)
    assert {place for place in PLACES if f'{SECRET} in {place}\n' not in text} == set()


def test_id_of_a_failure_leads_to_its_trace(service: tuple[str, Path]) -> None:
    url, log = service
    for name in ('ImportFails', 'InitFails', 'ExampleFails'):
        message = post(url, f'/v1/{name}', b'"a"').json['message']
        match = re.search(r'RuntimeError \((error [0-9a-f]{8}) in the log\)', message)
        assert match, message
        assert re.search(rf'{match[1]} .*\nTraceback.*(\n.*)+?{SECRET}', log.read_text())


def test_id_of_a_crash_leads_to_its_trace(service: tuple[str, Path]) -> None:
    url, log = service
    answer = send(url, request_of('POST', '/v1/ViewFails', 'X-Request-ID: find-me', body=b'"a"'))
    assert (answer.status, answer.headers['x-request-id']) == (500, 'find-me')
    assert until(lambda: re.search(rf'\[find-me\].* crashed\nTraceback.*(\n.*)+?{SECRET}', log.read_text()))
