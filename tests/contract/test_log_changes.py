"""A model that sets logging up anew silences neither the access log nor the crash of another model."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import until
from tests.project_copy import copy_with_models
from tests.raw_http import post
from tests.service_process import running_service

CODE = """
import logging
import logging.config
from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.utils.validation_utils import validate_json


def change() -> None:
    {change}


change()


class {name}Resource(Resource):
    @validate_json({{'type': 'string'}})
    def post(self) -> Any:
        change()
        if request.json == 'crash':
            raise RuntimeError('lost without a trace')
        logging.getLogger('{name}').warning('says %s', request.json)
        return {{}}
"""
CHANGES = {
    'DictConfig': "logging.config.dictConfig({'version': 1})",
    'DictConfigOfRoot': "logging.config.dictConfig({'version': 1, 'root': {'handlers': []}})",
    'Disable': 'logging.disable(logging.CRITICAL)',
    'BasicConfig': 'logging.basicConfig(force=True, level=logging.ERROR)',
    'Clear': 'logging.getLogger().handlers.clear()',
    'Level': 'logging.getLogger().setLevel(logging.CRITICAL)',
    'Access': "logging.getLogger('access').setLevel(logging.CRITICAL)",
    'HandlerLevel': 'logging.getLogger().handlers[0].setLevel(100)',
    'HandlerFilter': 'logging.getLogger().handlers[0].addFilter(lambda record: False)',
    'HandlerFormat': "logging.getLogger().handlers[0].setFormatter(logging.Formatter('%(levelname)s'))",
    'AccessFilter': "logging.getLogger('access').addFilter(lambda record: False)",
    'Propagate': "logging.getLogger('access').propagate = logging.getLogger('engine').propagate = False",
}
HARMLESS = {
    'RequestId': "logging.getLogger('RequestId').warning('x', extra={'request_id': 'mine'})",
    'SameName': "[logging.getLogger(name).warning('hello %s', 'you') for name in ('access', 'main')]",
    'Debug': 'logging.getLogger().setLevel(logging.DEBUG)',
}


@pytest.fixture(scope='module', params=['text', 'json'])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp('log')
    changes = {**CHANGES, **HARMLESS}
    models = {name: CODE.format(name=name, change=change) for name, change in changes.items()}
    project = copy_with_models(folder / 'project', models)
    settings = {'MODEL_SERVING_MODELS': ','.join(models), 'MODEL_SERVING_LOG_FORMAT': request.param}
    with running_service(folder / 'log', project, **settings) as url:
        yield url, folder / 'log'


def count(log: Path, pattern: str) -> int:
    return len(re.findall(pattern, log.read_text()))


@pytest.mark.parametrize('name', [*CHANGES, *HARMLESS])
def test_access_lines_and_traces_are_there(service: tuple[str, Path], name: str) -> None:
    url, log = service
    other = next(each for each in HARMLESS if each != name)
    lines, traces = f'POST /v1/({name}|{other}) (200|500) ', 'RuntimeError: lost without a trace'
    before = count(log, lines), count(log, traces)
    statuses = [post(url, f'/v1/{each}', body).status for each, body in
                [(name, b'"a"'), (name, b'"crash"'), (other, b'"crash"'), (name, b'"a"')]]  # fmt: skip
    assert statuses == [200, 500, 500, 200]
    until(lambda: count(log, lines) >= before[0] + 4)
    assert count(log, traces) == before[1] + 2


@pytest.mark.parametrize('name', CHANGES)
def test_warning_names_the_model_that_changed_logging(service: tuple[str, Path], name: str) -> None:
    assert count(service[1], f'{name} has changed the logging of the whole process') in (1, 2)


def test_what_is_harmless_is_left_alone(service: tuple[str, Path]) -> None:
    log = service[1]
    assert count(log, f'({"|".join(HARMLESS)}) has changed') == 0
    assert count(log, 'Logging error') == 0
    assert count(log, 'hello you') >= 2


def test_project_that_has_changed_nothing_is_not_warned(service: tuple[str, Path], tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with running_service(log, MODEL_SERVING_MODELS='XXXModel') as url:
        assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
        until(lambda: count(log, 'POST /v1/XXXModel 200 '))
    assert count(log, 'has changed') == 0
