"""The JSON of every answer: what resources return, and `{"message": ...}` for every error."""

import functools
import logging
import re
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, request
from flask_restful import Api
from flask_restful.utils import unpack
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from model_serving.catalogue import failures
from model_serving.echo import cut
from model_serving.errors import ServingError, openai_error
from model_serving.health.readiness import refuse_failed
from model_serving.json_codec import encode
from model_serving.observability.log_formats import quoted
from model_serving.observability.log_guard import check_logging
from model_serving.observability.metrics import begin_request, init_model, observe_call
from model_serving.queues import FORWARDED
from model_serving.requests.coroutines import run_coroutine
from model_serving.requests.current import current_request
from model_serving.schemas.answers import answer_check


class JSONApi(Api):  # type: ignore[misc]
    """Flask-RESTful's Api with the service's JSON, and with errors left to Flask's own handlers.

    With `check_answers`, the answers of resources mounted from then on are validated. What is mounted is not
    the resource itself but what the functions in `around` make of it.
    """

    check_answers = False
    around: tuple[Callable[[type[Any]], type[Any]], ...] = ()

    def add_resource(self, resource: type, *urls: str, **kwargs: Any) -> None:
        """Mount a resource."""
        for around in self.around:
            resource = around(resource)
        super().add_resource(resource, *urls, **kwargs)
        if kwargs.keys() - {'endpoint', 'methods'}:
            view = self.app.view_functions[kwargs.get('endpoint') or resource.__name__.lower()]
            view.why_not_fast = 'it is mounted with arguments of its own'

    def output(self, resource: Callable[..., Any]) -> Callable[..., Response]:
        """The view function of a resource, which returns JSON; the calls of a model are measured."""
        name, app, failed = model_of(resource.__name__), self.app, failures(self.app)
        check = answer_check(getattr(resource, 'view_class', None)) if self.check_answers else None
        counted = is_model(resource)
        if counted:
            init_model(name)

        @functools.wraps(resource)
        def view(*args: Any, **kwargs: Any) -> Response:
            if counted:
                begin_request(name)
            if failed and name in failed:
                refuse_failed(app, name)
            started = time.perf_counter()
            result = resource(*args, **kwargs)
            if isinstance(result, Coroutine):
                result = run_coroutine(result)
            observe_call(time.perf_counter() - started)
            response = to_response(result)
            if FORWARDED in request.environ:
                response.own = result  # type: ignore[attr-defined]
            if check is not None:
                check(request.method, response)
            return response

        view.itself = view  # type: ignore[attr-defined] # What wraps it has this attribute, too.
        view.check = check  # type: ignore[attr-defined]
        return view

    def error_router(self, original_handler: Any, *args: Any) -> Any:
        """Send every error through the app's handlers, so that all have one shape."""
        return original_handler(*args)


def to_response(result: Any) -> Response:
    """The return value of a view as a JSON response, unless it is a response already."""
    return result if isinstance(result, Response) else _json_response(*unpack(result))


def is_model(view: Callable[..., Any] | None) -> bool:
    """Whether a view function is that of a model, or of one of the protocols that it speaks."""
    view_class = getattr(view, 'view_class', None)
    post = getattr(view_class, 'post', None)
    return hasattr(post, 'request_schema') or (post is not None and hasattr(view_class, 'model'))


def model_of(endpoint: str) -> str:
    """The name of the model that an endpoint belongs to: its name up to the first dot."""
    return endpoint.partition('.')[0]


def handle_errors(app: Flask) -> None:
    """Answer every error of `app` as JSON with `message`, and log crashes under the name of the model."""
    app.register_error_handler(ServingError, _answer_serving_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.log_exception = _log_crash  # type: ignore[method-assign]


PROTOCOL_PREFIXES = ('/v2/', '/v1/models/', '/invocations/')
"""The paths of the protocols of other model servers, whose errors are `{"error": ...}`."""
OF_VERSION = re.compile('(/v[12]/(?:models/)?[A-Za-z][A-Za-z0-9_-]*)/((?:versions|labels)/[^/:]*)')
"""How the path of a version or a label begins: the place of the model, and what follows it."""
OPENAI_PREFIX = '/openai/'
"""The paths for the clients of OpenAI, whose errors are `{"error": {"message": ...}}`."""


def error_body(path: str, message: str, details: dict[str, Any], status: int) -> bytes:
    """The body of an error; in the protocols of other model servers it has their `error`, too."""
    body: dict[str, Any] = {'error': message} if _is_protocol(path) else {}
    if path.startswith(OPENAI_PREFIX):
        body = {'error': openai_error(message, status, details)}
    return encode({**body, 'message': message, **details})


def _is_protocol(path: str) -> bool:
    return f'{path}/'.startswith(PROTOCOL_PREFIXES)


def _error_response(message: str, details: dict[str, Any], status: int) -> Response:
    return Response(error_body(request.path, message, details, status), status, mimetype='application/json')


def _json_response(data: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    response = Response(encode(data), code, mimetype='application/json')
    if headers:
        response.headers.extend(headers)
    return response


def _answer_serving_error(error: ServingError) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger().error('%s: %s', type(error).__name__, error.message)
    current = current_request.get()
    if current is not None:
        current.reason, current.error = error.reason, (error.message, error.details)
    response = _error_response(error.message, error.details, error.status)
    response.headers.extend(error.headers)
    if error.retry_after_s is not None:
        response.headers['Retry-After'] = str(error.retry_after_s)
    return response


def _answer_http_error(error: HTTPException) -> Any:
    if error.response is not None:
        return error
    if isinstance(error, NotFound) and request.method == 'OPTIONS':
        return Response(status=204)  # A preflight: else the page would not see the 404 of its request.
    # flask_restful.abort(404, message=...) puts its arguments into `data`.
    response = _error_response(_message(error), getattr(error, 'data', {}), error.code or 500)
    for name, value in error.get_headers():
        if name not in ('Content-Type', 'Content-Length'):
            response.headers[name] = value
    return response


def _message(error: HTTPException) -> str:
    if error.description == type(error).description:  # It has no description of its own.
        if isinstance(error, InternalServerError):
            return 'Internal Server Error'
        if isinstance(error, NotFound):
            return f'Nothing is served at {cut(request.path)}; {_what_is(request.path)}'
        if isinstance(error, MethodNotAllowed):
            allowed = ' or '.join(sorted(set(error.valid_methods or ()) - {'HEAD', 'OPTIONS'}))
            return f'{request.method} is not allowed here; send {allowed}'
    return error.description or HTTPStatus(error.code or 500).phrase


def _what_is(path: str) -> str:
    """What is served: for a version or a label of a model that has some, those that it has."""
    if asked := OF_VERSION.match(path):
        rules = [OF_VERSION.match(rule.rule) for rule in current_app.url_map.iter_rules()]
        ends = dict.fromkeys(rule[2] for rule in rules if rule and rule[1] == asked[1])
        if known := sorted(ends, key=lambda end: end.startswith('labels/')):
            return f'{asked[1].rpartition("/")[2]} has {", ".join(known)}'
    return 'GET /v1/models lists the models with tensors' if _is_protocol(path) else 'GET / lists what is'


def _log_crash(exc_info: Any) -> None:
    check_logging(_logger().name)
    _logger().error('%s %s crashed', request.method, quoted(request.environ['PATH_INFO']), exc_info=exc_info)


def _logger() -> logging.Logger:
    """The logger of the model whose resource the request reached."""
    return logging.getLogger(model_of(request.endpoint or 'service'))
