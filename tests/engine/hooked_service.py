"""The service of test_full_dispatch.py: hooks are added to it, and taken away, while it serves."""

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, request, signals
from flask_restful import Resource

from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings
from model_serving.settings import load_settings

HOOKS: dict[str, Callable[[Flask], list[Any]]] = {
    'before_request': lambda app: app.before_request_funcs.setdefault(None, []),
    'after_request': lambda app: app.after_request_funcs.setdefault(None, []),
    'after_blueprint': lambda app: app.after_request_funcs.setdefault('Nested', []),
    'teardown_request': lambda app: app.teardown_request_funcs.setdefault(None, []),
    'teardown_appcontext': lambda app: app.teardown_appcontext_funcs,
    'url_value_preprocessor': lambda app: app.url_value_preprocessors.setdefault(None, []),
}
"""Where an extension writes them that does not ask Flask first, which would refuse them by now."""
SIGNALS = {
    name: getattr(signals, name)
    for name in (
        *('request_started', 'request_finished', 'request_tearing_down', 'appcontext_pushed'),
        *('appcontext_popped', 'appcontext_tearing_down'),
    )
}
schema = {'type': 'object'}
called: list[str] = []
"""The paths that the hook was called with."""


class WayResource(Resource):
    @validate_json(schema)
    def post(self) -> Any:
        return {'way': type(request._get_current_object()).__name__}  # type: ignore[attr-defined]


def hook(*given: Any, **_named: Any) -> Any:
    called.append(threading.current_thread().name)
    return given[0] if given and hasattr(given[0], 'status_code') else None


class Middleware:
    """Knows who was asked."""

    def __init__(self, wsgi: Any) -> None:
        self.wsgi = wsgi

    def __call__(self, *args: Any) -> Any:
        hook()
        return self.wsgi(*args)


def add(app: Flask, kind: str) -> None:
    if kind in HOOKS:
        HOOKS[kind](app).append(hook)
    elif kind in SIGNALS:
        SIGNALS[kind].connect(hook)
    else:
        app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[method-assign]


def remove(app: Flask, kind: str) -> None:
    if kind in HOOKS:
        HOOKS[kind](app).remove(hook)
    elif kind in SIGNALS:
        SIGNALS[kind].disconnect(hook)
    else:
        del app.wsgi_app


def create_app() -> Flask:
    app, api = build_service(load_settings(ServiceSettings, 'model_serving'))
    api.add_resource(WayResource, '/v1/Way', endpoint='Way')
    api.add_resource(WayResource, '/v1/Nested', endpoint='Nested.way')

    @app.get('/')
    def count() -> Any:
        return {'called': len(called)}

    @app.get('/<any(add,remove):change>/<kind>')
    def change_hooks(change: str, kind: str) -> Any:
        thread = threading.Thread(target={'add': add, 'remove': remove}[change], args=[app, kind])
        thread.start()
        thread.join()
        return {}

    return app


app = create_app()
