"""The service of test_extensions.py, with real extensions: EXTENSIONS says which of them."""

import os
from collections.abc import Callable
from typing import Any

from flask import Response, after_this_request, g, request
from flask_restful import Resource

from model_serving.errors import Overloaded
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

EXTENSIONS = os.environ.get('EXTENSIONS', '').split()
schema = {'type': 'object', 'properties': {'name': {'type': 'string'}}, 'required': ['name']}
Decorator = Callable[[Any], Any]


def nothing(view: Any) -> Any:
    return view


def make_auth() -> Decorator:
    from flask_httpauth import HTTPBasicAuth

    auth = HTTPBasicAuth()

    @auth.verify_password
    def verify(user: str, password: str) -> Any:
        return user if (user, password) == ('leo', 'secret') else None

    return auth.login_required  # type: ignore[no-any-return]


def begin_sentry() -> None:
    """Send events to a collector of the test's own; each at once."""
    import sentry_sdk

    sentry_sdk.init(
        os.environ['DSN'],
        traces_sample_rate=1.0,
        send_default_pii=True,
        max_request_body_size='always',
        _experiments={'transport_compression_algo': 'gzip'},
    )


if 'sentry' in EXTENSIONS:
    begin_sentry()
protected = make_auth() if 'auth' in EXTENSIONS else nothing
app, api = small_service({})


def limits() -> tuple[Decorator, Decorator]:
    """A limit of two in a minute, and one that counts for each user apart."""
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    limiter = Limiter(get_remote_address, app=app, headers_enabled=True, default_limits=['5/hour'])
    return limiter.limit('2/minute'), limiter.limit(
        '2/hour', key_func=lambda: request.headers.get('X-User', '')
    )


limited, limited_each = limits() if 'limiter' in EXTENSIONS else (nothing, nothing)


def trace() -> None:
    """Send a span for each request."""
    from opentelemetry import trace as tracing
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    tracing.set_tracer_provider(provider)
    FlaskInstrumentor().instrument_app(app)


if 'opentelemetry' in EXTENSIONS:
    trace()


class HelloResource(Resource):
    @protected
    @limited
    @validate_json(schema)
    def post(self) -> Any:
        user = getattr(g, 'flask_httpauth_user', None)
        return {
            'hello': request.json['name'],
            'user': user,
            'way': type(request._get_current_object()).__name__,
        }  # type: ignore[attr-defined]


class LateResource(Resource):
    """Asks who it is only when the body is valid."""

    @validate_json(schema)
    @protected
    @limited_each
    def post(self) -> Any:
        return {'hello': request.json['name']}, 201


class ProtectedResource(Resource):
    method_decorators = [protected]  # noqa: RUF012 - as Flask-RESTful has it

    @validate_json(schema)
    def post(self) -> Any:
        @after_this_request
        def add(response: Response) -> Response:
            response.headers['X-After'] = 'yes'
            return response

        return {'hello': request.json['name']}


class CrashResource(Resource):
    @validate_json(schema)
    def post(self) -> Any:
        if request.json['name'] == 'busy':
            raise Overloaded
        raise ZeroDivisionError('in the model')


class CoroutineResource(Resource):
    @validate_json(schema)
    async def post(self) -> Any:
        if request.json['name'] == 'crash':
            raise ZeroDivisionError('in the coroutine')
        return {'hello': request.json['name']}


for view_class in (HelloResource, LateResource, ProtectedResource, CrashResource, CoroutineResource):
    name = view_class.__name__.removesuffix('Resource')
    api.add_resource(view_class, f'/v1/{name}', endpoint=name)
