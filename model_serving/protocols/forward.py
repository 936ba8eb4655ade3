"""Answers a part of a request as a model answers a POST to its own URL: for URLs that name no model."""

import io
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, request

from model_serving.catalogue import MountedModel
from model_serving.errors import reason_of
from model_serving.queues import FORWARDED, run_in_queue
from model_serving.requests.current import current_request
from model_serving.requests.room import room

OF_THE_BODY = 'CONTENT_LENGTH', 'HTTP_CONTENT_ENCODING', 'HTTP_TRANSFER_ENCODING', 'wsgi.input_terminated'
"""What an environment says of a body: another one takes its place."""


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
    respond = partial(_respond, app, _environ(model.url, body))
    if current is None:
        return respond()
    held, current.finished_by_engine = current.finished_by_engine, True  # It does not end with this response.
    try:
        response = run_in_queue(model.name, len(body), respond)
    finally:
        current.finished_by_engine = held
    current.model_status = status = response.status_code
    if status >= 400:  # Which the status of the request need not show.
        current.reason = current.reason or reason_of(status)
    return response


def _environ(path: str, body: bytes) -> dict[str, Any]:
    environ = {
        name: value
        for name, value in request.environ.items()
        if name not in OF_THE_BODY and not name.startswith(('werkzeug.', 'flask.'))
    }
    return {
        **environ,
        FORWARDED: True,
        'REQUEST_METHOD': 'POST',
        'PATH_INFO': path,
        'QUERY_STRING': '',
        'CONTENT_TYPE': 'application/json',
        'CONTENT_LENGTH': str(len(body)),
        'HTTP_ACCEPT': 'application/json',
        'wsgi.input': io.BytesIO(body),
    }


def _respond(app: Flask, environ: dict[str, Any]) -> Response:
    """What Flask's `wsgi_app` makes, as a response; a stream is read to its end."""
    with app.request_context(environ):
        try:
            response = app.full_dispatch_request()
        except Exception as error:
            response = app.handle_exception(error)
        response.get_data()
    return response
