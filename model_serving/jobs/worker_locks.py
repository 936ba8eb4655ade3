"""Which workers live: each locks a byte of a file, which the system unlocks when it ends, however it does."""

import fcntl
import functools
import os
from pathlib import Path


class WorkerLocks:
    """The bytes of a file, by the numbers of workers.

    The locks are POSIX's: a child does not have those of its parent, so that it cannot outlive them. They are
    lost where a process closes the file, which is never closed here, so there is one object for each file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._own: set[tuple[int, int]] = set()

    def hold(self, number: int) -> None:
        """Lock the byte of this process until it ends."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
        self._own.add((os.getpid(), number))

    def is_held(self, number: int) -> bool:
        """Whether the worker of this number lives."""
        if (os.getpid(), number) in self._own:  # One's own lock is in nobody's way.
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return False


locks_of = functools.cache(WorkerLocks)
"""Those of a file, by its path."""
