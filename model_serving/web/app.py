"""The Flask application of the service: requests have an id and a deadline, and are logged and measured."""

import functools
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from flask import Flask, Response
from flask import request as flask_request
from werkzeug.exceptions import NotFound

from model_serving.json_codec import OrjsonProvider
from model_serving.requests.coroutines import iterate_sync, run_coroutine
from model_serving.requests.current import REQUEST_KEY, CurrentRequest, current_request
from model_serving.requests.deadline import deadline
from model_serving.requests.room import room
from model_serving.web.body import ServiceRequest

Headers = list[tuple[str, str]]


class ServiceApp(Flask):
    """A Flask application that gives each request an id and a deadline, `timeout_s` after its arrival.

    Each of `observers` is called once with every finished request: when its response has been made or, for a
    stream, has ended. The engine does that itself for the requests that it serves.
    `guard`, if there is one, is called with the environment and the endpoint of each request, and raises what
    refuses it. The engine calls it earlier, where it can.
    `own_after_request` are the hooks of the service, in the form of `after_request_funcs`.
    """

    request_class = ServiceRequest
    json_provider_class = OrjsonProvider
    timeout_s = 30.0
    drain_s = 0.0
    max_waiting = 2048
    max_buffered_bytes = 128 * 1024 * 1024
    fast_path = True
    observers: tuple[Callable[[CurrentRequest], None], ...] = ()
    guard: Callable[[dict[str, Any], str | None], None] | None = None
    own_after_request: dict[Any, list[Any]] = {None: []}  # noqa: RUF012 - replaced, never changed

    def cors_headers(self, environ: dict[str, Any]) -> Headers:
        """The headers of cross-origin access in the response to a request; `allow_origins` replaces this."""
        return []

    def cors_lines(self, environ: dict[str, Any]) -> bytes:
        """The same as header lines."""
        return b''

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if REQUEST_KEY in environ:  # The engine has begun it, and ends it.
            return super().wsgi_app(environ, start_response)
        request = environ[REQUEST_KEY] = CurrentRequest(environ)
        token = current_request.set(request)
        deadline.set(time.monotonic() + self.timeout_s)
        try:
            chunks = super().wsgi_app(environ, start_response)
        except BaseException:
            self.end(request, 500)
            raise
        if request.finished or isinstance(chunks, list):  # What a stream logs belongs to the request, too.
            current_request.reset(token)
        return chunks

    def preprocess_request(self, *context: Any) -> Any:
        """Refuse a request that may not be made, before any hook sees it.

        Werkzeug takes //v1/X for /v1/X, and a proxy that has rules for the latter does not.
        """
        if flask_request.environ['PATH_INFO'].startswith('//'):
            raise NotFound
        if self.guard is not None:
            self.guard(flask_request.environ, flask_request.endpoint)
        return super().preprocess_request(*context)

    def process_response(self, response: Response) -> Response:
        """Run the hooks, add the headers of each response, and have the request observed at its end."""
        response = super().process_response(response)
        headers = response.headers
        headers['X-Content-Type-Options'] = 'nosniff'
        headers.pop('Date', None)  # A server sets it, and some add a second one.
        if flask_request.method in ('GET', 'HEAD'):  # Such as the state of a model.
            headers.setdefault('Cache-Control', 'no-store')
        request = current_request.get()
        if request is None:
            return response
        headers['X-Request-ID'] = request.id
        is_whole = isinstance(response.response, list | tuple) or response.direct_passthrough
        if hasattr(response.response, '__aiter__') and not (request.in_event_loop and _has_chunks(response)):
            response.response = iterate_sync(response.response)  # type: ignore[arg-type]
        if request.finished_by_engine:
            return response
        if is_whole:
            self.end(request, response.status_code)
        else:
            self._end_with_stream(request, response)
        return response

    def end(self, request: CurrentRequest, status: int) -> None:
        """Tell the observers of a request, unless they know of it."""
        if request.finished:
            return
        request.finish(status)
        if not request.finished_by_engine:
            room.give_back(request)
        for observe in self.observers:
            observe(request)

    def async_to_sync(self, func: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """A plain function that runs the coroutine function `func` in the service's event loop."""

        @functools.wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            return run_coroutine(func(*args, **kwargs))

        return run

    def _end_with_stream(self, request: CurrentRequest, response: Response) -> None:
        if hasattr(response.response, 'close'):
            response.call_on_close(response.response.close)
        response.response = _observed(response.response, request)
        response.call_on_close(lambda: self.end(request, response.status_code))


def _has_chunks(response: Response) -> bool:
    """Whether a stream is sent in chunks: the response has a body of unknown length."""
    return response.content_length is None and response.status_code not in (204, 304)


def _observed(chunks: Iterable[Any], request: CurrentRequest) -> Iterator[Any]:
    """The same chunks; records the reason if they end too early."""
    try:
        yield from chunks
    except GeneratorExit:
        request.reason = 'gone'
        raise
    except BaseException:
        request.reason = 'crash'
        raise
    finally:
        current_request.set(None)
