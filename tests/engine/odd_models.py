"""Odd models: they raise what is no Exception, lock, and compute."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

from flask import g, request

from model_serving.batching.decorator import batched


class Panic(BaseException):
    """As of a panic in Rust."""


KINDS: list[type[BaseException]] = [
    SystemExit,
    KeyboardInterrupt,
    asyncio.CancelledError,
    GeneratorExit,
    Panic,
    MemoryError,
]
BY_NAME = {kind.__name__: kind for kind in KINDS}
CONTEXT: ContextVar[float] = ContextVar('CONTEXT', default=0)
schema = {
    'type': 'object',
    'properties': {'what': {'type': 'string'}, 'n': {'type': 'number'}, 'body': {'type': 'string'}},
    'required': ['what', 'n'],
    'additionalProperties': False,
}


def fail(kind: str) -> None:
    raise BY_NAME[kind]('odd')


class OddModel:
    """Doubles numbers, batch by batch, while its callers hold what belongs to their threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.other = threading.Lock()
        self.rlock = threading.RLock()
        self.local = threading.local()
        self.inside = self.most_inside = 0

    @batched(max_batch_size=16, max_wait_ms=2)
    def double(self, rows: list[float]) -> list[float]:
        """A negative row raises the error of that number."""
        for row in rows:
            if row < 0:
                raise KINDS[int(-row) - 1]('odd')
        time.sleep(0.0005)
        return [2 * row for row in rows]

    @batched()
    def hang(self, rows: list[float]) -> list[float]:
        """A row is for how many seconds."""
        time.sleep(rows[0])
        return rows

    def one(self, n: float) -> float:
        return self.double([n])[0]

    def with_lock(self, n: float) -> float:
        with self.lock:
            return self.one(n)

    def with_nested(self, n: float) -> float:
        with self.lock, self.other, self.rlock:
            return self.one(n)

    def with_rlock(self, n: float) -> float:
        with self.rlock, self.rlock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            try:
                return self.one(n) if self.most_inside == 1 else 0
            finally:
                self.inside -= 1

    def with_local(self, n: float) -> float:
        self.local.n = n
        self.one(n)
        return 2 * float(self.local.n)

    def with_loop(self, n: float) -> float:
        async def wait() -> float:
            await asyncio.sleep(0)
            here = self.one(n)
            return here if await asyncio.to_thread(self.one, n) == here else 0

        return asyncio.run(wait())

    def with_pool(self, n: float) -> float:
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(self.one, [n, 1, 2, 3])) - 12

    def with_context(self, n: float) -> float:
        token = CONTEXT.set(n)
        g.n = n
        self.one(n)
        found = CONTEXT.get() + g.n if request.json['n'] == n else 0
        CONTEXT.reset(token)
        return found if CONTEXT.get() == 0 else 0


model = OddModel()
AROUND: dict[str, Callable[[float], float]] = {
    name.removeprefix('with_'): getattr(model, name) for name in dir(OddModel) if name.startswith('with_')
}
calls: list[float] = []
"""What SleepModel was called with, in this order."""
notes: list[str] = []
state = {'at_once': 0, 'most_at_once': 0}
