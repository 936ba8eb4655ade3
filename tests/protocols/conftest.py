from collections.abc import Iterator

import pytest

from tests.service_process import running_service


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
