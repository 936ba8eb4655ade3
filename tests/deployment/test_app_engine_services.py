"""App Engine, a service for each group of models: deploy/app-engine."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

import main
from main import MODELS
from tests.deployment.app_engine_process import call
from tests.deployment.google_cloud_sdk import GoogleCloudSDK, run_in_sdk
from tests.deployment.upload_set import app_yaml, upload_set
from tests.project_copy import copy_files
from tests.service_process import ROOT, running_service

FOLDER = ROOT / 'deploy' / 'app-engine'
SERVICES = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob('*.yaml')}
DISPATCH = SERVICES.pop('dispatch')['dispatch']

DEPLOYED = """
import json, sys
from googlecloudsdk.command_lib.app import deployables, staging
stager = staging.Stager(staging.GetRegistry(), sys.argv[1])
services, configs = deployables.GetDeployables(sys.argv[2:], stager, deployables.GetPathMatchers())
print(json.dumps({
    'services': {service.service_id: service.upload_dir for service in services},
    'rules': [rule for config in configs for rule in config.GetRules()],
}))
"""
"""What `gcloud app deploy` makes of the files that it is given."""


def service_of(path: str) -> str:
    """The service that dispatch.yaml chooses for a path."""
    found = [rule['service'] for rule in DISPATCH if fnmatchcase(f'any.example.com{path}', rule['url'])]
    return found[0] if found else 'default'


def models_of(service: str) -> list[str]:
    names: str = SERVICES[service]['env_variables']['MODEL_SERVING_MODELS']
    return names.split(',')


def paths_of(model: str) -> list[str]:
    """All paths of a model of the app with the default models."""
    rules = main.app.url_map.iter_rules()
    return [rule.rule for rule in rules if rule.endpoint.partition('.')[0] == model]


def test_each_model_that_is_mounted_by_default_is_of_one_service() -> None:
    named = [name for service in SERVICES for name in models_of(service)]

    assert sorted(named) == sorted(mount.name for mount in MODELS if not mount.opt_in)


@pytest.mark.parametrize('service', SERVICES)
def test_all_paths_of_a_model_lead_to_its_service(service: str) -> None:
    for model in models_of(service):
        paths = paths_of(model)
        assert f'/v1/{model}' in paths
        assert {service_of(path) for path in paths} == {service}, model


@pytest.mark.parametrize('path', ['/', '/health/ready', '/openapi.json', '/v1/models', '/client/digits.html'])
def test_other_paths_lead_to_the_default_service(path: str) -> None:
    assert service_of(path) == 'default'


@pytest.mark.parametrize('service', SERVICES)
def test_service_is_app_yaml_but_for_its_models(service: str) -> None:
    settings = json.loads(json.dumps(SERVICES[service]))

    assert settings.pop('service') == service
    del settings['env_variables']['MODEL_SERVING_MODELS']
    assert settings == app_yaml()


def test_rules_name_services_that_are_there() -> None:
    assert {rule['service'] for rule in DISPATCH} <= SERVICES.keys()


@pytest.fixture(scope='module')
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URL of each service, started with its variables."""
    logs = tmp_path_factory.mktemp('services')
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                running_service(logs / name, **{**settings['env_variables'], 'HOST': '127.0.0.1'})
            )
            for name, settings in SERVICES.items()
        }


@pytest.mark.parametrize('service', SERVICES)
def test_service_has_its_models_and_answers_what_is_dispatched_to_it(
    running: dict[str, str], service: str
) -> None:
    url = running[service]
    assert call(f'{url}/_ah/warmup') == (200, {'warmed_up': models_of(service)})
    for model in models_of(service):
        for path in paths_of(model):
            assert call(running[service_of(path)] + path)[0] in (200, 405), path


def test_model_of_another_service_is_not_there(running: dict[str, str]) -> None:
    assert call(f'{running["default"]}/v1/DigitsModel', {})[0] == 404


def deployed(sdk: GoogleCloudSDK, folder: Path) -> Any:
    """What gcloud makes of the files, copied beside app.yaml; the text of the error where it refuses."""
    copy_files(upload_set(), folder)
    files = [*SERVICES, 'dispatch']
    for name in files:
        shutil.copy(FOLDER / f'{name}.yaml', folder)
    return deployables(sdk, folder, files)


def deployables(sdk: GoogleCloudSDK, folder: Path, files: list[str]) -> Any:
    done = run_in_sdk(
        sdk, DEPLOYED, str(folder / 'staging'), *(str(folder / f'{name}.yaml') for name in files)
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_gcloud_deploys_each_service_with_the_whole_project(sdk: GoogleCloudSDK, tmp_path: Path) -> None:
    found = deployed(sdk, tmp_path)

    assert found['services'] == dict.fromkeys(SERVICES, str(tmp_path))
    assert (tmp_path / 'main.py').is_file()
    assert found['rules'] == [
        {'service': 'digits', 'domain': '*', 'path': '/v1/DigitsModel'},
        {'service': 'digits', 'domain': '*', 'path': '/v1/models/DigitsModel*'},
        {'service': 'digits', 'domain': '*', 'path': '/v2/models/DigitsModel*'},
    ]


BROKEN = {
    'service': ('service: digits', 'servise: digits'),
    'host': ("url: '*/v1/DigitsModel'", "url: 'A B/v1/DigitsModel'"),
    'path': ("url: '*/v1/DigitsModel'", "url: '*'"),
}


@pytest.mark.parametrize(('right', 'wrong'), BROKEN.values(), ids=BROKEN)
def test_gcloud_refuses_a_broken_dispatch(
    sdk: GoogleCloudSDK, tmp_path: Path, right: str, wrong: str
) -> None:
    text = (FOLDER / 'dispatch.yaml').read_text()
    assert right in text
    (tmp_path / 'dispatch.yaml').write_text(text.replace(right, wrong))

    assert 'YamlParseError' in deployables(sdk, tmp_path, ['dispatch'])
