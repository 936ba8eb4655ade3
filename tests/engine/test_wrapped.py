"""Middleware around the application changes nothing of what the engine does for it."""

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from model_serving.engine.application import Application, ServiceApplication, application_of, service_in
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings
from tests.engine.clients import Service
from tests.raw_http import send
from tests.service_process import ROOT, running_service


@pytest.fixture(scope='module')
def wrapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('wrapped') / 'log'
    with running_service(
        log,
        ROOT,
        'tests.engine.wrapped_service:app',
        MODEL_SERVING_TIMEOUT_S='1',
        MODEL_SERVING_FAST_PATH='true',
    ) as url:
        yield Service(url, log)


def test_deadline_and_log_hold(wrapped: Service) -> None:
    assert wrapped.nap('Nap', 'quick', 0).status == 200
    assert wrapped.nap('Nap', 'slow', 3).status == 504
    assert 'POST /v1/Nap 504' in wrapped.text()


def test_middleware_is_not_skipped(wrapped: Service) -> None:
    answer = send(wrapped.url, b'GET /v1/Nap/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n')
    assert answer.status == 404
    assert "Nap takes Flask's full dispatch: a middleware of " in wrapped.text()


def test_service_is_found_in_middleware_and_nowhere_else() -> None:
    service, _ = build_service(ServiceSettings())
    outer = ProxyFix(service)  # type: ignore[arg-type]
    assert service_in(outer) is service
    found = application_of(outer)
    assert isinstance(found, ServiceApplication)
    assert found.wsgi is outer
    assert service_in(Flask('other')) is None
    assert service_in(lambda environ, start_response: []) is None
    assert type(application_of(Flask('other'))) is Application


def test_circle_of_wrappers_ends() -> None:
    class Middleware:
        app: object

        def __call__(self) -> None: ...

    first, second = Middleware(), Middleware()
    first.app, second.app = second, first
    assert service_in(first) is None
