"""What a request to a model and its workers cost on this machine, measured on the service itself."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from model_serving.addresses import LOOPBACK
from model_serving.commands.background import CONFIG, STOP_SECONDS
from model_serving.commands.capacity import processes
from model_serving.commands.capacity.bodies import body_of
from model_serving.commands.capacity.clients import ask
from model_serving.commands.capacity.sizing import Cost
from model_serving.commands.client import get, model_states
from model_serving.commands.log import Log
from model_serving.project import ROOT

WARM_UP_SECONDS = 0.5
ALONE_SECONDS = 2.0
TOGETHER_SECONDS = 3.0
PAUSE_SECONDS = 0.1
LEAST_SECONDS = 1e-6
"""CPU time is counted in hundredths of a second, so that of very few requests may be none."""

CHOSEN = {
    'MODEL_SERVING_DEFAULT_MODEL': '',
    'MODEL_SERVING_DEFAULT_VERSIONS': '',
    'MODEL_SERVING_LABELS': '',
    'MODEL_SERVING_KEYS': '',
    'MODEL_SERVING_METRICS': 'true',
    'MODEL_SERVING_DRAIN_S': '0',
    'SCRIPT_NAME': '',
    # A worker is to compute with the core that the plan gives it.
    'OMP_NUM_THREADS': '1',
}
"""Settings of the service that is measured: one version alone, no key, and no pause at its end."""


class CannotMeasure(Exception):
    """The service did not start, or the model does not serve; the text says why."""


class Measured(NamedTuple):
    """The cost that a plan is made with, and the CPU time of a request with one client and with several."""

    cost: Cost
    alone_cpu_s: float
    together_cpu_s: float


class Service(NamedTuple):
    """A service that runs for a measurement, and its first process."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """The CPU time of all its processes so far."""
        return processes.cpu_seconds(processes.family(self.pid))

    def place_of(self, model: str) -> str:
        """The URL of the model, or of the only version of it that runs."""
        return f'{self.url}/v1/{model.partition("@")[0]}'

    def slot_seconds(self) -> float:
        """How long the model has run so far, as the service counts it."""
        lines = get(self.url, '/metrics').decode().splitlines()
        sums = [line for line in lines if line.startswith('model_serving_model_duration_seconds_sum')]
        return sum(float(line.split()[-1]) for line in sums)


def measure(model: str, rows: int | None, threads: int) -> Measured:
    """Run the service with this model, for about ten seconds in all. Raises CannotMeasure and NotAnswered."""
    with running(model, workers=1, threads=threads) as service:
        body = body_of(service.url, model, rows)
        place = service.place_of(model)
        ask(place, body, clients=threads, seconds=WARM_UP_SECONDS)
        slot_before = service.slot_seconds()
        answers, alone_cpu_s = _cost(service, place, body, 1, ALONE_SECONDS)
        slot_s = (service.slot_seconds() - slot_before) / answers
        _, together_cpu_s = _cost(service, place, body, threads, TOGETHER_SECONDS)
        first_mib = processes.proportional_mib(processes.family(service.pid))
    cost = Cost(
        cpu_s=max(alone_cpu_s, together_cpu_s, LEAST_SECONDS),
        slot_s=max(slot_s, LEAST_SECONDS),
        first_mib=first_mib,
        further_mib=_further_mib(model, body, threads),
    )
    return Measured(cost, alone_cpu_s, together_cpu_s)


def _cost(service: Service, place: str, body: Any, clients: int, seconds: float) -> tuple[int, float]:
    """How many answers so many clients got, and the CPU time of each."""
    before = service.cpu_seconds()
    answers = ask(place, body, clients, seconds)
    return answers, (service.cpu_seconds() - before) / answers


def _further_mib(model: str, body: Any, threads: int) -> float:
    """What a second worker has for itself: workers share what the first process has imported."""
    with running(model, workers=2, threads=threads) as service:
        ask(service.place_of(model), body, clients=4 * threads, seconds=2 * WARM_UP_SECONDS)
        workers = processes.children(service.pid)
        return max(processes.private_mib(processes.family(worker)) for worker in workers)


@contextlib.contextmanager
def running(model: str, workers: int, threads: int) -> Iterator[Service]:
    """The service with this model alone, ready to answer; it ends with the block. Raises CannotMeasure."""
    with tempfile.TemporaryDirectory() as folder:
        log, port = Path(folder) / 'log', _free_port()
        process = _spawn(log, model, port, workers, threads)
        try:
            service = Service(f'http://{LOOPBACK}:{port}', process.pid)
            _wait_until_ready(service, process, workers, log)
            yield service
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _spawn(log: Path, model: str, port: int, workers: int, threads: int) -> 'subprocess.Popen[bytes]':
    numbers = [f'--workers={workers}', f'--threads={threads}', f'--bind={LOOPBACK}:{port}']
    program = str(Path(sys.executable).with_name('gunicorn'))
    chosen = {**CHOSEN, 'MODEL_SERVING_MODELS': model, 'MODEL_SERVING_ROOT': str(ROOT)}
    with log.open('wb') as output:
        return subprocess.Popen(
            [sys.executable, program, '--config', str(CONFIG), *numbers],
            env={**os.environ, **chosen, 'WORKERS': str(workers), 'THREADS': str(threads)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait_until_ready(service: Service, process: 'subprocess.Popen[bytes]', workers: int, log: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError, HTTPException, ValueError):
            [state] = model_states(service.url)
            if state['state'] == 'failed':
                raise CannotMeasure(f'{state["name"]} {state["reason"]}:\n{Log(log).reason()}')
            if state['state'] == 'ready' and len(processes.children(service.pid)) >= workers:
                return
        time.sleep(PAUSE_SECONDS)
    raise CannotMeasure(f'the service did not start:\n{Log(log).reason()}')


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
