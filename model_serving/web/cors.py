"""Cross-origin access, by Flask-CORS, whose headers are cached for requests of the same kind."""

import functools
from typing import Any

from flask import Response, request
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import Headers

from model_serving.web.app import ServiceApp

CACHE_SIZE = 256
MAX_KEY_LENGTH = 1024
"""Headers beyond this length are no origin and no list of names: they are not read."""
REQUEST_HEADERS = (
    'Origin',
    'Access-Control-Request-Method',
    'Access-Control-Request-Headers',
    'Access-Control-Request-Private-Network',
)
"""What Flask-CORS reads in a request, besides its method."""
EXPOSED = ['X-Request-ID', 'Retry-After', 'Inference-Header-Content-Length']
"""What a page of another origin may read, besides what every page may."""
VARIABLES = tuple(f'HTTP_{name.upper().replace("-", "_")}' for name in REQUEST_HEADERS)
"""The same in WSGI; in a POST, it reads the first and the last of them alone."""


def allow_origins(app: ServiceApp, origins: tuple[str, ...]) -> None:
    """Allow pages of these origins to call `app`; `*` is every origin. A list makes responses vary by it."""
    options = get_cors_options(app, {'origins': list(origins), 'max_age': 3600, 'expose_headers': EXPOSED})

    @functools.lru_cache(CACHE_SIZE)
    def cors_headers(method: str, *values: str | None) -> list[tuple[str, str]]:
        pairs = zip(REQUEST_HEADERS, values, strict=True)
        request_headers = Headers([(name, value) for name, value in pairs if value is not None])
        headers = get_cors_headers(options, request_headers, method)
        if '*' not in origins and 'Vary' not in headers:
            headers.add('Vary', 'Origin')
        return [(name, str(value)) for name, value in headers.items(multi=True)]

    def headers_of(environ: dict[str, Any]) -> list[tuple[str, str]]:
        method = 'OPTIONS' if environ['REQUEST_METHOD'] == 'OPTIONS' else ''
        kind = [environ.get(variable) for variable in VARIABLES]
        is_short = sum([len(value) for value in kind if value]) <= MAX_KEY_LENGTH
        return cors_headers(method, *(kind if is_short else [None] * len(kind)))

    def add(response: Response) -> Response:
        for name, value in headers_of(request.environ):
            response.headers.add(name, value)
        return response

    @functools.lru_cache(CACHE_SIZE)
    def lines_of_origin(origin: str | None) -> bytes:
        return _lines(cors_headers('', origin, None, None, None))

    def lines_of(environ: dict[str, Any]) -> bytes:
        """The headers of a response to a POST, as they are sent."""
        origin = environ.get('HTTP_ORIGIN')
        if VARIABLES[-1] in environ or (origin is not None and len(origin) > MAX_KEY_LENGTH):
            return _lines(headers_of(environ))
        return lines_of_origin(origin)

    app.cors_headers = headers_of  # type: ignore[method-assign]
    app.cors_lines = lines_of  # type: ignore[method-assign]
    app.after_request(add)
    app.own_after_request = {None: [add]}


def _lines(headers: list[tuple[str, str]]) -> bytes:
    return ''.join([f'{name}: {value}\r\n' for name, value in headers]).encode('latin-1')
