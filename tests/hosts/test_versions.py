"""Two versions of the service behind the real Traefik: a canary, and a shadow."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.exposed_metrics import GET
from tests.hosts.traefik_process import traefik
from tests.raw_http import Answer, post, send
from tests.service_process import LOG_SECONDS, running_service

pytestmark = pytest.mark.system

REQUESTS = 200
HELLO = b'{"name": "Leo"}'


class Version(NamedTuple):
    """A running service, and its log."""

    url: str
    log: Path

    def answered(self, model: str = 'XXXModel') -> int:
        time.sleep(LOG_SECONDS)
        return self.log.read_text().count(f'POST /v1/{model} 200')


@contextlib.contextmanager
def running(folder: Path, version: str) -> Iterator[Version]:
    log = folder / f'{version}.log'
    models = 'XXXModel,DigitsModel'
    with running_service(log, MODEL_SERVING_VERSION=version, MODEL_SERVING_MODELS=models) as url:
        yield Version(url, log)


@pytest.fixture(scope='module')
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Version, Version]]:
    folder = tmp_path_factory.mktemp('versions')
    with running(folder, 'stable') as stable, running(folder, 'candidate') as candidate:
        yield stable, candidate


def ask(url: str, count: int = REQUESTS) -> list[Answer]:
    return [post(url, '/v1/XXXModel', HELLO) for _ in range(count)]


def counts(versions: tuple[Version, Version]) -> list[int]:
    return [version.answered() for version in versions]


def test_canary_answers_its_share(versions: tuple[Version, Version], tmp_path: Path) -> None:
    before = counts(versions)
    with traefik(tmp_path, 'canary.yml', *(version.url for version in versions)) as url:
        assert {answer.status for answer in ask(url)} == {200}
    stable, candidate = (now - then for now, then in zip(counts(versions), before, strict=True))
    assert stable + candidate == REQUESTS
    assert 0.05 * REQUESTS <= candidate <= 0.15 * REQUESTS
    assert 'version=candidate' in versions[1].log.read_text()


def test_a_change_of_the_weights_counts_at_once(versions: tuple[Version, Version], tmp_path: Path) -> None:
    with traefik(tmp_path, 'canary.yml', *(version.url for version in versions)) as url:
        file = tmp_path / 'canary.yml'
        file.write_text(
            file.read_text().replace('weight: 10', 'weight: 100').replace('weight: 90', 'weight: 0')
        )
        time.sleep(3)
        before = counts(versions)
        ask(url, 50)
        assert [now - then for now, then in zip(counts(versions), before, strict=True)] == [0, 50]


def test_canary_that_is_down_gets_nothing(versions: tuple[Version, Version], tmp_path: Path) -> None:
    nobody = 'http://127.0.0.1:9'
    with traefik(tmp_path, 'canary.yml', versions[0].url, nobody) as url:
        time.sleep(2.5)  # Until its health has been checked.
        assert {answer.status for answer in ask(url, 50)} == {200}


def test_shadow_gets_a_copy_of_every_request(versions: tuple[Version, Version], tmp_path: Path) -> None:
    before = counts(versions)
    with traefik(tmp_path, 'shadow.yml', *(version.url for version in versions)) as url:
        answers = ask(url)
    assert {answer.status for answer in answers} == {200}
    assert [now - then for now, then in zip(counts(versions), before, strict=True)] == [REQUESTS, REQUESTS]
    stable_log = versions[0].log.read_text()
    assert all(answer.headers['x-request-id'] in stable_log for answer in answers)


def test_shadow_gets_no_copy_of_what_must_not_be_done_twice(
    versions: tuple[Version, Version], tmp_path: Path
) -> None:
    before = versions[1].answered('DigitsModel')
    with traefik(tmp_path, 'shadow.yml', *(version.url for version in versions)) as url:
        image = f'{{"instances": [{[0.0] * 64}]}}'.encode()
        answer = post(url, '/v1/DigitsModel', image)
        assert answer.status == 200, answer.body
    assert versions[1].answered('DigitsModel') == before


def test_shadow_that_is_gone_hurts_nobody(versions: tuple[Version, Version], tmp_path: Path) -> None:
    with traefik(tmp_path, 'shadow.yml', versions[0].url, 'http://127.0.0.1:9') as url:
        assert {answer.status for answer in ask(url, 50)} == {200}


def test_shadow_that_hangs_hurts_nobody(versions: tuple[Version, Version], tmp_path: Path) -> None:
    with (
        running(tmp_path, 'hanging') as hanging,
        traefik(tmp_path, 'shadow.yml', versions[0].url, hanging.url) as url,
    ):
        [worker] = re.findall(r'Booting worker with pid: (\d+)', hanging.log.read_text())
        os.kill(int(worker), signal.SIGSTOP)
        begin = time.monotonic()
        assert {answer.status for answer in ask(url, 50)} == {200}
        assert time.monotonic() - begin < 10
        os.kill(int(worker), signal.SIGCONT)


@pytest.mark.parametrize('file', ['canary.yml', 'shadow.yml'])
def test_metrics_are_for_nobody_outside(versions: tuple[Version, Version], tmp_path: Path, file: str) -> None:
    with traefik(tmp_path, file, *(version.url for version in versions)) as url:
        assert send(url, GET).status == 503
