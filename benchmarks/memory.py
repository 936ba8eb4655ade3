"""What the worst bodies cost one worker with the settings of app.yaml: its peak of memory, and the time.

In the environment of the service, on Linux:

    PYTHONPATH=. python benchmarks/memory.py [--default] [case]...

Each case sends its body from eight clients at once, as app.yaml lets App Engine do. `--default` leaves the
settings of the service as they are, so that bodies have 32 MiB. Peaks are VmHWM of the worker, reset before
each case.
"""

import concurrent.futures
import contextlib
import gzip
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = 8
DIGITS, IRIS, HELLO, V2 = '/v1/DigitsModel', '/v1/IrisModel', '/v1/XXXModel', '/v2/models/IrisModel/infer'
PREDICT = '/v1/models/IrisModel:predict'


class Case(NamedTuple):
    """A body, as a function of its size; where it is sent, and the headers."""

    path: str
    body: Callable[[int], bytes]
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def repeated(
    piece: bytes, start: bytes = b'{"name":"a","x":[', end: bytes = b'0]}'
) -> Callable[[int], bytes]:
    """A body that has `piece` as often as there is room."""
    return lambda size: start + piece * ((size - len(start) - len(end)) // len(piece)) + end


def digits(size: int) -> bytes:
    """Rows of 64 pixels: a valid body."""
    row = b'[' + b','.join([b'%d.0' % (pixel % 17) for pixel in range(64)]) + b'],'
    return b'{"instances":[' + row * (size // len(row) - 1) + row[:-1] + b']}'


def zipped(body: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """The same, compressed."""
    return lambda size: gzip.compress(body(size), 9)


GZIP = {'Content-Encoding': 'gzip'}
TENSORS = b'{"inputs":[],"x":['
CASES = {
    'digits': Case(DIGITS, digits),
    '{},': Case(HELLO, repeated(b'{},')),
    '{"a":0},': Case(HELLO, repeated(b'{"a":0},')),
    '{"":0},': Case(HELLO, repeated(b'{"":0},')),
    '[[[]]],': Case(HELLO, repeated(b'[[[]]],')),
    '[1,2],': Case(HELLO, repeated(b'[1,2],')),
    '"a",': Case(HELLO, repeated(b'"a",')),
    '{}, refused': Case(HELLO, repeated(b'{},', b'{"x":[')),
    '{}, gzip': Case(V2, zipped(repeated(b'{},', TENSORS)), GZIP),
    '"a", gzip': Case(V2, zipped(repeated(b'"a",', TENSORS)), GZIP),
    'rows, v1': Case(PREDICT, repeated(b'[5.1,3.5,1.4,0.2],', b'{"instances":[', b'[5.1,3.5,1.4,0.2]]}')),
    'shape [200000000, 0]': Case(
        '/v2/models/DigitsModel/infer',
        lambda _: b'{"inputs":[{"name":"instances","datatype":"FP32","shape":[200000000,0],"data":[]}]}',
    ),
}


def megabytes(pid: int, kind: str) -> float:
    """VmRSS or VmHWM of a process."""
    found = re.search(rf'{kind}:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())
    return int(found[1]) / 1024 if found else 0


def send(port: int, case: Case, body: bytes) -> int:
    """The status of the answer."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
    headers = {'Content-Type': 'application/json', **case.headers}
    try:
        connection.request('POST', case.path, body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def measure(port: int, worker: int, name: str, size: int) -> None:
    """Print a line about a case."""
    body = CASES[name].body(size)
    before = megabytes(worker, 'VmRSS')
    Path(f'/proc/{worker}/clear_refs').write_text('5')
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        statuses = list(pool.map(lambda _: send(port, CASES[name], body), range(CLIENTS)))
    seconds, peak = time.monotonic() - begin, megabytes(worker, 'VmHWM')
    print(
        f'{name:22} {len(body) / 1e6:7.3f} MB {before:7.0f} {peak:7.0f} MiB {seconds:7.2f} s'
        f'   {sorted(set(statuses))}',
        flush=True,
    )


def wait_until_ready(port: int) -> None:
    """Return once each model has answered its example."""
    for _ in range(600):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
            connection.request('GET', '/_ah/warmup')
            connection.getresponse().read()
            return
        time.sleep(0.1)
    sys.exit('the service does not start')


def main(arguments: list[str]) -> None:
    """Measure the chosen cases, or all."""
    settings = re.findall(r"^  ([A-Z_]+): '(.*)'$", (ROOT / 'app.yaml').read_text(), re.MULTILINE)
    size = 4 * 2**20
    if '--default' in arguments:
        arguments.remove('--default')
        settings, size = [('WORKERS', '1')], 32 * 2**20
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    command = [sys.executable, '-m', 'gunicorn', '--config', 'conf/gunicorn.conf.py']
    environment = {**os.environ, **dict(settings), 'HOST': '127.0.0.1', 'PORT': str(port)}
    with open(os.environ.get('MEMORY_LOG', os.devnull), 'w') as log:
        master = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_until_ready(port)
        worker = int(Path(f'/proc/{master.pid}/task/{master.pid}/children').read_text().split()[0])
        print(f'{"":22} {"body":>10} {"before":>7} {"peak":>11} {"time":>9}   statuses')
        for name in arguments or CASES:
            measure(port, worker, name, size)
    finally:
        master.send_signal(signal.SIGTERM)
        master.wait()


if __name__ == '__main__':
    main(sys.argv[1:])
