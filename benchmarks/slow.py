"""Clients that take their time, thousands of them, and what others see of that."""

import asyncio
import contextlib
import resource
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, cast

from benchmarks.drill_service import HELLO, KIB_PER_MIB, DrillService, drill
from benchmarks.overload import milliseconds
from benchmarks.traffic import Tally, Traffic

CLIENTS = 8
IDLE = 10_000
SLOW = 500
READERS = 10
PER_ADDRESS = 5_000
AT_ONCE = 200
BIG_BYTES = 20_000_000
UNREAD_SECONDS = 20

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def stay_idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask once, and keep the connection."""
    writer.write(HELLO)
    await reader.readuntil(b'\r\n\r\n')


async def drip(data: bytes, writer: asyncio.StreamWriter) -> None:
    """Send a byte a second."""
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def drip_head(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the head slowly."""
    await drip(HELLO, writer)


async def drip_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the body slowly."""
    head, separator, _ = HELLO.replace(b'Content-Length: 15', b'Content-Length: 9999').partition(b'\r\n\r\n')
    writer.write(head + separator)
    await drip(b' ' * 9999, writer)


async def read_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask for much, and read nothing of it until the service must have given up."""
    cast(asyncio.ReadTransport, writer.transport).pause_reading()
    writer.write(drill('sleep', 0, BIG_BYTES))
    await asyncio.sleep(UNREAD_SECONDS)


class Case(NamedTuple):
    """So many clients that behave so."""

    description: str
    clients: int
    behave: Behaviour


CASES = {
    'idle': Case('10,000 idle connections', IDLE, stay_idle),
    'heads': Case('500 heads, a byte a second', SLOW, drip_head),
    'bodies': Case('500 bodies, a byte a second', SLOW, drip_body),
    'readers': Case('10 clients that read nothing of 20 MB', READERS, read_nothing),
}


async def be_slow(port: int, number: int, case: Case, ended: list[int]) -> None:
    """One slow client, which comes again when the service has ended its connection."""
    source = f'127.0.{1 + number // PER_ADDRESS}.1'
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection('127.0.0.1', port, local_addr=(source, 0))
            behaving = asyncio.ensure_future(case.behave(reader, writer))
            try:
                await (behaving if case.behave is read_nothing else reader.read())
            finally:
                behaving.cancel()
                writer.transport.abort()
        ended.append(number)


class Seen(NamedTuple):
    """What others see before and beside slow clients, the memory, and how often one was cut off."""

    before: Tally
    beside: Tally
    memory_before: float
    memory_beside: float
    cut_off: int


async def observe(service: DrillService, case: Case, seconds: float) -> Seen:
    """Let others ask without these clients, and with them."""
    async with Traffic(service.port).flowing([HELLO], CLIENTS) as before:
        await asyncio.sleep(seconds)
    memory, slow, ended = service.memory_mib(), list[asyncio.Task[None]](), list[int]()
    for first in range(0, case.clients, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, case.clients))
        slow += [asyncio.create_task(be_slow(service.port, number, case, ended)) for number in numbers]
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    async with Traffic(service.port).flowing([HELLO], CLIENTS) as beside:
        await asyncio.sleep(seconds)
    seen = Seen(before, beside, memory, service.memory_mib(), len(ended))
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return seen


def measure(name: str, seconds: float) -> dict[str, Any]:
    """Do that with a service of its own; the line of the table."""
    case = CASES[name]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    service = DrillService(WORKERS='1')
    service.start()
    try:
        seen = asyncio.run(observe(service, case, seconds))
    finally:
        service.stop()
    tallies, growth = (seen.before, seen.beside), seen.memory_beside - seen.memory_before
    return {
        'slow clients': case.description,
        'others a second, without and with them': ', '.join(
            f'{len(tally.took(200)) / seconds:.0f}' for tally in tallies
        ),
        'p50': ', '.join(milliseconds(tally.took(200), 0.5) for tally in tallies),
        'p99': ', '.join(milliseconds(tally.took(200), 0.99) for tally in tallies),
        'others not answered': seen.beside.sent - len(seen.beside.took(200)),
        'memory for each': f'{growth * KIB_PER_MIB / case.clients:.1f} KiB',
        'cut off': seen.cut_off,
    }
