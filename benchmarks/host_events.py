"""What clients of a balancer see when a host is killed, cut off, drained or slow; and what more hosts add."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.balancers import BALANCERS, balancing
from benchmarks.drill_service import HELLO, drill
from benchmarks.hosts import FOLDER, Host, hosts
from benchmarks.processes import TICKS, descendants, fields, free_ports
from benchmarks.traffic import Tally, Traffic, until

CLIENTS = 8
BEFORE_SECONDS = 2.0
AFTER_SECONDS = 6.0
DRAIN_S = 4
SLOWNESS = 50
SLEEP_SECONDS = 0.01
CORES = 0.25
CPU_SECONDS = 0.005
LOAD_SECONDS = 10.0
GREETING_SECONDS = 3.0


async def kill(host: Host) -> None:
    """End all processes of the service at once."""
    await asyncio.to_thread(host.kill)


async def cut_off(host: Host) -> None:
    """Take the link of the host down."""
    await asyncio.to_thread(host.cut_off)


async def restart(host: Host) -> None:
    """Drain the service, start it again, and wait until it is ready."""
    await asyncio.to_thread(host.stop)
    await asyncio.to_thread(host.start)
    await until(host.is_ready)


async def nothing(_: Host) -> None:
    """Leave it as it is."""


class HostEvent(NamedTuple):
    """What happens to one of the hosts, in the words of the table; settings of all, and of that one."""

    words: str
    happen: Callable[[Host], Awaitable[None]]
    settings: dict[str, str] = {}  # noqa: RUF012 - never changed
    slow: dict[str, str] = {}  # noqa: RUF012 - never changed


EVENTS = {
    'none': HostEvent('none', nothing),
    'kill': HostEvent('`kill -9` of gunicorn and its workers', kill),
    'cut-off': HostEvent('its link goes down', cut_off),
    'drain': HostEvent(
        f'SIGTERM with `drain_s` of {DRAIN_S} s, then started again',
        restart,
        {'MODEL_SERVING_DRAIN_S': str(DRAIN_S)},
    ),
    'restart': HostEvent('SIGTERM without `drain_s`, then started again', restart),
    'slow': HostEvent(
        f'its model takes {SLOWNESS} times as long', nothing, slow={'DRILL_SLOWNESS': str(SLOWNESS)}
    ),
}


async def observe(event: HostEvent, host: Host, port: int) -> Tally:
    """Let it happen while clients ask, and return what became of their requests."""
    requests = [drill('sleep', SLEEP_SECONDS)] if event.slow else [HELLO, drill('sleep', SLEEP_SECONDS)]
    async with Traffic(port).flowing(requests, CLIENTS) as tally:
        await asyncio.sleep(BEFORE_SECONDS)
        await event.happen(host)
        await asyncio.sleep(AFTER_SECONDS)
    return tally


def rows(names: list[str]) -> Iterator[dict[str, Any]]:
    """The lines of the table."""
    for name in names or EVENTS:
        for balancer in BALANCERS:
            yield row(name, balancer)


def row(name: str, balancer: str) -> dict[str, Any]:
    """Measure one, with three hosts of its own."""
    event, port = EVENTS[name], free_ports(1)[0]
    with hosts(settings=event.settings, slow=event.slow) as three:
        with balancing(balancer, [host.server for host in three], FOLDER, port):
            tally = asyncio.run(observe(event, three[1], port))
        answered = ', '.join(str(host.answered()) for host in three)
    statuses = tally.statuses()
    others = ''.join(f' ({s}: {n})' for s, n in sorted(statuses.items()) if s != 200)
    times = tally.took(200)
    return {
        'what happens to the second host': event.words,
        'balancer': balancer,
        'sent': tally.sent,
        'answered': statuses[200],
        'refused': f'{statuses.total() - statuses[200]}{others}',
        'lost': tally.lost.total() + tally.no_connection,
        'p50': f'{times[len(times) // 2] * 1000:.0f} ms',
        'slowest': f'{times[-1]:.2f} s',
        'answered by each host': answered,
    }


def capacity_rows() -> Iterator[dict[str, Any]]:
    """What one, two and three hosts answer, each with its share of a core, and the balancer's own work."""
    for balancer in BALANCERS:
        for count in (1, 2, 3):
            yield capacity(balancer, count)


def capacity(balancer: str, count: int) -> dict[str, Any]:
    """Load so many hosts to the full for a while."""
    port = free_ports(1)[0]
    with (
        hosts(count, cores=CORES) as some,
        balancing(balancer, [host.server for host in some], FOLDER, port) as pid,
    ):
        tally, _ = asyncio.run(_load(port, pid, CLIENTS * count, drill('compute', CPU_SECONDS), LOAD_SECONDS))
        greetings, cpu_seconds = asyncio.run(_load(port, pid, CLIENTS, HELLO, GREETING_SECONDS))
    times = tally.took(200)
    return {
        'balancer': balancer,
        'hosts': count,
        'sent': tally.sent,
        'answered': len(times),
        'a second': f'{len(times) / LOAD_SECONDS:.0f}',
        'p50': f'{times[len(times) // 2] * 1000:.0f} ms',
        'p99': f'{times[len(times) * 99 // 100] * 1000:.0f} ms',
        "the balancer's CPU for a greeting": f'{cpu_seconds / len(greetings.took(200)) * 1e6:.0f} µs',
    }


async def _load(port: int, pid: int, clients: int, request: bytes, seconds: float) -> tuple[Tally, float]:
    """What became of requests, and the CPU time of the balancer."""
    begin = _cpu_seconds(pid)
    async with Traffic(port).flowing([request], clients) as tally:
        await asyncio.sleep(seconds)
    return tally, _cpu_seconds(pid) - begin


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children so far."""
    return sum(int(ticks) for each in (pid, *descendants(pid)) for ticks in fields(each)[11:13]) / TICKS
