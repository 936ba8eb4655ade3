"""`model-serving reload`: the service takes new code, models and settings, without losing a request."""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator

from model_serving.commands.background import (
    FOLDER,
    LOG_FILE,
    PID_FILE,
    STOP_SECONDS,
    is_server,
    running_pid,
)
from model_serving.commands.log import Log
from model_serving.master.outcome import SUFFIX

PAUSE_SECONDS = 0.1
SILENT_SECONDS = 15
SAY_SECONDS = 5
ENDS = 'done', 'unready', 'failed'


def reload() -> None:
    """Reload the service; return once all of it is new and ready.

    Exits with status 1, and says why, where that cannot be; then what served before serves on.
    """
    if running_pid() is None:
        sys.exit('Not running; start it with bin/start.sh')
    with (FOLDER / 'model-serving.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # One after the other: each has an outcome of its own.
        pid = running_pid() or sys.exit('Not running; start it with bin/start.sh')
        log = Log()
        PID_FILE.with_name(f'{PID_FILE.name}{SUFFIX}').unlink(missing_ok=True)
        os.kill(pid, signal.SIGHUP)
        for event, text in _events(pid):
            if event == 'failed':
                why = f'Not reloaded: {text}\nWhat served before serves on. From {LOG_FILE}:\n{log.error()}'
                sys.exit(why)
            print(text[:1].upper() + text[1:], flush=True)
        print(f'Reloaded (pid {_pid_after()}, log in {LOG_FILE})')
        if event == 'unready':
            sys.exit(1)


def _events(pid: int) -> Iterator[tuple[str, str]]:
    """What becomes of the reload, as it happens, up to its end."""
    file = PID_FILE.with_name(f'{PID_FILE.name}{SUFFIX}')
    begin = said_at = time.monotonic()
    count, event = 0, ''
    while event not in ENDS:
        lines = []
        with contextlib.suppress(OSError):
            lines = file.read_text('utf-8').splitlines()[count:]
        for line in lines:
            count += 1
            event, text = json.loads(line).values()
            yield event, text
        if event not in ENDS and not is_server(pid):
            sys.exit(f'The service (pid {pid}) has ended meanwhile; see {LOG_FILE}')
        if not count and time.monotonic() - begin > SILENT_SECONDS:
            sys.exit(
                f'pid {pid} says nothing of a reload; see {LOG_FILE},'
                ' or restart it with bin/stop.sh and bin/start.sh'
            )
        if time.monotonic() - said_at > SAY_SECONDS:
            said_at = time.monotonic()
            print(f'... waiting for a new worker ({said_at - begin:.0f} s)', flush=True)
        time.sleep(PAUSE_SECONDS)


def _pid_after() -> int | None:
    """The pid of the service, once that of a new first process is in the pid file."""
    second = PID_FILE.with_name(f'{PID_FILE.name}.2')
    end = time.monotonic() + STOP_SECONDS
    while (second.exists() or running_pid() is None) and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
    return running_pid()
