"""A model that does what operators fear: it sleeps, computes, crashes, and ends its process."""

import ctypes
import os
import signal
import time
from collections.abc import Callable


def compute(seconds: float) -> None:
    """Keep the interpreter busy for so much CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


def sleep(seconds: float) -> None:
    """Wait for so long; on a host that is made slow, for a multiple of it."""
    time.sleep(seconds * float(os.environ.get('DRILL_SLOWNESS', '1')))


class DrillModel:
    """Does it."""

    deeds: dict[str, Callable[[float], object]] = {  # noqa: RUF012 - never changed
        'sleep': sleep,
        'compute': compute,
        'read a null pointer': lambda _: ctypes.string_at(0),
        # What the kernel does where memory runs out; a limit of the process alone is a MemoryError.
        'be killed': lambda _: os.kill(os.getpid(), signal.SIGKILL),
    }

    def do(self, what: str, seconds: float) -> str:
        """Do it, for so long; returns what was done."""
        self.deeds[what](seconds)
        return what

    def text(self, size: int) -> str:
        """Return a text of so many characters."""
        return 'x' * size
