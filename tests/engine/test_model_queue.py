"""The queue of a model where the system has no threads left, and where it has too many streams."""

import contextlib
import threading
import time
from collections.abc import Callable

import pytest

from model_serving.engine.model_queue import MAX_STREAMS, ModelQueue
from model_serving.engine.slots import SMALL, ThreadSlot
from model_serving.engine.threads import ThreadPool
from model_serving.errors import Overloaded
from tests.engine.clients import until


class ScarceThreads(ThreadPool):
    """A pool that gets no thread for a while."""

    is_out = True

    def run(self, job: Callable[[], None]) -> None:
        if self.is_out:
            raise RuntimeError("can't start new thread")
        super().run(job)


class WaitingCall:
    """A call that says when it has run."""

    size = SMALL

    def __init__(self) -> None:
        self.received_at = time.monotonic()
        self.deadline = self.received_at + 10
        self.done = threading.Event()

    def run(self) -> None:
        self.done.set()


def test_calls_wait_while_no_thread_can_be_started_and_no_slot_is_lost() -> None:
    pool = ScarceThreads()
    queue = ModelQueue('Model', 2, 100, pool)
    calls = [WaitingCall() for _ in range(5)]
    for call in calls:
        queue.add(call)
        queue.start()
    assert not any(call.done.is_set() for call in calls)
    pool.is_out = False
    queue.start()
    assert all(call.done.wait(5) for call in calls)
    until(lambda: queue.slots.active == [0, 0])


def test_call_that_breaks_off_keeps_no_slot() -> None:
    class BreakingCall(WaitingCall):
        def run(self) -> None:
            super().run()
            raise SystemExit

    queue = ModelQueue('Model', 1, 100, ThreadPool())
    calls = [BreakingCall() for _ in range(3)]
    for call in calls:
        queue.add(call)
    queue.start()
    assert all(call.done.wait(5) for call in calls)
    until(lambda: queue.slots.active == [0, 0])


class SleepingCall(WaitingCall):
    """A call that takes 20 ms, and may take a second."""

    def __init__(self) -> None:
        super().__init__()
        self.deadline = self.received_at + 1
        self.began = self.ended = 0.0

    def run(self) -> None:
        self.began = time.monotonic()
        time.sleep(0.02)
        self.ended = time.monotonic()
        self.done.set()


@pytest.mark.alone
def test_overload_keeps_the_model_busy_with_calls_that_are_in_time_and_is_soon_over() -> None:
    queue = ModelQueue('Model', 1, 10_000, ThreadPool())
    accepted, errors, end = [], [], time.monotonic() + 2
    while time.monotonic() < end:
        call = SleepingCall()
        try:
            queue.add(call)
            accepted.append(call)
        except Overloaded as error:
            errors.append(error)
        queue.start()
        time.sleep(0.001)
    assert all(call.done.wait(3) for call in accepted)
    assert [call for call in accepted if call.ended > call.deadline] == []
    assert sum(call.ended - call.began for call in accepted) > 1.8
    assert time.monotonic() - end < 1
    assert len(errors) > 3 * len(accepted)
    assert {error.retry_after_s for error in errors} <= {1, 2}
    queue.add(SleepingCall())


def test_burst_is_accepted_though_a_call_was_slow_before() -> None:
    queue = ModelQueue('Model', 1, 10_000, ThreadPool())
    slow, *burst = [WaitingCall() for _ in range(200)]
    slow.run = lambda: time.sleep(0.5)  # type: ignore[method-assign]
    queue.add(slow)
    queue.start()
    until(lambda: queue.slots.active == [0, 0])
    for call in burst:
        call.received_at, call.deadline = time.monotonic(), time.monotonic() + 10
        queue.add(call)
    queue.start()
    assert all(call.done.wait(5) for call in burst)


def test_limit_stays_where_too_long_a_time_was_measured() -> None:
    """The process may have had no CPU meanwhile: its calls then look as if they waited."""
    queue = ModelQueue('Model', 8, 100, ThreadPool())
    slots, now = queue.slots, time.monotonic()
    slot = ThreadSlot(slots, queue.lock, queue.start_threads)
    slots.threads.add(slot)
    slots.acquire(slot, SMALL)
    for seconds, limit in ((0.0, 1), (0.2, 1), (0.225, 2), (0.5, 2), (0.525, 2)):
        slots.adjust(now + seconds, [SMALL])
        assert slots.limits[SMALL] == limit


def test_one_stream_too_many_is_refused_until_another_ends() -> None:
    queue = ModelQueue('Model', 2, 100, ThreadPool())
    with contextlib.ExitStack() as others:
        for _ in range(MAX_STREAMS - 1):
            others.enter_context(queue.stream(WaitingCall()))
        with (
            queue.stream(WaitingCall()),
            pytest.raises(Overloaded, match='256 streams of Model run already'),
        ):
            others.enter_context(queue.stream(WaitingCall()))
        others.enter_context(queue.stream(WaitingCall()))
    with queue.stream(WaitingCall()):
        pass


def test_model_is_failed_while_all_its_streams_hang_and_serves_when_one_comes_free() -> None:
    queue = ModelQueue('Model', 2, 100, ThreadPool())
    calls = [WaitingCall() for _ in range(MAX_STREAMS)]
    with contextlib.ExitStack() as others:
        for call in calls[1:]:
            others.enter_context(queue.stream(call))
        with queue.stream(calls[0]):
            for call in calls[1:]:
                call.deadline = 0
            assert queue.why_hanging() is None
            calls[0].deadline = 0
            assert str(queue.why_hanging()).startswith('hangs: 256 calls have run for ')
        assert queue.why_hanging() is None
