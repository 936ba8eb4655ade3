"""`model-serving start`: the service in the background, under gunicorn."""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model_serving.addresses import LOOPBACK, chosen_host, whole_number, why_not_free
from model_serving.commands.background import (
    CONFIG,
    FOLDER,
    LOG_FILE,
    PID_FILE,
    STOP_SECONDS,
    expected_address,
    note_state,
    running_pid,
    url_of,
)
from model_serving.commands.client import answers, example, failures
from model_serving.project import ROOT

START_SECONDS = 120
PAUSE_SECONDS = 0.1
LAST_LINES = 20
LISTENING = re.compile(r'Listening at: (https?)://(\S+):(\d+)')


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
        host, port = chosen_host(), os.environ.get('PORT') or '9999'
        _check(host, port)
        process = _spawn(host, port)
        with _ended_unless_served(process):
            url = _wait(process, url_of(host, port))
            note_state(process.pid, url)
            for line in failures(url):
                print(line, file=sys.stderr)
            print(f'Serving at {url}/ (pid {process.pid}, log in {LOG_FILE})')
            if host == LOOPBACK:
                print('Only this machine can call; for all: HOST=0.0.0.0 bin/start.sh')
            print(example(url) + 'Stop: bin/stop.sh', flush=True)


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
    if LOG_FILE.exists():
        LOG_FILE.replace(f'{LOG_FILE}.1')
    environment = {**os.environ, 'HOST': host, 'PORT': port, 'MODEL_SERVING_ROOT': str(ROOT)}
    if sys.platform == 'darwin':  # Else macOS ends forked workers.
        environment['OBJC_DISABLE_INITIALIZE_FORK_SAFETY'] = 'YES'
    # Not by -m: gunicorn's USR2 starts the same program again, and would find its own package first.
    program = Path(sys.executable).with_name('gunicorn')
    with LOG_FILE.open('wb') as log:
        process = subprocess.Popen(
            [sys.executable, str(program), '--config', str(CONFIG), '--pid', str(PID_FILE)],
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


def _wait(process: 'subprocess.Popen[bytes]', url: str) -> str:
    """The URL at which the service answers. Exits where its process ends first, or time runs out."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        # gunicorn's own options may have set another address; but a log of the project's own may not say.
        if found := LISTENING.search(LOG_FILE.read_text(errors='replace')):
            url = url_of(found[2].strip('[]'), found[3]).replace('http', found[1], 1)
        if answers(url):
            return url
        time.sleep(PAUSE_SECONDS)
    why = 'did not start' if process.poll() is not None else f'did not answer within {START_SECONDS} seconds'
    sys.exit(f'The service {why}; from {LOG_FILE}:\n{_reason()}')


def _reason() -> str:
    """The line of the log that says most of why there is no service, or its last lines."""
    lines = LOG_FILE.read_text(errors='replace').splitlines()
    for telling in (r'\[CRITICAL\]', r'^[A-Za-z_.]+(Error|Exception): '):
        if found := [line for line in lines if re.search(telling, line)]:
            return found[0]
    return '\n'.join(lines[-LAST_LINES:])
