"""What the tests of the engine do with a service: call it, many times at once, and look at its processes."""

import concurrent.futures
import contextlib
import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.raw_http import Answer, post, send
from tests.service_process import LOG_SECONDS, ROOT, running_service

SERVED = 'tests.engine.served:app'


class Service(NamedTuple):
    """A running service and its log."""

    url: str
    log: Path

    def get(self, path: str = '/', *headers: str) -> Answer:
        return send(
            self.url, '\r\n'.join([f'GET {path} HTTP/1.1', 'Host: service', *headers, '', '']).encode()
        )

    def nap(self, model: str, tag: str, seconds: float) -> Answer:
        return post(self.url, f'/v1/{model}', nap_body(tag, seconds))

    def double(self, *rows: Sequence[float]) -> Answer:
        return post(self.url, '/v1/Rows', json.dumps({'rows': rows}).encode())

    def state(self) -> Any:
        return self.get('/state').json

    def text(self) -> str:
        time.sleep(LOG_SECONDS)
        return self.log.read_text(errors='replace')

    def connect(self, timeout: float = 30) -> socket.socket:
        place = urlsplit(self.url)
        return socket.create_connection((place.hostname, place.port), timeout=timeout)

    def master(self) -> int:
        match = re.search(r'Listening at: \S+ \((\d+)\)', self.text())
        assert match
        return int(match[1])

    def answers_quickly(self) -> bool:
        """Whether GET / is answered within a second, as a probe of health wants it."""
        start = time.monotonic()
        return self.get('/').status == 200 and time.monotonic() - start < 1


@contextlib.contextmanager
def served(log: Path, **environment: str) -> Iterator[Service]:
    """The service of the tests."""
    with running_service(log, ROOT, SERVED, **environment) as url:
        yield Service(url, log)


def nap_body(tag: str, seconds: float) -> bytes:
    return json.dumps({'tag': tag, 'seconds': seconds}).encode()


def request_of(method: str, path: str, *headers: str, body: bytes = b'') -> bytes:
    """The bytes of a request."""
    lines = [f'{method} {path} HTTP/1.1', 'Host: service', *headers]
    if body:
        lines += [f'Content-Length: {len(body)}', 'Content-Type: application/json']
    return '\r\n'.join([*lines, '', '']).encode() + body


@contextlib.contextmanager
def at_once(most: int = 32) -> Iterator[Callable[..., Future[Any]]]:
    """`submit` of threads for clients."""
    with concurrent.futures.ThreadPoolExecutor(most) as pool:
        yield pool.submit


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """What `condition` gives as soon as it is true; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, condition
        time.sleep(0.02)
    return found


def read_to_end(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection."""
    pieces = []
    while piece := connection.recv(1024 * 1024):
        pieces.append(piece)
    return b''.join(pieces)


def read_answers(connection: socket.socket, count: int) -> list[Answer]:
    """The next answers of one connection, all of them with a Content-Length."""
    answers = []
    with connection.makefile('rb') as file:
        for _ in range(count):
            answers.append(read_from(file))
    return answers


def read_from(file: io.BufferedReader) -> Answer:
    status = file.readline()
    assert status.startswith(b'HTTP/1.1 '), status
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode('latin-1').partition(': ')
        headers[name.lower()] = value
    return Answer(int(status.split()[1]), headers, file.read(int(headers['content-length'])))
