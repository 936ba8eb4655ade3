"""Lets wrk load a server."""

import json
import re
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import loads
from benchmarks.environments import FOLDER, HERE
from benchmarks.processes import Failed, Server, busy_seconds, cpu_seconds


class Figures(NamedTuple):
    """What one load on one server gave."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """CPU time of the server's process tree per request."""
    errors: int
    """Answers of another status than 2xx, and connections that broke."""
    other_percent: float
    """The share of the machine's CPU time that neither the server nor wrk used."""


def measure(server: Server, asked: loads.Load, seconds: int, warm_up: int = 1) -> Figures:
    """Load a server for a while, after a shorter while that does not count."""
    if warm_up:
        load(server, asked, warm_up)
    before = usage()
    said = load(server, asked, seconds)
    cpu, client, busy, machine = (after - first for first, after in zip(before, usage(), strict=True))
    return Figures(
        said['requests'] / said['seconds'],
        said['p50_ms'],
        said['p99_ms'],
        cpu / max(said['requests'], 1) * 1e6,
        said['refused'] + said['broken'],
        max(0.0, busy - cpu - client) / machine * 100,
    )


def usage() -> tuple[float, float, float, float]:
    """CPU seconds so far of the server, of wrk, of all that runs on the machine, and of the machine."""
    client = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_seconds(), client.ru_utime + client.ru_stime, *busy_seconds()


def load(server: Server, asked: loads.Load, seconds: int) -> dict[str, Any]:
    """What wrk says of a load."""
    url = f'http://127.0.0.1:{server.port}'
    if asked.question == 'mixed':
        small, large = write(server, 'hello'), write(server, 'digits-512')
        paths = server.contender.paths
        script = [HERE / 'mixed.lua', url, '--', paths['hello'], small, paths['digits'], large]
        threads = asked.connections
    else:
        path = server.contender.paths[loads.questions()[asked.question].endpoint]
        script = [HERE / 'load.lua', f'{url}{path}', '--', write(server, asked.question)]
        threads = 1
    command = [shutil.which('wrk') or 'wrk', f'-t{threads}', f'-c{asked.connections}', f'-d{seconds}s']
    command += ['--timeout', '10s', '-s', *map(str, script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if not (line := re.search(r'^FIGURES (.*)$', done.stdout, re.MULTILINE)):
        raise Failed(f'{" ".join(command)}\n{done.stdout}{done.stderr}')
    figures: dict[str, Any] = json.loads(line[1])
    return figures


def write(server: Server, question: str) -> Path:
    """The file with the body of a question, in the server's form."""
    folder = FOLDER / 'bodies' / type(server.contender.form).__name__
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f'{question}.json'
    file.write_bytes(server.body(loads.questions()[question]))
    return file
