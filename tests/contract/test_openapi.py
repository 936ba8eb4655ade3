"""/openapi.json held against the live service: every answer is one that the document knows."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.access.key_files import BOSS, line, write
from tests.service_process import ROOT, running_service

SECONDS = 120


@pytest.fixture(scope='module', params=['open', 'keys'])
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of its own: thousands of requests would drown the log that other tests read."""
    log: Path = tmp_path_factory.mktemp('openapi') / 'service.log'
    keys = write(log.with_name('keys.conf'), line('boss', BOSS))
    settings = {'MODEL_SERVING_JOBS': str(log.with_name('jobs.sqlite'))}
    if request.param == 'keys':
        settings['MODEL_SERVING_KEYS'] = str(keys)
    with running_service(log, **settings) as url:
        yield url
    assert 'Traceback' not in log.read_text()


def test_document_is_valid_openapi(described: str) -> None:
    with urllib.request.urlopen(f'{described}/openapi.json') as response:
        OpenAPIV31SpecValidator(json.load(response)).validate()


@pytest.mark.elaborate
def test_service_does_what_the_document_says(described: str, tmp_path: Path) -> None:
    """Schemathesis makes good and bad requests from the document, and has all its checks, of keys too."""
    command = [
        sys.executable,
        '-m',
        'schemathesis.cli',
        '--config-file',
        str(ROOT / 'tests/contract/schemathesis.toml'),
    ]
    done = subprocess.run(
        [*command, 'run', f'{described}/openapi.json', '-H', f'Authorization: Bearer {BOSS}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
