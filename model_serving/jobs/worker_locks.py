"""Which workers live: each locks a byte of a file, which the system unlocks when it ends, however it does."""

import contextlib
import fcntl
import functools
import os
from collections.abc import Iterator
from pathlib import Path


class WorkerLocks:
    """The bytes of a file, by the numbers of workers.

    The locks are POSIX's: a child does not have those of its parent, so that it cannot outlive them. They are
    lost where a process closes the file, which is never closed here, so there is one object for each file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._own: set[tuple[int, int]] = set()

    def hold(self, number: int) -> bool:
        """Lock the byte of this process until it ends. Whether that was free."""
        os.utime(self._file)  # Else it looks old to what clears up.
        is_free = self._lock(number)
        if is_free:
            self._own.add((os.getpid(), number))
        return is_free

    def is_held(self, number: int) -> bool:
        """Whether the worker of this number lives, as far as can be known."""
        if (os.getpid(), number) in self._own:  # One's own lock is in nobody's way.
            return True
        with contextlib.suppress(OSError):
            is_there = os.path.samestat(os.stat(self._path), os.fstat(self._file))
            if is_there and self._lock(number):  # Where it was deleted, others lock another file.
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
                return False
        return True

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    def _lock(self, number: int) -> bool:
        with contextlib.suppress(BlockingIOError, PermissionError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            return True
        return False


locks_of = functools.cache(WorkerLocks)
"""Those of a file, by its path."""
