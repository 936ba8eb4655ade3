"""Until when the current request must be answered."""

import time
from contextvars import ContextVar

deadline: ContextVar[float | None] = ContextVar('deadline', default=None)
"""In seconds of time.monotonic; None where there is no request, as in a notebook."""


def remaining_s() -> float | None:
    """Seconds until the deadline, at least 0; None without one."""
    end = deadline.get()
    return None if end is None else max(0.0, end - time.monotonic())


STARTED = 'model_serving.started'
"""Where the environment of a request keeps the time it came, in seconds of time.perf_counter."""

DEADLINE = 'model_serving.deadline'
"""Where it keeps its deadline, in seconds of time.monotonic."""

REFUSAL = 'model_serving.refusal'
"""Where a server puts the error that a request is to be answered with, instead of what it asks for."""
