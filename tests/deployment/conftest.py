"""Tests of Google's tools are left out where the tools are not installed."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.deployment.app_engine_process import (
    Deployment,
    Running,
    deploy,
    running,
    running_entrypoint,
    serving_python,
)
from tests.deployment.google_cloud_sdk import GoogleCloudSDK, find_sdk
from tests.service_process import free_port


def missing_tools() -> dict[str, str]:
    """The name of each fixture that cannot be had here, with the tool it needs."""
    sdk = find_sdk()
    if sdk is None:
        return {'sdk': 'gcloud'}
    return {} if sdk.dev_appserver.is_file() else {'dev_appserver': 'dev_appserver.py'}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not any('sdk' in getattr(item, 'fixturenames', ()) for item in items):
        return
    missing = missing_tools()
    left_out = [item for item in items if missing.keys() & set(getattr(item, 'fixturenames', ()))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    if not any(item.path.parent.name == 'deployment' for item in items):
        return []
    lines = [f'App Engine: serving with {serving_python()}']
    missing = missing_tools().values()
    return [*lines, *(f'App Engine: {tool} is not installed; its tests are left out' for tool in missing)]


@pytest.fixture(scope='module')
def sdk() -> GoogleCloudSDK:
    """Google's tools; a test with this fixture is left out where they are not installed."""
    sdk = find_sdk()
    assert sdk is not None
    return sdk


@pytest.fixture(scope='module')
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = deploy(tmp_path_factory.mktemp('app_engine'))
    yield deployment
    # It is large, and pytest keeps the folders of three runs.
    shutil.rmtree(deployment.environments, ignore_errors=True)


@pytest.fixture(scope='module')
def deployed(deployment: Deployment) -> Iterator[Running]:
    """The service, started by the entrypoint of app.yaml."""
    with running_entrypoint(deployment) as service:
        yield service


@pytest.fixture(scope='module')
def dev_appserver(sdk: GoogleCloudSDK, deployment: Deployment) -> Iterator[Running]:
    """The service, started by dev_appserver.py, which, unlike App Engine, refuses a Dockerfile."""
    (deployment.app / 'Dockerfile').unlink(missing_ok=True)
    port, admin_port, api_port = (str(free_port()) for _ in range(3))
    options = {
        'skip_sdk_update_check': 'yes',
        'host': '127.0.0.1',
        'port': port,
        'admin_host': '127.0.0.1',
        'admin_port': admin_port,
        'api_host': '127.0.0.1',
        'api_port': api_port,
        'storage_path': str(deployment.temporary / 'storage'),
        'runtime_python_path': serving_python(),
        # It installs requirements.txt there once more, and finds all of it installed.
        'python_virtualenv_path': str(deployment.environments),
    }
    # The server of the app itself stays on this machine, and writes no caches: they would restart it.
    variables = ['HOST=127.0.0.1', 'PYTHONDONTWRITEBYTECODE=1']
    command = [
        str(sdk.python),
        str(sdk.dev_appserver),
        *(f'--{name}={value}' for name, value in options.items()),
        *(f'--env_var={variable}' for variable in variables),
        str(deployment.app / 'app.yaml'),
    ]
    environment = {**os.environ, 'TMPDIR': str(deployment.temporary), 'PYTHONDONTWRITEBYTECODE': '1'}
    with running(command, deployment, port, environment) as service:
        yield service
