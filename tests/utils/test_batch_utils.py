import contextlib
import copy
import inspect
import pickle
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from random import Random
from typing import Any, NamedTuple

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.utils import waiting_utils
from model_serving.utils.batch_utils import QUICK_SECONDS, Batcher, batched
from model_serving.utils.deadline_utils import deadline
from model_serving.utils.error_utils import DeadlineExceeded, Overloaded
from tests.utils.green_loop import ClientGone, GreenLoop

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


def idle(batcher: Any) -> bool:
    return not batcher.queue and not batcher.runner and not batcher.running and not batcher.queued_rows


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
    script = (
        'import sys, model_serving.utils.batch_utils; print({"flask", "numpy", "greenlet"} & {*sys.modules})'
    )
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
        ({'a': []}, {'a': []}, False),
        ({'a': Tensor()}, {'a': Tensor()}, False),
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
    model.predict.expected = 7  # type: ignore[attr-defined]
    assert model.predict([1]) == [1]
    assert model.predict.expected == 1  # type: ignore[attr-defined]


def test_known_number_of_calls_is_waited_for(callers: Callers) -> None:
    class Waits:
        @batched(max_wait_ms=1000 * PATIENCE_S)
        def predict(self, rows: list[int]) -> list[int]:
            return rows

    model = Waits()
    model.predict.expected = 3  # type: ignore[attr-defined]
    futures = [callers.call(model.predict, [i]) for i in range(3)]
    assert [outcome(future) for future in futures] == [[0], [1], [2]]
    assert model.predict.batches == 1  # type: ignore[attr-defined]


# Failures


def test_bad_call_fails_alone(callers: Callers) -> None:
    model = Model()
    model.predict.expected = 4  # type: ignore[attr-defined]
    futures = [callers.call(model.predict, [[value]], [value]) for value in (1, -1, 2, -2)]
    one, bad, two, short = [outcome(future) for future in futures]
    assert (one[0], two[0]) == ([2], [4])
    assert str(bad) == 'a bad row'
    assert str(short) == 'Model.predict returned 0 rows for 1 rows'
    assert idle(model.predict)


def test_exit_of_the_runner_leaves_nobody_behind(callers: Callers) -> None:
    class Exits:
        exits = True

        @batched(max_wait_ms=50)
        def predict(self, rows: list[int]) -> list[int]:
            if self.exits:
                self.exits = False
                raise SystemExit
            return rows

    model = Exits()
    model.predict.expected = 3  # type: ignore[attr-defined]
    futures = [callers.call(model.predict, [i]) for i in range(3)]
    outcomes = [outcome(future) for future in futures]
    assert sum(isinstance(one, SystemExit) for one in outcomes) == 1
    assert sum(isinstance(one, list) for one in outcomes) == 2
    assert idle(model.predict)


def test_method_that_calls_itself_runs_directly() -> None:
    class Recursive:
        @batched()
        def down(self, rows: list[int]) -> list[int]:
            return rows if max(rows) == 0 else self.down([max(row - 1, 0) for row in rows])

    assert Recursive().down([3, 1]) == [0, 0]


def test_full_queue_turns_calls_away(callers: Callers) -> None:
    model = Held()
    held_by_one(callers, model)
    large = callers.call(model.predict, [0] * 20)
    until(lambda: model.predict.queued_rows == 20)  # type: ignore[attr-defined]
    with pytest.raises(Overloaded, match=r'too much to do; try again in \d+ s') as refusal:
        model.predict([1])
    assert 1 <= refusal.value.retry_after_s <= 60
    model.gate.set()
    assert outcome(large) == [0] * 20
    assert model.predict([1]) == [1]


@pytest.mark.parametrize(('seconds', 'retry_after_s'), [(0.0001, 1), (1.0, 8), (1000.0, 60)])
def test_retry_after_is_what_the_queue_takes_to_drain(
    callers: Callers, seconds: float, retry_after_s: int
) -> None:
    model = Held()
    model.predict.measure(2, seconds)  # type: ignore[attr-defined]
    held_by_one(callers, model)
    callers.call(model.predict, [0] * 15)
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
    model.predict.expected = 2  # type: ignore[attr-defined]
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
    model.predict.expected = 1  # type: ignore[attr-defined]
    assert model.predict([9]) == [9]
    assert [len(batch) for batch in model.batches] == [2, 1]


