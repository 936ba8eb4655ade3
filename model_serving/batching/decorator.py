"""Micro-batching: calls that come at the same time are answered by one run of the model."""

import functools
import inspect
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from model_serving.batching.batcher import Batcher, batchers

Method = TypeVar('Method', bound=Callable[..., Any])

MAKE_IT_A_METHOD = 'make it a method of plain instances, without __slots__, @classmethod and @staticmethod'


def batched(
    max_batch_size: int = 32, max_wait_ms: float = 5.0, max_queue_rows: int = 2048
) -> Callable[[Method], Method]:
    """Let concurrent calls of a method be answered by one run of it.

    Positional arguments are parallel batches: lists or numpy arrays of the same length. Keyword arguments are
    options. The method returns a list, an array or a tuple of those, with one entry for each row; otherwise
    its callers get TypeError or ValueError. A call whose arguments are no batch runs alone. In an `async def`
    view of the service the call is awaited; anywhere else it blocks.

    One run has at most `max_batch_size` rows. A run that could begin waits up to `max_wait_ms` for calls that
    are expected. Callers get Overloaded where more than `max_queue_rows` rows would be queued or where the
    model hangs, and DeadlineExceeded where their request's deadline passes.
    """
    limits = {'max_batch_size': max_batch_size, 'max_wait_ms': max_wait_ms, 'max_queue_rows': max_queue_rows}
    if max_batch_size < 1 or max_wait_ms < 0 or max_queue_rows < 1:
        raise ValueError(f'{limits}: sizes must be at least 1, times at least 0')

    def decorate(method: Method) -> Method:
        return cast(Method, BatchedMethod(method, limits))

    return decorate


class BatchedMethod:
    """The method as its class has it: gives each instance a Batcher."""

    def __init__(self, function: Callable[..., Any], limits: dict[str, Any]) -> None:
        if isinstance(function, classmethod | staticmethod):
            raise TypeError(f'@batched cannot take {function}: {MAKE_IT_A_METHOD}')
        unfit = inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction
        if any(test(function) for test in unfit):
            raise TypeError(f'@batched cannot take {function}: make it a plain `def` that returns its rows')
        functools.update_wrapper(self, function)
        self.function = function
        self.limits = limits
        self.attribute = f'batcher of {function.__module__}.{function.__qualname__}'

    def __set_name__(self, owner: type, name: str) -> None:
        """Refuse a class whose instances cannot hold a Batcher."""
        if not owner.__dictoffset__:
            raise TypeError(f'{owner.__qualname__}.{name} cannot be @batched: {MAKE_IT_A_METHOD}')

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the Batcher of `instance`; a copy of an instance gets its own."""
        if instance is None:
            return self
        batcher = getattr(instance, '__dict__', {}).get(self.attribute)
        return batcher if batcher is not None and batcher.instance is instance else self.make(instance)

    def make(self, instance: Any) -> Batcher:
        """Make the Batcher of `instance`, once. Raises TypeError where it cannot hold one."""
        attributes = getattr(instance, '__dict__', None)
        if not isinstance(attributes, dict):
            raise TypeError(f'{self.function.__qualname__} cannot be @batched: {MAKE_IT_A_METHOD}')
        with _making:
            batcher: Batcher | None = attributes.get(self.attribute)
            if batcher is None or batcher.instance is not instance:
                batcher = attributes[self.attribute] = Batcher(instance, self.function, self.limits)
        return batcher

    def __call__(self, instance: Any, *arguments: Any, **options: Any) -> Any:
        """Call the method of `instance`, as `Class.method(instance, rows)` does."""
        return self.__get__(instance)(*arguments, **options)


_making = threading.Lock()


def _reset_batchers() -> None:
    """Forget, in a forked process, what the threads of its parent were doing."""
    global _making  # noqa: PLW0603
    _making = threading.Lock()
    for batcher in list(batchers):
        batcher.reset()


if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    os.register_at_fork(after_in_child=_reset_batchers)
