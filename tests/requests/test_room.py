import threading
import time
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from model_serving.errors import Overloaded
from model_serving.requests import room as room_module
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.requests.room import Room
from tests.engine.clients import until


@pytest.fixture
def room() -> Room:
    return Room(200)


class Taker(threading.Thread):
    """A request that takes so many bytes, and has them once `has_room`."""

    def __init__(self, room: Room, *sizes: int, model: str = 'A') -> None:
        super().__init__(daemon=True)
        self.request = CurrentRequest({})
        self.request.model = model
        self.error: Exception | None = None
        self.has_room = threading.Event()
        self._room, self._sizes = room, sizes
        self.start()

    def run(self) -> None:
        current_request.set(self.request)
        try:
            for size in self._sizes:
                self._room.take(size)
        except Overloaded as error:
            self.error = error
        else:
            self.has_room.set()

    def got(self) -> 'Taker':
        assert self.has_room.wait(5)
        return self

    def leave(self) -> None:
        self._room.give_back(self.request)


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    token = current_request.set(None)
    yield
    current_request.reset(token)


def test_requests_share_the_room(room: Room) -> None:
    first, second = Taker(room, 60).got(), Taker(room, 40).got()
    third = Taker(room, 30)
    assert not third.has_room.wait(0.2)
    second.leave()
    third.got()
    first.leave()
    Taker(room, 70).got()


def test_request_that_needs_more_than_half_has_that(room: Room) -> None:
    large = Taker(room, 1000).got()
    other = Taker(room, 1)
    assert not other.has_room.wait(0.2)
    large.leave()
    other.got()


def test_small_one_does_not_overtake_a_large_one_for_ever(room: Room) -> None:
    first = Taker(room, 60).got()
    large = Taker(room, 90)
    until(room._turns['A'].locked)
    small = Taker(room, 10)
    assert not small.has_room.wait(0.2)
    first.leave()
    large.got()
    small.got()


def test_no_model_waits_for_another(room: Room) -> None:
    Taker(room, 1000).got()
    Taker(room, 50)
    for name in 'BCDEFGH':
        Taker(room, 25, model=name).got()
    others = Taker(room, 25, model='B'), Taker(room, 26, model='I')
    assert not any(other.has_room.wait(0.2) for other in others)


def test_two_larger_ones_of_different_models_wait_for_each_other(room: Room) -> None:
    first = Taker(room, 101).got()
    second = Taker(room, 101, model='B')
    Taker(room, 25, model='C').got()
    assert not second.has_room.wait(0.2)
    first.leave()
    second.got()


def test_request_may_take_more(room: Room) -> None:
    taker = Taker(room, 30, 20, 50).got()
    assert taker.request.room == 50
    taker.leave()
    taker.leave()
    Taker(room, 100).got()


def test_request_that_has_enough_waits_for_nobody(room: Room) -> None:
    taker = Taker(room, 80).got()
    waiting = Taker(room, 80)
    until(room._turns['A'].locked)
    token = current_request.set(taker.request)
    began = time.monotonic()
    room.take(80)
    room.take(10)
    current_request.reset(token)
    assert time.monotonic() - began < 1
    taker.leave()
    waiting.got()


def test_wait_ends(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, 'MAX_WAIT_SECONDS', 0.2)
    first = Taker(room, 60).got()
    waiting = [Taker(room, 90) for _ in range(3)]
    for taker in waiting:
        taker.join(5)
        assert 'busy with large requests' in str(taker.error)
    first.leave()
    Taker(room, 100).got()


def test_code_without_a_request_takes_no_room(room: Room) -> None:
    for _ in range(3):
        copy_context().run(room.take, 90)