def test_child_of_a_busy_process_starts_afresh() -> None:
    script = """
import os, threading
from model_serving.utils.batch_utils import batched

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


@settings(max_examples=150, deadline=None)
@given(calls=CALLS, seed=st.integers(0, 2**32), quick=st.booleans())
def test_greenlets_get_what_the_undecorated_method_gives(calls: Any, seed: int, quick: bool) -> None:
    model = Model()
    if quick:
        model.predict.measure(1, 0)  # type: ignore[attr-defined]
    outcomes = GreenLoop(Random(seed)).outcomes([green_call(model, *call) for call in calls])
    check_all(model, calls, outcomes)


def green_call(model: Model, rows: Any, form: str, _: float) -> Callable[[], Any]:
    arguments, options = given_as(rows, form)
    return lambda: model.predict(*arguments, **options)


@settings(max_examples=100, deadline=None)
@given(calls=CALLS, seed=st.integers(0, 2**32), late=st.sets(st.integers(0, 7)))
def test_clients_that_go_and_deadlines_that_pass_leave_nobody_waiting(
    calls: Any, seed: int, late: set[int]
) -> None:
    model = Model()
    timeouts = [0.0005 * index if index in late else None for index in range(len(calls))]
    loop = GreenLoop(Random(seed), gone=0.2)
    outcomes = loop.outcomes([green_call(model, *call) for call in calls], timeouts)
    assert idle(model.predict)
    for index, (rows, form, _) in enumerate(calls):
        excused = (ClientGone, DeadlineExceeded) if index in late else (ClientGone, Overloaded)
        if not isinstance(outcomes[index], excused):
            assert plain(outcomes[index]) == alone(rows, form)


@settings(max_examples=25, deadline=None)
@given(calls=CALLS, seed=st.integers(0, 2**32))
def test_threads_and_greenlets_share_one_queue(calls: Any, seed: int) -> None:
    model = Model()
    loops: list[Any] = []

    def green(part: Any) -> list[Any]:
        return GreenLoop(Random(seed)).outcomes([green_call(model, *call) for call in part])

    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(green, calls), pool.submit(green, calls[::-1])]
        threads = [pool.submit(green_call(model, *call)) for call in calls]
    check_all(model, calls, outcome(loops[0]))
    check_all(model, calls[::-1], outcome(loops[1]))
    check_all(model, calls, [outcome(future) for future in threads])


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
def test_queue_holds_no_more_than_its_limit(sizes: list[int], seed: int) -> None:
    class Small:
        @batched(max_batch_size=4, max_wait_ms=1, max_queue_rows=8)
        def predict(self, rows: list[int]) -> list[int]:
            assert self.predict.queued_rows <= max(8, *sizes)  # type: ignore[attr-defined]
            return rows

    model = Small()
    calls = [lambda size=size: model.predict([size] * size) for size in sizes]
    for size, result in zip(sizes, GreenLoop(Random(seed)).outcomes(calls), strict=True):
        assert isinstance(result, Overloaded) or result == [size] * size
    assert idle(model.predict)


# An event loop


def test_calls_that_are_ready_in_one_turn_of_the_loop_share_a_batch_from_the_first_on() -> None:
    model = Held()
    model.gate.set()
    outcomes = GreenLoop(Random(0)).outcomes([lambda i=i: model.predict([i]) for i in range(8)])
    assert outcomes == [[i] for i in range(8)]
    assert len(model.batches) == 1


class Refusing(GreenLoop):
    """A loop whose pool takes nothing more."""

    def run(self, function: Callable[[], Any], quick: bool) -> Any:
        raise RuntimeError('the pool is closed')


def test_batch_that_was_never_begun_is_left_to_the_others() -> None:
    model = Held()
    outcomes = Refusing(Random(0)).outcomes([lambda i=i: model.predict([i]) for i in range(8)])
    assert {str(one) for one in outcomes} == {'the pool is closed'}
    assert idle(model.predict)


class Later(waiting_utils.ThreadWaiting):
    """Begins a function when told to, or refuses it and keeps it."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.begin = threading.Event()
        self.functions: list[Callable[[], Any]] = []

    def run(self, function: Callable[[], Any], quick: bool) -> Any:
        self.functions.append(function)
        if self.refuses:
            raise RuntimeError('the pool is closed')
        assert self.begin.wait(PATIENCE_S)
        return function()


