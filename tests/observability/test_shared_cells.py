import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from model_serving.observability.shared_cells import GAUGE_PREFIX, REGION_CELLS, SharedCells


@pytest.fixture
def shared() -> SharedCells:
    return SharedCells()


def in_child(work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def counts(shared: SharedCells, name: str) -> list[float]:
    return [value for found, values in shared.items() for value in values if found == name]


def add(shared: SharedCells, name: str, value: float = 1) -> None:
    shared.region.cells[shared.region.find(name, 1)] += value


def test_place_is_found_again(shared: SharedCells) -> None:
    first = shared.region.find('a', 3)

    assert shared.region.find('bcdefghij', 1) > first
    assert shared.region.find('a', 3) == first
    assert shared.region.find('a', 2) != first


def test_processes_see_what_others_count(shared: SharedCells) -> None:
    numbers = [shared.allocate(), shared.allocate()]

    def work() -> None:
        shared.attach(numbers[0])
        add(shared, 'seen', 2)
        in_child(lambda: (shared.attach(numbers[1]), add(shared, 'seen', 3))[0])  # type: ignore[func-returns-value]
        assert counts(shared, 'seen') == [1, 3, 2] or counts(shared, 'seen') == [1, 2, 3]

    add(shared, 'seen')
    in_child(work)

    assert sorted(counts(shared, 'seen')) == [1, 2, 3]


def test_next_process_counts_on_where_one_has_ended(shared: SharedCells) -> None:
    for _ in range(3):
        number = shared.allocate()
        in_child(
            lambda number=number: (shared.attach(number), add(shared, 'a'), add(shared, GAUGE_PREFIX + 'g'))[
                0
            ]
        )  # type: ignore[misc]
        shared.release(number)

    assert counts(shared, 'a') == [3]
    assert counts(shared, GAUGE_PREFIX + 'g') == [0]


def test_full_region_leaves_new_names_out(shared: SharedCells, caplog: pytest.LogCaptureFixture) -> None:
    add(shared, 'name')
    for number in range(400):
        shared.region.cells[shared.region.find(f'name {number}', 50)] += 1
    shared.region.cells[shared.region.find('new', 50)] += 1
    add(shared, 'name')

    assert counts(shared, 'name') == [2]
    assert counts(shared, 'new') == []
    assert [values for _, values in shared.items()][1:] == [[1, *[0] * 49]] * (len(list(shared.items())) - 1)
    assert 300 < len(list(shared.items())) < REGION_CELLS / 50
    assert [record.message for record in caplog.records] == ['Too many metrics: new ones are not counted']


def test_process_too_many_counts_unseen(shared: SharedCells) -> None:
    taken = [shared.allocate() for _ in range(300)]

    assert len(set(taken)) == 256  # None is one of them, and the first process has a region, too.
    shared.attach(taken[-1])
    add(shared, 'unseen')
    shared.release(taken[-1])
    assert counts(shared, 'unseen') == []


def test_little_is_imported_for_it() -> None:
    script = 'import sys, model_serving.observability.shared_cells; print("flask" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=True)
    assert done.stdout == 'False\n'
