import asyncio
import contextlib
import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import threading
import time
import weakref
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, NamedTuple

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.batching import queue as batch_queue_utils
from model_serving.batching.decorator import batched
from model_serving.batching.rows import row_kind
from model_serving.batching.wait_policy import MAX_KINDS, MAX_SKIPS
from model_serving.errors import ClientGone, DeadlineExceeded, Overloaded
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.requests.deadline import deadline
from model_serving.requests.slots import Slot, thread_state

PATIENCE_S = 60


class Answer(NamedTuple):
    labels: list[Any]
    scores: Any


class Model:
    """Doubles numbers; what it does with some of them is told by ODDITIES."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    @batched(max_batch_size=4, max_wait_ms=2.0)
    def predict(self, rows: Any, tags: Any, scale: int = 2, **more: Any) -> Any:
        """Say each row's product with `scale`, and its tag."""
        self.batches.append([int(row[0]) for row in rows])
        firsts = self.batches[-1]
        if -1 in firsts:
            raise ValueError('a bad row')
        if -2 in firsts:
            return rows[1:]
        return [scale * value for value in firsts], numpy.asarray(tags) if len(tags) else list(tags)


class Held:
    """Waits at a gate, so that a test can let calls come meanwhile."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[list[Any]] = []

    @batched(max_batch_size=8, max_wait_ms=1.0, max_queue_rows=16)
    def predict(self, rows: list[Any], **options: Any) -> list[Any]:
        self.batches.append(list(rows))
        assert self.gate.wait(PATIENCE_S)
        return list(rows)


class Patient(Held):
    """A Held that waits as long as it takes for all the calls it expects."""

    @batched(max_wait_ms=1000 * PATIENCE_S)
    def predict(self, rows: list[Any]) -> list[Any]:
        return inspect.unwrap(Held.predict)(self, rows)


@pytest.fixture(autouse=True)
def debug_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_queue_utils, 'DEBUG', True)


def idle(batcher: Any) -> bool:
    kinds = batcher.policy.kinds.values()
    return not (
        batcher.queue
        or batcher.runner
        or batcher.running
        or batcher.queued_rows
        or any(k.calls for k in kinds)
    )


def expect(batcher: Any, count: int, *rows: Any) -> None:
    """Let the batcher know of that many calls like this one."""
    batcher.policy.kind(row_kind(rows, {})).expected = count


def expected(batcher: Any, *rows: Any) -> int:
    count: int = batcher.policy.kind(row_kind(rows, {})).expected
    return count


def until(fact: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.001)


class Callers:
    """Threads that call, one for each call."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(64)

    def call(
        self, function: Callable[..., Any], *arguments: Any, within_s: float = PATIENCE_S, **options: Any
    ) -> Any:
        def run() -> Any:
            deadline.set(time.monotonic() + within_s)
            return function(*arguments, **options)

        return self.pool.submit(copy_context().run, run)


@pytest.fixture
def callers() -> Any:
    callers = Callers()
    with callers.pool:
        yield callers


def outcome(future: 'Future[Any]') -> Any:
    error = future.exception(PATIENCE_S)
    return error or future.result()


def held_by_one(callers: Callers, model: Any, within_s: float = PATIENCE_S) -> 'Future[Any]':
    """A call that is at the gate."""
    future: Future[Any] = callers.call(model.predict, ['first'], within_s=within_s)
    until(lambda: model.batches)
    return future


# A call alone


class Shapes:
    """Returns what it is given, as it is."""

    @batched(max_batch_size=4)
    def same(self, *arguments: Any, result: Any = None, **options: Any) -> Any:
        return (arguments[0] if len(arguments) == 1 else arguments) if result is None else result


@pytest.mark.parametrize(
    'rows',
    [
        [],
        [1],
        [[1.5, 2], [3, 4]],
        [[1], [2, 3]],
        ['a', None],
        numpy.zeros((3, 2)),
        numpy.zeros((0, 2)),
        numpy.float32(1),
        numpy.array(1),
        'abc',
        (1, 2),
        {'a': 1},
        7,
    ],
    ids=repr,
)
def test_lone_call_is_the_undecorated_call(rows: Any) -> None:
    assert Shapes().same(rows) is rows


def test_lone_call_gets_the_very_arguments_and_gives_the_very_result() -> None:
    rows, tags = [[1], [2]], numpy.arange(2)
    result = Shapes().same(rows, tags, option={'a': []})
    assert result[0] is rows
    assert result[1] is tags


def test_arguments_that_are_not_parallel_run_alone() -> None:
    assert Shapes().same([1, 2], [3]) == ([1, 2], [3])


def test_call_by_keyword_runs_alone() -> None:
    model = Model()
    with pytest.raises(TypeError, match='missing 2 required positional'):
        model.predict(scale=3)  # type: ignore[call-arg]
    assert idle(model.predict)


