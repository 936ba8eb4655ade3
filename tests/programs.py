"""Programs of others that tests run: found, started, waited for and ended."""

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

START_SECONDS = 30
END_SECONDS = 30


def program(name: str) -> str:
    """The path of a program, which Debian has where not every PATH leads. Raises RuntimeError without it."""
    found = shutil.which(name) or shutil.which(name, path='/usr/sbin:/usr/local/sbin')
    if not found:
        raise RuntimeError(f'{name} is not installed')
    return found


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, is_ready: Callable[[], bool]) -> Iterator[int]:
    """The pid of a program that is ready, with its output in `log`. Raises RuntimeError if it never is."""
    with log.open('w') as output:
        process = subprocess.Popen([program(command[0]), *command[1:]], stdout=output, stderr=output)
    try:
        end = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f'{command[0]} does not start:\n{log.read_text()}')
            time.sleep(0.02)
        yield process.pid
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def listens(port: int) -> bool:
    """Whether somebody accepts connections at this port of the loopback."""
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
        return True
    return False


def answers(url: str) -> bool:
    """Whether a GET is answered with 2xx."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False
