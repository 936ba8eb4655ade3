"""Answers a part of a request as a model answers a POST to its own URL: for URLs that name no model."""

import contextlib
import io
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, request

from model_serving.catalogue import MountedModel
from model_serving.errors import ClientGone, DeadlineExceeded, ServingError, reason_of
from model_serving.queues import FORWARDED, run_in_queue
from model_serving.requests.current import current_request
from model_serving.requests.deadline import remaining_s
from model_serving.requests.room import room

OF_THE_REQUEST = {
    *('CONTENT_LENGTH', 'HTTP_CONTENT_ENCODING', 'HTTP_TRANSFER_ENCODING', 'wsgi.input_terminated'),
    *('HTTP_EXPECT', 'HTTP_PREFER'),
}
"""What an environment says of how a body came, and an answer is to come."""


def forward(model: MountedModel, body: bytes) -> Response:
    """The whole response of a model to the JSON in `body`, within the current request.

    All holds that holds for the model's own URL: keys and limits, the queue and the deadline, hooks and
    decorators, validation, the shape of errors. Its metrics have the call; the log keeps the line of the
    request. Raises Overloaded and DeadlineExceeded.
    """
    current = current_request.get()
    if current is not None:
        room.give_back(current)  # For what has come; the model takes it for what is sent on.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    answer = partial(respond, app, _environ(model.url, body))
    if current is None:
        return answer()
    held, current.finished_by_engine = current.finished_by_engine, True  # It does not end with this response.
    try:
        response = run_in_queue(model.name, len(body), answer)
    finally:
        current.finished_by_engine = held
    current.model_status = status = response.status_code
    if status >= 400:  # Which the status of the request need not show.
        current.reason = current.reason or reason_of(status)
    return response


def with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    """A copy of an environment, for a request of its own with this body."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in OF_THE_REQUEST and not name.startswith(('werkzeug.', 'flask.'))
    }
    return {**kept, 'CONTENT_LENGTH': str(len(body)), 'wsgi.input': io.BytesIO(body)}


def _environ(path: str, body: bytes) -> dict[str, Any]:
    return {
        **with_body(request.environ, body),
        FORWARDED: True,
        'REQUEST_METHOD': 'POST',
        'PATH_INFO': path,
        'QUERY_STRING': '',
        'CONTENT_TYPE': 'application/json',
        'HTTP_ACCEPT': 'application/json',
    }


def respond(app: Any, environ: dict[str, Any]) -> Response:
    """What Flask's `wsgi_app` makes, as a response; a stream is read to its end, within bounds."""
    with app.request_context(environ):
        try:
            response: Response = app.full_dispatch_request()
        except Exception as error:
            response = app.handle_exception(error)
        try:
            _read(response, app.max_buffered_bytes)
        except Exception as error:
            response = app.finalize_request(app.handle_user_exception(error))
    return response


def _read(response: Response, max_bytes: int) -> None:
    """Read a stream, which may have no end. Raises DeadlineExceeded, and ServingError for too much."""
    if response.is_sequence:
        return
    chunks: list[bytes] = []
    size = 0
    with contextlib.ExitStack() as stack:
        if hasattr(response.response, 'close'):
            stack.callback(response.response.close)
        for chunk in response.iter_encoded():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise ServingError(f'The answer is a stream of over {max_bytes} bytes; read it directly')
            if (current := current_request.get()) is not None and current.client_gone:
                raise ClientGone
            if remaining_s() == 0:
                raise DeadlineExceeded
    response.response, response.direct_passthrough = chunks, False
