"""The version of what is served, in the access log and the metrics of real services."""

import json
import time
from pathlib import Path

import pytest

from tests.exposed_metrics import read_metrics
from tests.raw_http import post
from tests.service_process import LOG_SECONDS, running_service


def lines_of(log: Path) -> list[str]:
    time.sleep(LOG_SECONDS)
    return [line for line in log.read_text().splitlines() if '/v1/XXXModel' in line]


@pytest.mark.parametrize('log_format', ['text', 'json'])
def test_version_is_in_the_access_log_and_the_metrics(tmp_path: Path, log_format: str) -> None:
    log = tmp_path / 'log'
    settings = {'MODEL_SERVING_VERSION': '3f9a1c2', 'MODEL_SERVING_MODELS': 'XXXModel'}
    with running_service(log, **settings, MODEL_SERVING_LOG_FORMAT=log_format) as url:
        assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
        [sample] = read_metrics(url).found('info', {})
        line = lines_of(log)[-1]
    assert (sample.labels, sample.value) == ({'version': '3f9a1c2'}, 1)
    if log_format == 'json':
        assert json.loads(line)['version'] == '3f9a1c2'
        line = json.loads(line)['message']
    assert line.endswith(' 127.0.0.1 version=3f9a1c2')


def test_without_a_version_nothing_says_so(service: str, service_log: Path) -> None:
    assert post(service, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
    assert lines_of(service_log)[-1].endswith(' 127.0.0.1')
    assert read_metrics(service).found('info', {}) == []
