"""Prints what a request costs under Ray Serve, and under gunicorn with one worker, in alternation.

python -m benchmarks.ray_serve [<rounds>] in the environment of the tests, with wrk. One replica of each
model; under Ray with the gateway, and as a model alone without. The CPU time is that of all processes of the
cluster or the service.
"""

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ray.cluster import descendants, running_cluster
from tests.service_process import ROOT, running_service

SECONDS = 4
MODELS = 'XXXModel,DigitsModel'
LOADS = {
    'a greeting': ('/v1/XXXModel', {'name': 'Leo'}),
    '32 digits rows': ('/v1/DigitsModel', {'instances': [[0, 16] * 32] * 32}),
}
TICKS = os.sysconf('SC_CLK_TCK')
CLIENTS = 1, 16
QUICK = {'RAY_SERVE_THROUGHPUT_OPTIMIZED': '1'}
"""Ray's own choice for much traffic: fewer threads between proxy and model."""
Figures = tuple[float, float, float]
"""Median latency in ms, requests a second, CPU time in us a request."""


def cpu_seconds(pids: set[int]) -> float:
    """CPU time of these processes so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def measure(url: str, pids: set[int], script: Path, clients: int) -> Figures:
    """Load a server for a while; the first second does not count."""
    load(url, script, clients, 1)
    begin = cpu_seconds(pids)
    said = load(url, script, clients, SECONDS)
    used = cpu_seconds(pids) - begin
    number, unit = re.findall(r'50%\s+([\d.]+)(us|ms|s)', said)[0]
    latency = float(number) * {'us': 0.001, 'ms': 1, 's': 1000}[unit]
    requests = int(re.findall(r'(\d+) requests in', said)[0])
    if 'Non-2xx' in said or 'Socket errors' in said:
        raise RuntimeError(said)
    return latency, requests / SECONDS, used / requests * 1e6


def load(url: str, script: Path, clients: int, seconds: int) -> str:
    """What wrk says."""
    command = ['wrk', '-t1', f'-c{clients}', f'-d{seconds}s', '--latency', '-s', str(script), url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def write_script(folder: Path, name: str, body: object) -> Path:
    """A script that lets wrk post this body."""
    script = folder / f'{name.replace(" ", "-")}.lua'
    lines = [
        'wrk.method = "POST"',
        'wrk.headers["Content-Type"] = "application/json"',
        f'wrk.body = [==[{json.dumps(body)}]==]',
    ]
    script.write_text('\n'.join(lines))
    return script


def main(rounds: int) -> None:
    """Measure and print the medians of the rounds."""
    folder = Path(tempfile.mkdtemp())
    options = f'models={MODELS}', 'max_replicas=1', 'num_cpus=0.5'
    os.environ['MODEL_SERVING_CHECK_ANSWERS'] = 'false'
    with (
        running_service(folder / 'plain.log', ROOT, MODEL_SERVING_MODELS=MODELS, WORKERS='1') as plain,
        running_cluster(ROOT, folder / 'ray.log', *options, nodes=1, **QUICK) as cluster,
    ):
        for model in MODELS.split(','):
            alone = f'--name={model}', f'--route-prefix=/{model}', 'deploy.ray_app:app'
            cluster.serve(*alone, f'models={model}', 'max_replicas=1', 'num_cpus=0.1')
        ray_pids = {pid for node in [cluster.head, *cluster.nodes] if node for pid in node.pids()}
        plain_pids = descendants(os.getpid()) - ray_pids
        for name, (path, body) in LOADS.items():
            servers = {
                'gunicorn': (plain + path, plain_pids),
                'Ray Serve': (cluster.url + path, ray_pids),
                'Ray Serve, model alone': (f'{cluster.url}/{path.rpartition("/")[2]}{path}', ray_pids),
            }
            script = write_script(folder, name, body)
            for clients in CLIENTS:
                compare(f'{name}, {clients} clients', servers, script, clients, rounds)


def compare(
    title: str, servers: dict[str, tuple[str, set[int]]], script: Path, clients: int, rounds: int
) -> None:
    """Load the servers in turn, and print the medians of each."""
    found: dict[str, list[Figures]] = {server: [] for server in servers}
    for _ in range(rounds):
        for server, (url, pids) in servers.items():
            found[server].append(measure(url, pids, script, clients))
    for server, figures in found.items():
        latency, rate, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f'{title}, {server}: {latency:.2f} ms, {rate:.0f}/s, {cpu:.0f} us CPU', flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
