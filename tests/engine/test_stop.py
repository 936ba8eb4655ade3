"""Stops, reloads and replacements of workers, under load: nothing that got through is lost."""

import contextlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engine.clients import Service, at_once, nap_body, request_of, served, until
from tests.raw_http import read_answer

CLIENTS = 16
JSON = {'Content-Type': 'application/json'}
CRASH_SIGNS = (
    'SIGSEGV',
    'SIGKILL',
    'SIGABRT',
    'exited with code',
    'Traceback',
    'Fatal',
    'Perhaps out of memory',
)


class Load:
    """Clients that call again and again over connections that they keep; `lost` is what went wrong."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stopping = False
        self.answered = 0
        self.lost: list[str] = []
        self.threads = [threading.Thread(target=self._call, args=[number]) for number in range(CLIENTS)]

    def _call(self, number: int) -> None:
        place = urlsplit(self.service.url)
        while not self.stopping:
            connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
            try:
                connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.01)
                continue
            with contextlib.closing(connection):
                self._use(connection, number)

    def _use(self, connection: http.client.HTTPConnection, number: int) -> None:
        """Call until the service closes the connection, which it may where it has answered."""
        calls = 0
        while not self.stopping:
            body = nap_body(f'load {number}', 0.01 * (number % 3))
            try:
                connection.request('POST', f'/v1/{("Nap", "Other")[number % 2]}', body, JSON)
                response = connection.getresponse()
                response.read()
            except http.client.RemoteDisconnected as error:
                if not calls:
                    self.lost.append(f'a new connection: {error!r}')
                return
            except (OSError, http.client.HTTPException) as error:
                if not (calls and isinstance(error, BrokenPipeError)):
                    self.lost.append(f'after {calls}: {error!r}')
                return
            if response.status != 200:
                self.lost.append(str(response.status))
            calls += 1
            self.answered += 1
            if response.will_close:
                return


@contextlib.contextmanager
def load(service: Service) -> Iterator[Load]:
    clients = Load(service)
    for thread in clients.threads:
        thread.start()
    try:
        until(lambda: clients.answered > 10 * CLIENTS)
        yield clients
    finally:
        clients.stopping = True
        for thread in clients.threads:
            thread.join()


def stop(service: Service, number: int = signal.SIGTERM) -> float:
    """Stop gunicorn; returns how many seconds it took."""
    begin = time.monotonic()
    os.kill(service.master(), number)
    until(lambda: 'Shutting down: Master' in service.text(), 40)
    return time.monotonic() - begin


def assert_well(service: Service) -> None:
    text = service.text()
    assert not [sign for sign in CRASH_SIGNS if sign in text], text[-3000:]


def stop_while_requests_wait(tmp_path: Path) -> None:
    with served(tmp_path / 'log', THREADS='1') as service, at_once() as submit:
        waiting = [submit(service.nap, 'Nap', 'in line', 0.2) for _ in range(4)]
        waiting += [submit(service.double, [0.2, number]) for number in range(12)]
        stream = submit(service.get, '/stream?count=5&pause=0.2')
        with service.connect() as half:
            request = request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}')
            half.sendall(request[:-5])
            time.sleep(0.3)
            stopping = submit(stop, service)
            time.sleep(0.2)
            half.sendall(request[-5:])
            assert read_answer(half).status == 200
        assert [future.result().status for future in waiting] == [200] * 16
        assert stream.result().body.count(b'data:') == 5
        assert stopping.result() < 10
    assert_well(service)


def stop_while_a_model_hangs(tmp_path: Path, quick: bool) -> None:
    """The worker ends by itself, before gunicorn would kill it."""
    arguments = '--graceful-timeout 5'
    with served(tmp_path / 'log', GUNICORN_CMD_ARGS=arguments) as service, at_once() as submit:
        for _ in range(5):
            service.state()
            if quick:
                service.nap('Nap', 'quick', 0)
        hanging = submit(service.nap, 'Nap', 'hangs', 3600)
        until(lambda: 'hangs' in service.state()['called'])
        assert service.answers_quickly()
        assert stop(service) < 4.9
        with pytest.raises((OSError, http.client.HTTPException)):
            hanging.result()
    assert 'still busy' in service.text()
    assert_well(service)


def stop_quickly(tmp_path: Path, number: int) -> None:
    with served(tmp_path / 'log') as service, at_once() as submit:
        hanging = submit(service.nap, 'Nap', 'hangs', 3600)
        until(lambda: 'hangs' in service.state()['called'])
        assert stop(service, number) < 4
        with pytest.raises((OSError, http.client.HTTPException)):
            hanging.result()
    assert_well(service)


def stop_with_idle_clients(tmp_path: Path) -> None:
    with served(tmp_path / 'log') as service, contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(service.connect())
            connection.sendall(request_of('GET', '/'))
            assert read_answer(connection).status == 200
        stack.enter_context(service.connect())
        assert stop(service) < 4
    assert_well(service)


STOPS: dict[str, Callable[[Path], None]] = {
    'requests that wait are answered': stop_while_requests_wait,
    'a model that hangs in a thread is left': partial(stop_while_a_model_hangs, quick=False),
    'a model that hangs in the loop is left': partial(stop_while_a_model_hangs, quick=True),
    'SIGQUIT waits for nobody': partial(stop_quickly, number=signal.SIGQUIT),
    'SIGINT waits for nobody': partial(stop_quickly, number=signal.SIGINT),
    'idle clients are not waited for': stop_with_idle_clients,
}


@pytest.fixture(scope='module')
def stops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """All these stops, at the same time, because they mostly wait."""
    with at_once() as submit:
        yield {name: submit(story, tmp_path_factory.mktemp('stop')) for name, story in STOPS.items()}


@pytest.mark.parametrize('name', STOPS)
def test_at_a_stop(stops: dict[str, Future[None]], name: str) -> None:
    stops[name].result()


def test_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    with served(tmp_path / 'log', WORKERS='2') as service, load(service) as clients:
        time.sleep(0.3)
        assert stop(service) < 5
        clients.stopping = True
    assert clients.lost == []
    assert_well(service)


def test_reload_under_load_loses_nothing(tmp_path: Path) -> None:
    with served(tmp_path / 'log', WORKERS='2') as service, load(service) as clients:
        os.kill(service.master(), signal.SIGHUP)
        until(lambda: service.text().count('Worker exiting') == 2, 20)
        answered = clients.answered
        until(lambda: clients.answered > answered + CLIENTS)
    assert clients.lost == []
    assert_well(service)


def test_replacing_a_worker_loses_nothing(tmp_path: Path) -> None:
    arguments = '--max-requests 150 --max-requests-jitter 50'
    with (
        served(tmp_path / 'log', GUNICORN_CMD_ARGS=arguments) as service,
        load(service) as clients,
    ):
        until(lambda: service.text().count('Worker exiting') > 1, 20)
    assert clients.lost == []
    assert_well(service)