@pytest.mark.parametrize('kind', [list, numpy.asarray])
def test_large_call_runs_in_pieces(kind: Any) -> None:
    model = Model()
    labels, tags = model.predict(kind([[i] for i in range(10)]), kind([*range(10)]))
    assert labels == [2 * i for i in range(10)]
    assert tags.tolist() == [*range(10)]
    assert [len(batch) for batch in model.batches] == [4, 4, 2]


@pytest.mark.parametrize(
    ('result', 'message'),
    [
        ([1], r'Shapes.same returned 1 rows for 2 rows'),
        (([1, 2], [1]), r'Shapes.same returned 1 rows for 2 rows'),
        (numpy.zeros((3, 2)), r'Shapes.same returned 3 rows for 2 rows'),
        ('ab', r'Shapes.same returned str; a batched method returns a list'),
        ({'a': [1, 2]}, r'Shapes.same returned dict'),
        (numpy.array(1), r'Shapes.same returned ndarray'),
        (([1, 2], 1), r'Shapes.same returned int'),
    ],
)
def test_result_that_is_no_row_each_is_an_error_that_names_the_method(result: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Shapes().same([1, 2], result=result)


def test_wrong_result_of_a_piece_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'Shapes.same returned 1 rows for 4 rows'):
        Shapes().same([1] * 9, result=[1])


def test_lone_client_never_waits() -> None:
    class Waits:
        @batched(max_wait_ms=1000 * PATIENCE_S)
        def predict(self, rows: list[int]) -> list[int]:
            return rows

    model, begin = Waits(), time.monotonic()
    for _ in range(100):
        model.predict([1])
    assert time.monotonic() - begin < PATIENCE_S / 2


@pytest.mark.parametrize('wrong', [{'max_batch_size': 0}, {'max_wait_ms': -1}, {'max_queue_rows': 0}])
def test_impossible_limits_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        batched(**wrong)


def test_method_keeps_its_name_signature_and_words() -> None:
    model = Model()
    assert model.predict.__name__ == Model.predict.__name__ == 'predict'
    assert (
        model.predict.__doc__ == Model.predict.__doc__ == "Say each row's product with `scale`, and its tag."
    )
    assert list(inspect.signature(model.predict).parameters) == ['rows', 'tags', 'scale', 'more']
    assert Model.predict(model, [[1]], ['a'])[0] == [2]


def test_override_may_call_the_batched_method_it_overrides() -> None:
    class Plus(Shapes):
        @batched()
        def same(self, *arguments: Any, **options: Any) -> Any:
            return [row + 1 for row in super().same(*arguments, **options)]

    assert Plus().same([1, 2]) == [2, 3]


def test_instances_and_their_copies_have_queues_of_their_own() -> None:
    model = Model()
    model.predict([[1]], [1])
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.batches = []
        other.predict([[2]], [2])
        assert other.batches == [[2]]
        assert model.batches == [[1]]
        assert other.predict is other.predict is not model.predict


def test_finished_calls_leave_no_garbage() -> None:
    model = Model()
    for value in (1, -1):
        rows = numpy.asarray([[value]])
        gone = weakref.ref(rows)
        with contextlib.suppress(ValueError):
            model.predict(rows, [1])
        del rows
        assert gone() is None


def test_batched_imports_neither_flask_nor_numpy() -> None:
    script = 'import sys, model_serving.batching.decorator; print({"flask", "numpy"} & {*sys.modules})'
    assert subprocess.check_output([sys.executable, '-c', script], text=True) == 'set()\n'


# Calls together


def test_calls_that_come_meanwhile_share_a_batch_in_their_order(callers: Callers) -> None:
    model = Held()
    first = held_by_one(callers, model)
    others = []
    for i in range(4):
        others.append(callers.call(model.predict, [f'{i}a', f'{i}b']))
        until(lambda count=2 * i + 2: model.predict.queued_rows == count)  # type: ignore[attr-defined]
    model.gate.set()
    assert outcome(first) == ['first']
    assert [outcome(future) for future in others] == [[f'{i}a', f'{i}b'] for i in range(4)]
    assert model.batches == [['first'], ['0a', '0b', '1a', '1b', '2a', '2b', '3a', '3b']]
    assert (model.predict.batches, model.predict.rows) == (2, 9)  # type: ignore[attr-defined]


def test_call_that_does_not_fit_stays_for_the_next_batch(callers: Callers) -> None:
    model = Held()
    held_by_one(callers, model)
    for rows in (5, 4, 1):
        before = model.predict.queued_rows  # type: ignore[attr-defined]
        callers.call(model.predict, [rows] * rows)
        until(lambda count=before + rows: model.predict.queued_rows == count)  # type: ignore[attr-defined]
    model.gate.set()
    callers.pool.shutdown()
    assert model.batches[1:] == [[5] * 5, [4, 4, 4, 4, 1]]


