"""Cross-origin access, by Flask-CORS, whose verdict is kept for requests of the same kind."""

import functools
from typing import Any

from flask import Flask, Response, request
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import Headers

MOST_KINDS = 256
VARYING = (
    'Origin',
    'Access-Control-Request-Method',
    'Access-Control-Request-Headers',
    'Access-Control-Request-Private-Network',
)
"""What Flask-CORS reads of a request, besides its method."""


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call `app`; `*` is every origin. A list makes caches keep answers apart."""
    options = get_cors_options(app, {'origins': list(origins), 'max_age': 3600})

    @functools.lru_cache(MOST_KINDS)
    def cors_headers(method: str, *values: str | None) -> list[tuple[str, str]]:
        given = Headers(
            [(name, value) for name, value in zip(VARYING, values, strict=True) if value is not None]
        )
        found = [
            (name, str(value)) for name, value in get_cors_headers(options, given, method).items(multi=True)
        ]
        names = {name for name, _ in found}
        return found if '*' in origins or 'Vary' in names else [*found, ('Vary', 'Origin')]

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in cors_headers(*_kind(request.environ)):
            response.headers.add(name, value)
        return response


def _kind(environ: dict[str, Any]) -> tuple[str | None, ...]:
    get = environ.get
    return (
        'OPTIONS' if environ['REQUEST_METHOD'] == 'OPTIONS' else '',
        get('HTTP_ORIGIN'),
        get('HTTP_ACCESS_CONTROL_REQUEST_METHOD'),
        get('HTTP_ACCESS_CONTROL_REQUEST_HEADERS'),
        get('HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK'),
    )
