"""The queue of a model, for work that comes to it by another way than its own URLs."""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

Result = TypeVar('Result')
Enter = Callable[[str, int, Callable[[], Any]], Any]

FORWARDED = 'model_serving.forwarded'
"""Marks the WSGI environment of such work: its response has what the view returned, as `own`."""

_enter: Enter | None = None


def use_queues(enter: Enter | None) -> None:
    """Have `enter` run what is given to `run_in_queue`, in a server that has queues."""
    global _enter  # noqa: PLW0603
    _enter = enter


def run_in_queue(model: str, size: int, function: Callable[[], Result]) -> Result:
    """What `function` returns, run in a slot of a model when its turn in the model's queue has come.

    `size` is that of the body that it is about, in bytes. The calling thread waits; under a server without
    queues it runs the function itself. Raises what the function raises, Overloaded where too many wait, and
    DeadlineExceeded.
    """
    return function() if _enter is None else cast(Result, _enter(model, size, function))


if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    os.register_at_fork(after_in_child=lambda: use_queues(None))