class Tensor:
    """Hashable by identity, and without a truth value when compared, like PyTorch's."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError('ambiguous')


def zeros(*shape: int, dtype: Any = float) -> Any:
    return numpy.zeros(shape, dtype)


@pytest.mark.parametrize(
    ('one', 'two', 'share'),
    [
        (([1],), ([2.5],), True),
        (([[1, 2]],), ([[3.5, 4]],), True),
        (([[1, 2]],), ([[1, 2, 3]],), False),
        (([[1, 2]],), ([1],), False),
        (([[[1], [2]]],), ([[[1], [2]]],), True),
        (([[[1], [2]]],), ([[[1, 2], [3, 4]]],), False),
        (([[[1], [2, 3]]],), ([[[1], [2, 3]]],), False),
        (([[1], [2, 3]],), ([[1], [2, 3]],), False),
        ((['a'],), (['bc'],), True),
        ((['a'],), ([1],), False),
        (([{'a': 1}],), ([{'b': 2}],), True),
        (([[]],), ([[]],), True),
        (([zeros(2)],), ([zeros(2)],), True),
        (([zeros(2)],), ([zeros(3)],), False),
        ((zeros(1, 2),), (zeros(2, 2),), True),
        ((zeros(1, 2),), (zeros(1, 3),), False),
        ((zeros(1, 2),), (zeros(1, 2, dtype='f4'),), False),
        ((zeros(1, 2),), ([[0, 0]],), False),
        (([1], [2]), ([1], [2]), True),
        (([1], [2]), ([1],), False),
        (([1], [2]), ([1], zeros(1)), False),
        (('a',), ('a',), False),
        (([],), ([],), False),
        (([1] * 9,), ([1],), False),
    ],
)
def test_only_rows_of_one_kind_share(callers: Callers, one: Any, two: Any, share: bool) -> None:
    assert shared(callers, (one, {}), (two, {})) is share


@pytest.mark.parametrize(
    ('one', 'two', 'share'),
    [
        ({}, {}, True),
        ({'a': 1, 'b': 2}, {'b': 2, 'a': 1}, True),
        ({'a': 1}, {}, False),
        ({'a': 1}, {'a': 2}, False),
        ({'a': 1}, {'b': 1}, False),
        ({'a': 1}, {'a': True}, False),
        ({'a': (1, 'b')}, {'a': (1, 'b')}, True),
        ({'a': (1,)}, {'a': (True,)}, False),
        ({'a': (1,)}, {'a': (1.0,)}, False),
        ({'a': ((0.0,), 1)}, {'a': ((-0.0,), 1)}, False),
        ({'a': frozenset({1})}, {'a': frozenset({True})}, False),
        ({'a': frozenset({1, 2})}, {'a': frozenset({2, 1})}, True),
        ({'a': Answer([], 1)}, {'a': Answer([], 1)}, False),
        ({'a': float('nan')}, {'a': float('nan')}, True),
        ({'a': []}, {'a': []}, False),
        ({'a': Tensor()}, {'a': Tensor()}, False),
        ({'a': 'x' * 1000}, {'a': 'x' * 1000}, True),
        ({'a': 'x' * 1001}, {'a': 'x' * 1001}, False),
        ({'a': (b'x' * 1001,)}, {'a': (b'x' * 1001,)}, False),
    ],
)
def test_only_calls_with_the_same_options_share(callers: Callers, one: Any, two: Any, share: bool) -> None:
    assert shared(callers, (([1],), one), (([2],), two)) is share


def shared(callers: Callers, *calls: Any) -> bool:
    gate, batches = threading.Event(), []

    class Anything:
        @batched(max_batch_size=8, max_wait_ms=1)
        def take(self, *arguments: Any, **options: Any) -> Any:
            batches.append(arguments)
            assert gate.wait(PATIENCE_S)
            return arguments

    model = Anything()
    callers.call(model.take, ['held'])
    until(lambda: batches)
    for arguments, options in calls:
        count = len(model.take.queue)  # type: ignore[attr-defined]
        callers.call(model.take, *arguments, **options)
        until(lambda count=count: len(model.take.queue) > count)  # type: ignore[attr-defined]
    gate.set()
    callers.pool.shutdown()
    return model.take.batches == 2  # type: ignore[attr-defined]


def test_names_and_types_of_shared_results_stay(callers: Callers) -> None:
    gate = threading.Event()

    class Named:
        @batched(max_wait_ms=1)
        def answer(self, rows: list[int]) -> Answer:
            assert gate.wait(PATIENCE_S)
            return Answer(rows, numpy.asarray(rows))

    model = Named()
    futures = [callers.call(model.answer, [i, i]) for i in range(4)]
    gate.set()
    for i, future in enumerate(futures):
        answer = outcome(future)
        assert (answer.labels, answer.scores.tolist()) == ([i, i], [i, i])


def test_wait_in_vain_is_not_repeated(callers: Callers) -> None:
    class Waits:
        @batched(max_wait_ms=1)
        def predict(self, rows: list[int]) -> list[int]:
            return rows

    model = Waits()
    expect(model.predict, 7, [1])
    assert model.predict([1]) == [1]
    assert expected(model.predict, [1]) == 1


def test_known_number_of_calls_is_waited_for(callers: Callers) -> None:
    class Waits:
        @batched(max_wait_ms=1000 * PATIENCE_S)
        def predict(self, rows: list[int]) -> list[int]:
            return rows

    model = Waits()
    expect(model.predict, 3, [1])
    futures = [callers.call(model.predict, [i]) for i in range(3)]
    assert [outcome(future) for future in futures] == [[0], [1], [2]]
    assert model.predict.batches == 1  # type: ignore[attr-defined]


# Failures


def test_bad_call_fails_alone(callers: Callers) -> None:
    model = Model()
    expect(model.predict, 4, [[1]], [1])
    futures = [callers.call(model.predict, [[value]], [value]) for value in (1, -1, 2, -2)]
    one, bad, two, short = [outcome(future) for future in futures]
    assert (one[0], two[0]) == ([2], [4])
    assert str(bad) == 'a bad row'
    assert str(short) == 'Model.predict returned 0 rows for 1 rows'
    assert idle(model.predict)


class Panic(BaseException):
    """What an extension in Rust raises where it panics."""


ERRORS = {
    error.__name__: error
    for error in (ValueError, SystemExit, KeyboardInterrupt, CancelledError, GeneratorExit, Panic)
}


class Fragile:
    """Raises the error that a row names; counts its runs. Its first run is held."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.runs = 0

    @batched()
    def predict(self, rows: list[str]) -> list[str]:
        self.runs += 1
        assert self.gate.wait(PATIENCE_S)
        for row in rows:
            if row in ERRORS:
                raise ERRORS[row]
        return rows


