"""What takes Flask's full dispatch, and why: nothing that somebody wants to see is skipped in silence."""

import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Request, signals
from flask.ctx import RequestContext
from flask.sessions import SecureCookieSessionInterface
from flask.views import MethodView
from flask_restful import Resource
from werkzeug.middleware.proxy_fix import ProxyFix

from model_serving.engine.fast_path import FastPath
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings
from model_serving.web.api import JSONApi
from model_serving.web.app import ServiceApp
from tests.engine.clients import Service, served
from tests.engine.hooked_service import HOOKS, SIGNALS, Middleware, WayResource
from tests.raw_http import post
from tests.service_process import ROOT, running_service

URL = '/v1/Hello'
HOOKED = 'tests.engine.hooked_service:app'
FAST = {'MODEL_SERVING_FAST_PATH': 'true'}
"""Whatever the other tests are run with."""
schema: dict[str, Any] = {'type': 'object'}


class HelloResource(Resource):
    @validate_json(schema, response={'type': 'object'})
    def post(self) -> Any:
        return {}


def made(**settings: Any) -> tuple[Any, JSONApi]:
    return build_service(ServiceSettings(**settings))


def reasons(app: Any, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the start says of the way of each model."""
    caplog.clear()
    with caplog.at_level(logging.INFO, 'engine'):
        FastPath(app)
    return caplog.messages


def keep(*given: Any, **_named: Any) -> Any:
    """What some hooks have to return: what they were given."""
    return given[0] if given else None


class OtherSessions(SecureCookieSessionInterface):
    pass


def wrapper_of(function: Any) -> Any:
    """One that calls itself by the name of what it wraps."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def having(name: str, value: Any) -> Callable[[Any], None]:
    """Give an application this attribute; a function is given the one that it has."""
    return lambda app: setattr(app, name, value(getattr(app, name)) if callable(value) else value)


OF_APP: dict[str, tuple[Callable[[Any], Any], str]] = {
    'before_request': (
        lambda app: app.before_request(keep),
        'before_request function `keep` of tests.engine',
    ),
    'after_request': (lambda app: app.after_request(keep), 'after_request function `keep` of tests.engine'),
    'teardown_request': (lambda app: app.teardown_request(keep), 'teardown_request function `keep` of'),
    'teardown_appcontext': (
        lambda app: app.teardown_appcontext(keep),
        'teardown_appcontext function `keep` of',
    ),
    'preprocessor': (
        lambda app: app.url_value_preprocessor(keep),
        'url_value_preprocessor function `keep` of',
    ),
    'blueprint': (
        lambda app: app.before_request_funcs.update(other=[keep]),
        'before_request function `keep`',
    ),
    'partial': (lambda app: app.before_request(functools.partial(keep)), 'function `partial` of functools'),
    'middleware': (having('wsgi_app', ProxyFix), 'a middleware of werkzeug.middleware.proxy_fix'),
    'own middleware': (having('wsgi_app', Middleware), 'a middleware of tests.engine.hooked_service'),
    'method': (having('dispatch_request', wrapper_of), 'its method dispatch_request is replaced'),
    'request_class': (having('request_class', lambda _: Request), 'a request_class or a response_class'),
    'response_class': (
        having('response_class', lambda own: type('R', (own,), {})),
        'a response_class of its',
    ),
    'sessions': (having('session_interface', OtherSessions()), 'its sessions are those of OtherSessions'),
    'SERVER_NAME': (lambda app: app.config.update(SERVER_NAME='a.b'), 'SERVER_NAME is set'),
    'TRUSTED_HOSTS': (lambda app: app.config.update(TRUSTED_HOSTS=['a.b']), 'TRUSTED_HOSTS is set'),
    'debug': (having('debug', True), 'it is in debug mode'),
    'hosts': (lambda app: setattr(app.url_map, 'host_matching', True), 'its URLs depend on the host'),
    'subclass': (having('__class__', lambda own: type('OtherApp', (own,), {})), 'OtherApp is a subclass'),
    'setting': (having('fast_path', False), 'the setting fast_path is false'),
}


@pytest.mark.parametrize(('change', 'reason'), OF_APP.values(), ids=OF_APP)
def test_application(change: Callable[[Any], Any], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    app, api = made()
    api.add_resource(HelloResource, URL, endpoint='Hello')
    assert reasons(app, caplog) == ['On the fast path: Hello']
    change(app)

    (message,) = reasons(app, caplog)
    assert message.startswith("Hello takes Flask's full dispatch: ")
    assert reason in message
    assert not FastPath(app).routes


@pytest.mark.parametrize('name', SIGNALS)
def test_signal(name: str, caplog: pytest.LogCaptureFixture) -> None:
    app, api = made()
    api.add_resource(HelloResource, URL, endpoint='Hello')
    with SIGNALS[name].connected_to(keep):
        assert reasons(app, caplog) == [
            f"Hello takes Flask's full dispatch: the signal {SIGNALS[name].name} has a receiver"
        ]
    with signals.got_request_exception.connected_to(keep):  # Is sent on either way.
        assert reasons(app, caplog) == ['On the fast path: Hello']


WRAPPED = [
    *[(Flask, name) for name in ('wsgi_app', '__call__', 'full_dispatch_request', 'finalize_request')],
    *[(ServiceApp, 'process_response'), (RequestContext, 'push'), (Resource, 'dispatch_request')],
]


@pytest.mark.parametrize(('owner', 'name'), WRAPPED)
def test_wrapped_class(
    owner: type, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, api = made()
    api.add_resource(HelloResource, URL, endpoint='Hello')
    monkeypatch.setattr(owner, name, wrapper_of(getattr(owner, name)))

    (message,) = reasons(app, caplog)
    assert f'.{name} is wrapped by tests.engine.test_full_dispatch' in message


def mounting(**attributes: Any) -> Callable[[Any], Any]:
    """Mount a resource that has these attributes."""
    return lambda api: api.add_resource(type('Odd', (HelloResource,), attributes), URL, endpoint='Hello')


class PlainView(MethodView):
    post = HelloResource.post


def wrapped(api: JSONApi) -> None:
    """Do what a limiter does to a view that is mounted already."""
    api.add_resource(HelloResource, URL, endpoint='Hello')
    api.app.view_functions['Hello'] = wrapper_of(api.app.view_functions['Hello'])


def with_decorators(api: JSONApi) -> None:
    api.decorators = [wrapper_of]
    api.add_resource(HelloResource, URL, endpoint='Hello')
    api.decorators = []


def mounted_after_another(api: JSONApi) -> None:
    api.app.add_url_rule(URL, 'other', lambda: 'other', methods=['POST'])
    api.add_resource(HelloResource, URL, endpoint='Hello')


OF_VIEW: dict[str, tuple[Callable[[Any], Any], str]] = {
    'method_decorators': (mounting(method_decorators=[keep]), 'Odd has method_decorators'),
    'decorators': (mounting(decorators=[keep]), 'decorators'),
    'representations': (mounting(representations={'text/csv': keep}), 'or representations'),
    'dispatch_request': (mounting(dispatch_request=keep), 'Odd has a dispatch_request of its own'),
    'one instance': (mounting(init_every_request=False), 'Odd has one instance for all'),
    'variable URL': (
        lambda api: api.add_resource(HelloResource, f'{URL}/<a>', endpoint='Hello'),
        'variable parts',
    ),
    'arguments': (
        lambda api: api.add_resource(HelloResource, URL, endpoint='Hello', resource_class_args=()),
        'mounted with arguments of its own',
    ),
    'no JSONApi': (
        lambda api: api.app.add_url_rule(URL, view_func=PlainView.as_view('Hello')),
        'not made by JSONApi',
    ),
    'decorated API': (with_decorators, 'its view function is decorated'),
    'shadowed': (mounted_after_another, f'its URL {URL} leads elsewhere'),
    'wrapped': (wrapped, 'its view function is decorated'),
}


@pytest.mark.parametrize(('mount', 'reason'), OF_VIEW.values(), ids=OF_VIEW)
def test_view(mount: Callable[[Any], Any], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    app, api = made()
    mount(api)
    api.add_resource(WayResource, '/v1/Way', endpoint='Way')
    app.add_url_rule('/built', 'nothing', build_only=True)

    fast, message = reasons(app, caplog)
    assert fast == 'On the fast path: Way'
    assert message.startswith("Hello takes Flask's full dispatch: ")
    assert reason in message


def test_empty_lists_of_hooks_are_no_hooks() -> None:
    app, api = made()
    api.add_resource(HelloResource, URL, endpoint='Hello')
    path = FastPath(app)
    for kind in HOOKS:
        HOOKS[kind](app)
    assert path.has_no_hooks()


@pytest.fixture(scope='module')
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('hooked') / 'log'
    with running_service(log, ROOT, HOOKED, **FAST) as url:
        yield Service(url, log)


@pytest.mark.parametrize('kind', [*HOOKS, *SIGNALS, 'middleware'])
def test_hook_is_seen_by_the_next_request(hooked: Service, kind: str) -> None:
    url = '/v1/Nested' if kind == 'after_blueprint' else '/v1/Way'
    assert post(hooked.url, url, b'{}').json == {'way': 'FastRequest'}

    hooked.get(f'/add/{kind}')
    before = hooked.get().json['called']
    assert post(hooked.url, url, b'{}').json == {'way': 'ServiceRequest'}
    assert hooked.get().json['called'] > before + (kind != 'after_blueprint')

    hooked.get(f'/remove/{kind}')
    assert post(hooked.url, url, b'{}').json == {'way': 'FastRequest'}


def test_hook_of_post_worker_init(tmp_path: Path) -> None:
    """One that gunicorn's configuration adds has its line in the log of the start."""
    (tmp_path / 'conf').mkdir()
    (tmp_path / 'conf' / 'gunicorn.conf.py').write_text(
        f'import runpy\n'
        f'globals().update(runpy.run_path({str(ROOT / "conf" / "gunicorn.conf.py")!r}))\n'
        f'theirs = post_worker_init\n'
        f'def post_worker_init(worker):\n'
        f'    theirs(worker)\n'
        f'    worker.wsgi.before_request_funcs.setdefault(None, []).append(lambda: ({{"late": 1}}, 203))\n'
    )
    log = tmp_path / 'log'
    with running_service(log, tmp_path, HOOKED, **FAST) as url:
        assert post(url, '/v1/Way', b'{}').json == {'late': 1}
    assert "Way takes Flask's full dispatch: before_request function `post_worker_init" in log.read_text()


def test_setting_sends_all_through_full_dispatch(tmp_path: Path) -> None:
    with served(tmp_path / 'log', MODEL_SERVING_FAST_PATH='false') as service:
        assert service.double([1, 2]).json == {'rows': [[2, 4]]}
    assert "Rows takes Flask's full dispatch: the setting fast_path is false" in service.text()
