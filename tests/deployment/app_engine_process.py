"""The service as App Engine starts it: the upload set alone, a fresh environment, a read-only file system."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.deployment.upload_set import app_yaml, upload_set
from tests.project_copy import copy_files
from tests.service_process import free_port, wait_until_it_answers

INSTALL_SECONDS = 600
STOP_SECONDS = 45

READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount --bind "$1/tmp" "$1/tmp"
mount -o remount,bind,ro "$1"
# The rest of the machine too, where it allows that.
mount -o remount,bind,ro / 2>/dev/null || :
mount -o remount,bind,ro /dev/shm 2>/dev/null || :
shift
exec "$@"
"""
"""Runs a command that can write nowhere below the folder $1 but in its folder tmp."""


class Deployment(NamedTuple):
    """A folder with the upload set, an environment with requirements.txt, and a temporary directory."""

    folder: Path

    @property
    def app(self) -> Path:
        return self.folder / 'app'

    @property
    def environments(self) -> Path:
        """Where dev_appserver.py looks for the environment of the service `default`."""
        return self.folder / 'environments'

    @property
    def programs(self) -> Path:
        return self.environments / 'default' / 'bin'

    @property
    def temporary(self) -> Path:
        return self.folder / 'tmp'


class Running(NamedTuple):
    url: str
    process: 'subprocess.Popen[bytes]'
    log: Path


def deploy(folder: Path) -> Deployment:
    """Copy the upload set and install requirements.txt, and nothing else, for the Python of app.yaml."""
    deployment = Deployment(folder)
    copy_files(upload_set(), deployment.app)
    deployment.temporary.mkdir()
    environment = deployment.environments / 'default'
    _install([serving_python(), '-m', 'venv', str(environment)])
    requirements = deployment.app / 'requirements.txt'
    pip = [str(deployment.programs / 'python'), '-m', 'pip', 'install', '--quiet']
    _install([*pip, '--disable-pip-version-check', '-r', str(requirements)])
    return deployment


def _install(command: Sequence[str]) -> None:
    done = _run(command, INSTALL_SECONDS)
    assert done.returncode == 0, done.stderr


@functools.cache
def serving_python() -> str:
    """The Python that app.yaml names, where this machine has it; else the one that runs the tests."""
    version = re.sub(r'python(\d)(\d+)', r'\1.\2', app_yaml()['runtime'])
    this: str = getattr(sys, '_base_executable', sys.executable)
    return _on_the_path(version) or _of_pyenv(version) or this


def _on_the_path(version: str) -> str | None:
    program = shutil.which(f'python{version}')
    # One of pyenv's stand-ins is found on the path, and fails, where its version is not switched on.
    return program if program and _run([program, '-V']).returncode == 0 else None


def _of_pyenv(version: str) -> str | None:
    if shutil.which('pyenv') is None:
        return None
    found = _run(['pyenv', 'prefix', version])
    return f'{found.stdout.strip()}/bin/python{version}' if found.returncode == 0 else None


@contextlib.contextmanager
def running_entrypoint(deployment: Deployment, **extra: str) -> Iterator[Running]:
    """Start the entrypoint of app.yaml with its variables, read-only but for the temporary directory."""
    port = str(free_port())
    environment = {
        'PATH': f'{deployment.programs}:{os.defpath}',
        'HOME': str(deployment.folder / 'nobody'),
        'TMPDIR': str(deployment.temporary),
        **app_yaml()['env_variables'],
        'HOST': '127.0.0.1',
        **extra,
        'PORT': port,
    }
    # gcloud puts the `exec` there too.
    command = ['sh', '-c', f'exec {app_yaml()["entrypoint"]}']
    with running(read_only(deployment, command), deployment, port, environment) as service:
        yield service


def read_only(deployment: Deployment, command: Sequence[str]) -> list[str]:
    """`command`, started so that it can write to nothing but the temporary directory of `deployment`."""
    for unshare in (['unshare', '--mount'], ['unshare', '--mount', '--map-root-user']):
        remounted = [*unshare, 'sh', '-c', READ_ONLY, 'sh', str(deployment.folder)]
        if shutil.which('unshare') and _run([*remounted, 'true']).returncode == 0:
            return [*remounted, *command]
    # Permissions do not bind root, but root may remount nearly everywhere.
    _run(['chmod', '-R', 'a-w', str(deployment.app)])
    return list(command)


def _run(command: Sequence[str], seconds: float = 30) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)


@contextlib.contextmanager
def running(
    command: Sequence[str], deployment: Deployment, port: str, environment: Mapping[str, str]
) -> Iterator[Running]:
    """Run `command` in the folder of the app until the end of the block; ends all that it started."""
    log = deployment.temporary / f'{port}.log'
    with log.open('w') as output:
        process = subprocess.Popen(
            command,
            cwd=deployment.app,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f'http://127.0.0.1:{port}'
    try:
        wait_until_it_answers(url, process, log)
        yield Running(url, process, log)
    finally:
        stop(process)
        _end_group(process.pid)


def stop(process: 'subprocess.Popen[bytes]') -> int:
    """SIGTERM, and the exit status."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _end_group(process.pid)
        process.wait(STOP_SECONDS)
        raise


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def call(url: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of the answer to a GET, or to a POST of `body`."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {'Content-Type': 'application/json'})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def memory_mib(pid: int) -> float:
    """Proportional set size of a process and all its descendants."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith('Pss:'))
    children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return own / 1024 + sum(memory_mib(int(child)) for child in children)


def wait_for(text: str, log: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text(errors='replace'):
        assert time.monotonic() < end, f'{text!r} is not in the log:\n{log.read_text(errors="replace")}'
        time.sleep(0.1)
