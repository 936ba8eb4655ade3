"""A small event loop of greenlets for the tests of what waits: chance decides what happens next."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from model_serving.utils import waiting_utils
from model_serving.utils.deadline_utils import deadline, remaining_s
from model_serving.utils.error_utils import DeadlineExceeded


class ClientGone(Exception):
    """What a wait raises whose client has hung up."""


class GreenWaiter:
    def __init__(self, loop: 'GreenLoop') -> None:
        self.loop = loop
        self.greenlet = getcurrent()
        self.woken = False

    def wait(self, timeout_s: float | None = None) -> bool:
        until = float('inf') if timeout_s is None else time.monotonic() + timeout_s
        self.loop.parked[self] = (until, timeout_s == 0)
        try:
            self.loop.hub.switch()
        finally:
            del self.loop.parked[self]
        woken, self.woken = self.woken, False
        return woken

    def wake(self) -> None:
        self.woken = True

    def is_stuck(self) -> bool:
        return False


class GreenLoop:
    """Waiting for greenlets of one thread; a resumed wait raises ClientGone with the chance `gone`."""

    def __init__(self, random: Random, gone: float = 0) -> None:
        self.random = random
        self.gone = gone
        self.hub = getcurrent()
        self.parked: dict[GreenWaiter, tuple[float, bool]] = {}
        self.jobs: list[Callable[[], None]] = []

    def waiter(self) -> GreenWaiter:
        return GreenWaiter(self)

    slots = 8

    def run_watched(self, function: Callable[[], Any], on_blocked: Callable[[], None]) -> Any:
        return function()

    def clock(self) -> float:
        return time.perf_counter()

    def run(self, function: Callable[[], Any], quick: bool) -> Any:
        """Like the engine's: the wait may end early, the function goes on in its thread."""
        if quick:
            return function()
        future: Future[Any] = Future()
        waiter = self.waiter()

        def job() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            waiter.wake()

        self.jobs.append(job)
        while not future.done():
            if not waiter.wait(remaining_s()) and remaining_s() == 0:
                raise DeadlineExceeded
        return future.result()

    def outcomes(
        self, calls: list[Callable[[], Any]], timeout_s: list[float | None] | None = None
    ) -> list[Any]:
        """Run each call in a greenlet; return what each returned or raised."""
        outcomes: list[Any] = [None] * len(calls)

        def run(index: int) -> None:
            limit = timeout_s[index] if timeout_s else None
            deadline.set(None if limit is None else time.monotonic() + limit)
            try:
                outcomes[index] = calls[index]()
            except BaseException as error:
                outcomes[index] = error

        starts = [greenlet(lambda index=index: run(index)) for index in range(len(calls))]
        before = waiting_utils.waiting()
        waiting_utils.install(self)
        try:
            while starts or self.parked or self.jobs:
                self.turn(starts)
        finally:
            waiting_utils.install(before)
        return outcomes

    def turn(self, starts: list[greenlet]) -> None:
        """Let one thing happen; waits for nothing in particular come after all else that is ready."""
        now = time.monotonic()
        due = [waiter for waiter, (until, _) in self.parked.items() if waiter.woken or until <= now]
        idle = [waiter for waiter in due if self.parked[waiter][1] and not waiter.woken]
        choice = self.random.choice([*starts, *self.jobs, *(set(due) - set(idle))] or idle or [None])
        if choice is None:
            time.sleep(max(0, min(min(until for until, _ in self.parked.values()) - now, 0.05)))
        elif isinstance(choice, GreenWaiter):
            if self.random.random() < self.gone:
                choice.greenlet.throw(ClientGone())
            else:
                choice.greenlet.switch()
        elif isinstance(choice, greenlet):
            starts.remove(choice)
            choice.switch()
        else:
            self.jobs.remove(choice)
            thread = threading.Thread(target=choice)
            thread.start()
            thread.join()
