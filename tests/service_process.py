"""Starts the service as it runs in production, under gunicorn, on a free port of this machine."""

import contextlib
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
LOG_SECONDS = 0.25
"""After that, at the latest, a line is in the log."""
WAYS: dict[str, dict[str, str]] = {
    'fast': {},
    'full': {'MODEL_SERVING_FAST_PATH': 'false'},
    'gthread': {'GUNICORN_CMD_ARGS': '--worker-class gthread'},
}
"""The ways that a request may take, by the variables of a service that has it take one."""


PORTS = 1000
"""For each of the processes that run tests side by side. Below those that the system hands out itself."""
FIRST_PORT = 11_000 + PORTS * int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
# Another run of these tests on this machine begins elsewhere.
_numbers = itertools.count(os.getpid())


def free_port() -> int:
    """A port that nobody listens at, and that is given to nobody else for long."""
    while True:
        port = FIRST_PORT + next(_numbers) % PORTS
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(('127.0.0.1', port))
            return port


@contextlib.contextmanager
def running_service(
    log: Path,
    root: Path = ROOT,
    application: str = '',
    trust: ssl.SSLContext | None = None,
    **environment: str,
) -> Iterator[str]:
    """The base URL of a service started with these variables; it is stopped at the end.

    `application` is what is served instead of `main:app`; `trust` knows the certificate of one with TLS.
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
        url = f'{"https" if trust else "http"}://127.0.0.1:{port}'
        wait_until_it_answers(url, process, log, trust)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def wait_until_it_answers(
    url: str, process: 'subprocess.Popen[bytes]', log: Path, trust: ssl.SSLContext | None = None
) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5, context=trust).close()
            return
        time.sleep(0.05)
    raise AssertionError(f'the service did not start:\n{log.read_text()}')
