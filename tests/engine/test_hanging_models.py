"""A model that hangs, in a thread of its own or in the event loop, harms its own callers only."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tests.engine.clients import Service, at_once, nap_body, read_answers, request_of, served, until
from tests.raw_http import Answer, read_answer

FOR_EVER = 3600
QUICK_CALLS = 60


@pytest.fixture(scope='module')
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one slot for each model and a second for a request; each test lets other models hang."""
    with served(
        tmp_path_factory.mktemp('impatient') / 'log', THREADS='1', MODEL_SERVING_TIMEOUT_S='1'
    ) as service:
        yield service


def make_quick(service: Service, model: str) -> None:
    """Let a model be known as quick, so that it is run in the event loop."""
    with service.connect(5) as connection:
        for _ in range(QUICK_CALLS):
            connection.sendall(request_of('POST', f'/v1/{model}', body=nap_body('quick', 0)))
            assert read_answer(connection).status == 200


def answers_while(service: Service, futures: list[Future[Answer]]) -> list[Answer]:
    """The answers, if the service is well until all are there."""
    while not all(future.done() for future in futures):
        assert service.answers_quickly()
        time.sleep(0.05)
    return [future.result() for future in futures]


def is_overloaded(answer: Answer) -> bool:
    seconds = answer.headers.get('retry-after', '')
    return (
        answer.status == 503
        and seconds.isdecimal()
        and 1 <= int(seconds) <= 60
        and 'again' in message(answer)
    )


def message(answer: Answer) -> Any:
    return answer.json['message']


@pytest.mark.alone
def test_caller_of_a_hanging_model_gets_504_and_those_behind_it_503(impatient: Service) -> None:
    with at_once() as submit:
        hanging = submit(impatient.nap, 'Hanging0', 'hangs', FOR_EVER)
        time.sleep(0.3)
        behind = [submit(impatient.nap, 'Hanging0', 'behind', 0) for _ in range(3)]
        first, *others = answers_while(impatient, [hanging, *behind])
    assert (first.status, bool(message(first))) == (504, True)
    assert all(is_overloaded(answer) for answer in others)

    begin = time.monotonic()
    assert is_overloaded(impatient.nap('Hanging0', 'late', 0))
    assert time.monotonic() - begin < 0.8
    assert impatient.nap('Other', 'other', 0).status == 200
    assert impatient.state()['called'].count('behind') == 0


@pytest.mark.alone
def test_those_behind_a_hanging_call_get_503_even_if_its_client_has_gone(impatient: Service) -> None:
    with impatient.connect() as connection:
        connection.sendall(request_of('POST', '/v1/Hanging1', body=nap_body('hangs and is left', FOR_EVER)))
        until(lambda: 'hangs and is left' in impatient.state()['called'])
    time.sleep(1.5)
    begin = time.monotonic()
    assert is_overloaded(impatient.nap('Hanging1', 'behind', 0))
    assert time.monotonic() - begin < 0.8


def test_model_that_hangs_is_failed_until_a_slot_comes_free(impatient: Service) -> None:
    with at_once() as submit:
        hanging = submit(impatient.nap, 'Hanging2', 'hangs', 4)
        assert hanging.result().status == 504
        answer = impatient.nap('Hanging2', 'other', 0)
        assert is_overloaded(answer)
        assert 'Hanging2 hangs: 1 calls have run for' in message(answer)
        assert impatient.nap('Other', 'other', 0).status == 200
        ready = impatient.get('/health/ready')
        assert (ready.status, 'Hanging2 hangs' in ready.json['message']) == (503, True)
        until(lambda: impatient.nap('Hanging2', 'later', 0).status == 200)
        assert 'Hanging2 hangs' not in impatient.get('/health/ready').body.decode()
    text = impatient.text()
    assert 'Traceback' not in text
    assert len(re.findall(r'Hanging2 hangs: 1 calls have run for \d+ s; one is here:\n', text)) == 1
    assert 'in nap\n    time.sleep(seconds)\n' in text


def test_models_that_hang_one_after_the_other_harm_nobody_else(impatient: Service) -> None:
    models = ('Hanging3', 'Hanging4', 'Hanging5')
    for model in models:
        make_quick(impatient, model)
    with at_once() as submit:
        hanging = [submit(impatient.nap, model, 'hangs', FOR_EVER) for model in models]
        answers = answers_while(impatient, hanging)
    assert [answer.status for answer in answers] == [504] * 3
    assert impatient.double([0, 1]).json == {'rows': [[0, 2]]}


def test_quick_model_that_blocks_for_a_while_answers_late_but_well(engine: Service) -> None:
    make_quick(engine, 'Quick')
    with at_once() as submit:
        blocked = [submit(engine.nap, 'Quick', f'blocks {number}', 0.5) for number in range(3)]
        time.sleep(0.15)
        assert engine.nap('XXXModel', 'hello', 0).status == 400
        answers = answers_while(engine, blocked)
    assert [(answer.status, answer.json['tag']) for answer in answers] == [
        (200, f'blocks {number}') for number in range(3)
    ]


def test_requests_that_wait_in_the_blocked_thread_are_answered(engine: Service) -> None:
    make_quick(engine, 'Quick')
    with at_once() as submit:
        waiting = [submit(engine.nap, 'Other', 'in the pool', 0.4) for _ in range(3)]
        waiting += [submit(engine.double, [0.3, 1]) for _ in range(3)]
        time.sleep(0.1)
        waiting += [submit(engine.nap, 'Quick', 'blocks', 1)]
        answers = answers_while(engine, waiting)
    assert [answer.status for answer in answers] == [200] * 7


def test_requests_that_wait_in_a_hanging_thread_are_answered(impatient: Service) -> None:
    """One runs, one waits in line and one in a batch, all begun by the thread that then hangs for good."""
    make_quick(impatient, 'Quick')
    with at_once() as submit:
        waiting = [submit(impatient.nap, 'Other', 'pool', 0.6) for _ in range(2)]
        waiting += [submit(impatient.double, [0.5, number]) for number in range(2)]
        time.sleep(0.2)
        hanging = submit(impatient.nap, 'Quick', 'hangs', FOR_EVER)
        answers = answers_while(impatient, [*waiting, hanging])
        assert {answer.status for answer in answers} <= {200, 504}
        assert answers[-1].status == 504

        later = [submit(impatient.nap, 'Other', 'later', 0), submit(impatient.double, [0, 1])]
        assert [answer.status for answer in answers_while(impatient, later)] == [200, 200]


@pytest.mark.parametrize('first', ['Other', 'Quick'])
def test_pipelined_request_that_blocks_leaves_the_loop_alive(engine: Service, first: str) -> None:
    make_quick(engine, 'Quick')
    engine.nap('Other', 'makes it slow', 0.2)
    with engine.connect(10) as connection:
        connection.sendall(
            request_of('POST', f'/v1/{first}', body=nap_body('first', 0.2))
            + request_of('POST', '/v1/Quick', body=nap_body('blocks', 0.2))
            + request_of('GET', '/')
        )
        assert [answer.status for answer in read_answers(connection, 3)] == [200] * 3
    assert engine.answers_quickly()
