"""The JSON shape of every answer: what resources return, and `{"message": ...}` for what fails."""

import functools
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Flask, Request, Response, request
from flask_restful import Api, Resource
from flask_restful.utils import unpack
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from model_serving.utils.answer_utils import checked
from model_serving.utils.app_utils import JSONResponse
from model_serving.utils.catalogue_utils import failures
from model_serving.utils.current_request_utils import current_request
from model_serving.utils.deadline_utils import DEADLINE
from model_serving.utils.error_utils import ServingError
from model_serving.utils.gate_utils import Gate, OpenGate
from model_serving.utils.json_utils import encode
from model_serving.utils.log_utils import quoted_path
from model_serving.utils.metrics_utils import enter, expect, observe_call
from model_serving.utils.readiness_utils import refuse_failed


class JSONApi(Api):  # type: ignore[misc]
    """Flask-RESTful's Api with the service's JSON, and with errors left to Flask's own handlers.

    With `check_answers`, what is mounted from then on has its answers held against its response schemas.
    """

    check_answers = False

    def __init__(self, app: Flask, most_waiting: int) -> None:
        super().__init__(app)
        self.most_waiting = most_waiting

    def output(self, resource: Callable[..., Any]) -> Callable[..., Response]:
        """The view of a resource: its gate lets the request in, and what it returns becomes JSON.

        That of a model is counted as such. A resource whose attribute `quick` is true has no gate: nothing
        may keep it waiting.
        """
        name, app, failed = model_of(resource.__name__), self.app, failures(self.app)
        view_class = getattr(resource, 'view_class', object)
        quick = getattr(view_class, 'quick', False)
        gate: OpenGate | Gate = OpenGate() if quick else Gate(name, self.most_waiting, observe_call)
        short = _short_way(view_class)
        begin = _beginning(view_class, name)

        @functools.wraps(resource)
        def view(*args: Any, **kwargs: Any) -> Response:
            begin()
            if failed and name in failed:
                refuse_failed(app, name)
            asked: Request = request._get_current_object()  # type: ignore[attr-defined]
            method = short.get(asked.method, resource)
            result = gate.call(lambda: method(*args, **kwargs), asked.environ.get(DEADLINE))
            return result if isinstance(result, Response) else self.make_response(*unpack(result))

        return checked(view, getattr(resource, 'view_class', None)) if self.check_answers else view

    def make_response(self, data: Any, *args: Any, **_options: Any) -> Response:
        """`data` as JSON, whatever the client accepts: the service speaks nothing else."""
        return _json_response(data, *args)

    def error_router(self, original_handler: Any, *args: Any) -> Any:
        """Send every error through the app's handlers, so that all have one shape."""
        return original_handler(*args)


def _beginning(view_class: type, name: str) -> Callable[[], None]:
    """What is to be noted when a request reaches the resource."""
    post = getattr(view_class, 'post', None)
    if hasattr(post, 'request_schema') or (post is not None and hasattr(view_class, 'model')):
        expect(name)
        return functools.partial(enter, name)
    return nothing


def nothing() -> None:
    """Do nothing."""


def model_of(endpoint: str) -> str:
    """The model of an endpoint: that is its name, or what stands before the first dot of it."""
    return endpoint.partition('.')[0]


def _short_way(view_class: type) -> dict[str, Callable[..., Any]]:
    """The calls of a plain resource's methods, by their names, without the choices Flask-RESTful would offer.

    A resource that has decorators or representations of its own gets those, the long way.
    """
    if getattr(view_class, 'dispatch_request', None) is not Resource.dispatch_request:
        return {}
    if view_class.method_decorators or view_class.representations:  # type: ignore[attr-defined]
        return {}
    return {name: _call_of(view_class, name.lower()) for name in view_class.methods}  # type: ignore[attr-defined]


def _call_of(view_class: type, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(view_class(), name)(*args, **kwargs)

    return call


def handle_errors(app: Flask) -> None:
    """Answer every error of `app` as JSON with `message`, and log each crash under its model's name."""
    app.register_error_handler(ServingError, _answer_serving_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.log_exception = _log_crash  # type: ignore[method-assign]


FOREIGN_PREFIXES = ('/v2/', '/v1/models/', '/invocations/')
"""Where the protocols of other model servers are, whose errors are `{"error": ...}`."""


def is_foreign(path: str) -> bool:
    """Whether the errors at this path have the shape of another protocol."""
    return f'{path}/'.startswith(FOREIGN_PREFIXES)


def _error_response(message: str, details: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    """The one shape of errors. Under the prefixes of other protocols, theirs is added."""
    theirs = {'error': message} if is_foreign(request.path) else {}
    return _json_response({**theirs, 'message': message, **details}, status, headers)


def _json_response(data: Any, code: int, headers: dict[str, str] | None = None) -> Response:
    response = JSONResponse(encode(data), code)
    if headers:
        response.headers.extend(headers)
    return response


def _answer_serving_error(error: ServingError) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger().error('%s: %s', type(error).__name__, error.message)
    asked = current_request.get()
    if asked is not None:
        asked.reason = error.reason
    headers = {} if error.retry_after_s is None else {'Retry-After': str(error.retry_after_s)}
    return _error_response(error.message, error.details, error.status, headers)


def _answer_http_error(error: HTTPException) -> Any:
    if error.response is not None:
        return error
    # flask_restful.abort(404, message=...) puts its arguments into `data`.
    response = _error_response(_message(error), getattr(error, 'data', {}), error.code or 500, {})
    for name, value in error.get_headers():
        if name not in ('Content-Type', 'Content-Length'):
            response.headers[name] = value
    return response


def _message(error: HTTPException) -> str:
    if error.description != type(error).description:
        return error.description or HTTPStatus(error.code or 500).phrase
    if isinstance(error, InternalServerError):
        return 'Internal Server Error'
    if isinstance(error, NotFound):
        return f'Nothing is served at {request.path}; {_where_to_look()}'
    if isinstance(error, MethodNotAllowed):
        allowed = ' or '.join(sorted(set(error.valid_methods or ()) - {'HEAD', 'OPTIONS'}))
        return f'{request.method} is not allowed here; send {allowed}'
    return error.description or HTTPStatus(error.code or 500).phrase


def _where_to_look() -> str:
    if is_foreign(request.path):
        return 'GET /v1/models lists the models with tensors, each of which has the version 1 alone'
    return 'GET / lists what is'


def _log_crash(exc_info: Any) -> None:
    _logger().error('%s %s crashed', request.method, quoted_path(request.environ), exc_info=exc_info)


def _logger() -> logging.Logger:
    """The logger of the model whose resource the request reached."""
    return logging.getLogger(model_of(request.endpoint or 'service'))
