"""What the engine knows about the application that it serves."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from werkzeug.exceptions import HTTPException

from model_serving.engine.call import Answer, Call, Handler
from model_serving.engine.fast_path import FastPath, Route
from model_serving.engine.http_response import WSGIResponse
from model_serving.errors import ServingError
from model_serving.health.readiness import readiness_of
from model_serving.jobs.mount import unfinished_jobs
from model_serving.observability.metrics import begin_request, record_request
from model_serving.requests.current import REQUEST_KEY, CurrentRequest
from model_serving.web.api import error_body, is_model, model_of
from model_serving.web.app import ServiceApp

DEFAULT_BODY_BYTES = 32 * 1024 * 1024
NO_ENDPOINT = 'service'
"""The queue of requests that reach no endpoint."""

WRAPPED = 'app', 'wsgi_app', 'application', '_app'
"""What middleware calls the application that it wraps."""

MAX_WRAPPERS = 10


class Target(NamedTuple):
    """What answers a request, and the name of the queue that it waits in; a quick one waits in none."""

    queue: str
    answer: Handler
    is_quick: bool = False


class Application:
    """Any WSGI application."""

    timeout_s = 30.0
    drain_s = 0.0
    max_waiting = 2048
    max_body_bytes = DEFAULT_BODY_BYTES
    max_buffered_bytes = 4 * DEFAULT_BODY_BYTES
    has_guard = False

    def __init__(self, wsgi: Any) -> None:
        self.wsgi = wsgi

    def use_hang_check(self, why_hanging: Callable[[str], str | None]) -> None:
        """Have readiness call `why_hanging` with the name of each model."""

    def announce_stop(self) -> None:
        """Say by readiness that the service is about to end."""

    def unfinished_jobs(self) -> int:
        """How many jobs this process has yet to finish, whose clients are not connected."""
        return 0

    def target(self, environ: dict[str, Any]) -> Target:
        """What answers a request."""
        return Target(NO_ENDPOINT, self.answer)

    def refusal(self, environ: dict[str, Any]) -> ServingError | None:
        """Why a request is refused by its head alone, if it is; to be asked where this `has_guard`."""
        return None

    def begin(self, request: CurrentRequest, queue: str) -> None:
        """Count a request that was received."""

    def answer(self, call: Call) -> Answer:
        """Call the WSGI application. Raises what that does not handle."""
        call.environ[REQUEST_KEY] = call.request
        response = WSGIResponse(call.environ)
        return response.read(self.wsgi(call.environ, response.start))

    def error_content(
        self, environ: dict[str, Any], error: ServingError
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """The body and the headers of an error that the engine itself answers with."""
        return json.dumps({'message': error.message}).encode() + b'\n', []

    def record(self, request: CurrentRequest, status: int) -> None:
        """Count and log a request that has ended."""
        request.finish(status)
        record_request(request)


class ServiceApplication(Application):
    """The service: each of its models has a queue, and the fast path."""

    def __init__(self, wsgi: ServiceApp) -> None:
        super().__init__(wsgi)
        self.app = wsgi
        self.timeout_s = wsgi.timeout_s
        self.drain_s = wsgi.drain_s
        self.max_waiting = wsgi.max_waiting
        self.max_body_bytes = wsgi.config['MAX_CONTENT_LENGTH'] or DEFAULT_BODY_BYTES
        self.max_buffered_bytes = max(wsgi.max_buffered_bytes, self.max_body_bytes)
        self.fast_path = FastPath(wsgi)
        self._fast_targets = {
            path: Target(route.model, partial(self._answer_fast, route))
            for path, route in self.fast_path.routes.items()
        }
        rules = [rule for rule in wsgi.url_map.iter_rules() if not rule.arguments]
        self._endpoints = {rule.rule: rule.endpoint for rule in rules}
        self._adapter = wsgi.url_map.bind('localhost')
        # Where its rules look at the host, or middleware is around it, it calls the guard itself.
        depends_on_host = wsgi.url_map.host_matching or wsgi.config['SERVER_NAME']
        self.has_guard = wsgi.guard is not None and not depends_on_host
        ways = [(method, rule.rule) for rule in rules for method in rule.methods or ()]
        self._known_ways = {way: self._match(*way) for way in ways} if self.has_guard else {}

    def use_hang_check(self, why_hanging: Callable[[str], str | None]) -> None:
        """Have readiness call `why_hanging` with the name of each model."""
        if 'readiness' in self.app.extensions:
            readiness_of(self.app).why_hanging = why_hanging

    def announce_stop(self) -> None:
        """Say by readiness that the service is about to end."""
        if 'readiness' in self.app.extensions:
            readiness_of(self.app).is_stopping = True

    def unfinished_jobs(self) -> int:
        """How many jobs this process has yet to finish, whose clients are not connected."""
        return unfinished_jobs(self.app)

    def target(self, environ: dict[str, Any]) -> Target:
        """The fast path of a POST to a model, else Flask's dispatch."""
        path = environ['PATH_INFO']
        if environ['REQUEST_METHOD'] == 'POST' and (target := self._fast_targets.get(path)) is not None:
            return target
        return Target(self._queue_name(environ), self.answer, self._is_quick(environ))

    def refusal(self, environ: dict[str, Any]) -> ServingError | None:
        """What the guard says."""
        app = self.app
        if app.guard is None or self.wsgi is not app or 'wsgi_app' in vars(app):
            return None
        way = environ['REQUEST_METHOD'], environ['PATH_INFO']
        try:
            app.guard(environ, self._known_ways.get(way) or self._match(*way))
        except ServingError as error:
            return error
        return None

    def begin(self, request: CurrentRequest, queue: str) -> None:
        """Count a request that was received, if it is for a model."""
        if queue in self.fast_path.models:
            begin_request(queue, request)

    def error_content(
        self, environ: dict[str, Any], error: ServingError
    ) -> tuple[bytes, list[tuple[str, str]]]:
        """The body and the headers of the HTTP contract."""
        body = error_body(environ['PATH_INFO'], error.message, error.details, error.status)
        return body, self.app.cors_headers(environ)

    def record(self, request: CurrentRequest, status: int) -> None:
        """Tell the observers of the service."""
        self.app.end(request, status)

    def _answer_fast(self, route: Route, call: Call) -> Answer:
        if self.fast_path.is_open(route, call.environ):
            return route.answer(call)
        return self.answer(call)

    def _queue_name(self, environ: dict[str, Any]) -> str:
        """The model that a request calls; else its endpoint."""
        path = environ['PATH_INFO']
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            try:
                endpoint, _ = self._adapter.match(path, environ['REQUEST_METHOD'])
            except HTTPException:
                return NO_ENDPOINT
        return model_of(endpoint) if is_model(self.app.view_functions[endpoint]) else endpoint

    def _match(self, method: str, path: str) -> str | None:
        """The endpoint that Flask finds; None where it finds none."""
        try:
            endpoint: str = self._adapter.match(path.encode('latin-1').decode(errors='replace'), method)[0]
        except HTTPException:
            return None
        return endpoint

    def _is_quick(self, environ: dict[str, Any]) -> bool:
        """Whether it is an OPTIONS, or for a resource with `quick`, and no hook of others would see it."""
        endpoint = self._endpoints.get(environ['PATH_INFO'], '')
        view_class = getattr(self.app.view_functions.get(endpoint), 'view_class', None)
        if environ['REQUEST_METHOD'] == 'OPTIONS':
            is_quick = bool(endpoint) and not hasattr(view_class, 'options')
        else:
            is_quick = getattr(view_class, 'quick', False)
        return is_quick and self.fast_path.has_no_hooks()


def application_of(wsgi: Any) -> Application:
    """Return what the engine serves."""
    service = service_in(wsgi)
    if service is None:
        return Application(wsgi)
    if service is not wsgi:
        vars(service)['wsgi_app'] = (
            service.wsgi_app
        )  # As if that were wrapped: no fast path around middleware.
    application = ServiceApplication(service)
    application.wsgi = wsgi
    return application


def service_in(wsgi: Any) -> ServiceApp | None:
    """The service, if `wsgi` is it or middleware around it, such as Werkzeug's `ProxyFix`."""
    seen: list[Any] = []
    while wsgi is not None and not isinstance(wsgi, ServiceApp) and len(seen) < MAX_WRAPPERS:
        seen.append(wsgi)
        wrapped = (vars(wsgi).get(name) for name in WRAPPED if hasattr(wsgi, '__dict__'))
        wsgi = next((each for each in wrapped if callable(each)), None)
    return wsgi if isinstance(wsgi, ServiceApp) else None