def run_together(callers: Callers, rows: list[str]) -> tuple[int, list[Any]]:
    """Call for each row, all in one batch; return the runs that took, and each result or error."""
    model = Fragile()
    batcher: Any = model.predict

    def call(row: str) -> Any:
        try:
            return model.predict([row])
        except BaseException as error:  # Some would end the thread.
            return error

    callers.call(call, 'first')
    until(lambda: model.runs)
    futures = []
    for count, row in enumerate(rows, 1):
        futures.append(callers.call(call, row))
        until(lambda count=count: len(batcher.queue) == count)
    model.gate.set()
    outcomes = [outcome(future) for future in futures]
    until(lambda: idle(batcher))
    assert batcher.batches == 2
    return model.runs - 1, outcomes


@pytest.mark.parametrize('error', ERRORS)
@pytest.mark.parametrize('place', [0, 1, 3])
def test_whatever_is_raised_goes_to_its_own_caller_alone(callers: Callers, error: str, place: int) -> None:
    _, outcomes = run_together(callers, [error if i == place else str(i) for i in range(4)])
    assert isinstance(outcomes.pop(place), ERRORS[error])
    assert outcomes == [[str(i)] for i in range(4) if i != place]


@pytest.mark.parametrize(
    ('bad', 'runs'), [((), 1), ((5,), 11), ((0, 31), 35), (range(16), 21), (range(32), 35)]
)
def test_failures_cost_few_runs(callers: Callers, bad: Any, runs: int) -> None:
    took, outcomes = run_together(callers, ['ValueError' if i in bad else 'good' for i in range(32)])
    assert [isinstance(one, ValueError) for one in outcomes] == [i in bad for i in range(32)]
    assert took == runs


def test_method_that_calls_itself_runs_directly() -> None:
    class Recursive:
        @batched()
        def down(self, rows: list[int]) -> list[int]:
            return rows if max(rows) == 0 else self.down([max(row - 1, 0) for row in rows])

    assert Recursive().down([3, 1]) == [0, 0]


def test_full_queue_turns_calls_away(callers: Callers) -> None:
    model = Held()
    held_by_one(callers, model)
    queued = [callers.call(model.predict, [i] * 8) for i in range(2)]
    until(lambda: model.predict.queued_rows == 16)  # type: ignore[attr-defined]
    with pytest.raises(Overloaded, match=r'too much to do; try again in \d+ s') as refusal:
        model.predict([1])
    assert 1 <= refusal.value.retry_after_s <= 60
    model.gate.set()
    assert [outcome(future) for future in queued] == [[i] * 8 for i in range(2)]
    assert model.predict([1]) == [1]


