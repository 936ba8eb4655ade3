"""What the tests of odd models do with their service."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.engine.clients import Service, request_of
from tests.exposed_metrics import read_metrics
from tests.raw_http import Answer, post
from tests.service_process import ROOT, running_service

ODD = 'tests.engine.odd_service:app'


class Odd(Service):
    """The service of odd models."""

    def call(self, model: str, what: str = '', n: float = 1) -> Answer:
        return post(self.url, f'/v1/{model}', body_of(what, n))

    def wanted(self, model: str, what: str, n: float) -> bytes:
        return request_of('POST', f'/v1/{model}', body=body_of(what, n))

    def state(self) -> Any:
        return self.get('/v1/State').json

    def forget(self) -> None:
        """Let the service forget what it has seen."""
        assert self.delete().status == 204

    def delete(self) -> Answer:
        from tests.raw_http import send

        return send(self.url, request_of('DELETE', '/v1/State'))

    def crashes(self, model: str) -> float:
        return read_metrics(self.url).sum('requests_total', model=model, reason='crash')

    def is_well(self) -> bool:
        """Whether probes and other models are answered."""
        hello = post(self.url, '/v1/XXXModel', b'{"name": "Leo"}')
        return self.get('/health/live').status == 200 and hello.json == {'result': 'Hello, Leo!'}


def body_of(what: str, n: float) -> bytes:
    return json.dumps({'what': what, 'n': n}).encode()


@contextlib.contextmanager
def odd(log: Path, **environment: str) -> Iterator[Odd]:
    """A running service; GUNICORN_CMD_ARGS may have arguments for gunicorn."""
    with running_service(log, ROOT, ODD, **environment) as url:
        yield Odd(url, log)


def many(service: Service, clients: int, calls: int, call: Callable[['Client', int], bool]) -> list[int]:
    """The numbers of the calls that were wrong, of so many made by clients that keep their connections."""
    wrong: list[int] = []
    numbers = iter(range(calls))

    def run() -> None:
        with contextlib.closing(Client(service.url)) as client:
            for number in numbers:
                try:
                    right = call(client, number)
                except (OSError, http.client.HTTPException):
                    right = False
                if not right:
                    wrong.append(number)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


class Client:
    """A connection that is kept."""

    def __init__(self, url: str, timeout: float = 40) -> None:
        place = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=timeout)

    def call(self, model: str, what: str, n: float) -> tuple[int, Any]:
        """The status and the JSON."""
        headers = {'Content-Type': 'application/json'}
        self.connection.request('POST', f'/v1/{model}', body_of(what, n), headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def close(self) -> None:
        self.connection.close()


def seconds_of(call: Callable[[], Any]) -> float:
    """How long it takes."""
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def slowest(service: Service, path: str, until: threading.Event) -> list[float]:
    """How long each GET of `path` takes, one after the other until the event is set."""
    times = []
    while not until.wait(0.01):
        times.append(seconds_of(lambda: service.get(path)))
    return sorted(times)
