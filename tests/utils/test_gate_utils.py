import contextlib
import functools
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from random import Random
from typing import Any

import pytest
from flask_restful import Resource
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.utils import waiting_utils
from model_serving.utils.deadline_utils import deadline
from model_serving.utils.error_utils import DeadlineExceeded, InvalidInput, Overloaded
from model_serving.utils.gate_utils import LONGEST_RETRY_S, QUICK_SECONDS, Gate
from model_serving.utils.service_utils import build_service
from model_serving.utils.settings_utils import ServiceSettings
from model_serving.utils.waiting_utils import ThreadWaiter, ThreadWaiting
from tests.utils.green_loop import ClientGone, GreenLoop, GreenWaiter

PATIENCE_S = 60
SLOW_S = 0.1
"""What a call counts as here unless a test says something else."""


class Way(ThreadWaiting):
    """Waits as threads do, with a few slots; each call of a view counts as `view_s` seconds."""

    def __init__(self, slots: int = 1, view_s: float = SLOW_S) -> None:
        self.slots = slots
        self.view_s = view_s
        self.ways: list[str] = []
        self.blocked = False
        self._of_thread = threading.local()

    def clock(self) -> float:
        self._of_thread.now = getattr(self._of_thread, 'now', 0.0) + self.view_s
        return float(self._of_thread.now)

    def run(self, function: Callable[[], Any], quick: bool) -> Any:
        self.ways.append('here' if quick else 'pool')
        return function()

    def run_watched(self, function: Callable[[], Any], on_blocked: Callable[[], None]) -> Any:
        self.ways.append('watched')
        if self.blocked:
            on_blocked()
        return function()


