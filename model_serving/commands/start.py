"""`model-serving start`: the service in the background, under gunicorn."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from model_serving.addresses import LOOPBACK, whole_number, why_not_free
from model_serving.commands.background import (
    CONFIG,
    FOLDER,
    LOG_FILE,
    PID_FILE,
    STOP_SECONDS,
    expected_address,
    note_state,
    running_pid,
    server_command,
    server_environment,
    url_of,
)
from model_serving.commands.client import answers, example, model_states
from model_serving.commands.log import Log
from model_serving.platforms import chosen_host, chosen_port

PAUSE_SECONDS = 0.1
SAY_SECONDS = 5.0


def start() -> None:
    """Start the service, unless it runs; return once it answers. HOST and PORT come from the environment.

    Exits with status 1, and says why, where that cannot be; then nothing is left running. Raises OSError.
    """
    if not CONFIG.is_file():
        sys.exit(f'{CONFIG} is missing; give this command in the folder of a project')
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / 'model-serving.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # A second start waits for the first.
        if pid := running_pid():
            _report_running(pid)
            return
        host, port = chosen_host(), chosen_port()
        _check(host, port)
        log = Log()
        process = _spawn(host, port)
        with _ended_unless_served(process):
            url = _wait(process, url_of(host, port), log)
            note_state(process.pid, url)
            states = _wait_for_examples(process, url)
        for state in states:
            if 'reason' in state:
                print(f'{state["name"]} {state["reason"]}; see the log', file=sys.stderr)
        ready = [state['name'] for state in states if state['state'] == 'ready']
        print(f'Serving at {url}/ (pid {process.pid}, log in {LOG_FILE})')
        if host == LOOPBACK:
            print('Only this machine can call; for all: HOST=0.0.0.0 bin/start.sh')
        print(example(url, ready) + 'Stop: bin/stop.sh', flush=True)


def _report_running(pid: int) -> None:
    url = expected_address()
    if not answers(url):
        sys.exit(f'pid {pid} runs, but does not answer at {url}; see {LOG_FILE}, or stop it with bin/stop.sh')
    print(f'Already running: pid {pid}, {url}, log in {LOG_FILE}')


def _check(host: str, port: str) -> None:
    number = whole_number(port)
    if number is None:
        sys.exit(f'PORT: {port!r} is not a number from 1 to 65535')
    if reason := why_not_free(host, number):
        sys.exit(f'Cannot listen on {host} port {port}: {reason}; choose others with HOST and PORT')


def _spawn(host: str, port: str) -> 'subprocess.Popen[bytes]':
    """Start gunicorn in a session of its own: it outlives the terminal, and the pipe that we write to."""
    PID_FILE.unlink(missing_ok=True)
    environment = {**server_environment(), 'HOST': host, 'PORT': port}
    with LOG_FILE.open('ab') as log:  # So that it can be emptied meanwhile, as logrotate does.
        process = subprocess.Popen(
            [*server_command(), '--pid', str(PID_FILE)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with contextlib.suppress(OSError):
        note_state(process.pid, url_of(host, port))
    return process


@contextlib.contextmanager
def _ended_unless_served(process: 'subprocess.Popen[bytes]') -> Iterator[None]:
    """End the process, and all that it has started, unless the block ends well."""
    try:
        yield
    except BaseException as error:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if isinstance(error, KeyboardInterrupt):
            sys.exit('Interrupted; nothing was left running')
        raise


def _wait(process: 'subprocess.Popen[bytes]', url: str, log: Log) -> str:
    """The URL at which the service answers. Exits where its process ends first."""
    progress = _Progress()
    while process.poll() is None:
        # gunicorn's own options may have set another address; but a log of the project's own may not say.
        if found := log.address():
            url = _url_for_this_machine(found)
        if answers(url, timeout_s=1):  # While it loads, a connection is made, and not answered.
            return url
        loading = log.loading()
        progress.say(f'loading {loading}' if loading else 'starting')
    sys.exit(f'The service did not start; from {LOG_FILE}:\n{log.reason()}')


def _wait_for_examples(process: 'subprocess.Popen[bytes]', url: str) -> list[dict[str, Any]]:
    """The states of the models when each has answered its example, or has failed."""
    progress = _Progress()
    while process.poll() is None:
        what = 'waiting for an answer'  # An example may keep the interpreter to itself for a while.
        with contextlib.suppress(OSError, HTTPException, ValueError):
            states = model_states(url)
            starting = [state['name'] for state in states if state['state'] == 'starting']
            if not starting:
                return states
            what = f'waiting for {starting[0]} to answer its own example'
        progress.say(what)
    sys.exit(f'The service has ended; see {LOG_FILE}')


class _Progress:
    """Pauses, and says every few seconds what is waited for."""

    def __init__(self) -> None:
        self._begin = self._said_at = time.monotonic()

    def say(self, what: str) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY_SECONDS:
            self._said_at = now
            print(f'... {what} ({now - self._begin:.0f} s)', flush=True)
        time.sleep(PAUSE_SECONDS)


def _url_for_this_machine(address: str) -> str:
    place = urlsplit(address)
    if not place.hostname:  # A Unix socket.
        return address
    return url_of(place.hostname, str(place.port)).replace('http', place.scheme, 1)
