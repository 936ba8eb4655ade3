import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, request
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.errors import ModelNotReady
from model_serving.health import readiness as readiness_utils
from model_serving.health.failed_model_resource import failed_model_resource
from model_serving.health.readiness import ModelState, Readiness, readiness_of
from model_serving.requests.deadline import remaining_s
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

TIMEOUT_S = 0.5
STARTING = 'has yet to answer its own example'


def app_of(**views: Callable[[], Any]) -> Flask:
    """An application with a model for each of these functions, which answer the example 'hello'."""
    app, api = build_service(ServiceSettings(timeout_s=TIMEOUT_S))
    for name, view in views.items():
        api.add_resource(resource_of(view, ['hello']), f'/v1/{name}', endpoint=name)
    return app


def resource_of(view: Callable[[], Any], examples: list[str]) -> type:
    class ModelResource(Resource):  # type: ignore[misc]
        @validate_json({'type': 'string', 'examples': examples})
        def post(self) -> Any:
            return view()

    return ModelResource


def tried(app: Flask) -> Readiness:
    """The Readiness of `app` once all its models have been run."""
    readiness = readiness_of(app)
    readiness.begin()
    readiness.wait()
    return readiness


def until(fact: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


def without_id(reason: str | None) -> str:
    return re.sub(r'error [0-9a-f]{8} in', 'error ID in', reason or '')


def crash() -> Any:
    raise ZeroDivisionError('a  trace\nof lines')


def in_turn(*views: Callable[[], Any]) -> Callable[[], Any]:
    """A view that is each of these once."""
    left = list(views)

    def view() -> Any:
        return left.pop(0)()

    return view


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What a model that hangs waits for; it comes in the end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_utils, 'RETRY_SECONDS', 0)


def test_model_is_starting_until_it_has_answered(held: threading.Event) -> None:
    app = app_of(Held=lambda: str(held.wait(10)))
    readiness = readiness_of(app)
    assert readiness.states() == [ModelState('Held', 'starting', STARTING)]

    readiness.begin()
    assert readiness.states() == [ModelState('Held', 'starting', STARTING)]
    held.set()
    readiness.wait()
    assert readiness.states() == [ModelState('Held', 'ready')]


def test_model_is_run_once_on_its_example() -> None:
    seen = []
    app = app_of(Hello=lambda: seen.append((request.json, request.endpoint)))
    for _ in range(3):
        tried(app)

    assert seen == [('hello', 'Hello')]


def test_example_has_the_time_of_a_request() -> None:
    seen: list[float | None] = []
    tried(app_of(Hello=lambda: seen.append(remaining_s())))

    assert 0 < (seen[0] or 0) <= TIMEOUT_S


def test_model_without_an_example_is_ready() -> None:
    app, api = build_service(ServiceSettings())
    api.add_resource(resource_of(crash, []), '/v1/Quiet', endpoint='Quiet')

    assert readiness_of(app).states() == [ModelState('Quiet', 'ready')]
    assert tried(app).states() == [ModelState('Quiet', 'ready')]


FAILING = {
    'raises': (crash, 'failed on its own example: ZeroDivisionError (error ID in the log)'),
    'exits': (sys.exit, 'failed on its own example: SystemExit (error ID in the log)'),
    'answers_with_an_error': (lambda: ({}, 503), 'answered its own example with status 503'),
    'answers_what_is_no_json': (
        lambda: b'bytes',
        'failed on its own example: TypeError (error ID in the log)',
    ),
    'streams_and_breaks': (
        lambda: Response(1 / 0 for _ in 'a'),
        'failed on its own example: ZeroDivisionError (error ID in the log)',
    ),
}


@pytest.mark.parametrize(('view', 'reason'), FAILING.values(), ids=FAILING)
def test_model_that_fails_says_why_and_the_others_are_ready(view: Callable[[], Any], reason: str) -> None:
    app = app_of(Failing=view, Hello=lambda: 'hello')

    failing, hello = tried(app).states()
    assert (failing.state, without_id(failing.reason)) == ('failed', reason)
    assert hello == ModelState('Hello', 'ready')
    assert [model.failure for model in mounted_models(app)] == [failing.reason, None]
    assert app.test_client().post('/v1/Hello', json='hello').json == 'hello'


@pytest.mark.parametrize('view', [lambda: (None, 201), lambda: Response(iter('abc')), lambda: float('nan')])
def test_any_success_will_do(view: Callable[[], Any]) -> None:
    assert tried(app_of(Hello=view)).states() == [ModelState('Hello', 'ready')]


