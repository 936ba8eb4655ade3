"""Who waits for room is told of it, whatever becomes of those ahead."""

import time

import pytest

from model_serving.engine import body_budget
from model_serving.engine.body_budget import BodyBudget

MB = 1024 * 1024


class Client:
    def __init__(self, budget: BodyBudget, size: int) -> None:
        self.budget = budget
        self.size = size
        self.reserved = 0
        self.closed = self.refused = False

    def resume_reading(self) -> None:
        self.budget.reserve(self, self.size)

    def refuse_for_lack_of_room(self) -> None:
        self.refused = True


@pytest.fixture
def clients() -> tuple[Client, Client, Client]:
    """One that holds most, one that waits for more than is left, and a small one behind it."""
    budget = BodyBudget(100 * MB)
    held, large, small = (Client(budget, size * MB) for size in (90, 32, 1))
    assert [budget.reserve(each, each.size) for each in (held, large, small)] == [True, False, False]
    return held, large, small


def test_small_body_goes_on_when_the_large_one_before_it_is_refused(
    clients: tuple[Client, Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, large, small = clients
    monkeypatch.setattr(body_budget, 'MAX_WAIT_SECONDS', 1.0)
    small.budget._waiting[large] = time.monotonic() - 2
    small.budget.check_timeouts(time.monotonic())
    assert (large.refused, small.refused, small.reserved) == (True, False, MB)


def test_small_body_goes_on_when_the_client_before_it_goes(clients: tuple[Client, Client, Client]) -> None:
    _, large, small = clients
    large.closed = True
    large.budget.release(large)
    assert small.reserved == MB
