"""Loads the service with all kinds of requests for an hour, and shows what grows: memory, files, threads.

Usage:
  soak.py [--minutes=<n>] [--rate=<n>] [--workers=<n>]
  soak.py -h | --help

Options:
  --minutes=<n>  How long [default: 60].
  --rate=<n>     Requests per second [default: 100].
  --workers=<n>  Worker processes of the service [default: 2].

Prints a line per part of the time, the slopes over its second half, and how many requests were lost; draws
docs/soak.svg. In the environment of the tests: `.venv-test/bin/python -m benchmarks.soak`.
"""

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from docopt import docopt

from benchmarks.chart import Panel, chart
from benchmarks.processes import descendants, fields, free_ports, memory_mb, stop

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / 'docs' / 'soak.svg'
LOG = ROOT / 'tmp' / 'soak.log'
PARTS = 12
CLIENTS = 8
JSON = {'Content-Type': 'application/json'}
DIGIT = {'instances': [[0.0] * 64]}


class Kind(NamedTuple):
    """A kind of request: its path, its body (none: a GET), its headers, and the statuses that are right."""

    path: str
    body: bytes | None = None
    headers: dict[str, str] = JSON
    right: tuple[int, ...] = (200,)


KINDS = (
    Kind('/v1/XXXModel', b'{"name": "Leo"}'),
    Kind('/v1/XXXModel', b'{}', right=(400,)),
    Kind('/v1/XXXModel', b'{"name": ', right=(400,)),
    Kind('/v1/XXXModel', b'name=Leo', {'Content-Type': 'text/plain'}, (415,)),
    Kind('/v1/DigitsModel', json.dumps({'instances': [[0] * 64] * 32}).encode()),
    Kind('/v1/DigitsModel', json.dumps({'instances': [[99] * 64]}).encode(), right=(400,)),
    Kind('/v1/models/DigitsModel:predict', json.dumps(DIGIT).encode()),
    Kind('/v1/NoModel', b'{}', right=(404,)),
    Kind('/', None, {}),
    Kind('/', None, {'Accept': 'text/html'}),
    Kind('/metrics', None, {}),
    Kind('/health/ready', None, {}, (200, 503)),
    Kind('/openapi.json', None, {}),
)


class Sample(NamedTuple):
    """What the processes of the service use at a moment: PSS in MB, open descriptors, threads."""

    memory_mb: float
    descriptors: int
    threads: int


class Clients:
    """Threads that send each kind in turn, at a rate, on connections that they keep, renew or cut."""

    def __init__(self, port: int, rate: float) -> None:
        self.port = port
        self.pause_s = CLIENTS / rate
        self.outcomes: Counter[str] = Counter()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._send, args=[number]) for number in range(CLIENTS)]

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        count = number
        while not self.over.wait(self.pause_s):
            count += 1
            if count % 50 == 0:
                self._cut()
            if count % 20 == 0:
                connection.close()
            self.outcomes[self._ask(connection, KINDS[count % len(KINDS)])] += 1
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, kind: Kind) -> str:
        try:
            method = 'GET' if kind.body is None else 'POST'
            connection.request(method, kind.path, kind.body, kind.headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f'lost: {error!r}'
        return 'right' if response.status in kind.right else f'{kind.path}: {response.status}'

    def _cut(self) -> None:
        """Go in the middle of a request."""
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port)) as cut:
            cut.sendall(b'POST /v1/XXXModel HTTP/1.1\r\nHost: service\r\nContent-Length: 100\r\n\r\n{"na')


def sample() -> Sample:
    """What all processes below this one use now."""
    pids = descendants(os.getpid())
    descriptors = threads = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            descriptors += len(os.listdir(f'/proc/{pid}/fd'))
        with contextlib.suppress(IndexError):
            threads += int(fields(pid)[17])
    return Sample(memory_mb(), descriptors, threads)


def measure(minutes: float, clients: Clients) -> list[Sample]:
    """The median sample of each part of the time."""
    parts = []
    for part in range(PARTS):
        end = time.monotonic() + minutes * 60 / PARTS
        samples = [sample()]
        while time.monotonic() < end:
            time.sleep(min(5.0, max(0.0, end - time.monotonic())))
            samples.append(sample())
        parts.append(Sample(*[statistics.median(column) for column in zip(*samples, strict=True)]))
        print(
            f'{(part + 1) * minutes / PARTS:6.1f} min  {parts[-1].memory_mb:7.1f} MB  '
            f'{parts[-1].descriptors:5.0f} descriptors  {parts[-1].threads:4.0f} threads  '
            f'{clients.outcomes.total():8d} requests',
            flush=True,
        )
    return parts


def per_hour(values: list[float], minutes: float) -> float:
    """The slope of the second half of the values, per hour."""
    half = values[len(values) // 2 :]
    hours = [place * minutes / 60 / PARTS for place in range(len(half))]
    return statistics.linear_regression(hours, half).slope


def report(parts: list[Sample], minutes: float, outcomes: Counter[str]) -> None:
    """Print the slopes and the outcomes, and draw the picture."""
    panels = []
    for name, title in zip(Sample._fields, ('Memory (PSS), MB', 'Descriptors', 'Threads'), strict=True):
        values = [float(getattr(part, name)) for part in parts]
        print(f'{title}: {per_hour(values, minutes):+.2f} per hour in the second half')
        panels.append([Panel(title, {'the service': values})])
    for outcome, count in outcomes.most_common():
        print(f'{count:8d} {outcome}')
    marks = [f'{(part + 1) * minutes / PARTS:.3g}' for part in range(PARTS)]
    PICTURE.write_text(chart(panels, marks, 'minutes'))


def main() -> None:
    """Start the service, load it, and say what grew."""
    options = docopt(__doc__)
    minutes, workers = float(options['--minutes']), options['--workers']
    port = free_ports(1)[0]
    settings = {'HOST': '127.0.0.1', 'PORT': str(port), 'WORKERS': workers}
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open('w') as log:
        command = [sys.executable, '-m', 'gunicorn', '--config', str(ROOT / 'conf' / 'gunicorn.conf.py')]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    clients = Clients(port, float(options['--rate']))
    try:
        wait(port, process)
        for thread in clients.threads:
            thread.start()
        parts = measure(minutes, clients)
    finally:
        clients.over.set()
        for thread in clients.threads:
            if thread.is_alive():
                thread.join()
        stop(process)
    report(parts, minutes, clients.outcomes)


def wait(port: int, process: 'subprocess.Popen[bytes]') -> None:
    """Return once the service is ready."""
    for _ in range(600):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
            connection.request('GET', '/health/ready')
            if connection.getresponse().status == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f'the service did not start; see {LOG}')


if __name__ == '__main__':
    main()
