"""conf/model-serving.service and conf/model-serving.logrotate: what systemd and logrotate make of them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.linux import linux_only
from tests.master.updated import run
from tests.project_copy import copy_of_project, link_environments
from tests.raw_http import post
from tests.service_process import ROOT, free_port

pytestmark = [linux_only, pytest.mark.system]
PLACE = '/srv/model-serving'
TOOLS = {**os.environ, 'PATH': f'{os.environ["PATH"]}:/usr/sbin'}


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, in a path without a space, which systemd would want quoted."""
    copy = copy_of_project(tmp_path_factory.mktemp('machine'))
    copy = copy.rename(copy.with_name('model-serving'))
    link_environments(copy)
    return copy


def installed(checkout: Path, name: str, folder: Path) -> Path:
    """A file of conf/ as it would be installed, with the path of this project."""
    file = folder / name.removesuffix('.logrotate')
    file.write_text((ROOT / 'conf' / name).read_text().replace(PLACE, str(checkout)))
    file.chmod(0o644)
    return file


def test_systemd_accepts_the_unit(checkout: Path, tmp_path: Path) -> None:
    unit = installed(checkout, 'model-serving.service', tmp_path)
    verified = subprocess.run(
        ['systemd-analyze', 'verify', unit], env=TOOLS, capture_output=True, text=True, timeout=60
    )
    assert (verified.returncode, verified.stderr) == (0, '')


def test_log_of_a_running_service_is_rotated(checkout: Path, tmp_path: Path) -> None:
    rules = installed(checkout, 'model-serving.logrotate', tmp_path)
    command = ['logrotate', '--force', '--state', tmp_path / 'state', rules]
    log, port = checkout / 'tmp' / 'model-serving.log', str(free_port())
    settings = {'HOST': '127.0.0.1', 'PORT': port, 'WORKERS': '1', 'MODEL_SERVING_MODELS': 'XXXModel'}
    started = run(checkout, 'start.sh', **settings)
    try:
        assert started.returncode == 0, started
        subprocess.run(['logrotate', '-d', rules], env=TOOLS, capture_output=True, check=True, timeout=60)
        subprocess.run(command, env=TOOLS, capture_output=True, check=True, timeout=60)
        assert 'ready: XXXModel' in log.with_name('model-serving.log.1').read_text()
        assert post(f'http://127.0.0.1:{port}', '/v1/XXXModel', b'{"name": "Leo"}').status == 200
        assert run(checkout, 'reload.sh').returncode == 0
    finally:
        run(checkout, 'stop.sh')
    said = log.read_bytes()
    assert said.count(b'\0') == 0
    assert b'Starting gunicorn' not in said
    assert b'POST /v1/XXXModel 200' in said
