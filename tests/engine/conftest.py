from collections.abc import Iterator

import pytest

from tests.engine.clients import Service, served


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
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one slot for each model."""
    with served(tmp_path_factory.mktemp('single') / 'log', THREADS='1') as service:
        yield service


@pytest.fixture(autouse=True)
def measured_where_it_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide from coverage, which doubles their time to start, the processes of a single test."""
    monkeypatch.delenv('COVERAGE_PROCESS_CONFIG', raising=False)
