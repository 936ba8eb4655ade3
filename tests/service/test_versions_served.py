"""Versions under gunicorn: each path reaches its version, and logs, metrics, keys and limits know which."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.access.key_files import line, write
from tests.engine.clients import Service, request_of
from tests.exposed_metrics import read_metrics
from tests.raw_http import post, send
from tests.service_process import ROOT, running_service

APPLICATION = 'tests.service.versions_service:create_app()'
LABELS = {'MODEL_SERVING_LABELS': 'SumModel:canary=2, SumModel:stable=1', 'MODEL_SERVING_LOG_FORMAT': 'text'}


@pytest.fixture(scope='module', params=['true', 'false'], ids=['fast', 'full'])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('versions') / 'log'
    with running_service(log, ROOT, APPLICATION, MODEL_SERVING_FAST_PATH=request.param, **LABELS) as url:
        yield Service(url, log)


ADDED = {'': 1, '/versions/1': 1, '/labels/stable': 1, '/versions/2': 2, '/labels/canary': 2}
"""What is added at each of these places of the model."""
TENSOR = {'name': 'x', 'datatype': 'FP64', 'shape': [1], 'data': [1]}


@pytest.mark.parametrize(('end', 'added'), ADDED.items())
def test_each_path_reaches_its_version(service: Service, end: str, added: int) -> None:
    assert post(service.url, f'/v1/SumModel{end}', b'{"x": 1}').json == {'sum': 1 + added}
    rows = post(service.url, f'/v1/models/SumModel{end}:predict', b'{"instances": [1]}').json
    assert rows == {'predictions': [1 + added]}
    inferred = post(service.url, f'/v2/models/SumModel{end}/infer', json.dumps({'inputs': [TENSOR]}).encode())
    assert inferred.json['outputs'][0]['data'] == [1 + added]
    assert (inferred.json['model_name'], inferred.json['model_version']) == ('SumModel', str(added))


@pytest.mark.parametrize(('end', 'added'), ADDED.items())
def test_each_path_describes_its_version(service: Service, end: str, added: int) -> None:
    assert service.get(f'/v2/models/SumModel{end}').json['versions'] == ['1', '2']
    assert service.get(f'/v2/models/SumModel{end}/ready').json == {'name': 'SumModel', 'ready': True}
    spec = service.get(f'/v1/models/SumModel{end}/metadata').json['model_spec']
    assert (spec['name'], spec['version']) == ('SumModel', str(added))
    listed = service.get(f'/v1/models/SumModel{end}').json['model_version_status']
    assert [each['version'] for each in listed] == ([str(added)] if end else ['1', '2'])


UNKNOWN = [
    '/v1/SumModel/versions/3',
    '/v1/SumModel/versions/',
    '/v1/SumModel/labels/none',
    '/v1/models/SumModel/versions/3:predict',
    '/v1/models/SumModel/labels/%0Anone:predict',
    '/v2/models/SumModel/versions/x/infer',
    f'/v2/models/SumModel/versions/{"9" * 4000}',
]


@pytest.mark.parametrize('path', UNKNOWN)
def test_unknown_version_is_404_with_those_that_are(service: Service, path: str) -> None:
    answer = post(service.url, path, b'{"x": 1}')
    assert answer.status == 404
    message = answer.json['message']
    assert message.endswith('; SumModel has versions/1, versions/2, labels/stable, labels/canary')
    assert len(message) < 400
    assert ('error' in answer.json) == ('/models/' in path)


def test_models_are_listed_once_and_versions_in_the_index_of_triton(service: Service) -> None:
    assert service.get('/v1/models').json == {'models': ['SumModel']}
    index = [{'name': 'SumModel', 'version': version, 'state': 'READY', 'reason': ''} for version in '12']
    assert service.get('/v2/repository/index').json == index
    for body in (b'', b'{}', b'{"ready": true, "other": 1}'):
        assert post(service.url, '/v2/repository/index', body, None).json == index


BAD_INDEX = {'no_json': b'[', 'list': b'[]', 'null': b'null', 'number': b'{"ready": 1}', 'deep': b'[' * 1000}


@pytest.mark.parametrize('body', BAD_INDEX.values(), ids=BAD_INDEX)
def test_bad_request_for_the_index_is_refused(service: Service, body: bytes) -> None:
    answer = post(service.url, '/v2/repository/index', body)
    assert answer.status == 400
    assert answer.json['error'] == answer.json['message']


def test_metrics_and_log_have_the_version(service: Service) -> None:
    before = read_metrics(service.url)
    for end in ('', '/versions/1', '/labels/canary'):
        assert post(service.url, f'/v1/SumModel{end}', b'{"x": 1}').status == 200
    assert post(service.url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
    after = read_metrics(service.url)
    for version, count in (('1', 2), ('2', 1)):
        labels = {'model': 'SumModel', 'model_version': version}
        for name in ('requests_total', 'request_duration_seconds_count', 'model_duration_seconds_count'):
            assert after.sum(name, **labels) - before.sum(name, **labels) == count
    plain = after.found('requests_total', {'model': 'XXXModel'})
    assert plain
    assert all('model_version' not in each.labels for each in plain)
    lines = service.text().splitlines()
    assert any('POST /v1/SumModel 200' in each and each.endswith(' model=SumModel@1') for each in lines)
    assert any('/labels/canary 200' in each and each.endswith(' model=SumModel@2') for each in lines)
    assert not any('XXXModel 200' in each and 'model=' in each for each in lines)


def test_versions_take_the_fast_path(service: Service, request: pytest.FixtureRequest) -> None:
    is_fast = 'On the fast path: SumModel@1, SumModel@2, XXXModel' in service.text()
    assert is_fast == ('[fast]' in request.node.name)


def test_key_for_a_model_is_for_all_its_versions_and_its_limit_counts_them_together(tmp_path: Path) -> None:
    lines = line('one', 'msk_one', 'SumModel', '3/d'), line('other', 'msk_other', 'XXXModel')
    settings = {'MODEL_SERVING_KEYS': str(write(tmp_path / 'keys.conf', *lines)), **LABELS}
    with running_service(tmp_path / 'log', ROOT, APPLICATION, **settings) as url:

        def status(path: str, key: str) -> int:
            head = f'Authorization: Bearer {key}'
            return send(url, request_of('POST', path, head, body=b'{"x": 1}')).status

        assert status('/v1/SumModel/versions/2', 'msk_other') == 403
        paths = ('/v1/SumModel', '/v1/SumModel/versions/2', '/v1/SumModel/labels/canary', '/v1/SumModel')
        assert [status(path, 'msk_one') for path in paths] == [200, 200, 200, 429]
        assert status('/v1/SumModel/versions/2', 'msk_one') == 429
        assert status('/v2/repository/index', 'msk_none') == 401


@pytest.fixture(scope='module')
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('failing') / 'log'
    factory = 'tests.service.versions_service:create_failing()'
    with running_service(log, ROOT, factory, MODEL_SERVING_DEFAULT_VERSIONS='SumModel=3') as url:
        yield Service(url, log)


def states_of(service: Service) -> dict[str, Any]:
    while 'starting' in (text := service.get('/health/ready').body.decode()):
        pass
    return {each['name']: each for each in json.loads(text)['models']}


def test_version_that_fails_leaves_the_others_alone(failing: Service) -> None:
    states = states_of(failing)
    assert {name: each['state'] for name, each in states.items()} == {
        'SumModel@1': 'ready',
        'SumModel@3': 'failed',
        'SumModel@4': 'failed',
    }
    assert post(failing.url, '/v1/SumModel/versions/1', b'{"x": 1}').json == {'sum': 2}
    assert failing.get('/v2/models/SumModel/versions/1/ready').status == 200
    assert failing.get('/v1/models/SumModel/versions/1').status == 200
    answer = post(failing.url, '/v1/SumModel', b'{"x": 1}')
    assert answer.status == 503
    assert answer.json['message'].startswith('SumModel@3 failed on its own example: RuntimeError')
    broken = post(failing.url, '/v1/SumModel/versions/4', b'{"x": 1}')
    assert broken.json['message'].startswith('SumModel@4 failed to load: RuntimeError')


def test_state_of_a_version_that_fails_is_told_without_its_text(failing: Service) -> None:
    states_of(failing)
    index = {each['version']: each for each in failing.get('/v2/repository/index').json}
    assert [each['state'] for each in index.values()] == ['READY', 'UNAVAILABLE', 'UNAVAILABLE']
    assert index['3']['reason'].startswith('failed on its own example: RuntimeError (error ')
    assert index['4']['reason'].startswith('failed to load: RuntimeError (error ')
    ready = post(failing.url, '/v2/repository/index', b'{"ready": true}').json
    assert [each['version'] for each in ready] == ['1']
    assert failing.get('/v1/models/SumModel').json['message'].startswith('SumModel@3 failed')
    for path in ('/', '/openapi.json', '/health/ready', '/v2/repository/index', '/v1/models/SumModel'):
        assert b'password' not in failing.get(path).body


def test_status_of_all_versions_tells_which_cannot_answer(tmp_path: Path) -> None:
    factory = 'tests.service.versions_service:create_failing()'
    with running_service(tmp_path / 'log', ROOT, factory) as url:
        service = Service(url, tmp_path / 'log')
        states_of(service)
        listed = service.get('/v1/models/SumModel').json['model_version_status']
    found = [(each['version'], each['state'], each['status']['error_code']) for each in listed]
    assert found == [('1', 'AVAILABLE', 'OK'), ('3', 'END', 'UNAVAILABLE'), ('4', 'END', 'UNAVAILABLE')]
    assert 'password' not in str(listed)
