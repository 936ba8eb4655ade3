"""What clients see of a service that is stopped, updated, and hurt."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from benchmarks.drill_service import FOLDER, HELLO, DrillService, drill
from benchmarks.traffic import Tally, Traffic, until

CLIENTS = 8
BEFORE_SECONDS = 1.0
AFTER_SECONDS = 2.0
HUNG_SECONDS = 3600
TIMEOUT_S = 2
DRAIN_S = 3
DISK_KIB = 512

Event = Callable[[DrillService], Awaitable[None]]


async def run_script(service: DrillService, *names: str) -> None:
    """Run scripts of bin/, one after the other."""
    for name in names:
        await asyncio.to_thread(service.script, name)


async def reload(service: DrillService) -> None:
    """Reload by its script, or by the signal where there is no script."""
    if (service.folder / 'bin' / 'reload.sh').exists():
        await run_script(service, 'reload.sh')
    else:
        await hang_up(service)


async def hang_up(service: DrillService) -> None:
    """Send SIGHUP, and wait until all workers are others."""
    before = service.workers()
    service.kill(service.master(), signal.SIGHUP)
    await until(lambda: not before & service.workers())


async def kill_worker(service: DrillService) -> None:
    """Kill one of the workers, and wait for another."""
    before = service.workers()
    service.kill(min(before))
    await until(lambda: len(service.workers() - {min(before)}) == len(before))


async def kill_master(service: DrillService) -> None:
    """Kill gunicorn's first process, wait until nothing is left of it, and start again."""
    left = service.workers()
    service.kill(service.master())
    await until(lambda: not any(map(is_there, left)))
    await run_script(service, 'start.sh')


async def misuse(service: DrillService, what: str) -> None:
    """Let the model end its process, and wait for another worker."""
    before = service.workers()
    with contextlib.suppress(OSError):
        await (await Traffic(service.port).connect()).ask(drill(what))
    await until(lambda: len(service.workers()) == len(before) and service.workers() != before)


async def hang(service: DrillService) -> None:
    """Let one model hang in all its slots of both workers, while others are asked."""
    hanging = Traffic(service.port)
    await asyncio.gather(*(hanging.ask(drill('sleep', HUNG_SECONDS), keeps=False) for _ in range(16)))
    await asyncio.sleep(AFTER_SECONDS)


async def fill_disk(service: DrillService) -> None:
    """Fill the disk of the log, wait, and make room again."""
    filler = service.folder / 'tmp' / 'filler'
    with contextlib.suppress(OSError), filler.open('wb', buffering=0) as file:
        while True:
            file.write(bytes(1024))
    await asyncio.sleep(AFTER_SECONDS)
    filler.unlink()
    size = len(service.log)
    if not await until(lambda: len(service.log) > size):
        raise RuntimeError('nothing is logged although there is room again')


EVENTS: dict[str, tuple[str, Event]] = {
    'stop': ('`bin/stop.sh`', lambda service: run_script(service, 'stop.sh')),
    'drain': (f'`bin/stop.sh` with `drain_s` of {DRAIN_S} s', lambda service: run_script(service, 'stop.sh')),
    'restart': ('`bin/stop.sh; bin/start.sh`', lambda service: run_script(service, 'stop.sh', 'start.sh')),
    'reload': ('`bin/reload.sh`', reload),
    'hup': ('`kill -HUP` of gunicorn', hang_up),
    'kill-worker': ('`kill -9` of a worker', kill_worker),
    'kill-gunicorn': ('`kill -9` of gunicorn, then `bin/start.sh`', kill_master),
    'memory': ('a model that is killed, as where memory runs out', lambda s: misuse(s, 'be killed')),
    'segfault': ('a segmentation fault in a model', lambda s: misuse(s, 'read a null pointer')),
    'hang': (f'another model hangs in all its slots, with `timeout_s` of {TIMEOUT_S} s', hang),
    'disk': ('a full disk under the log, then room', fill_disk),
}
"""What happens, in the words of the table."""
SETTINGS = {
    'drain': {'MODEL_SERVING_DRAIN_S': str(DRAIN_S)},
    'hang': {'MODEL_SERVING_TIMEOUT_S': str(TIMEOUT_S)},
}


def is_there(pid: int) -> bool:
    """Whether a process has not ended."""
    return os.path.exists(f'/proc/{pid}')


@contextlib.contextmanager
def small_disk(service: DrillService) -> Iterator[None]:
    """Put the log on a disk of its own. Only root may; for others the event fails."""
    place = str(service.folder / 'tmp')
    os.makedirs(place, exist_ok=True)
    mount, umount = shutil.which('mount') or 'mount', shutil.which('umount') or 'umount'
    subprocess.run([mount, '-t', 'tmpfs', '-o', f'size={DISK_KIB}k', 'none', place], check=True)
    try:
        yield
    finally:
        subprocess.run([umount, place], check=True)


async def observe(service: DrillService, name: str) -> Tally:
    """Let an event happen while clients ask, and return what became of their requests."""
    _, happen = EVENTS[name]
    requests = [HELLO] if name == 'hang' else [HELLO, drill('sleep', 0.01)]
    async with Traffic(service.port).flowing(requests, CLIENTS) as tally:
        await asyncio.sleep(BEFORE_SECONDS)
        await happen(service)
        await asyncio.sleep(AFTER_SECONDS)
    return tally


def measure(name: str) -> Tally:
    """Do that with a service of its own."""
    service = DrillService(WORKERS='2', **SETTINGS.get(name, {}))
    with small_disk(service) if name == 'disk' else contextlib.nullcontext():
        service.start()
        try:
            return asyncio.run(observe(service, name))
        finally:
            (FOLDER / f'{name}.log').write_text(service.log)
            service.stop()


def row(name: str, tally: Tally) -> dict[str, Any]:
    """The line of the table."""
    statuses = tally.statuses()
    refused = statuses.total() - statuses[200]
    return {
        'event': EVENTS[name][0],
        'sent': tally.sent,
        'answered': statuses[200],
        'refused': f'{refused}' + ''.join(f' ({s}: {n})' for s, n in sorted(statuses.items()) if s != 200),
        'nobody listens': tally.no_connection,
        'lost': tally.lost.total(),
        'slowest': f'{max(tally.took(200), default=0):.2f} s',
    }