@pytest.mark.parametrize(('seconds', 'retry_after_s'), [(0.0001, 1), (1.0, 8), (1000.0, 60)])
def test_retry_after_is_what_the_queue_takes_to_drain(
    callers: Callers, seconds: float, retry_after_s: int
) -> None:
    model = Held()
    model.predict.mean_rows, model.predict.mean_seconds = 2, seconds  # type: ignore[attr-defined]
    held_by_one(callers, model)
    for _ in range(3):
        callers.call(model.predict, [0] * 5)
    until(lambda: model.predict.queued_rows == 15)  # type: ignore[attr-defined]
    with pytest.raises(Overloaded) as refusal:
        model.predict([1, 2])
    assert refusal.value.retry_after_s == retry_after_s
    model.gate.set()


def test_late_call_leaves_the_queue_and_never_reaches_the_model(callers: Callers) -> None:
    model = Held()
    first = held_by_one(callers, model)
    late = callers.call(model.predict, ['late'], within_s=0.05)
    assert isinstance(outcome(late), DeadlineExceeded)
    assert model.predict.queued_rows == 0  # type: ignore[attr-defined]
    model.gate.set()
    assert outcome(first) == ['first']
    assert model.batches == [['first']]


def test_call_without_time_never_reaches_the_model(callers: Callers) -> None:
    model = Held()
    assert isinstance(outcome(callers.call(model.predict, [1], within_s=-1)), DeadlineExceeded)
    assert model.batches == []
    assert idle(model.predict)


def test_model_that_hangs_turns_calls_away_until_it_returns(callers: Callers) -> None:
    model = Patient()
    expect(model.predict, 2, [1])
    inside = [callers.call(model.predict, [i], within_s=1.0) for i in range(2)]
    until(lambda: model.batches)
    queued = [callers.call(model.predict, [i]) for i in (7, 8)]
    assert {type(outcome(future)) for future in queued} == {Overloaded}
    with pytest.raises(Overloaded, match='hangs') as refusal:
        model.predict([1])
    assert refusal.value.retry_after_s >= 1
    until(lambda: any(future.done() for future in inside))
    (follower,) = [future for future in inside if future.done()]
    assert isinstance(outcome(follower), DeadlineExceeded)
    model.gate.set()
    callers.pool.shutdown()
    expect(model.predict, 1, [1])
    assert model.predict([9]) == [9]
    assert [len(batch) for batch in model.batches] == [2, 1]


# Large calls


def test_very_large_call_of_a_notebook_runs_in_pieces() -> None:
    model = Held()
    model.gate.set()
    rows = list(range(10_000))
    assert model.predict(rows) == rows
    assert {len(batch) for batch in model.batches} == {8}


def test_small_calls_go_between_the_pieces_of_a_large_one(callers: Callers) -> None:
    model = Held()
    batcher: Any = model.predict
    large = callers.call(model.predict, [0] * 20)
    until(lambda: model.batches)
    small = [callers.call(model.predict, [i] * 4) for i in (1, 2, 3)]
    until(lambda: batcher.queued_rows == 12)
    model.gate.set()
    assert outcome(large) == [0] * 20
    assert [outcome(future) for future in small] == [[i] * 4 for i in (1, 2, 3)]
    assert 0 not in model.batches[1]
    assert model.batches[-1] == [0] * 4


def test_small_call_shares_the_run_of_a_piece(callers: Callers) -> None:
    model = Held()
    first = held_by_one(callers, model)
    expect(model.predict, 2, ['a'])
    model.predict.policy.max_wait_s = PATIENCE_S  # type: ignore[attr-defined]
    large = callers.call(model.predict, ['large'] * 12)
    until(lambda: model.predict.queued_rows == 8)  # type: ignore[attr-defined]
    model.gate.set()
    until(lambda: len(model.batches) == 2)
    assert model.predict(['small']) == ['small']
    assert outcome(large) == ['large'] * 12
    assert outcome(first) == ['first']
    assert model.batches[2] == ['large'] * 4 + ['small']


def test_large_call_counts_in_the_queue_with_one_piece(callers: Callers) -> None:
    model = Held()
    held_by_one(callers, model)
    large = callers.call(model.predict, [0] * 80)
    until(lambda: model.predict.queued_rows == 8)  # type: ignore[attr-defined]
    small = callers.call(model.predict, [1] * 8)
    until(lambda: model.predict.queued_rows == 16)  # type: ignore[attr-defined]
    model.gate.set()
    assert outcome(small) == [1] * 8
    assert outcome(large) == [0] * 80


