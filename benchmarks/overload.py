"""Ten times what a model can do: what is answered, how soon the rest is refused, and when it is over."""

import asyncio
import contextlib
import statistics
import time
from typing import Any, NamedTuple

from benchmarks.drill_service import HELLO, DrillService, drill
from benchmarks.traffic import Tally, Traffic

TIMES = 10
PEAK_CLIENTS = 8
PEAK_SECONDS = 3.0
SAMPLE_SECONDS = 0.5
PROBES_PER_SECOND = 20


class Case(NamedTuple):
    """A model, and the settings that it is overloaded with."""

    description: str
    request: bytes
    seconds: float
    environment: dict[str, str]


TWO = {'THREADS': '2', 'WORKERS': '1'}
CASES = {
    'waits': Case('waits for 20 ms', drill('sleep', 0.02), 0.02, TWO),
    'computes': Case('computes for 10 ms in Python', drill('compute', 0.01), 0.01, TWO),
    'slow': Case('waits for 500 ms', drill('sleep', 0.5), 0.5, TWO),
    'impatient': Case(
        'waits for 100 ms, timeout_s is 2', drill('sleep', 0.1), 0.1, {**TWO, 'MODEL_SERVING_TIMEOUT_S': '2'}
    ),
}


class Flood(NamedTuple):
    """What was measured; `beside` and `alone` are of another model, during the flood and before."""

    peak: float
    tally: Tally
    seconds: float
    memory_mib: list[float]
    beside: Tally
    alone: Tally
    recovered_s: float


async def flood(service: DrillService, case: Case, seconds: float) -> Flood:
    """Measure the peak, flood the model, and wait until it answers as before."""
    quiet = Traffic(service.port)
    await quiet.ask_at_rate(HELLO, PROBES_PER_SECOND, PEAK_SECONDS)
    peak = await peak_rate(service, case)
    await asyncio.sleep(1)
    flooding, beside, memory = Traffic(service.port), Traffic(service.port), [service.memory_mib()]
    sampling = asyncio.create_task(sample(service, memory))
    flow = asyncio.create_task(flooding.ask_at_rate(case.request, TIMES * peak, seconds))
    await beside.ask_at_rate(HELLO, PROBES_PER_SECOND, seconds)
    recovered = await recovery(service, case)
    await flow
    sampling.cancel()
    return Flood(peak, flooding.tally, seconds, memory, beside.tally, quiet.tally, recovered)


async def peak_rate(service: DrillService, case: Case) -> float:
    """How many requests a second the model answers to clients who wait for their answers."""
    traffic = Traffic(service.port)
    begin = time.perf_counter()

    async def ask() -> None:
        while time.perf_counter() < begin + max(PEAK_SECONDS, 6 * case.seconds):
            await traffic.ask(case.request)

    await asyncio.gather(*(ask() for _ in range(PEAK_CLIENTS)))
    return len(traffic.tally.took(200)) / (time.perf_counter() - begin)


async def sample(service: DrillService, memory: list[float]) -> None:
    """Note the memory again and again."""
    with contextlib.suppress(OSError):
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            memory.append(await asyncio.to_thread(service.memory_mib))


async def recovery(service: DrillService, case: Case) -> float:
    """How long it takes until the model answers nearly as fast as it can."""
    probe, begin = Traffic(service.port), time.perf_counter()
    while time.perf_counter() < begin + 60:
        asked = time.perf_counter()
        await probe.ask(case.request)
        last = probe.tally.answered[-1:]
        if last and last[0].status == 200 and last[0].seconds < 1.5 * case.seconds + 0.05:
            return asked - begin
        await asyncio.sleep(0.02)
    return float('inf')


def measure(name: str, seconds: float) -> Flood:
    """Do that with a service of its own."""
    case = CASES[name]
    service = DrillService(**case.environment)
    service.start()
    try:
        return asyncio.run(flood(service, case, seconds))
    finally:
        service.stop()


def row(name: str, measured: Flood) -> dict[str, Any]:
    """The line of the table."""
    tally = measured.tally
    statuses, refused, accepted = tally.statuses(), tally.took(503), tally.took(200)
    others = tally.sent - statuses[200] - statuses[503]
    retries = sorted({answer.retry_after_s or 0 for answer in tally.answered if answer.status == 503})
    # What was accepted is answered later, too: the time until then counts.
    took = max(measured.seconds, max(answer.at for answer in tally.answered) - first_begin(tally))
    return {
        'the model': CASES[name].description,
        'peak': f'{measured.peak:.0f}/s',
        'sent': f'{tally.sent / measured.seconds:.0f}/s',
        'goodput, of the peak': f'{statuses[200] / took / measured.peak:.0%}',
        '503, p50 and p99': f'{milliseconds(refused, 0.5)}, {milliseconds(refused, 0.99)}',
        'neither 200 nor 503': others,
        'Retry-After': f'{retries[0]} to {retries[-1]} s' if retries else '',
        'p99 of the accepted': f'{quantile(accepted, 0.99):.2f} s',
        'memory, before and most': f'{measured.memory_mib[0]:.0f}, {max(measured.memory_mib):.0f} MiB',
        'recovered after': f'{measured.recovered_s:.2f} s',
        'another model, p99 alone and beside it': ', '.join(
            milliseconds(each.took(200), 0.99) for each in (measured.alone, measured.beside)
        ),
    }


def first_begin(tally: Tally) -> float:
    """When the first request that was answered was sent."""
    return min(answer.at - answer.seconds for answer in tally.answered)


def quantile(values: list[float], share: float) -> float:
    """The value below which that share of them is; they are sorted."""
    return values[min(int(share * len(values)), len(values) - 1)] if values else statistics.fmean([0])


def milliseconds(values: list[float], share: float) -> str:
    """A quantile in words."""
    return f'{1e3 * quantile(values, share):.0f} ms'
