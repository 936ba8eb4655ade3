"""Clients that take their time, each in a thread of its own."""

import concurrent.futures
import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from tests.engine.clients import Service, request_of, served

PATIENCE = 30
DRIPPERS = 16
CHUNK = 30_000_000
STREAM_SECONDS = 34
HEAD = request_of('POST', '/v1/XXXModel', f'X-Long: {"x" * 1000}', body=b'{"name": "Leo"}')


class Seen(NamedTuple):
    """What a client got, and after how many seconds the service ended the connection."""

    received: bytes
    seconds: float


def drip(service: Service, data: bytes, at_first: bytes = b'', pause: float = 0.2) -> Seen:
    """Send byte by byte, until the service has enough."""
    begin = time.monotonic()
    with service.connect(PATIENCE) as connection:
        connection.sendall(at_first)
        received = b''
        for byte in data:
            readable, _, _ = select.select([connection], [], [], pause)
            if readable:
                piece = receive(connection)
                received += piece
                if not piece:
                    break
            with contextlib.suppress(OSError):
                connection.send(bytes([byte]))
        return Seen(received, time.monotonic() - begin)


def receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b''


def stay_silent(service: Service, at_first: bytes) -> Seen:
    begin = time.monotonic()
    with service.connect(PATIENCE) as connection:
        connection.sendall(at_first)
        received = b''
        with contextlib.suppress(TimeoutError):
            while piece := receive(connection):
                received += piece
        return Seen(received, time.monotonic() - begin)


def read_slowly(service: Service) -> Seen:
    """Read a stream of two large pieces so slowly that the first alone takes half a minute."""
    begin = time.monotonic()
    with service.connect(PATIENCE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(request_of('GET', f'/stream?count=2&size={CHUNK}', 'Connection: close'))
        received = bytearray()
        while piece := receive(connection):
            received += piece
            while time.monotonic() - begin < STREAM_SECONDS * len(received) / CHUNK < STREAM_SECONDS:
                time.sleep(0.01)
        return Seen(bytes(received), time.monotonic() - begin)


def stall(service: Service) -> Seen:
    """Ask for much and read nothing; the end shows once it is read at last."""
    with service.connect(PATIENCE) as connection:
        connection.sendall(request_of('GET', f'/whole?size={CHUNK}'))
        time.sleep(PATIENCE - 8)
        begin = time.monotonic()
        size = 0
        while piece := receive(connection):
            size += len(piece)
        return Seen(b'x' * min(size, 1), time.monotonic() - begin if size > CHUNK else 0)


def look_on(service: Service) -> Seen:
    """The longest time that another client had to wait meanwhile."""
    longest = 0.0
    for number in range(100):
        begin = time.monotonic()
        if number % 2:
            assert service.get('/').status == 200
        else:
            assert service.nap('Nap', 'x', 0).status == 200
        longest = max(longest, time.monotonic() - begin)
        time.sleep(0.1)
    return Seen(b'', longest)


class SlowClients(NamedTuple):
    """The clients at their work."""

    service: Service
    of: dict[str, list[Future[Seen]]]

    def seen(self, kind: str) -> list[Seen]:
        return [future.result() for future in self.of[kind]]


BODY = request_of('POST', '/environ', 'Content-Length: 100000')
CHUNKS = request_of('POST', '/environ', 'Transfer-Encoding: chunked') + b'1;'
KINDS: dict[str, tuple[int, Callable[[Service], Seen]]] = {
    'head': (DRIPPERS, lambda service: drip(service, HEAD)),
    'body': (2, lambda service: drip(service, b'x' * 500, BODY)),
    'extension of a chunk': (2, lambda service: drip(service, b'x' * 500, CHUNKS)),
    'silent head': (2, lambda service: stay_silent(service, HEAD[:20])),
    'silent body': (2, lambda service: stay_silent(service, HEAD[:-1])),
    'after an error': (2, lambda service: drip(service, b'x' * 500, b'GARBAGE\r\n\r\n')),
    'reader': (1, read_slowly),
    'no reader': (1, stall),
    'other': (1, look_on),
}


@contextlib.contextmanager
def at_work(log: Path) -> Iterator[SlowClients]:
    """A service of their own with clients of all kinds."""
    clients = sum(count for count, _ in KINDS.values())
    with served(log) as service, concurrent.futures.ThreadPoolExecutor(clients) as pool:
        yield SlowClients(
            service,
            {
                name: [pool.submit(client, service) for _ in range(count)]
                for name, (count, client) in KINDS.items()
            },
        )