def test_large_call_stops_where_its_deadline_passes() -> None:
    class Slow:
        runs = 0

        @batched(max_batch_size=1)
        def predict(self, rows: list[int]) -> list[int]:
            self.runs += 1
            time.sleep(0.01)
            return rows

    model = Slow()
    with ThreadPoolExecutor(1) as pool, pytest.raises(DeadlineExceeded):
        pool.submit(lambda: deadline.set(time.monotonic() + 0.05) and model.predict([0] * 1000)).result()
    assert 1 <= model.runs <= 6


# Clients that have gone


class Request(CurrentRequest):
    def __init__(self) -> None:
        super().__init__({})


def as_request(request: CurrentRequest, function: Callable[..., Any], *arguments: Any) -> Any:
    current_request.set(request)
    return function(*arguments)


def test_call_whose_client_has_gone_is_not_run(callers: Callers) -> None:
    model, request = Held(), Request()
    first = held_by_one(callers, model)
    lost = callers.call(as_request, request, model.predict, ['lost'])
    until(lambda: model.predict.queue)  # type: ignore[attr-defined]
    kept = callers.call(model.predict, ['kept'])
    until(lambda: len(model.predict.queue) == 2)  # type: ignore[attr-defined]
    request.client_gone = True
    model.gate.set()
    assert [outcome(first), outcome(kept)] == [['first'], ['kept']]
    assert isinstance(outcome(lost), ClientGone)
    assert model.batches == [['first'], ['kept']]


def test_large_call_whose_client_has_gone_stops(callers: Callers) -> None:
    model, request = Held(), Request()
    lost = callers.call(as_request, request, model.predict, [0] * 80)
    until(lambda: model.batches)
    request.client_gone = True
    model.gate.set()
    assert isinstance(outcome(lost), ClientGone)
    assert len(model.batches) == 1


# What is expected


class Quick:
    @batched(max_wait_ms=0.1)
    def predict(self, rows: list[Any], **options: Any) -> list[Any]:
        return rows


def test_calls_of_another_kind_are_not_waited_for(callers: Callers) -> None:
    class Waits:
        @batched(max_wait_ms=1000 * PATIENCE_S)
        def predict(self, rows: list[Any], **options: Any) -> list[Any]:
            return rows

    model = Waits()
    expect(model.predict, 9, [1])
    assert model.predict(['a']) == ['a']
    assert model.predict([1], seed=1) == [1]


def test_method_whose_waits_are_in_vain_waits_ever_more_seldom() -> None:
    model = Quick()
    batcher: Any = model.predict
    waits = []
    for number in range(300):
        expect(batcher, 2, [1])
        before = batcher.policy.vain_waits
        model.predict([1])
        if batcher.policy.vain_waits > before:
            waits.append(number)
    assert waits == [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]
    assert waits[-1] - waits[-2] == MAX_SKIPS + 1


def test_wait_that_fills_a_batch_ends_the_skipping(callers: Callers) -> None:
    class Waits:
        @batched(max_wait_ms=1000 * PATIENCE_S)
        def predict(self, rows: list[int]) -> list[int]:
            return rows

    model = Waits()
    batcher: Any = model.predict
    batcher.policy.vain_waits = 5
    expect(batcher, 2, [1])
    futures = [callers.call(model.predict, [i]) for i in range(2)]
    assert [outcome(future) for future in futures] == [[0], [1]]
    assert batcher.policy.vain_waits == batcher.policy.skips == 0


def test_memory_of_kinds_is_bounded() -> None:
    model = Quick()
    gathering = model.predict.policy  # type: ignore[attr-defined]
    for number in range(3 * MAX_KINDS):
        gathering.kind(number).expected = 2
        model.predict([1], seed=number)
    assert MAX_KINDS - 1 <= len(gathering.kinds) <= MAX_KINDS


def test_clients_in_step_fill_the_batches() -> None:
    class Sleeps:
        @batched()
        def predict(self, rows: list[int]) -> list[int]:
            time.sleep(0.002)
            return rows

    model = Sleeps()

    batcher: Any = model.predict
    fill = []

    def client(number: int) -> None:
        for turn in range(50):
            assert model.predict([number]) == [number]
            if turn in (10, 40) and number == 0:  # While all are there.
                fill.append((batcher.batches, batcher.rows))

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(client, range(64)))
    (batches, rows), (more_batches, more_rows) = fill
    assert (more_rows - rows) / (more_batches - batches) > 24  # Nearly always 32.


# Results that are views


