"""The arithmetic of `main.py plan`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_serving.commands.capacity.sizing import (
    Cost,
    Demand,
    DoesNotFit,
    Size,
    busy_cores,
    fleet,
    memory_for,
    month,
    workers_needed,
)

COMPUTES = Cost(cpu_s=0.005, slot_s=0.005, first_mib=180, further_mib=30)
WAITS = Cost(cpu_s=0.001, slot_s=0.1, first_mib=180, further_mib=30)
HALF = 0.5


def demand(rate: float, busy: float = HALF, threads: int = 8) -> Demand:
    return Demand(rate, busy, threads)


def test_cores_that_compute_are_rate_times_cpu_time() -> None:
    assert busy_cores(COMPUTES, demand(200)) == 1.0


@pytest.mark.parametrize(
    ('cost', 'rate', 'busy', 'workers'),
    [
        (COMPUTES, 1, 0.5, 1),
        (COMPUTES, 100, 0.5, 1),  # 0.5 cores of 0.5
        (COMPUTES, 101, 0.5, 2),
        (COMPUTES, 120, 0.6, 1),
        (COMPUTES, 1000, 1, 5),
        (WAITS, 40, 0.5, 1),  # 4 calls at a time, in 8 slots that are half busy
        (WAITS, 41, 0.5, 2),
    ],
)
def test_workers_have_cores_and_slots_enough(cost: Cost, rate: float, busy: float, workers: int) -> None:
    assert workers_needed(cost, demand(rate, busy)) == workers


@pytest.mark.parametrize(
    ('cost', 'rate', 'size', 'expected'),
    [
        # 0.5 x 1 core / 5 ms; 180 MiB are three quarters of 240, which is two steps of 128.
        (COMPUTES, 250, Size(), (3, 1, 1, 256, 100, 'CPU')),
        (COMPUTES, 300, Size(), (3, 1, 1, 256, 100, 'CPU')),
        # A worker for each core: 270 MiB at rest.
        (COMPUTES, 1000, Size(4), (3, 4, 4, 384, 400, 'CPU')),
        # A part of a core has a worker, and its part of the rate.
        (COMPUTES, 100, Size(0.25), (4, 1, 0.25, 256, 25, 'CPU')),
        (COMPUTES, 100, Size(1.5), (1, 2, 1.5, 384, 150, 'CPU')),
        (COMPUTES, 100, Size(1, 1024), (1, 1, 1, 1024, 100, 'CPU')),
        # 288 MiB have room for 216: two workers of 210, not four.
        (COMPUTES, 1000, Size(4, 288), (5, 2, 4, 288, 200, 'memory')),
        (WAITS, 100, Size(), (3, 1, 1, 256, 40, 'slots')),
    ],
)
def test_instances_are_as_calculated_by_hand(cost: Cost, rate: float, size: Size, expected: object) -> None:
    assert fleet(cost, demand(rate), size) == pytest.approx(expected)


def test_more_threads_answer_more_calls_that_wait() -> None:
    assert fleet(WAITS, demand(100, threads=32), Size()).instances == 1


def test_memory_for_not_even_a_worker_is_refused_with_what_is_enough() -> None:
    with pytest.raises(DoesNotFit) as refused:
        fleet(COMPUTES, demand(1), Size(1, 239))

    assert refused.value.needed_mib == 256
    assert fleet(COMPUTES, demand(1), Size(1, 256)).workers == 1


def test_month_is_730_hours_of_all_instances() -> None:
    chosen = fleet(COMPUTES, demand(250), Size(1, 512))

    assert month(chosen, demand(250)) == pytest.approx((2190, 7_884_000, 3_942_000, 657))


rates = st.floats(0.001, 1e6)
costs = st.builds(
    Cost,
    cpu_s=st.floats(1e-6, 10),
    slot_s=st.floats(1e-6, 10),
    first_mib=st.floats(50, 10_000),
    further_mib=st.floats(0, 10_000),
)
sizes = st.builds(Size, cores=st.floats(0.1, 64), memory_mib=st.none())
busies = st.floats(0.1, 1)


@given(costs, sizes, busies, rates, rates)
def test_a_higher_rate_never_takes_less(
    cost: Cost, size: Size, busy: float, rate: float, other: float
) -> None:
    low, high = (demand(each, busy) for each in sorted((rate, other)))

    assert fleet(cost, low, size).instances <= fleet(cost, high, size).instances
    assert workers_needed(cost, low) <= workers_needed(cost, high)


@given(costs, sizes, busies, rates)
def test_instances_can_answer_what_is_asked(cost: Cost, size: Size, busy: float, rate: float) -> None:
    chosen = fleet(cost, demand(rate, busy), size)

    assert chosen.instances >= 1
    assert chosen.workers >= 1
    assert chosen.instances * chosen.rate >= rate * (1 - 1e-6)
    assert (chosen.instances - 1) * chosen.rate <= rate
    assert chosen.rate * cost.cpu_s <= busy * size.cores * (1 + 1e-6)


@given(costs, st.floats(0.1, 64), st.floats(64, 100_000))
def test_workers_fit_into_the_memory_or_nothing_is_planned(cost: Cost, cores: float, memory: float) -> None:
    if 0.75 * memory < cost.memory_mib(1):
        with pytest.raises(DoesNotFit):
            fleet(cost, demand(1), Size(cores, memory))
    else:
        workers = fleet(cost, demand(1), Size(cores, memory)).workers
        assert 1 <= workers <= max(1, math.ceil(cores))
        assert cost.memory_mib(workers) <= 0.75 * memory * (1 + 1e-9)


@given(costs, st.integers(1, 64))
def test_suggested_memory_has_room_for_the_workers(cost: Cost, workers: int) -> None:
    suggested = memory_for(cost, workers)

    assert suggested % 128 == 0
    assert cost.memory_mib(workers) <= 0.75 * suggested * (1 + 1e-6)
