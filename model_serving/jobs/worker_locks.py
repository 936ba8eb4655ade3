"""Which workers live: each locks a byte of a file, which the system unlocks when it ends, however it does."""

import contextlib
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

    def hold(self, number: int) -> bool:
        """Lock the byte of this process until it ends. Whether that was free."""
        is_free = self._lock(number)
        if is_free:
            self._own.add((os.getpid(), number))
        return is_free

    def is_held(self, number: int) -> bool:
        """Whether the worker of this number lives."""
        if (os.getpid(), number) in self._own:  # One's own lock is in nobody's way.
            return True
        if not self._lock(number):
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return False

    def _lock(self, number: int) -> bool:
        with contextlib.suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            return True
        return False


locks_of = functools.cache(WorkerLocks)
"""Those of a file, by its path."""
