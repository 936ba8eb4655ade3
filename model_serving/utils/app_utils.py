"""A Flask application without what a JSON service pays for on each request and never uses."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Flask, Request, Response, request_tearing_down
from flask.sessions import SecureCookieSession, SessionInterface
from werkzeug.routing import MapAdapter, Rule

from model_serving.utils.current_request_utils import REQUEST, CurrentRequest, current_request
from model_serving.utils.deadline_utils import DEADLINE, REFUSAL
from model_serving.utils.json_utils import OrjsonProvider
from model_serving.utils.request_utils import ServiceRequest


class NoSessions(SessionInterface):
    """The service keeps no sessions."""

    session = SecureCookieSession()

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """Return the same empty session to all."""
        return self.session

    def is_null_session(self, obj: object) -> bool:
        """Nothing is ever saved."""
        return True

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        """Save nothing."""


class StaticAdapter(MapAdapter):
    """Matches URLs; those that stand for themselves, without variable parts, are matched once."""

    static: dict[tuple[str, str], Rule]

    def match(self, *args: Any, **options: Any) -> Any:
        """Return what MapAdapter returns. Raises what it raises."""
        if args or options != {'return_rule': True}:
            return super().match(*args, **options)
        asked = (self.default_method, self.path_info)
        known = self.static.get(asked)
        if known is not None:
            return known, {}
        rule, values = super().match(return_rule=True)
        if (
            rule.rule == self.path_info and not values
        ):  # As many as there are rules and methods, whatever clients ask for.
            self.static[asked] = rule
        return rule, values


class ServiceApp(Flask):
    """A Flask application of plain functions, without sessions and without subdomains.

    It gives each request an id and a deadline, `timeout_s` after it came, and refuses those that the server
    says are to be refused. Each of `observers` is called once with every request that is over: when its
    answer has been made or, where that is a stream, has ended.
    """

    request_class = ServiceRequest
    json_provider_class = OrjsonProvider
    session_interface = NoSessions()
    timeout_s = 30.0
    observers: tuple[Callable[[CurrentRequest], None], ...] = ()

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        asked = environ.get(REQUEST)  # It is there where the server answers for a model that hangs.
        if asked is None:
            asked = environ[REQUEST] = CurrentRequest(environ)
        token = current_request.set(asked)
        environ.setdefault(DEADLINE, time.monotonic() + self.timeout_s)
        try:
            chunks = super().wsgi_app(environ, start_response)
        except BaseException:
            self.end(asked, 500)
            raise
        if asked.over or isinstance(chunks, list):  # What a stream logs belongs to the request, too.
            current_request.reset(token)
        return chunks

    def process_response(self, response: Response) -> Response:
        """Run the hooks, then say which request this answers, and tell the observers of it."""
        response = super().process_response(response)
        asked = current_request.get()
        if asked is not None:
            response.headers['X-Request-ID'] = asked.id
            if isinstance(response.response, list | tuple) or response.direct_passthrough:
                self.end(asked, response.status_code)
            else:
                self._end_with_stream(asked, response)
        return response

    def end(self, asked: CurrentRequest, status: int) -> None:
        """Tell the observers of a request, unless they know of it."""
        if asked.over:
            return
        asked.over = True
        asked.status = status
        asked.seconds = time.perf_counter() - asked.started
        for observe in self.observers:
            observe(asked)

    def _end_with_stream(self, asked: CurrentRequest, response: Response) -> None:
        if hasattr(response.response, 'close'):
            response.call_on_close(response.response.close)
        response.response = _watched(response.response, asked)
        response.call_on_close(lambda: self.end(asked, response.status_code))

    def preprocess_request(self) -> Any:
        """Run what hooks there are; to look for them takes longer than to see that there are none."""
        hooks = self.before_request_funcs or self.url_value_preprocessors
        return super().preprocess_request() if hooks else None

    def do_teardown_request(self, *args: Any) -> None:
        """Run what hooks there are."""
        if self.teardown_request_funcs or request_tearing_down.receivers:
            super().do_teardown_request(*args)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return `func` as it is: no view is a coroutine, and to find out anew each time takes long."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the URL of `request`; what depends on the host alone is found once.

        None for a request that the server refuses: its error takes the place of one from routing.
        """
        if request is None:
            return super().create_url_adapter(request)
        environ = request.environ
        if REFUSAL in environ:
            request.routing_exception = environ[REFUSAL]
            return None
        adapter = object.__new__(StaticAdapter)
        adapter.__dict__.update(
            self._of_host(
                environ.get('HTTP_HOST'),
                environ['SERVER_NAME'],
                environ['SERVER_PORT'],
                environ.get('SCRIPT_NAME', ''),
                environ['wsgi.url_scheme'],
            )
        )
        adapter.path_info = request.path
        adapter.default_method = request.method
        adapter.query_args = environ.get('QUERY_STRING', '')
        return adapter

    @functools.lru_cache(64)  # noqa: B019 - the application lives as long as the process.
    def _of_host(self, host: str | None, name: str, port: str, script: str, scheme: str) -> dict[str, Any]:
        environ = {
            'wsgi.url_scheme': scheme,
            'SERVER_NAME': name,
            'SERVER_PORT': port,
            'SCRIPT_NAME': script,
            'REQUEST_METHOD': 'GET',
        }
        if host is not None:
            environ['HTTP_HOST'] = host
        return {**vars(self.url_map.bind_to_environ(environ, subdomain='')), 'static': {}}


def _watched(chunks: Iterable[Any], asked: CurrentRequest) -> Iterator[Any]:
    """The same chunks; notes why there were no more, if that was too early."""
    try:
        yield from chunks
    except GeneratorExit:
        asked.reason = 'gone'
        raise
    except Exception:
        asked.reason = 'crash'
        raise
    finally:
        current_request.set(None)


class JSONResponse(Response):
    """An answer of JSON, whole, which takes the short way to the client."""

    default_mimetype = 'application/json'

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer as WSGI wants it."""
        if environ['REQUEST_METHOD'] == 'HEAD' or self._on_close or not isinstance(self.response, list):
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response