def test_model_that_failed_refuses_requests() -> None:
    app = app_of(Failing=crash)
    tried(app)
    refused = app.test_client().post('/v1/Failing', json='hello')

    assert (refused.status_code, refused.headers['Retry-After']) == (503, '10')
    assert {'message': without_id(refused.json['message'])} == {
        'message': 'Failing failed on its own example: ZeroDivisionError (error ID in the log); '
        'try again later, and see the log'
    }


def test_trace_is_in_the_log_once(caplog: pytest.LogCaptureFixture, impatient: None) -> None:
    app = app_of(Failing=crash)
    for _ in range(3):
        tried(app)

    assert [record.name for record in caplog.records] == ['Failing'] * 3
    assert caplog.text.count('Traceback') == 1
    assert caplog.text.count('in crash\n') == 1


def test_model_that_hangs_fails_and_the_others_are_ready(
    held: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(Hanging=lambda: str(held.wait(10)), Hello=lambda: 'hello')
    reason = f'has not answered its own example within {TIMEOUT_S} s'

    assert tried(app).states() == [ModelState('Hanging', 'failed', reason), ModelState('Hello', 'ready')]
    assert 'held.wait(10)' in caplog.text
    assert app.test_client().post('/v1/Hanging', json='hello').status_code == 503


def test_model_that_is_late_serves_in_the_end(held: threading.Event) -> None:
    app = app_of(Late=lambda: str(held.wait(10)))
    readiness = tried(app)
    assert readiness.states()[0].state == 'failed'

    held.set()
    until(lambda: readiness.states() == [ModelState('Late', 'ready')])
    assert app.test_client().post('/v1/Late', json='hello').status_code == 200


def test_model_that_hangs_is_not_run_again(held: threading.Event, impatient: None) -> None:
    calls: list[bool] = []
    app = app_of(Hanging=lambda: calls.append(held.wait(10)))
    for _ in range(3):
        tried(app)
    held.set()
    until(lambda: calls)

    assert calls == [True]


def test_model_that_recovers_serves_again(impatient: None) -> None:
    app = app_of(Moody=in_turn(crash, crash, lambda: 'well', lambda: 'well'))

    assert tried(app).states()[0].state == 'failed'
    assert tried(app).states()[0].state == 'failed'
    assert tried(app).states() == [ModelState('Moody', 'ready')]
    assert app.test_client().post('/v1/Moody', json='hello').json == 'well'


def test_request_lets_a_failed_model_be_run_again(impatient: None) -> None:
    app = app_of(Moody=in_turn(crash, lambda: 'well', lambda: 'well'))
    tried(app)
    client = app.test_client()
    client.post('/v1/Moody', json='hello')
    readiness_of(app).wait()

    assert client.post('/v1/Moody', json='hello').json == 'well'


def test_model_that_failed_is_left_alone_for_a_while() -> None:
    calls: list[int] = []

    def fail() -> Any:
        calls.append(1)
        return crash()

    app = app_of(Failing=fail)
    for _ in range(3):
        tried(app)

    assert calls == [1]


def test_model_that_failed_to_load_stays_so() -> None:
    app, api = build_service(ServiceSettings())
    resource = failed_model_resource('Broken', 'failed to load: ValueError: no weights')
    api.add_resource(resource, '/v1/Broken', endpoint='Broken')

    assert tried(app).states() == [ModelState('Broken', 'failed', 'failed to load: ValueError: no weights')]
    answer = app.test_client().post('/v1/Broken', json={})
    assert answer.status_code == 503
    assert answer.json == {'message': 'Broken failed to load: ValueError: no weights; see the log'}


def test_forked_process_finds_out_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    app = app_of(Hello=lambda: calls.append(1))
    tried(app)
    monkeypatch.setattr(readiness_utils.os, 'getpid', lambda: 1)
    tried(app)

    assert calls == [1, 1]


def test_required_model_that_fails_is_an_error() -> None:
    readiness_of(app_of(Hello=lambda: 'hello')).require()
    with pytest.raises(ModelNotReady, match='Failing failed on its own example: ZeroDivisionError'):
        readiness_of(app_of(Hello=lambda: 'hello', Failing=crash)).require()


def test_warm_up_is_in_no_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    app = app_of(Hello=lambda: 'hello')
    tried(app)
    app.test_client().post('/v1/Hello', json='hello')

    assert [record.name for record in caplog.records] == ['access']
