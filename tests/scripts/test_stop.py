"""bin/stop.sh, where models have started processes: "Stopped" means that the port is free."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linux import linux_only
from tests.project_copy import copy_of_project, link_environments
from tests.raw_http import post
from tests.service_process import free_port

pytestmark = linux_only

MODEL = """
import ctypes
import multiprocessing
import time


class XXXModel:
    def hello(self, name):
        if name == 'daemon':
            child = multiprocessing.get_context('fork').Process(target=time.sleep, args=[60], daemon=True)
            child.start()
            return str(child.pid)
        # As a library would, and so that it has nothing to do with anybody.
        libc = ctypes.PyDLL(None)
        if name == 'fork of C' and libc.fork() == 0:
            libc.setsid()
            if libc.fork() == 0:
                libc.sleep(60)
            libc._exit(0)
        return ''
"""


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = copy_of_project(tmp_path_factory.mktemp('stop'))
    link_environments(copy)
    (copy / 'model_serving' / 'models' / 'xxx_model.py').write_text(MODEL)
    return copy


@pytest.fixture
def port(checkout: Path) -> Iterator[int]:
    """Where the service is started for a test."""
    port = free_port()
    started = run(checkout, 'start.sh', PORT=str(port), MODEL_SERVING_MODELS='XXXModel')
    assert 'Serving at' in started.stdout, started.stderr
    yield port
    run(checkout, 'stop.sh')


def run(checkout: Path, script: str, **environment: str) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [checkout / 'bin' / script],
        env={**os.environ, 'HOST': '127.0.0.1', 'WORKERS': '1', **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )


def hello(port: int, name: str) -> object:
    return post(f'http://127.0.0.1:{port}', '/v1/XXXModel', json.dumps({'name': name}).encode()).json[
        'result'
    ]


def test_daemon_ends_and_the_port_is_free(checkout: Path, port: int) -> None:
    child = hello(port, 'daemon')
    begin = time.monotonic()
    stopped = run(checkout, 'stop.sh')

    assert stopped.stdout.startswith('Stopped (pid ')
    assert time.monotonic() - begin < 8
    assert not Path(f'/proc/{child}').exists()
    socket.create_server(('127.0.0.1', port)).close()


def test_process_that_keeps_the_port_is_named(checkout: Path, port: int) -> None:
    hello(port, 'fork of C')
    stopped = run(checkout, 'stop.sh')

    named = re.search(r'its port is still taken:\n  pid (\d+): .*gunicorn', stopped.stderr)
    assert named, stopped
    assert (stopped.returncode, stopped.stdout) == (1, '')
    os.kill(int(named[1]), signal.SIGKILL)
    assert run(checkout, 'stop.sh').stdout == 'Not running\n'
