"""The fast path: a POST to a model without Flask's dispatch, but with all that its view sees of Flask.

It is prepared when the worker starts, and taken only where nothing would be skipped. Errors go to Flask's own
handlers, and a response that is more than JSON through Flask's own processing, so a view never runs twice.
"""

import operator
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from flask import Response
from werkzeug.routing import Rule

from model_serving.catalogue import failures
from model_serving.engine.call import Answer, Call
from model_serving.engine.fast_context import FastRequest, FastRequestContext
from model_serving.engine.full_dispatch import SIGNALS, hooks_of, log_paths, why_closed, why_not
from model_serving.engine.http_response import WSGIResponse, json_response
from model_serving.health.readiness import refuse_failed
from model_serving.json_codec import encode
from model_serving.observability.metrics import observe_call
from model_serving.requests.coroutines import run_in_thread
from model_serving.requests.current import REQUEST_KEY
from model_serving.web.api import is_model, model_of, to_response
from model_serving.web.app import ServiceApp

RECEIVERS = operator.attrgetter('receivers')


class Route:
    """One URL of a model, and what is known about it at the start."""

    def __init__(self, app: ServiceApp, rule: Rule) -> None:
        self.app = app
        self.rule = rule
        self.endpoint = rule.endpoint
        self.model = model_of(rule.endpoint)
        view: Any = app.view_functions[rule.endpoint]
        self.view = view
        self.view_class: type[Any] = view.view_class
        self._check = view.check
        self._failures = failures(app)

    def answer(self, call: Call) -> Answer:
        """Answer a request. Raises what Flask does not handle either."""
        self.app._got_first_request = True
        call.environ[REQUEST_KEY] = call.request
        context = FastRequestContext(self.app, FastRequest(self.app, call.environ, self.rule))
        context.push()
        try:
            if self.model in self._failures:
                refuse_failed(self.app, self.model)
            begin = time.perf_counter()
            result = self.view_class().post()
            if isinstance(result, Coroutine):
                return self._answer_async(call, context, result)
            observe_call(time.perf_counter() - begin)
            rendered = self._render(context, result)
        except Exception as error:
            return self._finish(call, context, None, error)
        except BaseException as error:
            context.pop(error)
            raise
        if isinstance(rendered, Response):
            return self._finish(call, context, rendered)
        context.pop_fast()
        return self._json_response(call, rendered)

    async def _answer_async(
        self, call: Call, context: FastRequestContext, coroutine: Coroutine[Any, Any, Any]
    ) -> bytes | WSGIResponse:
        """The same for a coroutine. Handlers and hooks may block, or be coroutines: they run in a thread."""
        call.request.in_event_loop = True
        begin = time.perf_counter()
        try:
            try:
                result = await coroutine
                observe_call(time.perf_counter() - begin)
                rendered = self._render(context, result)
                respond = partial(self._respond, call, rendered)
            except Exception as error:
                rendered, respond = None, partial(self._respond_to_error, call, error)
            if isinstance(rendered, bytes):
                return self._json_response(call, rendered)
            response, chunks = await run_in_thread(respond)
        finally:
            context.pop(None)
        is_async = hasattr(chunks, '__aiter__')
        return response if is_async else await run_in_thread(partial(response.read, chunks))

    def _render(self, context: FastRequestContext, result: Any) -> bytes | Response:
        """The JSON of a view's result or, where more is to be done than to send that, a response."""
        if self._check is None and context.is_plain and not isinstance(result, Response | tuple):
            return encode(result)
        response = to_response(result)
        if self._check is not None:
            self._check('POST', response)
        return response

    def _json_response(self, call: Call, body: bytes) -> bytes:
        headers = self.app.cors_lines(call.environ)
        return json_response(body, headers, call.request.id, call.stays_open())

    def _finish(
        self, call: Call, context: FastRequestContext, result: Any, error: Exception | None = None
    ) -> WSGIResponse:
        try:
            response, chunks = self._respond(call, result, error)
        finally:
            context.pop(None)
        return response.read(chunks)

    def _respond(self, call: Call, result: Any, error: Exception | None = None) -> tuple[WSGIResponse, Any]:
        """What Flask does with the response of a view, or with the error that is being handled."""
        app, environ = self.app, call.environ
        try:
            result = app.finalize_request(result if error is None else app.handle_user_exception(error))
        except Exception as unhandled:
            result = app.handle_exception(unhandled)
        response = WSGIResponse(environ)
        chunks = result(environ, response.start)
        if hasattr(result.response, '__aiter__'):
            chunks = response.chunks = _closing(result)
        return response, chunks

    def _respond_to_error(self, call: Call, error: Exception) -> tuple[WSGIResponse, Any]:
        try:
            raise error  # Flask's handlers look for the error that is being handled, in their own thread.
        except Exception:
            return self._respond(call, None, error)


async def _closing(response: Response) -> Any:
    chunks: Any = response.response
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if hasattr(chunks, 'aclose'):
            await chunks.aclose()
        response.close()


class FastPath:
    """The routes that may take the fast path, by their URLs, and whether they may now."""

    def __init__(self, app: ServiceApp) -> None:
        self.app = app
        self.routes: dict[str, Route] = {}
        rules = [rule for rule in app.url_map.iter_rules() if is_model(app.view_functions.get(rule.endpoint))]
        self.models = {model_of(rule.endpoint) for rule in rules}
        closed: dict[str, str | None] = {}
        for rule in rules:
            if 'POST' not in (rule.methods or ()):
                continue
            reason = next(why_closed(app), None) or next(why_not(app, rule), None)
            if reason is None:
                self.routes[rule.rule] = Route(app, rule)
            closed[model_of(rule.endpoint)] = closed.get(model_of(rule.endpoint)) or reason
        log_paths(closed)

    def has_no_hooks(self) -> bool:
        """Whether no hooks but our own would see each request."""
        app = self.app
        is_clear = not (
            app.before_request_funcs
            or app.url_value_preprocessors
            or app.teardown_request_funcs
            or app.teardown_appcontext_funcs
            or app.after_request_funcs != app.own_after_request
            or 'wsgi_app' in vars(app)
            or any(map(RECEIVERS, SIGNALS))
        )
        return is_clear or not any(hooks_of(app))  # Looking for hooks may leave empty lists behind.

    def is_open(self, route: Route, environ: dict[str, Any]) -> bool:
        """Whether a request may take it. Flask renews a session in a cookie, and refuses a WebSocket."""
        app = self.app
        return (
            app.view_functions[route.endpoint] is route.view
            and self.has_no_hooks()
            and not (app.secret_key and 'HTTP_COOKIE' in environ)
            and 'HTTP_UPGRADE' not in environ
        )
