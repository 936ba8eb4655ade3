"""Starts the service as it runs in production, under gunicorn, on a free port of this machine."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running_service(log: Path, root: Path = ROOT, application: str = '', **environment: str) -> Iterator[str]:
    """The base URL of a service started with these variables; it is stopped at the end.

    `application` is what is served instead of `main:app`.
    """
    port = free_port()
    settings = {'HOST': '127.0.0.1', 'PORT': str(port), 'WORKERS': '1', **environment}
    config = str(root / 'conf' / 'gunicorn.conf.py')
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, '-m', 'gunicorn', '--config', config, *filter(None, [application])],
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f'http://127.0.0.1:{port}'
        wait_until_it_answers(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def wait_until_it_answers(url: str, process: 'subprocess.Popen[bytes]', log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.05)
    raise AssertionError(f'the service did not start:\n{log.read_text()}')