@pytest.mark.parametrize('form', ['array', 'tuple', 'rows'])
def test_results_in_a_buffer_that_is_used_again_are_right(form: str) -> None:
    class Reuses:
        def __init__(self) -> None:
            self.buffer = numpy.zeros((64, 2))

        @batched(max_batch_size=8, max_wait_ms=1)
        def predict(self, rows: list[int]) -> Any:
            out = self.buffer[: len(rows)]
            out[:] = numpy.asarray(rows)[:, None]
            return {'array': out, 'tuple': (out, rows), 'rows': list(out)}[form]

    model = Reuses()

    def first(result: Any) -> Any:
        return first(result[0]) if isinstance(result, tuple) else result[0][0]

    def client(number: int) -> bool:
        results = [(i, model.predict([i])) for i in range(number, number + 2000, 100)]
        return all(first(result) == i for i, result in results)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(client, range(16)))


def test_result_of_its_own_is_not_copied() -> None:
    rows = numpy.zeros((3, 2))
    assert Shapes().same(rows) is rows
    assert Shapes().same(rows[:]) is not rows


# What cannot be batched


def refused(define: Callable[[], Any]) -> str:
    with pytest.raises((TypeError, RuntimeError)) as refusal:
        define()
    error = refusal.value
    # Python 3.11 wraps what __set_name__ raises.
    cause = error.__cause__ if isinstance(error, RuntimeError) else error
    assert isinstance(cause, TypeError)
    return str(cause)


def test_instances_without_a_dict_are_refused_with_their_class() -> None:
    def define() -> Any:
        class Slotted:
            __slots__ = ('a',)

            @batched()
            def predict(self, rows: Any) -> Any:
                return rows

        return Slotted

    def define_dataclass() -> Any:
        @dataclasses.dataclass(slots=True)
        class Slotted:
            a: int

            @batched()
            def predict(self, rows: Any) -> Any:
                return rows

        return Slotted

    assert 'Slotted.predict cannot be @batched: make it a method of plain instances' in refused(define)
    assert 'without __slots__' in refused(define_dataclass)


def function(cls: Any, rows: Any) -> Any:
    return rows


async def coroutine_function(self: Any, rows: Any) -> Any:
    return rows


def generator(self: Any, rows: Any) -> Any:
    yield rows


async def async_generator(self: Any, rows: Any) -> Any:
    yield rows


@pytest.mark.parametrize('kind', [classmethod, staticmethod])
def test_methods_of_no_instance_are_refused(kind: Any) -> None:
    assert 'make it a method of plain instances' in refused(lambda: batched()(kind(function)))
    model = type('Model', (), {'predict': kind(batched()(function))})
    assert 'make it a method of plain instances' in refused(lambda: model().predict([1]))  # type: ignore[attr-defined]


@pytest.mark.parametrize('unfit', [coroutine_function, generator, async_generator])
def test_methods_that_return_no_rows_are_refused(unfit: Any) -> None:
    assert 'make it a plain `def` that returns its rows' in refused(lambda: batched()(unfit))


# Threads


class Doubler:
    @batched(max_batch_size=8, max_wait_ms=1)
    def predict(self, rows: list[int]) -> list[int]:
        time.sleep(0.0005)
        return [2 * row for row in rows]


def with_lock(model: Doubler, lock: Any, mine: Any) -> Callable[[int], int]:
    def call(number: int) -> int:
        with lock:
            return model.predict([number])[0]

    return call


def with_two_locks(model: Doubler, lock: Any, mine: Any) -> Callable[[int], int]:
    def call(number: int) -> int:
        with lock, lock:
            return model.predict([number])[0]

    return call


def with_thread_local(model: Doubler, lock: Any, mine: Any) -> Callable[[int], int]:
    def call(number: int) -> int:
        mine.number = number
        result = model.predict([number])[0]
        return result if mine.number == number else -1

    return call


def with_asyncio_run(model: Doubler, lock: Any, mine: Any) -> Callable[[int], int]:
    async def main(number: int) -> int:
        await asyncio.sleep(0)
        return model.predict([number])[0]

    return lambda number: asyncio.run(main(number))


@pytest.mark.parametrize(
    ('way', 'lock'),
    [
        (with_lock, threading.Lock),
        (with_two_locks, threading.RLock),
        (with_thread_local, threading.Lock),
        (with_asyncio_run, threading.Lock),
    ],
)
def test_frames_of_callers_stay_on_their_threads(way: Any, lock: Any) -> None:
    call = way(Doubler(), lock(), threading.local())
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(call, range(400))) == [2 * number for number in range(400)]


def test_caller_may_call_from_threads_of_its_own(callers: Callers) -> None:
    model = Doubler()

    def fan_out(number: int) -> list[int]:
        with ThreadPoolExecutor(4) as pool:
            return [row for rows in pool.map(model.predict, [[number + i] for i in range(8)]) for row in rows]

    futures = [callers.call(fan_out, 10 * number) for number in range(8)]
    futures += [callers.call(model.predict, [number]) for number in range(8)]
    assert [outcome(future) for future in futures[:8]] == [
        [2 * (10 * number + i) for i in range(8)] for number in range(8)
    ]
    assert [outcome(future) for future in futures[8:]] == [[2 * number] for number in range(8)]


