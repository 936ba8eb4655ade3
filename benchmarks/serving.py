"""Measures the service under gunicorn, variants in alternation.

Usage:
  serving.py [--variants=<list>] [--workers=<n>] [--connections=<n>] [--rounds=<n>] [--seconds=<n>]
  serving.py -h | --help

Options:
  --variants=<list>  Values of THREADS to compare, the first being the reference; with ":" and the name of
                     another worker class of gunicorn's behind it, that class [default: 8,4,16,32,8:gthread].
  --workers=<n>      Workers of each variant [default: 2].
  --connections=<n>  Connections that wrk keeps busy [default: 32].
  --rounds=<n>       Rounds; in each, every variant runs once [default: 3].
  --seconds=<n>      Seconds of load for each figure [default: 4].
"""

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docopt import docopt

ROOT = Path(__file__).resolve().parent.parent
LOADS = {
    'hello': ('/v1/XXXModel', {'name': 'Leo'}),
    '32 digit rows': ('/v1/DigitsModel', {'instances': [[0, 0, 5, 13, 9, 1, 0, 0] * 8] * 32}),
}


class Figures(NamedTuple):
    """What one run of one load gave."""

    requests_per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


class Run(NamedTuple):
    """One start of one variant."""

    start_s: float
    pss_mb: float
    loads: dict[str, Figures]


def main() -> None:
    """Measure and print."""
    options = docopt(__doc__)
    if shutil.which('wrk') is None:
        sys.exit('serving.py needs wrk; Debian: sudo apt install wrk')
    runs: dict[str, list[Run]] = {variant: [] for variant in options['--variants'].split(',')}
    for _ in range(int(options['--rounds'])):
        for variant, measured in runs.items():
            measured.append(measure(variant, options))
    report(runs)


def measure(variant: str, options: dict[str, str]) -> Run:
    """Start the service, and load it."""
    threads, _, worker_class = variant.partition(':')
    arguments = ['--worker-class', worker_class] if worker_class else []
    with started(arguments, THREADS=threads, WORKERS=options['--workers']) as (pid, url, seconds):
        urllib.request.urlopen(f'{url}/_ah/warmup').close()
        pss = memory_mb(pid)
        loads = {name: load(pid, url, name, options) for name in LOADS}
        return Run(seconds, pss, loads)


@contextlib.contextmanager
def started(arguments: list[str], **environment: str) -> Iterator[tuple[int, str, float]]:
    """The pid, the URL and the seconds to the first answer of a service with these variables."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    settings = {**os.environ, 'HOST': '127.0.0.1', 'PORT': str(port), **environment}
    command = [
        sys.executable,
        '-m',
        'gunicorn',
        '--config',
        str(ROOT / 'conf' / 'gunicorn.conf.py'),
        *arguments,
    ]
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f'http://127.0.0.1:{port}'
        wait(url)
        yield process.pid, url, time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait(45)


def wait(url: str) -> None:
    """Return when the service answers."""
    for _ in range(6000):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit('the service did not start')


def load(pid: int, url: str, name: str, options: dict[str, str]) -> Figures:
    """Let wrk send one kind of request for a while."""
    path, body = LOADS[name]
    with tempfile.NamedTemporaryFile('w', suffix='.lua') as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = [==[{json.dumps(body)}]==]\n")
        script.write("wrk.headers['Content-Type'] = 'application/json'\n")
        script.flush()
        wrk = ['wrk', '-t1', f'-c{options["--connections"]}', '--latency', '-s', script.name, f'{url}{path}']
        run([*wrk, '-d1s'])
        before = cpu_seconds(pid)
        output = run([*wrk, f'-d{options["--seconds"]}s'])
        used = cpu_seconds(pid) - before
    return figures(output, used)


def run(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def figures(output: str, cpu: float) -> Figures:
    """Read the output of wrk; every answer must have been a good one."""
    if 'Non-2xx' in output or 'Socket errors' in output:
        sys.exit(output)
    requests = int(re.findall(r'(\d+) requests in', output)[0])
    rate = float(re.findall(r'Requests/sec: +([\d.]+)', output)[0])
    p50, p99 = (milliseconds(output, percentile) for percentile in ('50', '99'))
    return Figures(rate, cpu / requests * 1e6, p50, p99)


def milliseconds(output: str, percentile: str) -> float:
    """A percentile of the latency."""
    value, unit = re.findall(rf'{percentile}% +([\d.]+)(us|ms|s)\n', output)[0]
    return float(value) * {'us': 0.001, 'ms': 1, 's': 1000}[unit]


def tree(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of a process tree."""
    ticks = 0
    for process in tree(pid):
        fields = Path(f'/proc/{process}/stat').read_text().rsplit(')', 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')


def memory_mb(pid: int) -> float:
    """Proportional set size of a process tree."""
    rollups = (Path(f'/proc/{process}/smaps_rollup').read_text() for process in tree(pid))
    return sum(int(re.findall(r'^Pss: +(\d+) kB', rollup, re.M)[0]) for rollup in rollups) / 1024


def report(runs: dict[str, list[Run]]) -> None:
    """Print a table of medians."""
    print('| variant | load | requests/s, relative | CPU us/request | p50 ms | p99 ms | PSS MB | start s |')
    print('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
    reference = next(iter(runs.values()))
    for variant, measured in runs.items():
        memory = statistics.median(run.pss_mb for run in measured)
        start = statistics.median(run.start_s for run in measured)
        for name in LOADS:
            ratios = [
                run.loads[name].requests_per_second / other.loads[name].requests_per_second
                for run, other in zip(measured, reference, strict=True)
            ]
            columns = zip(*(run.loads[name] for run in measured), strict=True)
            _, cpu, p50, p99 = map(statistics.median, columns)
            print(
                f'| {variant} | {name} | {statistics.median(ratios):.2f} | {cpu:.0f}'
                f' | {p50:.1f} | {p99:.1f} | {memory:.0f} | {start:.2f} |'
            )


if __name__ == '__main__':
    main()
