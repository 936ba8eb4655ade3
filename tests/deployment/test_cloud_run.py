"""Google Cloud Run: deploy/cloud-run/service.yaml."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import main
from model_serving.service_settings import ServiceSettings
from model_serving.settings import load_settings
from tests.deployment.app_engine_process import call
from tests.deployment.google_cloud_sdk import GoogleCloudSDK, run_in_sdk
from tests.deployment.upload_set import app_yaml
from tests.project_copy import copy_with_models
from tests.service_process import ROOT, free_port, wait_until_it_answers

FILE = ROOT / 'deploy' / 'cloud-run' / 'service.yaml'
SERVICE: dict[str, Any] = yaml.safe_load(FILE.read_text())
TEMPLATE = SERVICE['spec']['template']
CONTAINER = TEMPLATE['spec']['containers'][0]
ENVIRONMENT: dict[str, str] = {each['name']: each['value'] for each in CONTAINER['env']}
PROBES = ['startupProbe', 'livenessProbe']

KILLED_AFTER_S = 10
START_WITHIN_S = 240

REPLACE = """
import json, sys
from googlecloudsdk.api_lib.run import container_resource, global_methods, revision, service
from googlecloudsdk.api_lib.util import apis, messages
from googlecloudsdk.core import yaml
run = apis.GetMessagesModule(global_methods.SERVERLESS_API_NAME, global_methods.SERVERLESS_API_VERSION)
read = messages.DictToMessageWithErrorCheck(yaml.load_path(sys.argv[1]), run.Service)
template = service.Service(read, run).template
print(json.dumps({
    'concurrency': template.concurrency,
    'timeout': template.timeout,
    'limits': dict(template.resource_limits),
    'environment': dict(template.env_vars.literals),
    'boost': template.annotations[container_resource.COLD_START_BOOST_ANNOTATION],
    'most instances': template.annotations[revision.MAX_SCALE_ANNOTATION],
    'paths': [template.container.startupProbe.httpGet.path, template.container.livenessProbe.httpGet.path],
}))
"""
"""Reads a file as `gcloud run services replace` does before it sends it."""


def test_gcloud_reads_the_service(sdk: GoogleCloudSDK) -> None:
    done = run_in_sdk(sdk, REPLACE, str(FILE))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'concurrency': 8,
        'timeout': 60,
        'limits': {'cpu': '1', 'memory': '1Gi'},
        'environment': ENVIRONMENT,
        'boost': 'true',
        'most instances': '3',
        'paths': ['/health/ready', '/health/live'],
    }


BROKEN = {
    'unknown field': ('containerConcurrency:', 'concurrency:', 'DecodeError'),
    'probe': ('httpGet: {path: /health/live}', 'http: {path: /health/live}', 'DecodeError'),
    'not a number': ('timeoutSeconds: 60', 'timeoutSeconds: a minute', 'ScalarTypeMismatchError'),
    'not a text': ("value: '8'", 'value: 8', 'ScalarTypeMismatchError'),
}


@pytest.mark.parametrize(('right', 'wrong', 'error'), BROKEN.values(), ids=BROKEN)
def test_gcloud_refuses_a_broken_service(
    sdk: GoogleCloudSDK, tmp_path: Path, right: str, wrong: str, error: str
) -> None:
    text = FILE.read_text()
    assert right in text
    (tmp_path / 'service.yaml').write_text(text.replace(right, wrong))

    done = run_in_sdk(sdk, REPLACE, str(tmp_path / 'service.yaml'))

    assert done.returncode != 0
    assert error in done.stderr


def test_an_instance_gets_a_request_for_each_slot() -> None:
    slots = int(ENVIRONMENT['WORKERS']) * int(ENVIRONMENT['THREADS'])

    assert TEMPLATE['spec']['containerConcurrency'] == slots


def test_service_answers_before_cloud_run_gives_up() -> None:
    assert TEMPLATE['spec']['timeoutSeconds'] > float(ENVIRONMENT['MODEL_SERVING_TIMEOUT_S'])


def test_settings_are_settings_of_the_service(tmp_path: Path) -> None:
    settings = load_settings(ServiceSettings, 'model_serving', tmp_path, ENVIRONMENT)

    named = [name for name in ENVIRONMENT if name.startswith('MODEL_SERVING_')]
    for name in named:
        field = name.removeprefix('MODEL_SERVING_').lower()
        assert str(getattr(settings, field)).removesuffix('.0') == ENVIRONMENT[name]


@pytest.mark.parametrize('probe', PROBES)
def test_probes_ask_for_paths_that_the_service_has_and_cloud_run_leaves_to_it(probe: str) -> None:
    path = CONTAINER[probe]['httpGet']['path']

    assert path in {rule.rule for rule in main.app.url_map.iter_rules()}
    assert not path.startswith(('/_ah/', '/eventlog'))
    assert not path.endswith('z')
    assert CONTAINER[probe].get('timeoutSeconds', 1) <= CONTAINER[probe].get('periodSeconds', 10)


def test_start_may_take_as_long_as_cloud_run_lets_it_at_most() -> None:
    probe = CONTAINER['startupProbe']

    assert probe['periodSeconds'] * probe['failureThreshold'] <= START_WITHIN_S


def test_variables_are_not_those_that_cloud_run_sets() -> None:
    assert not {'PORT', 'K_SERVICE', 'K_REVISION', 'K_CONFIGURATION'} & ENVIRONMENT.keys()
    assert 'HOST' not in ENVIRONMENT  # By K_SERVICE the service knows that it is to listen everywhere.


def test_limits_are_those_that_app_yaml_was_measured_with() -> None:
    measured = app_yaml()['env_variables']
    for name in ('WORKERS', 'THREADS', 'MODEL_SERVING_MAX_BODY_BYTES'):
        assert ENVIRONMENT[name] == measured[name], name


def test_memory_has_room_for_the_documented_peak_and_is_that_of_the_documented_command() -> None:
    page = (ROOT / 'docs' / 'deployment.md').read_text()
    rows = re.findall(r'^\| .+ \| (\d+) to (\d+)(?:; refused)? \|$', page, re.MULTILINE)
    assert rows
    memory = CONTAINER['resources']['limits']['memory']
    assert memory == '1Gi'
    assert max(int(most) for _, most in rows) < 1024
    assert f'--memory {memory} --concurrency {TEMPLATE["spec"]["containerConcurrency"]}' in page


SLEEPS = """
import time
from flask import request
from flask_restful import Resource
from model_serving.utils.validation_utils import validate_json
class SleepingModelResource(Resource):
    @validate_json({'type': 'object', 'examples': [{'seconds': 0}]})
    def post(self):
        time.sleep(request.json['seconds'])
        return {'slept': request.json['seconds']}