class Held:
    """A view that waits until a test lets it go on."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun: list[Any] = []
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, name: Any = None) -> Any:
        with self._lock:
            self.begun.append(name)
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.gate.wait(PATIENCE_S)
        with self._lock:
            self.running -= 1
        return name


@contextlib.contextmanager
def installed(way: Any) -> Iterator[None]:
    before = waiting_utils.waiting()
    waiting_utils.install(way)
    try:
        yield
    finally:
        waiting_utils.install(before)


class Callers:
    """Threads that call through a gate, one for each call."""

    def __init__(self, way: Any, gate: Gate) -> None:
        self.way = way
        self.gate = gate
        self.pool = ThreadPoolExecutor(32)

    def call(self, view: Callable[[], Any], within_s: float | None = PATIENCE_S) -> 'Future[Any]':
        """The call, begun; it has reached the view or the line, or has ended."""
        before = self.progress()
        future = self.pool.submit(self._run, view, within_s)
        until(lambda: self.progress() != before or future.done())
        return future

    def _run(self, view: Callable[[], Any], within_s: float | None) -> Any:
        with installed(self.way):
            return self.gate.call(view, None if within_s is None else time.monotonic() + within_s)

    def progress(self) -> tuple[int, int]:
        return len(self.gate._line), len(self.gate._running)


def until(fact: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.001)


def idle(gate: Gate) -> bool:
    return not gate._line and not gate._running


def call(gate: Gate, way: Any, view: Callable[[], Any] = str, within_s: float | None = None) -> Any:
    """Call right here."""
    with installed(way):
        return gate.call(view, None if within_s is None else time.monotonic() + within_s)


def error_of(future: 'Future[Any]') -> Any:
    return future.exception(PATIENCE_S)


@pytest.fixture
def gate() -> Gate:
    return Gate('Held', 8)


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.fixture
def view() -> Held:
    return Held()


@pytest.fixture
def callers(gate: Gate, way: Way, view: Held) -> Iterator[Callers]:
    callers = Callers(way, gate)
    with callers.pool:
        yield callers
        view.gate.set()
    assert idle(gate)


# Slots and the line


@pytest.mark.parametrize('slots', [1, 2, 3])
def test_no_more_run_than_there_are_slots(
    gate: Gate, way: Way, view: Held, callers: Callers, slots: int
) -> None:
    way.slots = slots
    calls = [callers.call(functools.partial(view, i)) for i in range(8)]
    until(lambda: len(view.begun) == slots)
    assert callers.progress() == (8 - slots, slots)
    view.gate.set()

    assert [future.result(PATIENCE_S) for future in calls] == [*range(8)]
    assert view.most == slots


def test_first_come_is_first_served(view: Held, callers: Callers) -> None:
    calls = [callers.call(functools.partial(view, i)) for i in range(8)]
    view.gate.set()

    assert [future.result(PATIENCE_S) for future in calls] == [*range(8)]
    assert view.begun == [*range(8)]


def test_threads_of_a_plain_server_need_no_slots(view: Held, gate: Gate) -> None:
    callers = Callers(ThreadWaiting(), gate)
    with callers.pool:
        calls = [callers.call(view) for _ in range(20)]
        until(lambda: view.running == 20)
        view.gate.set()
        assert [error_of(future) for future in calls] == [None] * 20


@pytest.mark.parametrize(
    ('last_s', 'retry_after_s'), [(None, 1), (0.01, 1), (5, 40), (1000, LONGEST_RETRY_S)], ids=str
)
def test_full_line_refuses_and_says_when_to_come_again(
    gate: Gate, way: Way, view: Held, callers: Callers, last_s: float | None, retry_after_s: int
) -> None:
    if last_s:
        way.view_s = last_s
        call(gate, way)
    calls = [callers.call(view) for _ in range(9)]

    with pytest.raises(Overloaded, match='8 requests to Held are waiting already; try again later') as caught:
        call(gate, way)
    assert caught.value.retry_after_s == retry_after_s
    assert callers.progress() == (8, 1)
    view.gate.set()
    assert [error_of(future) for future in calls] == [None] * 9
    assert call(gate, way, lambda: 'again') == 'again'


def test_full_line_of_a_model_that_refused_all_so_far(
    gate: Gate, way: Way, view: Held, callers: Callers
) -> None:
    for _ in range(3):
        with pytest.raises(InvalidInput):
            call(gate, way, refuse)
    for _ in range(9):
        callers.call(view)

    with pytest.raises(Overloaded) as caught:
        call(gate, way)
    assert caught.value.retry_after_s == 1


def refuse() -> None:
    raise InvalidInput('no')


# Deadlines


def test_deadline_in_line_is_504(gate: Gate, view: Held, callers: Callers) -> None:
    first = callers.call(view)
    begin = time.monotonic()
    late = callers.call(view, within_s=0.05)

    error = error_of(late)
    assert isinstance(error, DeadlineExceeded)
    assert error.message == 'Held had no time for the request; send fewer at a time'
    assert time.monotonic() - begin >= 0.05
    assert callers.progress() == (0, 1)
    view.gate.set()
    assert error_of(first) is None
    assert view.begun == [None]


def test_late_one_does_not_hold_up_those_behind_it(view: Held, callers: Callers) -> None:
    calls = [callers.call(lambda: view('first'))]
    late = callers.call(view, within_s=0.02)
    calls.append(callers.call(lambda: view('last')))
    assert isinstance(error_of(late), DeadlineExceeded)
    view.gate.set()

    assert [future.result(PATIENCE_S) for future in calls] == ['first', 'last']


def test_deadline_is_that_of_the_request_while_it_runs(gate: Gate, way: Way) -> None:
    end = time.monotonic() + 5
    with installed(way):
        assert gate.call(deadline.get) is None
        assert gate.call(deadline.get, end) == end
    assert deadline.get() is None


# A view that hangs


@pytest.mark.parametrize('slots', [1, 2])
def test_hanging_view_is_503_until_it_ends(
    gate: Gate, way: Way, view: Held, callers: Callers, slots: int
) -> None:
    way.slots = slots
    hanging = [callers.call(view, within_s=0.1) for _ in range(slots)]
    in_line = [callers.call(view) for _ in range(3)]

    for future in in_line:
        error = error_of(future)
        assert isinstance(error, Overloaded)
        assert error.message == 'Held is busy with requests that take too long; try again later'
        assert error.retry_after_s == LONGEST_RETRY_S
    gate.most_waiting = 0
    begin = time.monotonic()
    with pytest.raises(Overloaded, match='take too long'):
        call(gate, way, within_s=PATIENCE_S)
    assert time.monotonic() - begin < PATIENCE_S / 2

    view.gate.set()
    assert [error_of(future) for future in hanging] == [None] * slots
    assert call(gate, way, lambda: 'again') == 'again'


def test_one_that_hangs_does_not_refuse_while_another_runs(
    gate: Gate, way: Way, view: Held, callers: Callers
) -> None:
    way.slots = 2
    healthy = Held()
    hanging = callers.call(view, within_s=0.02)
    callers.call(healthy)
    time.sleep(0.05)
    in_line = callers.call(lambda: 'served')
    time.sleep(0.01)
    assert not in_line.done()
    healthy.gate.set()

    assert in_line.result(PATIENCE_S) == 'served'
    assert not hanging.done()
    assert call(gate, way, lambda: 'next', within_s=PATIENCE_S) == 'next'


def test_slot_that_is_handed_on_has_the_deadline_of_its_new_call(
    gate: Gate, view: Held, callers: Callers
) -> None:
    first = Held()
    callers.call(first)
    handed_on = next(iter(gate._running)).until
    callers.call(view, within_s=2 * PATIENCE_S)
    first.gate.set()
    until(lambda: view.running)

    assert handed_on + PATIENCE_S / 2 <= next(iter(gate._running)).until < math.inf


# What the view raises


@pytest.mark.parametrize('kind', [InvalidInput, ValueError, Overloaded, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize('view_s', [0.001, SLOW_S], ids=['quick', 'slow'])
def test_what_the_view_raises_comes_through(gate: Gate, kind: Any, view_s: float) -> None:
    way, error = Way(view_s=view_s), kind('broken')
    call(gate, way)

    def fail() -> None:
        raise error

    with pytest.raises(kind) as caught:
        call(gate, way, fail)
    assert caught.value is error
    assert idle(gate)
    assert deadline.get() is None
    assert call(gate, way, lambda: 1) == 1


def test_view_that_raises_gives_its_slot_on(view: Held, callers: Callers) -> None:
    calls = [callers.call(view), callers.call(refuse), callers.call(lambda: 'last')]
    view.gate.set()

    assert isinstance(error_of(calls[1]), InvalidInput)
    assert calls[2].result(PATIENCE_S) == 'last'


# Which views are quick


def ways_of(gate: Gate, way: Way, view_s: float, times: int) -> list[str]:
    """How the next calls of a view that takes `view_s` seconds are run."""
    way.view_s = view_s
    before = len(way.ways)
    for _ in range(times):
        call(gate, way)
    return way.ways[before:]


def test_view_is_quick_after_a_quick_call(gate: Gate, way: Way) -> None:
    assert ways_of(gate, way, 0.001, 4) == ['pool', 'watched', 'watched', 'watched']


def test_view_is_slow_as_long_as_it_is_slow(gate: Gate, way: Way) -> None:
    assert ways_of(gate, way, 2 * QUICK_SECONDS, 20) == ['pool'] * 20


def test_view_that_was_slow_once_becomes_quick(gate: Gate, way: Way) -> None:
    ways_of(gate, way, 1, 1)
    ways = ways_of(gate, way, 0.001, 40)

    assert ways[0] == 'pool'
    assert ways[-1] == 'watched'
    assert ways == sorted(ways)


def test_view_that_was_quick_becomes_slow(gate: Gate, way: Way) -> None:
    ways_of(gate, way, 0.001, 10)
    ways = ways_of(gate, way, 0.05, 10)

    assert ways[0] == 'watched'
    assert ways[-1] == 'pool'
    assert ways == sorted(ways, reverse=True)


def test_quick_view_that_keeps_the_loop_is_slow_at_once(gate: Gate, way: Way) -> None:
    ways_of(gate, way, 0.001, 10)
    way.blocked = True
    assert ways_of(gate, way, 0.02, 5) == ['watched', *['pool'] * 4]
    way.blocked = False
    assert ways_of(gate, way, 0.001, 60)[-1] == 'watched'


def test_quick_view_needs_no_slot(gate: Gate, way: Way, view: Held, callers: Callers) -> None:
    held = callers.call(view)
    gate._seconds = 0.001

    assert call(gate, way, lambda: 'served', within_s=PATIENCE_S) == 'served'
    assert not held.done()


def test_refused_calls_teach_nothing(gate: Gate, way: Way) -> None:
    way.view_s = 0.0001
    for _ in range(50):
        with pytest.raises(InvalidInput):
            call(gate, way, refuse)
    assert ways_of(gate, way, SLOW_S, 3) == ['pool'] * 3

    way.view_s = 0.0001
    for _ in range(50):
        with pytest.raises(InvalidInput):
            call(gate, way, refuse)
    assert ways_of(gate, way, SLOW_S, 3) == ['pool'] * 3


def test_view_whose_first_call_was_refused_becomes_quick(gate: Gate, way: Way) -> None:
    with pytest.raises(InvalidInput):
        call(gate, way, refuse)

    assert ways_of(gate, way, 0.001, 3) == ['pool', 'watched', 'watched']


def test_refused_call_that_took_long_counts(gate: Gate, way: Way) -> None:
    ways_of(gate, way, 0.001, 10)
    way.view_s = 1
    with pytest.raises(InvalidInput):
        call(gate, way, refuse)

    assert ways_of(gate, way, 0.001, 1) == ['pool']


def test_call_that_was_let_in_by_nobody_teaches_nothing(
    gate: Gate, way: Way, view: Held, callers: Callers
) -> None:
    for _ in range(9):
        callers.call(view)
    for _ in range(20):
        with pytest.raises(Overloaded):
            call(gate, way)

    assert gate._seconds == math.inf


# Waits that end otherwise


class Strange(ThreadWaiter):
    """A waiter that is stuck, or raises when it is woken, or at once, as told."""

    def __init__(self, way: 'StrangeWay') -> None:
        super().__init__()
        self.way = way

    def wait(self, timeout_s: float | None = None) -> bool:
        if self.way.raises == 'at once':
            raise ClientGone
        woken = super().wait(timeout_s)
        until(lambda: not self.way.stuck)
        if self.way.raises == 'when woken':
            raise ClientGone
        return woken

    def is_stuck(self) -> bool:
        return self.way.stuck


class StrangeWay(Way):
    raises = ''
    stuck = False

    def waiter(self) -> Strange:
        return Strange(self)


def test_wait_that_raises_gives_its_place_back(gate: Gate, view: Held, callers: Callers) -> None:
    callers.call(view)
    strange = StrangeWay()
    strange.raises = 'at once'
    with pytest.raises(ClientGone):
        call(gate, strange)
    assert callers.progress() == (0, 1)
    assert deadline.get() is None


def test_wait_that_raises_when_it_has_the_slot_gives_it_on(gate: Gate, view: Held, callers: Callers) -> None:
    callers.call(view)
    strange = StrangeWay()
    strange.raises = 'when woken'
    gone = Callers(strange, gate)
    with gone.pool:
        ended = [gone.call(view), gone.call(view)]
        last = callers.call(lambda: 'last')
        view.gate.set()

        assert [type(error_of(future)) for future in ended] == [ClientGone, ClientGone]
        assert last.result(PATIENCE_S) == 'last'


def test_woken_for_nothing_waits_on(gate: Gate, view: Held, callers: Callers) -> None:
    callers.call(view)
    second = callers.call(lambda: 'second')
    for _ in range(3):
        gate._line[0].waiter.wake()
        time.sleep(0.005)
    assert not second.done()
    view.gate.set()

    assert second.result(PATIENCE_S) == 'second'


def test_slot_goes_past_one_that_is_stuck(gate: Gate, view: Held, callers: Callers) -> None:
    strange = StrangeWay()
    other = Callers(strange, gate)
    second = Held()
    with other.pool:
        callers.call(view)
        stuck = other.call(lambda: 'stuck')
        next_one = callers.call(lambda: second('next'))
        waiter = gate._line[0].waiter
        strange.stuck = True
        view.gate.set()
        until(lambda: second.running)
        strange.stuck = False
        waiter.wake()
        second.gate.set()

        assert next_one.result(PATIENCE_S) == 'next'
        assert stuck.result(PATIENCE_S) == 'stuck'


def test_free_slot_is_taken_when_nobody_is_stuck_any_more(gate: Gate, view: Held, callers: Callers) -> None:
    strange = StrangeWay()
    other = Callers(strange, gate)
    with other.pool:
        first = callers.call(view)
        stuck = other.call(lambda: 'stuck')
        waiter = gate._line[0].waiter
        strange.stuck = True
        view.gate.set()
        assert error_of(first) is None
        until(lambda: not gate._running)
        assert call(gate, callers.way, lambda: 'overtakes', within_s=PATIENCE_S) == 'overtakes'
        strange.stuck = False
        waiter.wake()

        assert stuck.result(PATIENCE_S) == 'stuck'


# Many threads, and the event loop of the tests


@pytest.mark.parametrize('slots', [1, 3])
def test_many_threads_leave_nobody_waiting(slots: int) -> None:
    gate, way, running, most = Gate('Many', 1000), Way(slots), set(), []

    def view(name: int) -> int:
        running.add(name)
        most.append(len(running))
        time.sleep(0.0001)
        running.discard(name)
        if name % 7 == 0:
            raise InvalidInput('seven')
        return name

    def ask(name: int) -> Any:
        try:
            return call(gate, way, lambda: view(name), within_s=0.002 if name % 5 == 0 else PATIENCE_S)
        except (InvalidInput, DeadlineExceeded, Overloaded) as error:
            return type(error)

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(ask, range(400)))
    assert idle(gate)
    assert max(most) <= slots
    for name, result in enumerate(results):
        # A call that ran too long, in a slot that is the only one, refuses those behind it.
        allowed = {InvalidInput if name % 7 == 0 else name, Overloaded}
        assert result in allowed | ({DeadlineExceeded} if name % 5 == 0 else set())


class Waiter(GreenWaiter):
    def is_stuck(self) -> bool:
        return False


class Loop(GreenLoop):
    """A loop with slots; a view in its pool counts as slow."""

    def __init__(self, random: Random, gone: float = 0, slots: int = 1) -> None:
        super().__init__(random, gone)
        self.slots = slots
        self.end = time.monotonic() + PATIENCE_S

    def waiter(self) -> Waiter:
        return Waiter(self)

    def clock(self) -> float:
        return 0.0

    def run(self, function: Callable[[], Any], quick: bool) -> Any:
        assert not quick

        def counted() -> Any:
            with installed(Way()):
                return function()

        return super().run(counted, quick)

    def turn(self, starts: Any) -> None:
        assert time.monotonic() < self.end, 'somebody waits for ever'
        assert len(self.jobs) <= self.slots
        super().turn(starts)


GREEN_CALLS = st.lists(st.sampled_from(['answer', 'answer', 'raise']), min_size=1, max_size=12)


def green_call(gate: Gate, index: int, kind: str, begun: list[int], within_s: float | None) -> Any:
    def view() -> int:
        begun.append(index)
        if kind == 'raise':
            raise InvalidInput(str(index))
        return index

    return lambda: gate.call(view, None if within_s is None else time.monotonic() + within_s)


def is_right(outcome: Any, index: int, kind: str) -> bool:
    if kind == 'raise':
        return isinstance(outcome, InvalidInput) and outcome.message == str(index)
    return bool(outcome == index)


@settings(max_examples=100, deadline=None)
@given(kinds=GREEN_CALLS, seed=st.integers(0, 2**32), slots=st.integers(1, 3), most=st.integers(1, 12))
def test_event_loop_serves_all_or_says_that_too_many_wait(
    kinds: list[str], seed: int, slots: int, most: int
) -> None:
    gate = Gate('Green', most)
    begun: list[int] = []
    calls = [green_call(gate, index, kind, begun, None) for index, kind in enumerate(kinds)]
    outcomes = Loop(Random(seed), slots=slots).outcomes(calls)

    assert idle(gate)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert len(begun) == len(set(begun)) == len(kinds) - len(refused)
    assert not refused or len(kinds) > most + slots
    assert all(1 <= error.retry_after_s <= LONGEST_RETRY_S for error in refused)
    for index, kind in enumerate(kinds):
        assert isinstance(outcomes[index], Overloaded) or is_right(outcomes[index], index, kind)


@settings(max_examples=100, deadline=None)
@given(
    kinds=GREEN_CALLS,
    seed=st.integers(0, 2**32),
    slots=st.integers(1, 3),
    late=st.sets(st.integers(0, 11), max_size=4),
    gone=st.sampled_from([0, 0.2, 0.5]),
)
def test_clients_that_go_and_deadlines_that_pass_leave_nobody_waiting(
    kinds: list[str], seed: int, slots: int, late: set[int], gone: float
) -> None:
    gate = Gate('Green', 100)
    begun: list[int] = []
    calls = [
        green_call(gate, index, kind, begun, 0.001 if index in late else None)
        for index, kind in enumerate(kinds)
    ]
    outcomes = Loop(Random(seed), gone, slots).outcomes(calls)

    assert idle(gate)
    assert len(begun) == len(set(begun))
    for index, kind in enumerate(kinds):
        excused: tuple[Any, ...] = (ClientGone,) if gone else ()
        excused += (DeadlineExceeded,) if index in late else ()
        excused += (Overloaded,) if late else ()
        assert isinstance(outcomes[index], excused) or is_right(outcomes[index], index, kind)


# Over HTTP


class HeldResource(Resource):  # type: ignore[misc]
    view = Held()

    def get(self) -> Any:
        return {'name': self.view()}


def test_refusal_has_the_header_retry_after() -> None:
    app, api = build_service(ServiceSettings(max_waiting=1))
    HeldResource.view = view = Held()
    api.add_resource(HeldResource, '/held', endpoint='Held')
    way = Way()

    def ask() -> Any:
        with installed(way):
            return app.test_client().get('/held')

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(ask) for _ in range(3)]
        refused = next(as_completed(calls, PATIENCE_S)).result()
        view.gate.set()
        assert sorted(future.result(PATIENCE_S).status_code for future in calls) == [200, 200, 503]

    assert refused.json == {'message': '1 requests to Held are waiting already; try again later'}
    assert 1 <= int(refused.headers['Retry-After']) <= LONGEST_RETRY_S
