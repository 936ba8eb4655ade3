"""Why requests take Flask's full dispatch: the fast path would skip something that matters."""

import logging
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

from flask import Response, signals
from flask.ctx import AppContext, RequestContext
from flask.sessions import SecureCookieSessionInterface
from flask_restful import Resource
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from model_serving.web.app import ServiceApp
from model_serving.web.body import ServiceRequest

SIGNALS = (
    signals.request_started,
    signals.request_finished,
    signals.request_tearing_down,
    signals.appcontext_pushed,
    signals.appcontext_popped,
    signals.appcontext_tearing_down,
)
SKIPPED: dict[type, tuple[str, ...]] = {
    ServiceApp: (
        '__call__', 'wsgi_app', 'request_context', 'app_context', 'full_dispatch_request', 'dispatch_request',
        'preprocess_request', 'finalize_request', 'process_response', 'make_response', 'do_teardown_request',
        'do_teardown_appcontext', 'ensure_sync', 'create_url_adapter',
    ),
    RequestContext: ('__init__', 'push', 'pop', 'match_request'),
    AppContext: ('__init__', 'push', 'pop'),
    Resource: ('dispatch_request',),
}  # fmt: skip
"""The methods that the fast path skips, or assumes to be Flask's."""
FLASK_ITSELF = 'flask.app', 'flask.ctx', 'flask.sansio.app', 'flask.views', 'flask_restful'


def why_closed(app: ServiceApp) -> Iterator[str]:
    """Why no request of `app` may take the fast path."""
    if not app.fast_path:
        yield 'the setting fast_path is false'
    yield from hooks_of(app)
    for kind, names in SKIPPED.items():
        for owner in kind.__mro__[:-1]:
            yield from _wrappers(owner, names)
    if replaced := sorted({name for name in SKIPPED[ServiceApp] if name in vars(app)}):
        yield f'its method {replaced[0]} is replaced'
    if type(app) is not ServiceApp:
        yield f'{type(app).__name__} is a subclass of ServiceApp'
    if app.request_class is not ServiceRequest or app.response_class is not Response:
        yield 'it has a request_class or a response_class of its own'
    if type(app.session_interface) is not SecureCookieSessionInterface:
        yield f'its sessions are those of {type(app.session_interface).__name__}'
    for name in ('SERVER_NAME', 'TRUSTED_HOSTS'):
        if app.config.get(name):
            yield f'{name} is set'
    if app.debug or app.url_map.host_matching:
        yield 'it is in debug mode' if app.debug else 'its URLs depend on the host'


def _wrappers(owner: type, names: tuple[str, ...]) -> Iterator[str]:
    """What has replaced methods of a class. A wrapper may have any name, but it has globals of its own."""
    for name in names:
        method: Any = vars(owner).get(name)
        where = method.__globals__['__name__'] if type(method) is FunctionType else type(method).__module__
        if method is not None and where not in (*FLASK_ITSELF, ServiceApp.__module__):
            yield f'{owner.__name__}.{name} is wrapped by {where}'


def hooks_of(app: ServiceApp) -> Iterator[str]:
    """The hooks that would see each request, except our own."""
    yield from _hooks('before_request', app.before_request_funcs.values())
    yield from _hooks('url_value_preprocessor', app.url_value_preprocessors.values())
    own = app.own_after_request[None]
    for functions in app.after_request_funcs.values():
        yield from _hooks('after_request', [[each for each in functions if each not in own]])
    yield from _hooks('teardown_request', app.teardown_request_funcs.values())
    yield from _hooks('teardown_appcontext', [app.teardown_appcontext_funcs])
    for signal in SIGNALS:
        if signal.receivers:
            yield f'the signal {signal.name} has a receiver'
    if 'wsgi_app' in vars(app):
        yield f'a middleware of {getattr(app.wsgi_app, "__module__", None)} is around wsgi_app'


def why_not(app: ServiceApp, rule: Rule) -> Iterator[str]:
    """Why requests for `rule`, a URL of a model, may not take the fast path."""
    view: Any = app.view_functions[rule.endpoint]
    view_class = view.view_class
    if reason := getattr(view, 'why_not_fast', None):
        yield reason
    if getattr(view, 'itself', None) is not view:
        yield 'its view function is decorated, or not made by JSONApi'
    if rule.arguments:
        yield f'its URL {rule.rule} has variable parts'
    elif not _is_reachable(app, rule):
        yield f'its URL {rule.rule} leads elsewhere'
    if view_class.dispatch_request is not Resource.dispatch_request:
        yield f'{view_class.__name__} has a dispatch_request of its own'
    elif view_class.method_decorators or view_class.representations or view_class.decorators:
        yield f'{view_class.__name__} has method_decorators, decorators or representations'
    if not view_class.init_every_request:
        yield f'{view_class.__name__} has one instance for all requests'


def _is_reachable(app: ServiceApp, rule: Rule) -> bool:
    try:
        return app.url_map.bind('').match(rule.rule, 'POST', return_rule=True)[0] is rule
    except HTTPException:
        return False


def _hooks(kind: str, lists: Iterable[Iterable[Any]]) -> Iterator[str]:
    for functions in lists:
        for function in functions:
            name = getattr(function, '__qualname__', type(function).__name__)
            yield f'{kind} function `{name}` of {getattr(function, "__module__", None)}'


def log_paths(closed: dict[str, str | None]) -> None:
    """Log which models take the fast path, and why the others do not."""
    logger = logging.getLogger('engine')
    if fast := sorted(model for model, reason in closed.items() if reason is None):
        logger.info('On the fast path: %s', ', '.join(fast))
    for model, reason in sorted(closed.items()):
        if reason is not None:
            logger.info("%s takes Flask's full dispatch: %s", model, reason)