"""


@pytest.fixture
def container(tmp_path: Path) -> Iterator[tuple[str, 'subprocess.Popen[bytes]']]:
    """The service as Cloud Run starts it: with the variables of service.yaml, and its own."""
    root = copy_with_models(tmp_path / 'project', {'SleepingModel': SLEEPS})
    port, log = str(free_port()), tmp_path / 'log'
    own = {'PORT': port, 'K_SERVICE': 'model-serving', 'MODEL_SERVING_MODELS': 'XXXModel,SleepingModel'}
    inherited = {name: value for name, value in os.environ.items() if name != 'HOST'}
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, '-m', 'gunicorn', '--config', 'conf/gunicorn.conf.py'],
            cwd=root,
            env={**inherited, 'PYTHONPATH': str(root), **ENVIRONMENT, **own},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f'http://127.0.0.1:{port}'
    try:
        wait_until_it_answers(url, process, log)
        yield url, process
    finally:
        process.kill()
        process.wait()


def test_service_ends_by_itself_before_it_is_killed(
    container: tuple[str, 'subprocess.Popen[bytes]'],
) -> None:
    url, process = container
    assert call(f'{url}/_ah/warmup')[0] == 200  # Waits until the startup probe would succeed.
    for probe in PROBES:
        assert call(url + CONTAINER[probe]['httpGet']['path'])[0] == 200
    answers: list[Any] = []
    threads = [threading.Thread(target=ask, args=[url, seconds, answers]) for seconds in (3, 120)]
    for thread in threads:
        thread.start()
    time.sleep(1)

    process.send_signal(signal.SIGTERM)
    begin = time.monotonic()

    assert process.wait(KILLED_AFTER_S) == 0
    assert time.monotonic() - begin < KILLED_AFTER_S
    for thread in threads:
        thread.join(10)
    assert (200, {'slept': 3}) in answers


def ask(url: str, seconds: int, answers: list[Any]) -> None:
    try:
        answers.append(call(f'{url}/v1/SleepingModel', {'seconds': seconds}))
    except OSError as error:
        answers.append(error)
