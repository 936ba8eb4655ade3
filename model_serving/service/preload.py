"""Imports packages before gunicorn forks, so that its workers share the memory and the time of it.

Of the project's own modules none is among them: so gunicorn's reload (HUP) takes new code.
"""

import contextlib
import importlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

PACKAGES = (
    'attrs', 'flask', 'flask_cors', 'flask_restful', 'httptools', 'jsonschema', 'jsonschema_rs', 'orjson',
    'prometheus_client',
)  # fmt: skip
"""Those of the service itself."""


def import_packages(names: Iterable[str]) -> None:
    """Import them; what cannot be imported is left out: the worker that needs it says so."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def run_in_fork(names: Callable[[], list[str]]) -> list[str]:
    """What `names` returns in a forked process, which then ends; nothing where it fails."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(writer, json.dumps(names()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    with contextlib.suppress(ChildProcessError):  # gunicorn may have been faster.
        os.waitpid(child, 0)
    found: list[str] = json.loads(text or '[]')
    return found


def threads_lost_by_a_fork() -> int:
    """How many threads of this process a forked one would miss, as far as the system tells (Linux).

    A library that waits for such a thread hangs in the forked process. OpenBLAS ends its threads before
    a fork and starts new ones when they are needed, so one fork shows who is left.
    """
    if _threads() > 1:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return _threads() - 1


def _threads() -> int:
    tasks = Path('/proc/self/task')
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1
