"""How many workers and instances a rate of requests takes: arithmetic alone."""

import math
from typing import NamedTuple

HOURS = 730
"""A month: a twelfth of 365 days."""
SECONDS = HOURS * 3600
MIB_PER_GIB = 1024
MEMORY_STEP_MIB = 128
SHARE_AT_REST = 0.75
"""Of an instance's memory, for workers with their models; requests need the rest. The log warns beyond it."""
ROUNDING = 1e-9
"""So that 3.0000000000000004 instances are 3."""


class Cost(NamedTuple):
    """What a request and the workers of a service take, as measured.

    A call holds one of its model's slots for `slot_s` seconds; a worker has THREADS of them. One worker
    takes `first_mib`, with gunicorn's own process, and each further one `further_mib`.
    """

    cpu_s: float
    slot_s: float
    first_mib: float
    further_mib: float

    def memory_mib(self, workers: int) -> float:
        """What a service with so many workers takes at rest."""
        return self.first_mib + (workers - 1) * self.further_mib


class Demand(NamedTuple):
    """Requests a second, the share of the time that cores and slots may be busy, and slots of a worker."""

    rate: float
    busy: float
    threads: int


class Size(NamedTuple):
    """An instance: a virtual machine, a container. Without a memory it has what the workers need."""

    cores: float = 1
    memory_mib: float | None = None


class DoesNotFit(Exception):
    """Not even one worker fits into the memory of an instance; `needed_mib` would be enough."""

    def __init__(self, needed_mib: int) -> None:
        super().__init__(needed_mib)
        self.needed_mib = needed_mib


class Fleet(NamedTuple):
    """So many instances of a size; each answers `rate` requests a second at most, for which it is `bound`."""

    instances: int
    workers: int
    cores: float
    memory_mib: float
    rate: float
    bound: str


class Month(NamedTuple):
    """What platforms count in a month in which all instances run, and the rate is always the same."""

    instance_hours: float
    vcpu_seconds: float
    gib_seconds: float
    million_requests: float


def busy_cores(cost: Cost, demand: Demand) -> float:
    """The cores that compute, on average."""
    return demand.rate * cost.cpu_s


def workers_needed(cost: Cost, demand: Demand) -> int:
    """Workers in all, each with a core: enough of cores, and of slots."""
    of_cores = busy_cores(cost, demand) / demand.busy
    of_slots = demand.rate * cost.slot_s / (demand.threads * demand.busy)
    return _whole(max(of_cores, of_slots))


def fleet(cost: Cost, demand: Demand, size: Size) -> Fleet:
    """The instances of this size that answer the demand. Raises DoesNotFit."""
    workers, bound = _workers_each(cost, size)
    of_cores = demand.busy * min(size.cores, workers) / cost.cpu_s
    of_slots = demand.busy * workers * demand.threads / cost.slot_s
    if of_slots < of_cores:
        bound = 'slots'
    rate = min(of_cores, of_slots)
    memory = size.memory_mib or memory_for(cost, workers)
    return Fleet(_whole(demand.rate / rate), workers, size.cores, memory, rate, bound)


def memory_for(cost: Cost, workers: int) -> int:
    """The memory in MiB of an instance with so many workers."""
    return MEMORY_STEP_MIB * _whole(cost.memory_mib(workers) / SHARE_AT_REST / MEMORY_STEP_MIB)


def month(chosen: Fleet, demand: Demand) -> Month:
    """What a month of these instances is made of."""
    seconds = chosen.instances * SECONDS
    return Month(
        instance_hours=chosen.instances * HOURS,
        vcpu_seconds=seconds * chosen.cores,
        gib_seconds=seconds * chosen.memory_mib / MIB_PER_GIB,
        million_requests=demand.rate * SECONDS / 1e6,
    )


def _workers_each(cost: Cost, size: Size) -> tuple[int, str]:
    """One for each core, as gunicorn's configuration has it; fewer where memory is short."""
    workers = max(1, math.ceil(size.cores))
    if size.memory_mib is None:
        return workers, 'CPU'
    room = size.memory_mib * SHARE_AT_REST
    if cost.memory_mib(1) > room:
        raise DoesNotFit(memory_for(cost, 1))
    if cost.memory_mib(workers) <= room:
        return workers, 'CPU'
    return 1 + math.floor((room - cost.first_mib) / cost.further_mib), 'memory'


def _whole(number: float) -> int:
    return max(1, math.ceil(number - ROUNDING))
