"""Google App Engine: app.yaml, what is uploaded, and the service started from that alone."""

import contextlib
import http.client
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sklearn.datasets import load_digits

from main import MODELS
from tests.deployment.app_engine_process import (
    Deployment,
    Running,
    call,
    memory_mib,
    read_only,
    running_entrypoint,
    stop,
    wait_for,
)
from tests.deployment.google_cloud_sdk import GoogleCloudSDK, gcloud, run_in_sdk
from tests.deployment.upload_set import app_yaml, upload_set
from tests.exposed_metrics import GET
from tests.project_copy import copy_files, project_files
from tests.raw_http import send
from tests.service_process import ROOT

INSTANCE_MIB = {'F1': 384, 'F2': 768, 'F4': 1536, 'F4_1G': 3072}

PARSE = """
import json, sys
from googlecloudsdk.api_lib.app import yaml_parsing
service = yaml_parsing.ServiceYamlInfo.FromFile(sys.argv[1])
print(json.dumps({**service.parsed.ToDict(), 'environment': service.env.name}))
"""
"""Reads app.yaml as `gcloud app deploy` does."""

BROKEN = {
    'unknown field': ('instance_class:', 'instance_klass:'),
    'not a number': ('max_instances: 3', 'max_instances: many'),
}

NOT_UPLOADED = [
    '.ci/run',
    '.env',
    '.git/config',
    '.gitignore',
    '.venv/bin/python',
    'README.md',
    'benchmarks/run.py',
    'bin/start.sh',
    'client/.DS_Store',
    'conf/model_serving.conf~',
    'data/README.md',
    'data/co2_model.pt',
    'data/make_digits_model.py',
    'docs/deployment.md',
    'model_serving/__pycache__/main.cpython-313.pyc',
    'model_serving/utils/__pycache__/settings_utils.cpython-313.pyc',
    'node_modules/jquery/package.json',
    'pyproject.toml',
    'requirements-dev.txt',
    'requirements-torch.txt',
    'tests/conftest.py',
    'tmp/model-serving.log',
]


def is_needed(name: str) -> bool:
    """Whether the service runs on this file of the project."""
    if name.startswith('data/'):
        return not name.endswith(('.md', '.py')) and 'co2_model' not in name
    top = 'app.yaml', 'main.py', 'requirements.txt', 'LICENSE', 'Dockerfile', 'bin/common.sh'
    return name in top or name.startswith(('client/', 'conf/', 'model_serving/'))


def digits() -> tuple[list[list[float]], list[int]]:
    """Ten handwritten digits, 0 to 9."""
    rows, labels = load_digits(return_X_y=True)
    return rows[:10].tolist(), labels[:10].tolist()


def assert_models_answer(url: str) -> None:
    assert call(f'{url}/v1/XXXModel', {'name': 'Leo'}) == (200, {'result': 'Hello, Leo!'})
    rows, labels = digits()
    status, answer = call(f'{url}/v1/DigitsModel', {'instances': rows})
    assert status == 200
    assert [prediction['label'] for prediction in answer['predictions']] == labels


def test_gcloud_accepts_app_yaml(sdk: GoogleCloudSDK) -> None:
    parsed = run_in_sdk(sdk, PARSE, str(ROOT / 'app.yaml'))
    assert parsed.returncode == 0, parsed.stderr
    settings: dict[str, Any] = json.loads(parsed.stdout)
    assert settings['environment'] == 'STANDARD'
    assert settings['runtime'] == app_yaml()['runtime']
    assert settings['entrypoint'] == 'exec gunicorn --config conf/gunicorn.conf.py'
    assert settings['inbound_services'] == ['warmup']


@pytest.mark.parametrize(('right', 'wrong'), BROKEN.values(), ids=BROKEN)
def test_gcloud_refuses_a_broken_app_yaml(
    sdk: GoogleCloudSDK, tmp_path: Path, right: str, wrong: str
) -> None:
    text = (ROOT / 'app.yaml').read_text()
    assert right in text
    broken = tmp_path / 'app.yaml'
    broken.write_text(text.replace(right, wrong))
    parsed = run_in_sdk(sdk, PARSE, str(broken))
    assert parsed.returncode != 0
    assert 'YamlParseError' in parsed.stderr


