"""The time by which the current request must be answered."""

import time
from contextvars import ContextVar

deadline: ContextVar[float | None] = ContextVar('deadline', default=None)
"""By time.monotonic; None where there is no request, as in a notebook."""


def remaining_s() -> float | None:
    """Seconds until the deadline, at least 0; None without one."""
    end = deadline.get()
    return None if end is None else max(0.0, end - time.monotonic())
