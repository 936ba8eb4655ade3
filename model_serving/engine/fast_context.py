"""Flask's contexts for the fast path: they are Flask's own, and filled on first access."""

from typing import Any

from flask import Flask
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import SessionMixin
from werkzeug.routing import MapAdapter, Rule

from model_serving.web.body import ServiceRequest


class FastRequest(ServiceRequest):
    """A request that starts with what most views use.

    Access to anything else makes it an ordinary request.
    """

    method = 'POST'
    environ: dict[str, Any]
    _is_filled = False

    def __init__(self, app: Flask, environ: dict[str, Any], rule: Rule) -> None:
        self.environ = environ
        self.json_module = app.json
        self.url_rule = rule
        self.view_args = {}

    def __getattr__(self, name: str) -> Any:
        if self._is_filled or name == 'environ':
            raise AttributeError(f'{type(self).__name__!r} object has no attribute {name!r}')
        self._is_filled = True
        ServiceRequest.__init__(self, self.environ)
        return getattr(self, name)

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        """The body, which has arrived; read as usual if a view has begun to, or has set a limit."""
        if self._body is None and self._max_content_length is None and not self.environ['wsgi.input'].tell():
            self._body = self.environ['wsgi.input'].read()
        return super().get_data(cache, as_text, parse_form_data)


class FastRequestContext(RequestContext):
    """The context of a request whose URL is matched; its session is opened on first access."""

    request: FastRequest

    def __init__(self, app: Flask, request: FastRequest) -> None:
        self.app = app
        self.request = request
        self.flashes = None
        self.opened: SessionMixin | None = None
        self._after_request_functions = []
        self._cv_tokens = []
        self._adapter: MapAdapter | None = None

    @property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override]
        """What builds URLs."""
        if self._adapter is None:
            self._adapter = self.app.create_url_adapter(self.request)
        return self._adapter

    @property
    def _session(self) -> SessionMixin:  # type: ignore[override]
        if self.opened is None:
            interface = self.app.session_interface
            opened = interface.open_session(self.app, self.request)
            self.opened = interface.make_null_session(self.app) if opened is None else opened
        return self.opened

    @property
    def is_plain(self) -> bool:
        """Whether the view has left nothing to be done to the response."""
        return self.opened is None and not self._after_request_functions

    def copy(self) -> RequestContext:
        """An ordinary context of the same request, for another thread."""
        return RequestContext(self.app, self.request.environ, self.request, self._session)

    def push(self) -> None:
        """Make this the current context."""
        app_context = None
        if _cv_app.get(None) is None:
            app_context = AppContext(self.app)
            app_context._cv_tokens.append(_cv_app.set(app_context))
        self._cv_tokens.append((_cv_request.set(self), app_context))

    def pop_fast(self) -> None:
        """Pop this, quickly if nothing is to be closed, and no context was left on top."""
        token, app_context = self._cv_tokens[0]
        current = _cv_request.get(), _cv_app.get()
        if app_context is None or self.request._is_filled or current != (self, app_context):
            self.pop(None)
            return
        _cv_request.reset(token)
        _cv_app.reset(app_context._cv_tokens.pop())