def test_nothing_in_app_yaml_is_to_be_edited() -> None:
    assert not {'application', 'project', 'service', 'version'} & app_yaml().keys()


@pytest.mark.parametrize('words', ['python313', 'max_instances: 3', 'max_concurrent_requests: 8', 'F2'])
def test_documented_settings_are_those_of_app_yaml(words: str) -> None:
    for file in ('app.yaml', 'docs/deployment.md'):
        assert words in (ROOT / file).read_text(), file


def test_an_instance_gets_a_request_for_each_thread() -> None:
    variables = app_yaml()['env_variables']
    threads = int(variables['WORKERS']) * int(variables['THREADS'])
    assert app_yaml()['automatic_scaling']['max_concurrent_requests'] == threads


def test_upload_set_is_what_the_service_needs() -> None:
    assert upload_set() == [name for name in project_files() if is_needed(name)]


def test_gcloud_uploads_the_same_set(sdk: GoogleCloudSDK, tmp_path: Path) -> None:
    copy_files([*project_files(), '.gcloudignore'], tmp_path)
    for name in NOT_UPLOADED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(gcloud('meta', 'list-files-for-upload', str(tmp_path)).splitlines()) == upload_set()


def test_deployed_app_is_read_only(deployment: Deployment) -> None:
    write = read_only(deployment, ['touch', str(deployment.app / 'written')])
    done = subprocess.run(write, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1, 'this machine lets nothing be made read-only: unshare --mount fails'
    write = read_only(deployment, ['touch', str(deployment.temporary / 'written')])
    subprocess.run(write, check=True, timeout=60)


def test_deployed_models_answer(deployed: Running) -> None:
    assert_models_answer(deployed.url)


def test_deployed_service_answers_the_warm_up_request(deployed: Running) -> None:
    names = [mount.name for mount in MODELS if not mount.opt_in]
    assert call(f'{deployed.url}/_ah/warmup') == (200, {'warmed_up': names})


def test_deployed_service_counts_where_it_cannot_write(deployed: Running) -> None:
    assert 'model_serving_requests_total{model="DigitsModel"' in send(deployed.url, GET).body.decode()


def test_deployed_service_refuses_a_body_over_its_limit(deployed: Running) -> None:
    limit = int(app_yaml()['env_variables']['MODEL_SERVING_MAX_BODY_BYTES'])
    status, answer = call(f'{deployed.url}/v1/XXXModel', {'name': 'x' * limit})
    assert status == 413
    assert str(limit) in answer['message']


def test_deployed_service_takes_the_scheme_from_the_front_end(deployed: Running) -> None:
    place = urlsplit(deployed.url).netloc
    # From another address than 127.0.0.1, which gunicorn would trust anyway.
    connection = http.client.HTTPConnection(place, timeout=60, source_address=('127.0.0.2', 0))
    with contextlib.closing(connection):
        connection.request('GET', '/', headers={'X-Forwarded-Proto': 'https', 'Accept': 'text/html'})
        assert f'curl https://{place}/v1/XXXModel' in connection.getresponse().read().decode()


def test_deployed_service_starts_without_a_warning(deployed: Running) -> None:
    assert call(f'{deployed.url}/_ah/warmup')[0] == 200
    log = deployed.log.read_text()
    assert '[DigitsModel] - Initializing' in log
    assert not re.search('warning|failed|telemetry', log, re.IGNORECASE)


def test_memory_leaves_half_of_the_instance_for_requests(deployed: Running) -> None:
    call(f'{deployed.url}/_ah/warmup')
    assert memory_mib(deployed.process.pid) < INSTANCE_MIB[app_yaml()['instance_class']] / 2


def test_deployed_service_ends_well_on_sigterm(deployment: Deployment) -> None:
    with running_entrypoint(deployment, MODEL_SERVING_MODELS='XXXModel') as service:
        assert stop(service.process) == 0, service.log.read_text()


def test_dev_appserver_serves_the_models(dev_appserver: Running) -> None:
    assert_models_answer(dev_appserver.url)


def test_dev_appserver_warms_the_service_up(dev_appserver: Running) -> None:
    wait_for('"GET /_ah/warmup HTTP/1.1" 200', dev_appserver.log)
