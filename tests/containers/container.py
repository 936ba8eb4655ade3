"""A running container of the service, in a network of its own, in which its port is always free."""

import contextlib
import ctypes
import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.containers.tools import attempt, run

READY_SECONDS = 60
CONNECT_SECONDS = 0.25
"""The least that a platform (SageMaker) waits for a connection."""
NETWORK = 0x40000000  # CLONE_NEWNET of <sched.h>.

_libc = ctypes.CDLL(None, use_errno=True)


class Container:
    """What a platform sees of a container: its answers and its log, its first process and how it ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = int(self.inspect('.State.Pid'))

    def inspect(self, what: str) -> str:
        return run('podman', 'inspect', '--type=container', '--format', f'{{{{{what}}}}}', self.name)

    def log(self) -> str:
        done = attempt('podman', 'logs', self.name)
        return done.stdout + done.stderr

    def workers(self) -> int:
        """How many processes the first one has started."""
        return len(Path(f'/proc/{self.pid}/task/{self.pid}/children').read_text().split())

    def call(
        self, port: int, path: str, body: Any = None, kind: str = 'application/json', timeout_s: float = 30
    ) -> tuple[int, Any]:
        """Status and body of the answer to a GET or, given a body, to a POST of this text or JSON."""
        connection = _Connection(self.pid, port, timeout_s)
        with contextlib.closing(connection):
            if body is None:
                connection.request('GET', path)
            else:
                data = body if isinstance(body, str) else json.dumps(body)
                connection.request('POST', path, data, {'Content-Type': kind})
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers.get_content_type() == 'application/json'
            return answer.status, json.loads(text) if is_json else text.decode()

    def wait_until(self, port: int, path: str) -> None:
        """Wait until a GET is answered with 200."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and self.inspect('.State.Running') == 'true':
            with contextlib.suppress(OSError):
                if self.call(port, path, timeout_s=2)[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f'no 200 at {path} of port {port}:\n{self.log()}')

    def wait_for(self, text: str) -> None:
        """Wait until this is in its log."""
        end = time.monotonic() + READY_SECONDS
        while text not in self.log():
            assert time.monotonic() < end, f'{text!r} is not in the log:\n{self.log()}'
            time.sleep(0.1)

    def healthcheck(self) -> int:
        """The exit status of the image's HEALTHCHECK."""
        return attempt('podman', 'healthcheck', 'run', self.name).returncode

    def terminate(self) -> None:
        run('podman', 'kill', '--signal=TERM', self.name)

    def exit_status(self, within_s: float) -> int:
        """Its exit status, for which it has this long."""
        return int(run('podman', 'wait', '--interval=50ms', self.name, timeout_s=within_s))


@contextlib.contextmanager
def running(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[Container]:
    """A container, started with these options of `podman run`, which are those of `docker run`."""
    # systemd would have to be there for podman to run the health check by itself.
    own = ['--detach', '--network=none', '--health-interval=disable']
    name = run('podman', 'run', *own, *options, image, *command)
    try:
        yield Container(name)
    finally:
        attempt('podman', 'rm', '--force', '--time=0', name)


class _Connection(http.client.HTTPConnection):
    """A connection in the network of the process `pid`."""

    def __init__(self, pid: int, port: int, timeout_s: float) -> None:
        super().__init__('127.0.0.1', port, timeout=timeout_s)
        self._pid = pid

    def connect(self) -> None:
        with _in_network_of(self._pid):
            self.sock = socket.create_connection((self.host, self.port), CONNECT_SECONDS)
        self.sock.settimeout(self.timeout)


@contextlib.contextmanager
def _in_network_of(pid: int) -> Iterator[None]:
    """Have this thread make its sockets there: a socket stays in the network that it was made in."""
    with open('/proc/thread-self/ns/net') as own, open(f'/proc/{pid}/ns/net') as other:
        _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(network: int) -> None:
    if _libc.setns(network, NETWORK) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
