"""The plan as a text for people."""

import os
import platform

from model_serving.commands.capacity.measure import Measured
from model_serving.commands.capacity.options import Options, Prices
from model_serving.commands.capacity.sizing import (
    HOURS,
    SHARE_AT_REST,
    Demand,
    Fleet,
    Month,
    Size,
    busy_cores,
    fleet,
    month,
    workers_needed,
)

WIDTH = 44
EXACT_BELOW = 100
BOUNDS = {
    'CPU': 'its cores',
    'memory': 'its workers: its memory has no room for one on each core',
    'slots': 'its THREADS, as calls of the model wait: more of them answer more',
}


def report(options: Options, measured: Measured) -> str:
    """The whole text. Raises DoesNotFit."""
    request, demand, size, prices = options
    chosen = fleet(measured.cost, demand, size)
    rows = 'the example of its schema' if request.rows is None else f'its example with --rows={request.rows}'
    return '\n'.join(
        [
            f'{request.model}: {demand.rate:,g} requests a second, each with {rows}',
            '',
            *_measured(measured, demand),
            '',
            *_needed(measured, demand),
            '',
            *_instances(chosen, measured, size),
            '',
            *_month(month(chosen, demand), prices),
            '',
            *_assumed(demand),
        ]
    )


def _measured(measured: Measured, demand: Demand) -> list[str]:
    cost, version = measured.cost, platform.python_version()
    return [
        f'Measured here ({_cores(os.cpu_count() or 1)}, Python {version})',
        _row('CPU time of a request, one client', f'{measured.alone_cpu_s * 1e3:.2f} ms'),
        _row(f'CPU time of a request, {demand.threads} clients', f'{measured.together_cpu_s * 1e3:.2f} ms'),
        _row('time for which a call holds a slot', f'{cost.slot_s * 1e3:.2f} ms'),
        _row('memory of one worker', f'{cost.first_mib:.0f} MiB', "gunicorn's first process included"),
        _row('memory of each further worker', f'{cost.further_mib:.0f} MiB'),
    ]


def _needed(measured: Measured, demand: Demand) -> list[str]:
    cores = busy_cores(measured.cost, demand)
    return [
        f'Needed in all, at most {demand.busy:.0%} busy',
        _row('cores that compute, on average', f'{cores:.2f}'),
        _row('cores', f'{cores / demand.busy:.2f}'),
        _row('workers', f'{workers_needed(measured.cost, demand)}'),
    ]


def _instances(chosen: Fleet, measured: Measured, size: Size) -> list[str]:
    at_rest = f'{measured.cost.memory_mib(chosen.workers):.0f} MiB at rest'
    given = 'of --memory' if size.memory_mib else 'suggested'
    return [
        f'Instances of {_cores(chosen.cores)}',
        _row('workers in each (WORKERS)', f'{chosen.workers}'),
        _row('memory of each', f'{chosen.memory_mib:,.0f} MiB', f'{given}; {at_rest}'),
        _row('requests a second to each, at most', f'{chosen.rate:,.0f}', f'for {BOUNDS[chosen.bound]}'),
        _row('instances', f'{chosen.instances}'),
    ]


def _month(counted: Month, prices: Prices) -> list[str]:
    run = [
        ('vCPU-seconds', counted.vcpu_seconds, prices.vcpu_second),
        ('GiB-seconds', counted.gib_seconds, prices.gib_second),
        ('million requests', counted.million_requests, prices.million_requests),
    ]
    return [
        f'A month of {HOURS} hours in which all of them run',
        _quantity('App Engine: instance hours', counted.instance_hours, prices.instance_hour),
        *(_quantity(f'Cloud Run: {name}', quantity, price) for name, quantity, price in run),
        *_sum([(quantity, price) for _, quantity, price in run]),
    ]


def _sum(priced: list[tuple[float, float | None]]) -> list[str]:
    """The price of a month of Cloud Run, if all of its parts have one."""
    parts = [quantity * price for quantity, price in priced if price is not None]
    return [_row('Cloud Run: together', f'= {sum(parts):,.2f}')] if len(parts) == len(priced) else []


def _quantity(name: str, quantity: float, price: float | None) -> str:
    counted = f'{quantity:,.0f}' if quantity >= EXACT_BELOW else f'{quantity:,.2f}'
    return _row(name, counted, '' if price is None else f'x {_plain(price)} = {quantity * price:,.2f}')


def _plain(price: float) -> str:
    return f'{price:.12f}'.rstrip('0').rstrip('.')


def _assumed(demand: Demand) -> list[str]:
    return [
        'Assumed',
        '  - the higher of the two CPU times; each worker computes with one thread (OMP_NUM_THREADS=1)',
        '  - cores as fast as those of this machine, with nothing else to do',
        f'  - cores and slots are busy for at most {demand.busy:.0%} of the time (--busy);'
        f' a worker has {demand.threads} slots (THREADS)',
        '  - a worker for each core (--cores), and workers at rest in at most'
        f' {SHARE_AT_REST:.0%} of the memory (--memory)',
        '  - the same rate all month',
        'Not counted: other models, larger requests, peaks, a spare instance, network traffic.',
    ]


def _cores(number: float) -> str:
    return f'{number:g} core{"" if number == 1 else "s"}'


def _row(name: str, value: str, note: str = '') -> str:
    return f'  {name:{WIDTH}}{value:>16}  {note}'.rstrip()
