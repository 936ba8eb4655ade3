import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.service_process import running_service

# For every application that a test makes, and every service that one starts.
os.environ['MODEL_SERVING_CHECK_ANSWERS'] = 'true'


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
    from main import create_app

    return create_app(['XXXModel'])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
