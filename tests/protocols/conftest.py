import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kept_environment
from tests.raw_http import send
from tests.service_process import running_service


@pytest.fixture(scope='package')
def ready_service(service: str) -> str:
    """The base URL of the service with the default models, which have all answered their examples."""
    end = time.monotonic() + 30
    while send(service, b'GET /v2/health/ready HTTP/1.1\r\nHost: service\r\n\r\n').status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    return service


@pytest.fixture(scope='package')
def echo_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a real service with the models of these tests."""
    log = tmp_path_factory.mktemp('echo') / 'service.log'
    with running_service(
        log,
        application='tests.protocols.echo_service:create_app()',
        MODEL_SERVING_TIMEOUT_S='2',
        MODEL_SERVING_MAX_BODY_BYTES='100000',
    ) as url:
        yield url


@pytest.fixture(scope='package')
def mcp_environment() -> Path:
    """The programs of the environment with the official client of the Model Context Protocol."""
    return kept_environment.mcp_programs()


@pytest.fixture(scope='package')
def mcp_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a real service with the tools of these tests."""
    log = tmp_path_factory.mktemp('mcp') / 'service.log'
    with running_service(
        log, application='tests.protocols.mcp_service:create_app()', MODEL_SERVING_TIMEOUT_S='5'
    ) as url:
        yield url
