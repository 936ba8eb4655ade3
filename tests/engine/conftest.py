from collections.abc import Iterator

import pytest

from tests.engine.clients import Service, served
from tests.engine.slow_clients import SlowClients, at_work


@pytest.fixture(scope='package')
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the usual settings and one worker."""
    with served(tmp_path_factory.mktemp('engine') / 'log') as service:
        yield service


@pytest.fixture(scope='package')
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one slot for each model, two places in its line, and two seconds for a request."""
    settings = {'THREADS': '1', 'MODEL_SERVING_MAX_WAITING': '2', 'MODEL_SERVING_TIMEOUT_S': '2'}
    with served(tmp_path_factory.mktemp('narrow') / 'log', **settings) as service:
        yield service


@pytest.fixture(scope='package')
def slow_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowClients]:
    """Slow clients of every kind, at work since the first test."""
    with at_work(tmp_path_factory.mktemp('slow') / 'log') as clients:
        yield clients


@pytest.fixture(scope='package', autouse=True)
def begin_early(request: pytest.FixtureRequest) -> None:
    """Let the slow clients, which need half a minute, begin before the other tests, if they are wanted."""
    if any('slow_clients' in getattr(item, 'fixturenames', ()) for item in request.session.items):
        request.getfixturevalue('slow_clients')
