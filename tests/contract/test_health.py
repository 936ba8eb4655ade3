"""Health tells the truth: the real service under gunicorn, with models that do not."""

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_answers import DEFAULT_MODELS
from tests.contract.test_answers import get as get_with_ids
from tests.project_copy import copy_with_models
from tests.raw_http import Answer
from tests.raw_http import post as post_with_ids
from tests.service_process import LOG_SECONDS, ROOT, free_port, running_service

LIVE = '/health/live'
READY = '/health/ready'
TIMEOUT_S = 2

HEAD = """
import time
from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.schemas.validation import validate_json

"""
LOADS_NOT = f"""{HEAD}
raise RuntimeError('no weights in /srv')
"""
MODEL = (
    HEAD
    + """
class {name}Resource(Resource):
    \"\"\"Does what the test needs.\"\"\"

    @validate_json({{'type': 'number', 'examples': [{example}]}})
    def post(self) -> Any:
        {code}
        return {{'result': request.json}}
"""
)
BUSY = """
        end = time.monotonic() + request.json
        while time.monotonic() < end:
            pass
"""

RESOURCES = {
    'LoadsNotModel': LOADS_NOT,
    'FailingModel': MODEL.format(name='FailingModel', example=1, code='1 / 0'),
    'HangingModel': MODEL.format(name='HangingModel', example=1, code='time.sleep(3600)'),
    'SlowModel': MODEL.format(name='SlowModel', example=1, code='time.sleep(3)'),
    'BusyModel': MODEL.format(name='BusyModel', example=0, code=BUSY.strip()),
}
REASONS = {
    'LoadsNotModel': 'failed to load: RuntimeError (error ID in the log)',
    'FailingModel': 'failed on its own example: ZeroDivisionError (error ID in the log)',
    'HangingModel': 'has not answered its own example within 2 s',
}


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with models that do not load, fail, hang and take long."""
    return copy_with_models(tmp_path_factory.mktemp('health') / 'a project', RESOURCES)


@pytest.fixture(scope='module')
def broken_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('broken') / 'log'


@pytest.fixture(scope='module')
def broken(project: Path, broken_log: Path) -> Iterator[str]:
    """A service of two workers with all these models, which has tried them all."""
    settings = {'WORKERS': '2', 'MODEL_SERVING_TIMEOUT_S': str(TIMEOUT_S)}
    names = ','.join(['XXXModel', 'BusyModel', *REASONS])
    with running_service(broken_log, project, MODEL_SERVING_MODELS=names, **settings) as url:
        until(lambda: broken_log.read_text().count('HangingModel has not answered') == 2)
        until(lambda: not any(b'"starting"' in answer.body for answer in from_all_workers(url, READY)))
        yield url


def get(url: str, path: str, **headers: str) -> Answer:
    return without_ids(get_with_ids(url, path, **headers))


def post(url: str, path: str, body: bytes) -> Answer:
    return without_ids(post_with_ids(url, path, body))


def without_ids(answer: Answer) -> Answer:
    return answer._replace(body=re.sub(rb'error [0-9a-f]{8} in', b'error ID in', answer.body))


def until(fact: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.05)


def from_all_workers(url: str, path: str) -> list[Answer]:
    """Answers on so many connections that each of two workers gives some."""
    return [get(url, path) for _ in range(24)]


# Where all is well


def test_live_says_that_the_process_answers(service: str) -> None:
    answer = get(service, LIVE)

    assert (answer.status, answer.json) == (200, {'live': True})
    assert answer.headers['cache-control'] == 'no-store'


def test_ready_names_the_models(service: str) -> None:
    until(lambda: get(service, READY).status == 200)

    models = [{'name': name, 'state': 'ready'} for name in DEFAULT_MODELS]
    assert get(service, READY).json == {'ready': True, 'models': models}


@pytest.mark.parametrize('path', [LIVE, READY, '/_ah/warmup'])
def test_head_is_answered_without_a_body(service: str, path: str) -> None:
    until(lambda: get(service, READY).status == 200)
    connection = http.client.HTTPConnection(service.removeprefix('http://'), timeout=30)
    connection.request('HEAD', path)
    answer = connection.getresponse()

    assert (answer.status, answer.read()) == (200, b'')
    assert int(answer.headers['Content-Length']) == len(get(service, path).body)
    connection.close()


def test_health_appears_in_no_access_log(service: str, service_log: Path) -> None:
    for path in (LIVE, READY, '/_ah/warmup', '/health/none'):
        get(service, path)

    time.sleep(LOG_SECONDS)
    lines = [line for line in service_log.read_text().splitlines() if '[access]' in line]
    assert not [line for line in lines if re.search('/health/(live|ready) |warmup ', line)]
    assert any('GET /health/none 404' in line for line in lines)


def test_health_is_logged_if_so_set(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with running_service(log, MODEL_SERVING_MODELS='XXXModel', MODEL_SERVING_ACCESS_LOG_HEALTH='true') as url:
        get(url, LIVE)
    assert 'GET /health/live 200' in log.read_text()


@pytest.mark.parametrize('preload', ['models', 'none'])
def test_every_worker_gets_ready_by_itself(project: Path, tmp_path: Path, preload: str) -> None:
    with running_service(
        tmp_path / 'log', project, WORKERS='2', PRELOAD=preload, MODEL_SERVING_MODELS='XXXModel'
    ) as url:
        until(lambda: all(answer.status == 200 for answer in from_all_workers(url, READY)))


def test_ready_is_503_until_the_last_example_is_answered(project: Path, tmp_path: Path) -> None:
    with running_service(tmp_path / 'log', project, MODEL_SERVING_MODELS='XXXModel,SlowModel') as url:
        until(lambda: get(url, READY).json['models'][0]['state'] != 'starting')
        early = get(url, READY)
        assert (early.status, early.headers['retry-after']) == (503, '1')
        assert early.json['models'][1]['state'] == 'starting'
        assert early.json['message'] == (
            'Not ready: SlowModel has yet to answer its own example; ask again in a moment'
        )
        assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
        assert get(url, LIVE).status == 200

        assert get(url, '/_ah/warmup').json == {'warmed_up': ['XXXModel', 'SlowModel']}
        assert get(url, READY).status == 200


def test_probes_of_the_documentation_are_answered(service: str) -> None:
    until(lambda: get(service, READY).status == 200)
    pages = (ROOT / 'docs' / 'deployment.md').read_text() + (ROOT / 'README.md').read_text()
    paths = set(re.findall(r'/health/\w+', pages))

    assert paths == {LIVE, READY}
    assert {get(service, path).status for path in paths} == {200}


# Where models fail


def test_ready_is_503_with_each_reason_in_every_worker(broken: str) -> None:
    for answer in from_all_workers(broken, READY):
        states = {model['name']: (model['state'], model.get('reason')) for model in answer.json['models']}
        assert states == {
            'XXXModel': ('ready', None),
            'BusyModel': ('ready', None),
            **{name: ('failed', reason) for name, reason in REASONS.items()},
        }
        assert (answer.status, answer.json['ready'], answer.headers['retry-after']) == (503, False, '10')
        assert all(f'{name} {reason}' in answer.json['message'] for name, reason in REASONS.items())


def test_live_is_200_all_the_same(broken: str) -> None:
    assert {answer.status for answer in from_all_workers(broken, LIVE)} == {200}


@pytest.mark.parametrize('name', REASONS)
def test_failed_model_answers_503_with_the_reason(broken: str, name: str) -> None:
    for body in (b'1', b'"no number"', b''):
        answer = post(broken, f'/v1/{name}', body)
        assert answer.status == 503
        assert answer.json['message'].startswith(f'{name} {REASONS[name]}; ')
        assert answer.headers['retry-after'] == '10'
        assert answer.headers['access-control-allow-origin'] == '*'


def test_wrong_method_of_a_failed_model_is_405(broken: str) -> None:
    for name in REASONS:
        answer = get(broken, f'/v1/{name}')
        assert (answer.status, answer.json) == (405, {'message': 'GET is not allowed here; send POST'})


def test_others_serve(broken: str) -> None:
    for _ in range(24):
        assert post(broken, '/v1/XXXModel', b'{"name": "Leo"}').json == {'result': 'Hello, Leo!'}


def test_index_lists_the_failed_by_name(broken: str) -> None:
    failures = {model['name']: model.get('failure') for model in get(broken, '/').json['models']}

    assert failures == {'XXXModel': None, 'BusyModel': None, **REASONS}
    page = get(broken, '/', Accept='text/html').body.decode()
    assert all(f'{name} {reason}' in page for name, reason in REASONS.items())


def test_warm_up_request_names_one_that_failed(broken: str) -> None:
    answer = get(broken, '/_ah/warmup')

    assert answer.status == 503
    assert answer.json['message'] == f'LoadsNotModel {REASONS["LoadsNotModel"]}; see the log'


def test_traces_are_in_the_log_and_in_no_answer(broken: str, broken_log: Path) -> None:
    log = re.sub(r'error [0-9a-f]{8} in', 'error ID in', broken_log.read_text())
    reason = REASONS['LoadsNotModel']

    assert log.count(f'[LoadsNotModel] - LoadsNotModel {reason}; the others are served\nTraceback') == 2
    assert "raise RuntimeError('no weights in /srv')" in log
    assert f'[FailingModel] - FailingModel {REASONS["FailingModel"]}\nTraceback' in log
    assert 'time.sleep(3600)' in log
    for path in (READY, '/_ah/warmup', '/'):
        assert b'Traceback' not in get(broken, path).body


# While a model computes


@pytest.mark.alone
@pytest.mark.parametrize('quick_so_far', [False, True], ids=['in_the_pool', 'in_the_event_loop'])
def test_live_is_answered_while_a_model_computes(project: Path, tmp_path: Path, quick_so_far: bool) -> None:
    with running_service(tmp_path / 'log', project, THREADS='1', MODEL_SERVING_MODELS='BusyModel') as url:
        for body in [b'0'] * 60 if quick_so_far else [b'0.2']:
            assert post(url, '/v1/BusyModel', body).status == 200
        callers = [threading.Thread(target=post, args=[url, '/v1/BusyModel', b'3']) for _ in range(3)]
        for caller in callers:
            caller.start()
        slowest = 0.0
        while any(caller.is_alive() for caller in callers):
            begin = time.monotonic()
            assert get(url, LIVE).status == 200
            assert get(url, READY).status == 200
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.02)
    assert slowest < 1.5


# Where a failure is to stop the start


@pytest.mark.parametrize('name', REASONS)
def test_required_model_that_fails_stops_the_start(project: Path, name: str) -> None:
    settings = {
        'MODEL_SERVING_REQUIRE_ALL_MODELS': 'true',
        'MODEL_SERVING_MODELS': f'XXXModel,{name}',
        'MODEL_SERVING_TIMEOUT_S': str(TIMEOUT_S),
    }
    ended = subprocess.run(
        [sys.executable, '-m', 'gunicorn', '--config', str(project / 'conf' / 'gunicorn.conf.py')],
        env={**os.environ, 'HOST': '127.0.0.1', 'PORT': str(free_port()), 'WORKERS': '2', **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    (reason,) = {line.split(' - ', 4)[4] for line in ended.stdout.splitlines() if '[CRITICAL]' in line}
    assert reason.startswith('Cannot start: ')
    assert name in reason
    assert REASONS[name].removeprefix('failed to load: ').partition(' (error')[0] in reason


def test_required_models_that_are_well_serve(project: Path, tmp_path: Path) -> None:
    with running_service(
        tmp_path / 'log', project, MODEL_SERVING_MODELS='XXXModel', MODEL_SERVING_REQUIRE_ALL_MODELS='true'
    ) as url:
        assert get(url, READY).status == 200
