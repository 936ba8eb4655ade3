"""Batched methods that are awaited in the service's loop, alone and together with threads."""

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from random import Random
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.batching import queue as batch_queue_utils
from model_serving.batching.decorator import batched
from model_serving.errors import ClientGone, DeadlineExceeded, Overloaded
from model_serving.requests import coroutines as coroutine_utils
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.requests.deadline import deadline
from tests.batching.test_batched import (
    CALLS,
    ERRORS,
    PATIENCE_S,
    Fragile,
    Held,
    Model,
    alone,
    check_all,
    expect,
    given_as,
    idle,
    outcome,
    plain,
    until,
)


class Loop:
    """The service's loop, in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        coroutine_utils.use_loop(self.loop)

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> 'Future[Any]':
        """A task that awaits what `function` returns there; cancelling the future cancels it."""
        within_s = options.pop('within_s', PATIENCE_S)

        async def run() -> Any:
            deadline.set(time.monotonic() + within_s)
            try:
                return await function(*arguments, **options)
            except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # Some would end the loop.
                return error

        return asyncio.run_coroutine_threadsafe(run(), self.loop)

    def close(self) -> None:
        async def end() -> None:
            await self.loop.shutdown_default_executor()
            self.loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self.thread.join()
        self.loop.close()
        coroutine_utils._forget_loop()


@pytest.fixture(scope='module')
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(autouse=True)
def debug_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_queue_utils, 'DEBUG', True)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def test_call_in_the_loop_is_awaited_and_anywhere_else_it_blocks(
    loop: Loop, pool: ThreadPoolExecutor
) -> None:
    model = Model()
    labels, tags = loop.call(model.predict, [[1], [2]], [3, 4]).result(PATIENCE_S)
    assert (labels, tags.tolist()) == ([2, 4], [3, 4])
    assert model.predict([[1]], [3])[0] == [2]

    async def own_loop() -> Any:
        return model.predict([[1]], [3])[0]

    # In a thread that has no loop yet: the browser of other tests keeps one running in this one.
    assert pool.submit(asyncio.run, own_loop()).result(PATIENCE_S) == [2]
    assert idle(model.predict)


def test_large_call_is_awaited_in_pieces(loop: Loop) -> None:
    model = Model()
    labels, tags = loop.call(model.predict, [[i] for i in range(10)], [*range(10)]).result(PATIENCE_S)
    assert labels == [2 * i for i in range(10)]
    assert tags.tolist() == [*range(10)]
    assert [len(batch) for batch in model.batches] == [4, 4, 2]


def test_lone_task_never_waits(loop: Loop) -> None:
    class Waits:
        @batched(max_wait_ms=1000 * PATIENCE_S)
        def predict(self, rows: list[int]) -> list[int]:
            return rows

    model = Waits()
    for _ in range(20):
        assert loop.call(model.predict, [1]).result(PATIENCE_S / 2) == [1]


def test_calls_that_are_ready_in_one_turn_of_the_loop_share_a_batch_from_the_first_on(loop: Loop) -> None:
    model = Held()
    model.gate.set()

    async def together() -> Any:
        return await asyncio.gather(*(model.predict([i]) for i in range(8)))  # type: ignore[call-overload]

    assert loop.call(together).result(PATIENCE_S) == [[i] for i in range(8)]
    assert model.batches == [[*range(8)]]


def test_loop_goes_on_while_the_model_runs_and_while_calls_are_gathered(loop: Loop) -> None:
    model, gathers = Held(), Held()
    running = loop.call(model.predict, ['a'])
    until(lambda: model.batches)
    assert loop.call(asyncio.sleep, 0, 'alive').result(PATIENCE_S) == 'alive'
    expect(gathers.predict, 2, ['a'])
    gathers.predict.policy.max_wait_s = PATIENCE_S  # type: ignore[attr-defined]
    gathered = [loop.call(gathers.predict, ['a'])]
    until(lambda: gathers.predict.policy.until)  # type: ignore[attr-defined]
    assert loop.call(asyncio.sleep, 0, 'alive').result(PATIENCE_S) == 'alive'
    gathers.gate.set()
    gathered.append(loop.call(gathers.predict, ['b']))
    model.gate.set()
    assert [outcome(future) for future in [running, *gathered]] == [['a'], ['a'], ['b']]
    assert gathers.batches == [['a', 'b']]


@pytest.mark.parametrize('first', ['task', 'thread'])
def test_tasks_and_threads_share_batches(loop: Loop, pool: ThreadPoolExecutor, first: str) -> None:
    model = Held()
    ways = {'task': loop.call, 'thread': pool.submit}
    leader = ways[first](model.predict, ['first'])
    until(lambda: model.batches)
    futures = []
    for i in range(6):
        futures.append(ways['thread' if (i % 2 == 0) == (first == 'task') else 'task'](model.predict, [i]))
        until(lambda count=i + 1: model.predict.queued_rows == count)  # type: ignore[attr-defined]
    model.gate.set()
    assert outcome(leader) == ['first']
    assert [outcome(future) for future in futures] == [[i] for i in range(6)]
    assert model.batches == [['first'], [*range(6)]]


def test_clients_in_step_fill_the_batches(loop: Loop) -> None:
    class Sleeps:
        @batched()
        def predict(self, rows: list[int]) -> list[int]:
            time.sleep(0.002)
            return rows

    model = Sleeps()

    async def client(number: int) -> bool:
        results = [await model.predict([number]) for _ in range(40)]  # type: ignore[misc]
        return results == [[number]] * 40

    assert all(future.result(PATIENCE_S) for future in [loop.call(client, i) for i in range(64)])
    batcher: Any = model.predict
    assert batcher.rows / batcher.batches > 28


# Failures


@pytest.mark.parametrize('error', ERRORS)
@pytest.mark.parametrize('place', [0, 2])
def test_whatever_is_raised_goes_to_its_own_task_alone(loop: Loop, error: str, place: int) -> None:
    model = Fragile()
    first = loop.call(model.predict, ['first'])
    until(lambda: model.runs)
    futures = []
    for i in range(4):
        futures.append(loop.call(model.predict, [error if i == place else str(i)]))
        until(lambda count=i + 1: model.predict.queued_rows == count)  # type: ignore[attr-defined]
    model.gate.set()
    assert outcome(first) == ['first']
    for i, future in enumerate(futures):
        try:
            result = future.result(PATIENCE_S)
        except BaseException as raised:
            result = raised
        if i == place:
            # What cancels a task arrives as the cancelling of its future.
            assert isinstance(result, ERRORS[error]) or future.cancelled()
        else:
            assert result == [str(i)]
    until(lambda: idle(model.predict))


@pytest.mark.parametrize('leads', [True, False])
def test_cancelled_task_that_waits_leaves_the_queue(
    loop: Loop, pool: ThreadPoolExecutor, leads: bool
) -> None:
    model = Held()
    batcher: Any = model.predict
    if leads:
        expect(batcher, 3, ['a'])
        batcher.policy.max_wait_s = PATIENCE_S
        model.gate.set()
    else:
        held = pool.submit(model.predict, ['held'])
        until(lambda: model.batches)
    cancelled = loop.call(model.predict, ['cancelled'])
    until(lambda: batcher.queue)
    stays = pool.submit(model.predict, ['stays'])
    until(lambda: batcher.queued_rows == 2)
    cancelled.cancel()
    until(lambda: batcher.queued_rows == 1)
    if leads:
        others = [pool.submit(model.predict, ['other']) for _ in range(2)]
    else:
        others = [held]
        model.gate.set()
    assert outcome(stays) == ['stays']
    assert [outcome(future)[0] for future in others] == (['other', 'other'] if leads else ['held'])
    assert ['cancelled'] not in model.batches
    assert model.batches[-1][0] == 'stays'
    assert idle(batcher)


def test_run_goes_on_when_the_task_that_leads_it_is_cancelled(loop: Loop, pool: ThreadPoolExecutor) -> None:
    model = Held()
    leader = loop.call(model.predict, ['leader'])
    until(lambda: model.batches)
    others = [loop.call(model.predict, ['task']), pool.submit(model.predict, ['thread'])]
    until(lambda: model.predict.queued_rows == 2)  # type: ignore[attr-defined]
    leader.cancel()
    model.gate.set()
    assert [outcome(future) for future in others] == [['task'], ['thread']]
    assert idle(model.predict)


def test_task_that_leads_is_late_on_time_though_its_run_goes_on(loop: Loop) -> None:
    model = Held()
    late = loop.call(model.predict, ['late'], within_s=0.05)
    assert isinstance(outcome(late), DeadlineExceeded)
    behind = loop.call(model.predict, ['behind'])
    assert isinstance(outcome(behind), Overloaded)
    model.gate.set()
    until(lambda: idle(model.predict))
    assert loop.call(model.predict, ['next']).result(PATIENCE_S) == ['next']
    assert model.batches == [['late'], ['next']]


def test_task_whose_client_has_gone_is_not_run(loop: Loop) -> None:
    model, request = Held(), CurrentRequest({})
    first = loop.call(model.predict, ['first'])
    until(lambda: model.batches)

    async def view() -> Any:
        current_request.set(request)
        return await model.predict(['gone'])  # type: ignore[misc]

    lost = loop.call(view)
    until(lambda: model.predict.queue)  # type: ignore[attr-defined]
    request.client_gone = True
    model.gate.set()
    assert isinstance(outcome(lost), ClientGone)
    assert outcome(first) == ['first']
    assert model.batches == [['first']]


def test_batch_for_which_there_is_no_thread_fails_for_its_leaders_only(
    loop: Loop, pool: ThreadPoolExecutor
) -> None:
    def refuse(function: Callable[[], None]) -> None:
        raise RuntimeError('the pool is closed')

    model = Held()
    held = pool.submit(model.predict, ['held'])
    until(lambda: model.batches)
    tasks = [loop.call(model.predict, [i]) for i in range(3)]
    until(lambda: model.predict.queued_rows == 3)  # type: ignore[attr-defined]
    thread = pool.submit(model.predict, ['thread'])
    until(lambda: model.predict.queued_rows == 4)  # type: ignore[attr-defined]
    coroutine_utils.use_loop(loop.loop, refuse)
    try:
        model.gate.set()
        assert [str(outcome(future)) for future in tasks] == ['the pool is closed'] * 3
    finally:
        coroutine_utils.use_loop(loop.loop)
    assert outcome(held) == ['held']
    assert outcome(thread) == ['thread']
    assert model.batches == [['held'], ['thread']]
    assert idle(model.predict)


def test_batch_whose_leader_leaves_before_a_thread_is_found_goes_back(loop: Loop) -> None:
    model, kept = Held(), []
    model.gate.set()
    coroutine_utils.use_loop(loop.loop, kept.append)
    try:

        async def both() -> Any:
            tasks = [asyncio.ensure_future(model.predict([i])) for i in range(2)]  # type: ignore[arg-type]
            while not kept:
                await asyncio.sleep(0)
            tasks[0].cancel()
            while len(kept) < 2:
                await asyncio.sleep(0)
            for function in kept:
                threading.Thread(target=function).start()
            return await tasks[1]

        assert loop.call(both).result(PATIENCE_S) == [1]
    finally:
        coroutine_utils.use_loop(loop.loop)
    assert model.batches == [[1]]
    until(lambda: idle(model.predict))


# Calls of any kind, in any order


def any_call(model: Model, rows: Any, form: str, _: float) -> Any:
    arguments, options = given_as(rows, form)
    return model.predict(*arguments, **options)


@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_tasks_and_threads_get_what_the_undecorated_method_gives(loop: Loop, calls: Any) -> None:
    model = Model()
    with ThreadPoolExecutor(len(calls)) as pool:
        threads = [pool.submit(any_call, model, *one) for one in calls]
        tasks = [loop.call(any_call, model, *one) for one in calls]
    outcomes = [outcome(future) for future in tasks]
    check_all(model, calls, [outcome(future) for future in threads])
    check_all(model, calls, outcomes)


@settings(max_examples=60, deadline=None)
@given(calls=CALLS, seed=st.integers(0, 2**32))
def test_calls_that_are_cancelled_or_late_leave_nobody_waiting(loop: Loop, calls: Any, seed: int) -> None:
    model, random = Model(), Random(seed)
    kinds = random.choices(['stays', 'late', 'cancelled', 'thread', 'late thread'], k=2 * len(calls))
    both = list(zip(calls * 2, kinds, strict=True))

    def late_in_thread(*one: Any) -> Any:
        deadline.set(time.monotonic() + random.random() * 0.004)
        return any_call(model, *one)

    futures = []
    with ThreadPoolExecutor(len(both)) as pool:
        for one, kind in both:
            if kind == 'thread':
                futures.append(pool.submit(any_call, model, *one))
            elif kind == 'late thread':
                futures.append(pool.submit(copy_context().run, late_in_thread, *one))
            else:
                within_s = random.random() * 0.004 if kind == 'late' else PATIENCE_S
                futures.append(loop.call(any_call, model, *one, within_s=within_s))
        for future, (_, kind) in zip(futures, both, strict=True):
            if kind == 'cancelled':
                time.sleep(random.random() * 0.001)
                future.cancel()
    for future, ((rows, form, _), kind) in zip(futures, both, strict=True):
        if kind == 'cancelled' and future.cancelled():
            continue
        result = outcome(future)
        excused = (DeadlineExceeded, Overloaded) if 'late' in kind else Overloaded
        if not isinstance(result, excused):
            assert plain(result) == alone(rows, form)
    until(lambda: idle(model.predict))
    assert all(len(batch) <= 4 for batch in model.batches)


def test_storm_of_tasks_and_threads_ends_rightly(loop: Loop, pool: ThreadPoolExecutor) -> None:
    class Sleeps:
        @batched(max_batch_size=8, max_wait_ms=0.5, max_queue_rows=240)
        def predict(self, rows: Any, **options: Any) -> Any:
            time.sleep(0.0002)
            if 13 in rows:
                raise ERRORS[Random(len(rows)).choice(list(ERRORS))]
            return numpy.asarray(rows) * 2

    model, counts = Sleeps(), dict.fromkeys(('right', 'late', 'cancelled', 'full', 'raised'), 0)
    lock = threading.Lock()

    def note(what: str) -> None:
        with lock:
            counts[what] += 1

    def judge(rows: list[int], result: Any) -> None:
        if isinstance(result, DeadlineExceeded):
            note('late')
        elif isinstance(result, Overloaded):
            note('full')
        elif isinstance(result, asyncio.CancelledError) and 13 not in rows:
            note('cancelled')
        elif isinstance(result, BaseException):
            assert 13 in rows, result
            note('raised')
        else:
            assert result.tolist() == [2 * row for row in rows]
            note('right')

    def rows_and_options(random: Random) -> Any:
        rows = [random.randrange(40) for _ in range(random.choice([1, 1, 1, 2, 5, 20]))]
        return rows, {'seed': random.randrange(2)} if random.random() < 0.2 else {}

    def client(number: int) -> None:
        random = Random(number)
        for _ in range(40):
            rows, options = rows_and_options(random)
            deadline.set(time.monotonic() + (0.01 * random.random() if random.random() < 0.2 else PATIENCE_S))
            try:
                result = model.predict(rows, **options)
            except BaseException as error:
                result = error
            judge(rows, result)

    async def async_client(number: int) -> None:
        random = Random(number)
        for _ in range(40):
            rows, options = rows_and_options(random)
            deadline.set(time.monotonic() + (0.01 * random.random() if random.random() < 0.2 else PATIENCE_S))
            attempt = asyncio.ensure_future(guarded(rows, options))
            if random.random() < 0.2:
                asyncio.get_running_loop().call_later(0.01 * random.random(), attempt.cancel)
            (result,) = await asyncio.gather(attempt, return_exceptions=True)
            judge(rows, result)

    async def guarded(rows: Any, options: Any) -> Any:
        try:
            return await model.predict(rows, **options)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            return error

    futures = [pool.submit(client, number) for number in range(32)]
    futures += [loop.call(async_client, number) for number in range(32, 64)]
    for future in futures:
        future.result(PATIENCE_S)
    until(lambda: idle(model.predict))
    assert sum(counts.values()) == 64 * 40
    assert counts['right'] > 300, counts
    assert all(counts[what] for what in ('late', 'cancelled', 'raised')), counts


def test_finished_tasks_leave_nothing_behind(loop: Loop) -> None:
    model = Model()
    assert inspect.isawaitable(model.predict) is False
    for _ in range(3):
        loop.call(model.predict, [[1]], [1]).result(PATIENCE_S)
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one).__name__ in ('TaskCall', 'Batch')]