class CountedSlot(Slot):
    runs_batch = False

    def __init__(self) -> None:
        self.held = 1
        self.given = 0

    def release(self) -> None:
        self.held -= 1
        self.given += 1

    def reacquire(self) -> None:
        self.held += 1


@pytest.mark.parametrize('within_s', [PATIENCE_S, 0.05])
def test_slot_is_another_calls_while_waiting_and_while_running(callers: Callers, within_s: float) -> None:
    model, first, second = Held(), CountedSlot(), CountedSlot()

    def call(slot: CountedSlot, row: str) -> Any:
        thread_state.slot = slot
        try:
            return model.predict([row])
        finally:
            del thread_state.slot

    leader = callers.call(call, first, 'first')
    until(lambda: model.batches)
    follower = callers.call(call, second, 'second', within_s=within_s)
    until(lambda: second.given)
    assert (first.held, first.given, second.held) == (0, 1, 0) or within_s < 1
    if within_s < 1:
        assert isinstance(outcome(follower), DeadlineExceeded)
    model.gate.set()
    assert outcome(leader) == ['first']
    follower.exception(PATIENCE_S)
    assert (first.held, second.held) == (1, 1)


def test_child_of_a_busy_process_starts_afresh() -> None:
    script = """
import os, threading
from model_serving.batching.decorator import batched

class Model:
    gate = threading.Event()
    @batched(max_wait_ms=1)
    def predict(self, rows):
        if rows[0] != 'child':
            self.gate.wait()
        return rows

model = Model()
threads = [threading.Thread(target=model.predict, args=([i],)) for i in range(3)]
[thread.start() for thread in threads]
while len(model.predict.queue) < 2:
    pass
with model.predict.lock:
    child = os.fork()
    if not child:
        same = model.predict(['child']) == ['child']
        os._exit(0 if same and model.predict.batches == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
model.gate.set()
[thread.join() for thread in threads]
print(model.predict.rows)
"""
    process = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert process.stdout == '0\n3\n', process.stderr


# Calls of any kind, in any order

VALUES = st.sampled_from([0, 1, 2, 3, 5, 7, -1, -2])
ROWS = st.lists(st.tuples(VALUES, st.integers(0, 9)), min_size=0, max_size=6)
FORMS = st.sampled_from(['list', 'array', 'wide', 'option'])
CALLS = st.lists(st.tuples(ROWS, FORMS, st.floats(0, 0.002)), min_size=1, max_size=8)


def given_as(rows: list[tuple[int, int]], form: str) -> tuple[tuple[Any, Any], dict[str, Any]]:
    values: Any = [[value] * (2 if form == 'wide' else 1) for value, _ in rows]
    tags: Any = [tag for _, tag in rows]
    if form == 'array':
        values, tags = numpy.asarray(values).reshape(-1, 1), numpy.asarray(tags)
    return (values, tags), {'scale': 3} if form == 'option' else {}


def plain(outcome: Any) -> Any:
    """An outcome as something to compare."""
    if isinstance(outcome, BaseException):
        return type(outcome), str(outcome)
    return [part.tolist() if isinstance(part, numpy.ndarray) else part for part in outcome]


def alone(rows: list[tuple[int, int]], form: str) -> Any:
    """What the undecorated method gives, called with at most four rows at a time."""
    labels: list[Any] = []
    scores: list[Any] = []
    for start in range(0, len(rows), 4) or [0]:
        piece = rows[start : start + 4]
        arguments, options = given_as(piece, form)
        try:
            result = inspect.unwrap(Model.predict)(Model(), *arguments, **options)
        except ValueError as error:
            return plain(error)
        if not isinstance(result, tuple):
            return ValueError, f'Model.predict returned {len(piece) - 1} rows for {len(piece)} rows'
        labels += result[0]
        scores += list(result[1])
    return [labels, scores]


def check_all(model: Model, calls: Any, outcomes: list[Any]) -> None:
    assert [plain(one) for one in outcomes] == [alone(rows, form) for rows, form, _ in calls]
    assert idle(model.predict)
    assert all(len(batch) <= 4 for batch in model.batches)


@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_threads_get_what_the_undecorated_method_gives(calls: Any) -> None:
    model = Model()

    def call(rows: Any, form: str, pause_s: float) -> Any:
        arguments, options = given_as(rows, form)
        time.sleep(pause_s)
        return model.predict(*arguments, **options)

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call, *one) for one in calls]
    check_all(model, calls, [outcome(future) for future in futures])
