"""The inputs that were found stay harmless; with --all, others are looked for, for two minutes in all."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.engine.clients import Service, served
from tests.fuzz.fuzzer import TARGETS, corpus, fuzz, target
from tests.fuzz.http_target import check_service

SECONDS = 17
KEPT = [(name, path) for name in TARGETS for path in corpus(name)]


@pytest.mark.parametrize(('name', 'path'), KEPT, ids=[f'{name}-{path.name}' for name, path in KEPT])
def test_kept_input_is_harmless(name: str, path: Path) -> None:
    target(name).check(path.read_bytes())


@pytest.mark.elaborate
@pytest.mark.parametrize('name', TARGETS)
def test_no_input_is_found_that_breaks_it(name: str) -> None:
    assert fuzz(name, SECONDS) > 50


@pytest.fixture(scope='module')
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp('fuzz') / 'log', MODEL_SERVING_MAX_BODY_BYTES='100000') as service:
        yield service


@pytest.mark.elaborate
def test_no_client_ends_a_worker(worker: Service) -> None:
    pid = worker.state()['pid']
    assert fuzz('http', SECONDS, partial(check_service, worker)) > 50
    assert worker.state()['pid'] == pid
    assert 'Traceback' not in worker.text()
