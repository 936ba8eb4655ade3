"""Clients that count every request: each is answered, finds no connection, or is lost."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

PATIENCE_SECONDS = 40.0
RETRY_SECONDS = 0.02
PAUSE_SECONDS = 0.005
MAX_IN_FLIGHT = 8000
HEAD = re.compile(rb'HTTP/1\.1 (\d+)')
LENGTH = re.compile(rb'\r\ncontent-length: (\d+)', re.IGNORECASE)
CLOSES = re.compile(rb'\r\nconnection: close', re.IGNORECASE)
RETRY_AFTER = re.compile(rb'\r\nretry-after: (\d+)', re.IGNORECASE)


class Answered(NamedTuple):
    """An answer: when it came, by time.perf_counter, and what it took."""

    at: float
    seconds: float
    status: int
    retry_after_s: int | None


class Tally:
    """What became of all requests.

    `lost` counts by kind those that were sent and not answered. `no_connection`: nobody listened. `reopened`:
    a connection was found closed before anything was sent, which costs a client nothing.
    """

    def __init__(self) -> None:
        self.sent = self.no_connection = self.reopened = 0
        self.answered: list[Answered] = []
        self.lost: Counter[str] = Counter()

    def statuses(self) -> Counter[int]:
        """How many answers there were of each status."""
        return Counter(answer.status for answer in self.answered)

    def took(self, *statuses: int) -> list[float]:
        """The seconds that answers of these statuses took, the shortest first."""
        return sorted(answer.seconds for answer in self.answered if answer.status in statuses)


class Connection(asyncio.Protocol):
    """One connection; it has one request in flight at most."""

    def __init__(self) -> None:
        self.closed = False
        self._answer: asyncio.Future[tuple[bytes, bool]] | None = None
        self._received = b''

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport: Any = transport

    async def ask(self, request: bytes) -> tuple[bytes, bool]:
        """The head of the answer, and whether the connection stays open. Raises OSError without one."""
        loop = asyncio.get_running_loop()
        self._answer, self._received = loop.create_future(), b''
        self._transport.write(request)
        timer = loop.call_later(PATIENCE_SECONDS, self._transport.abort)
        try:
            return await self._answer
        finally:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Look whether the answer is complete."""
        self._received += data
        head, separator, body = self._received.partition(b'\r\n\r\n')
        length = LENGTH.search(head)
        if separator and length and len(body) >= int(length[1]) and self._answer and not self._answer.done():
            closes = bool(CLOSES.search(head))
            if closes:
                self.close()
            self._answer.set_result((head, not closes))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits for an answer."""
        self.closed = True
        if self._answer and not self._answer.done():
            when = 'amid the answer' if self._received else 'before the answer'
            self._answer.set_exception(ConnectionError(f'{"reset" if error else "closed"} {when}'))

    def close(self) -> None:
        """Close it."""
        self.closed = True
        self._transport.close()


class Traffic:
    """Requests to one port, and the tally of them; `source` is the address that they come from."""

    def __init__(self, port: int, source: str = '127.0.0.1') -> None:
        self.tally = Tally()
        self.port = port
        self.stopping = False
        self._source = source
        self._idle: list[Connection] = []

    async def connect(self) -> Connection:
        """A new connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        address = (self._source, 0)
        _, connection = await loop.create_connection(
            Connection, '127.0.0.1', self.port, local_addr=address if self._source != '127.0.0.1' else None
        )
        return connection

    async def ask(self, request: bytes, keeps: bool = True) -> None:
        """Send one request, over an idle connection if there is one, and count what becomes of it."""
        tally, begin = self.tally, time.perf_counter()
        tally.sent += 1
        connection = self._take() if keeps else None
        try:
            connection = connection or await self.connect()
        except OSError:
            tally.no_connection += 1
            await asyncio.sleep(RETRY_SECONDS)
            return
        try:
            head, stays = await connection.ask(request)
        except OSError as error:
            tally.lost[str(error)] += 1
            return
        now, status, retry = time.perf_counter(), HEAD.match(head), RETRY_AFTER.search(head)
        tally.answered.append(
            Answered(now, now - begin, int(status[1]) if status else 0, int(retry[1]) if retry else None)
        )
        if stays and keeps:
            self._idle.append(connection)
        else:
            connection.close()

    async def keep_asking(self, requests: Sequence[bytes], clients: int) -> None:
        """Let so many clients ask these in turn until `stopping`; every other one connects anew each time."""

        async def ask(number: int) -> None:
            while not self.stopping:
                await self.ask(requests[number % len(requests)], keeps=number // len(requests) % 2 == 0)
                await asyncio.sleep(PAUSE_SECONDS)

        await asyncio.gather(*map(ask, range(clients)))

    async def ask_at_rate(self, request: bytes, rate: float, seconds: float) -> None:
        """Ask so many times a second, however long answers take, with at most MAX_IN_FLIGHT on their way."""
        begin, number, asking = time.perf_counter(), 0, set[asyncio.Task[None]]()
        while number < rate * seconds:
            due = min(rate * seconds, rate * (time.perf_counter() - begin))
            while number < due and len(asking) < MAX_IN_FLIGHT:
                task = asyncio.create_task(self.ask(request))
                asking.add(task)
                task.add_done_callback(asking.discard)
                number += 1
            await asyncio.sleep(0.001)
        if asking:
            await asyncio.wait(asking)

    @contextlib.asynccontextmanager
    async def flowing(self, requests: Sequence[bytes], clients: int) -> AsyncIterator[Tally]:
        """Let clients ask while the block runs."""
        asking = asyncio.create_task(self.keep_asking(requests, clients))
        try:
            yield self.tally
        finally:
            self.stopping = True
            await asking
            await self.close()

    async def close(self) -> None:
        """Close the connections that are kept."""
        for connection in self._idle:
            connection.close()
        await asyncio.sleep(0)

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self.tally.reopened += 1
        return None


def post(path: str, body: Any) -> bytes:
    """The bytes of a POST."""
    content = json.dumps(body).encode()
    head = (
        f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}'
    )
    return f'{head}\r\n\r\n'.encode() + content


async def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until a condition is true; whether it became so in time."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return found
