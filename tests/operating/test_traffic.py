"""The load generator of benchmarks/ counts what becomes of each request: here of those to an odd server."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from benchmarks.traffic import Tally, Traffic, post

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
REFUSAL = b'HTTP/1.1 503 Full\r\nContent-Length: 0\r\nRetry-After: 7\r\nConnection: close\r\n\r\n'
REQUEST = post('/v1/XXXModel', {'name': 'Leo'})


def run(asked: Coroutine[Any, Any, Tally]) -> Tally:
    """Run it in a thread of its own: tests with a browser keep a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked).result()


Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def serving(*pieces: bytes) -> Behave:
    """Answer the requests of a connection with these; the last one closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            for piece in pieces:
                await reader.readuntil(b'\r\n\r\n')
                writer.write(piece)
        writer.close()

    return serve


def tally_of(behave: Behave, requests: int, keeps: bool = True) -> Tally:
    """What becomes of so many requests, one after the other."""

    async def ask() -> Tally:
        server = await asyncio.start_server(behave, '127.0.0.1', 0)
        traffic = Traffic(server.sockets[0].getsockname()[1])
        for _ in range(requests):
            await traffic.ask(REQUEST, keeps)
            await asyncio.sleep(0.02)
        server.close()
        await traffic.close()
        await asyncio.sleep(0.05)  # For the server's ends to be closed.
        return traffic.tally

    return run(ask())


@pytest.mark.parametrize(
    ('pieces', 'requests', 'statuses', 'lost', 'reopened'),
    [
        ([ANSWER] * 9, 4, {200: 4}, {}, 0),
        ([REFUSAL], 2, {503: 2}, {}, 0),
        ([ANSWER], 3, {200: 3}, {}, 2),
        ([b''], 2, {}, {'closed before the answer': 2}, 0),
        ([ANSWER[:-1]], 1, {}, {'closed amid the answer': 1}, 0),
    ],
)
def test_each_request_is_counted_once(
    pieces: list[bytes], requests: int, statuses: dict[int, int], lost: dict[str, int], reopened: int
) -> None:
    tally = tally_of(serving(*pieces), requests)
    assert tally.sent == requests
    assert (dict(tally.statuses()), dict(tally.lost), tally.reopened) == (statuses, lost, reopened)


def test_retry_after_is_kept() -> None:
    assert tally_of(serving(REFUSAL), 1).answered[0].retry_after_s == 7


def test_nobody_who_listens_is_no_loss() -> None:
    async def ask() -> Tally:
        server = await asyncio.start_server(serving(), '127.0.0.1', 0)
        traffic = Traffic(server.sockets[0].getsockname()[1])
        server.close()
        await server.wait_closed()
        await traffic.ask(REQUEST)
        return traffic.tally

    tally = run(ask())
    assert (tally.sent, tally.no_connection, tally.lost.total()) == (1, 1, 0)
