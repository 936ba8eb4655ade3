"""The service in the background: where its pid, its address and its log are kept, and whether it runs."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from model_serving.addresses import ANYWHERE, LOOPBACK
from model_serving.platforms import chosen_host
from model_serving.project import ROOT

CONFIG = ROOT / 'conf' / 'gunicorn.conf.py'
FOLDER = ROOT / 'tmp'
PID_FILE = FOLDER / 'model-serving.pid'
STATE_FILE = FOLDER / 'model-serving.json'
LOG_FILE = FOLDER / 'model-serving.log'

STOP_SECONDS = 40
"""gunicorn gives requests in flight 30 of them."""


def server_command() -> list[str]:
    """The command line of gunicorn with this project's configuration."""
    # Not by -m: gunicorn's USR2 starts the same program again, and would find its own package first.
    program = Path(sys.executable).with_name('gunicorn')
    return [sys.executable, str(program), '--config', str(CONFIG)]


def server_environment() -> dict[str, str]:
    """The environment of gunicorn: ours, and what it needs besides."""
    environment = {**os.environ, 'MODEL_SERVING_ROOT': str(ROOT)}
    if sys.platform == 'darwin':  # Else macOS ends forked workers.
        environment['OBJC_DISABLE_INITIALIZE_FORK_SAFETY'] = 'YES'
    return environment


def running_pid() -> int | None:
    """The pid of this project's server, if it runs."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(PID_FILE.read_text())
        if is_server(pid):
            return pid
    return None


def is_server(pid: int) -> bool:
    """Whether that is this project's server: a pid may belong to another program by now.

    It is the process that was started, or one that gunicorn has put in its place (USR2).
    """
    state = noted_state()
    if (state.get('pid'), state.get('started')) == (pid, started_at(pid)):
        return True
    return f'--config {CONFIG} ' in f'{command_of(pid)} '


def started_at(pid: int) -> str | None:
    """When a process began, in a form that tells it from others with the same pid; None if it has ended."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_bytes().rpartition(b')')[2].split()
        state, ticks = fields[0], fields[19]
    except OSError:
        return None if Path('/proc/self/stat').exists() else _ps(pid, 'lstart=') or None
    return None if state in (b'Z', b'X') else ticks.decode()


def command_of(pid: int) -> str:
    """The command line of a process; empty where there is none."""
    try:
        return os.fsdecode(Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ')).strip()
    except OSError:
        return _ps(pid, 'command=')


def _ps(pid: int, column: str) -> str:
    listed = subprocess.run(
        ['ps', '-p', str(pid), '-o', column], capture_output=True, text=True, errors='replace', check=False
    )
    return listed.stdout.strip()


def note_state(pid: int, url: str) -> None:
    """Note which process serves, and where."""
    STATE_FILE.write_text(json.dumps({'pid': pid, 'started': started_at(pid), 'url': url}))


def noted_state() -> dict[str, Any]:
    """What was noted last; empty if nothing was."""
    with contextlib.suppress(OSError, ValueError):
        state: dict[str, Any] = json.loads(STATE_FILE.read_text())
        return state
    return {}


def expected_address() -> str:
    """The URL at which the service was started last or, if it never was, at which it will be."""
    noted: str | None = noted_state().get('url')
    return noted or url_of(chosen_host(), os.environ.get('PORT') or '9999')


def url_of(host: str, port: str) -> str:
    """The URL of a service that listens there, for a client on this machine."""
    if host in (ANYWHERE, '::'):
        return f'http://{LOOPBACK}:{port}'
    return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'
