"""The event loop in which the coroutines of the service run: one for each process.

A server that has a loop of its own, such as model_serving/engine, says so with `use_loop`. Under any other, a
background thread runs one. So what a coroutine makes and keeps, such as an `asyncio.Lock` or a client with
open connections, always meets the same loop.
"""

import asyncio
import logging
import os
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any, TypeVar

from model_serving.errors import DeadlineExceeded
from model_serving.requests.current import current_request
from model_serving.requests.deadline import remaining_s
from model_serving.requests.slots import thread_state

MAX_STEP_SECONDS = 0.1
"""A coroutine that runs for longer without awaiting anything is named in the log."""

Result = TypeVar('Result')

_loop: asyncio.AbstractEventLoop | None = None
_start_thread: Callable[[Callable[[], None]], None] | None = None
_lock = threading.Lock()


def use_loop(
    loop: asyncio.AbstractEventLoop, start_thread: Callable[[Callable[[], None]], None] | None = None
) -> None:
    """Run coroutines in `loop`, and blocking functions in threads that `start_thread` starts."""
    global _loop, _start_thread
    _loop, _start_thread = loop, start_thread


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The service's loop, if the caller runs in it; None in a thread, and in a loop of the caller's own."""
    loop = _loop
    return loop if loop is not None and asyncio._get_running_loop() is loop else None


def run_coroutine(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in the service's loop, and wait for its result in the calling thread.

    Raises what it raises, and DeadlineExceeded at the request's deadline, when it is cancelled.
    """
    loop, context = _background_loop(), copy_context()
    if loop is asyncio._get_running_loop():
        coroutine.close()
        raise RuntimeError('The event loop cannot wait for a coroutine that it has to run; await it')
    future: Future[Result] = Future()
    tasks: list[asyncio.Task[None]] = []
    request = current_request.get()

    async def settle() -> None:
        try:
            future.set_result(await monitored(coroutine, str(request or 'A coroutine')))
        except BaseException as error:  # In a task, SystemExit would end the loop.
            future.set_exception(error)

    def cancel() -> None:
        loop.call_soon_threadsafe(lambda: tasks[0].cancel())  # noqa: PLW0108  (It is there by then.)

    loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(settle(), context=context)))
    if request is not None:
        request.cancel = cancel
    slot = thread_state.slot
    slot.release()
    try:
        wait([future], remaining_s())
    finally:
        slot.reacquire()
        if request is not None:
            request.cancel = None  # Else the request would hold itself.
    if not future.done():
        cancel()
        raise DeadlineExceeded
    return future.result()


@types.coroutine
def monitored(coroutine: Coroutine[Any, Any, Result], name: str) -> Generator[Any, Any, Result]:
    """The same coroutine, which is named in the log when it blocks the event loop."""
    resume: Callable[[Any], Any] = coroutine.send
    value: Any = None
    while True:
        begin = time.perf_counter()
        try:
            awaited = resume(value)
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            if (seconds := time.perf_counter() - begin) > MAX_STEP_SECONDS:
                message = '%s blocked the event loop for %d ms; await slow operations instead'
                logging.getLogger('engine').warning(message, name, 1e3 * seconds)
        try:
            value = yield awaited
            resume = coroutine.send
        except BaseException as error:
            value, resume = error, coroutine.throw


async def run_in_thread(function: Callable[[], Result]) -> Result:
    """What `function` returns, run in a thread with a copy of the caller's context."""
    loop, context = asyncio.get_running_loop(), copy_context()
    future: Future[Result] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(context.run(function))
        except StopIteration as error:  # A future does not accept that.
            future.set_exception(RuntimeError(f'{function} raised {error!r}'))
        except BaseException as error:
            future.set_exception(error)

    if _start_thread is None:
        loop.run_in_executor(None, run)
    else:
        _start_thread(run)
    return await asyncio.wrap_future(future)


def iterate_sync(chunks: AsyncIterator[Any]) -> Iterator[Any]:
    """The chunks of an asynchronous stream, each waited for by the calling thread."""
    try:
        while True:
            try:
                yield run_coroutine(_next(chunks))
            except StopAsyncIteration:
                return
    finally:
        if hasattr(chunks, 'aclose'):
            run_coroutine(chunks.aclose())


async def _next(chunks: AsyncIterator[Any]) -> Any:
    return await anext(chunks)


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name='coroutines', daemon=True).start()
        return _loop


def _forget_loop() -> None:
    """Start afresh in a forked process, which lacks the thread that runs its parent's loop."""
    global _loop, _start_thread, _lock
    _loop, _start_thread, _lock = None, None, threading.Lock()


if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    os.register_at_fork(after_in_child=_forget_loop)