class LeavingWaiter(waiting_utils.ThreadWaiter):
    """Its client goes when the batch has been taken."""

    def __init__(self, way: Later) -> None:
        super().__init__()
        self.way = way

    def wait(self, timeout_s: float | None = None) -> bool:
        until(lambda: self.way.functions)
        raise ClientGone


class Leaving(waiting_utils.ThreadWaiting):
    def __init__(self, way: Later) -> None:
        self.way = way

    def waiter(self) -> LeavingWaiter:
        return LeavingWaiter(self.way)


def by_way(way: Any, model: Any, rows: list[Any]) -> Any:
    waiting_utils.install(way)
    return model.predict(rows)


@pytest.mark.parametrize(('leaves', 'within_s'), [(True, PATIENCE_S), (False, 0.3)])
def test_call_whose_client_leaves_a_batch_not_yet_begun_never_reaches_the_model(
    callers: Callers, leaves: bool, within_s: float
) -> None:
    model, way = Patient(), Later()
    model.gate.set()
    model.predict.expected = 2  # type: ignore[attr-defined]
    runner = callers.call(by_way, way, model, ['stays'])
    until(lambda: model.predict.runner)  # type: ignore[attr-defined]
    other = Leaving(way) if leaves else waiting_utils.ThreadWaiting()
    leaver = callers.call(by_way, other, model, ['leaves'], within_s=within_s)
    assert isinstance(outcome(leaver), ClientGone if leaves else DeadlineExceeded)
    way.begin.set()
    assert outcome(runner) == ['stays']
    assert model.batches == [['stays']]
    assert idle(model.predict)


def test_batch_that_was_given_back_is_not_run_by_whoever_comes_late() -> None:
    model, way = Patient(), Later(refuses=True)
    model.gate.set()
    with ThreadPoolExecutor(1) as pool:
        assert str(outcome(pool.submit(by_way, way, model, ['first']))) == 'the pool is closed'
    (late,) = way.functions
    assert model.predict(['second']) == ['second']
    late()
    assert model.batches == [['second']]
    assert model.predict.batches == 1  # type: ignore[attr-defined]


def test_next_batch_begins_only_when_the_late_one_has_ended() -> None:
    """The runner's own wait has ended with its deadline; its function still runs in a thread."""
    model, ways = Held(), []

    class Detached(waiting_utils.ThreadWaiting):
        def run(self, function: Callable[[], Any], quick: bool) -> Any:
            thread = threading.Thread(target=function)
            ways.append(thread)
            thread.start()
            until(lambda: model.batches)
            raise DeadlineExceeded

    def call(rows: list[Any], within_s: float, way: Any) -> Any:
        waiting_utils.install(way)
        deadline.set(time.monotonic() + within_s)
        return model.predict(rows)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(call, ['late'], 0.1, Detached())
        assert isinstance(outcome(first), DeadlineExceeded)
        until(lambda: time.monotonic() >= model.predict.running.end)  # type: ignore[attr-defined]
        second = pool.submit(call, ['refused'], PATIENCE_S, waiting_utils.ThreadWaiting())
        assert isinstance(outcome(second), Overloaded)
        model.gate.set()
        ways[0].join()
        assert idle(model.predict)
        third = pool.submit(call, ['third'], PATIENCE_S, waiting_utils.ThreadWaiting())
        assert outcome(third) == ['third']
    assert model.batches == [['late'], ['third']]


@pytest.mark.parametrize(
    ('measured', 'rows', 'quick'),
    [
        ([], 1, False),
        ([(1, QUICK_SECONDS / 2)], 1, True),
        ([(1, QUICK_SECONDS / 2)], 3, False),
        ([(4, QUICK_SECONDS / 2)], 1, True),
        ([(1, QUICK_SECONDS * 2)], 1, False),
        ([(1, QUICK_SECONDS * 9)] + [(1, 0.0)] * 20, 1, True),
    ],
)
def test_batch_is_quick_where_its_like_took_little(measured: Any, rows: int, quick: bool) -> None:
    batcher: Batcher = Model().predict  # type: ignore[assignment]
    for batch in measured:
        batcher.measure(*batch)
    assert batcher.is_quick(rows) is quick
