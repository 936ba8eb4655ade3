import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from model_serving.requests.deadline import deadline
from tests.service_process import running_service

# For every application that a test makes, and every service that one starts.
os.environ.setdefault('MODEL_SERVING_CHECK_ANSWERS', 'true')
os.environ.setdefault('MODEL_SERVING_DEBUG_CHECKS', 'true')


MARKS = {
    'browser': 'system',
    'image': 'elaborate',
    'loaded': 'system',
    'deployment': 'elaborate',
    'story': 'elaborate',
    'suite': 'elaborate',
    'kserve_python': 'elaborate',
    'openai_python': 'elaborate',
    'mcp_environment': 'elaborate',
    'ray_cluster': 'ray',
    'sdk': 'elaborate',
    'traced': 'elaborate',
    'wheel': 'elaborate',
}
"""The mark of each test that needs this fixture. Other tests bear theirs themselves."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in MARKS.keys() & getattr(item, 'fixturenames', ()):
            item.add_marker(MARKS[fixture])
    if importlib.util.find_spec('torch') is None:
        leave_out('torch', config, items)
    if not any('tests/ray' in argument for argument in config.args):
        leave_out('ray', config, items)


def leave_out(mark: str, config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker(mark)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def no_deadline() -> None:
    """Forget that of a request which a test before this one made in this process."""
    deadline.set(None)


@pytest.fixture(scope='session')
def service_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of `service`."""
    return tmp_path_factory.mktemp('service') / 'service.log'


@pytest.fixture(scope='session')
def service(service_log: Path) -> Iterator[str]:
    """The base URL of a real service under gunicorn, with the default models."""
    with running_service(service_log) as url:
        yield url


@pytest.fixture(scope='session')
def app() -> Flask:
    """The application, in this process, with the reference model."""
    from main import MODELS
    from model_serving import create_app

    return create_app(MODELS, only=['XXXModel'])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
