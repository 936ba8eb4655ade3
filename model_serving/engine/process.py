"""What a worker asks of the system for its process."""

import contextlib
import os
import resource


def yield_to_running_threads() -> None:
    """Keep a thread of this process that wakes up from preempting the one that holds the interpreter.

    It would only wait for the interpreter's lock: two more context switches, each time.
    """
    if hasattr(os, 'SCHED_BATCH'):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def allow_many_files() -> None:
    """Raise the limit of open files, usually 1,024, to what the system allows."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and means less.
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
