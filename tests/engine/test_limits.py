"""How much may wait for a model, and what those are told for whom there is no place."""

import time

import pytest

from tests.engine.clients import Service, at_once, until
from tests.raw_http import Answer, post

SECONDS = 0.5


def assert_overloaded(answer: Answer) -> None:
    assert answer.status == 503
    assert 1 <= int(answer.headers['retry-after']) <= 60
    assert 'try again' in answer.json['message']


def fill(service: Service, model: str, calls: int) -> list[Answer]:
    """The answers of that many calls, of which one runs and the others come while it does."""
    with at_once() as submit:
        futures = [submit(service.nap, model, 'first', SECONDS)]
        time.sleep(SECONDS / 4)
        for number in range(1, calls):
            futures.append(submit(service.nap, model, f'number {number}', SECONDS / 4))
            time.sleep(0.05)
        return [future.result() for future in futures]


@pytest.mark.alone
def test_call_without_a_place_in_line_gets_503(narrow: Service) -> None:
    begin = time.monotonic()
    *served, refused = fill(narrow, 'Nap', 4)
    assert [answer.status for answer in served] == [200] * 3
    assert_overloaded(refused)
    assert time.monotonic() - begin < 1.9
    assert 'number 3' not in narrow.state()['called']
    assert narrow.nap('Nap', 'later', 0).status == 200


def test_line_of_one_model_is_not_that_of_another(narrow: Service) -> None:
    with at_once() as submit:
        filled = submit(fill, narrow, 'Nap', 4)
        until(lambda: narrow.state()['called'][-1:] == ['first'])
        assert narrow.nap('Other', 'other', 0).status == 200
        assert narrow.answers_quickly()
        assert_overloaded(filled.result()[-1])


def test_limit_holds_for_a_model_whose_first_request_was_refused(narrow: Service) -> None:
    assert post(narrow.url, '/v1/Refused', b'{}').status == 400
    *served, refused = fill(narrow, 'Refused', 4)
    assert [answer.status for answer in served] == [200] * 3
    assert_overloaded(refused)


def test_refused_requests_do_not_make_a_slow_model_count_as_quick(narrow: Service) -> None:
    """A quick one would be run in the event loop, which then warns."""
    assert narrow.nap('Other', 'slow', 0.3).status == 200
    warnings = warned_of(narrow, '/v1/Other')
    for _ in range(60):
        assert post(narrow.url, '/v1/Other', b'{}').status == 400
    assert narrow.nap('Other', 'slow', 0.3).status == 200
    assert warned_of(narrow, '/v1/Other') == warnings


def warned_of(service: Service, path: str) -> int:
    return sum('[WARNING]' in line and path in line for line in service.text().splitlines())


def test_refused_model_becomes_quick_all_the_same(narrow: Service) -> None:
    """Which shows in its thread: the one that the event loop runs in, as /state does."""
    assert post(narrow.url, '/v1/Quick', b'{}').status == 400
    for _ in range(10):
        assert narrow.nap('Quick', 'quick', 0).status == 200
        narrow.state()
    assert narrow.nap('Quick', 'quick', 0).json['thread'] == narrow.state()['thread']


def test_call_that_waits_too_long_gets_504(narrow: Service) -> None:
    """Each may take two seconds in all."""
    with at_once() as submit:
        first = submit(narrow.nap, 'Nap', 'too long', 2.6)
        time.sleep(0.2)
        second = submit(narrow.nap, 'Nap', 'unlucky', 0)
        assert first.result().status == 504
        assert second.result().status in {503, 504}
    until(lambda: narrow.nap('Nap', 'later', 0).status == 200)
    assert 'unlucky' not in narrow.state()['called']


@pytest.mark.alone
def test_small_call_goes_between_the_pieces_of_a_large_one(engine: Service) -> None:
    with at_once() as submit:
        large = submit(engine.double, *[[0.02, 1]] * 400)  # 50 runs of 20 ms.
        time.sleep(0.2)
        begin = time.monotonic()
        assert engine.double([0, 1]).status == 200
        assert time.monotonic() - begin < 0.5
        assert not large.done()
        assert large.result().status == 200


def test_crash_is_500_and_its_trace_is_in_the_log(narrow: Service) -> None:
    answer = post(narrow.url, '/v1/Crash', b'')
    assert (answer.status, answer.json) == (500, {'message': 'Internal Server Error'})
    assert 'ZeroDivisionError: a secret' in narrow.text()


@pytest.mark.alone
def test_slow_batched_model_is_batched_however_few_threads_there_are(single: Service) -> None:
    """24 calls in batches of 8 take three times 0.2 s; one by one they would take 4.8 s."""
    assert single.double([0.2, 0]).status == 200
    begin = time.monotonic()
    with at_once() as submit:
        answers = [submit(single.double, [0.2, number]) for number in range(24)]
        assert [answer.result().status for answer in answers] == [200] * 24
    assert time.monotonic() - begin < 2.4
