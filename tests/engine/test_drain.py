"""SIGTERM with `drain_s`: the service goes on for so long, and says that it is not ready."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.engine.clients import Service, at_once, request_of, served, until
from tests.raw_http import read_answer

DRAIN_S = 4
GREETING = request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}')


@contextlib.contextmanager
def stopping(tmp_path: Path, **environment: str) -> Iterator[Service]:
    """A service that was sent SIGTERM."""
    settings = {'MODEL_SERVING_DRAIN_S': str(DRAIN_S), 'WORKERS': '2', **environment}
    with served(tmp_path / 'log', **settings) as service:
        until(lambda: service.get('/health/ready').status == 200)
        service.text()
        os.kill(service.master(), signal.SIGTERM)
        until(lambda: service.get('/health/ready').status == 503)
        yield service


def is_open(service: Service) -> bool:
    place = urlsplit(service.url)
    with socket.socket() as probe:
        return probe.connect_ex((str(place.hostname), int(place.port or 0))) == 0


def ends_within(service: Service, seconds: float) -> None:
    until(lambda: not is_open(service), seconds)


def test_service_answers_for_drain_s_and_is_not_ready(tmp_path: Path) -> None:
    with stopping(tmp_path) as service, at_once() as submit:
        begin = time.monotonic()
        ready = service.get('/health/ready')
        assert 'XXXModel is stopping' in ready.json['message']
        assert {model['state'] for model in ready.json['models']} == {'stopping'}
        assert service.get('/health/live').status == 200
        lasting = submit(service.nap, 'Nap', 'lasts longer than that', DRAIN_S + 1)
        with service.connect() as idle, service.connect() as busy:
            busy.sendall(GREETING)
            answer = read_answer(busy)
            assert (answer.status, answer.headers['connection']) == (200, 'close')
            until(lambda: time.monotonic() - begin > DRAIN_S - 1)
            idle.sendall(GREETING)
            assert read_answer(idle).status == 200
        assert is_open(service)
        ends_within(service, 5)
        assert lasting.result().status == 200
        assert DRAIN_S - 1 < time.monotonic() - begin < DRAIN_S + 4


def test_second_sigterm_skips_the_rest(tmp_path: Path) -> None:
    with stopping(tmp_path, MODEL_SERVING_DRAIN_S='60') as service:
        assert is_open(service)
        os.kill(service.master(), signal.SIGTERM)
        ends_within(service, 5)


def test_workers_that_are_replaced_do_not_wait_and_stay_ready(tmp_path: Path) -> None:
    with served(tmp_path / 'log', MODEL_SERVING_DRAIN_S='60', WORKERS='2') as service:
        until(lambda: service.get('/health/ready').status == 200)
        os.kill(service.master(), signal.SIGHUP)
        until(lambda: service.text().count('Worker exiting') == 2, 20)
        assert 'stopping' not in service.get('/health/ready').body.decode()
        os.kill(service.master(), signal.SIGQUIT)
        ends_within(service, 5)
