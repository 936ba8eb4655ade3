"""The service of these tests: resources whose views do all that authors do, each mounted at /v1/<its name>.

Two of them run beside each other, one without the fast path, and have to answer alike.
"""

import asyncio
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import flask
from flask import Response, abort, after_this_request, current_app, g, request, session
from flask_restful import reqparse

from tests.engine.fast_decorators import with_files, with_limit, with_user
from tests.engine.fast_returns import (
    Handled,
    HandledBadly,
    HandledLater,
    as_coroutine,
    closed,
    mount,
    raised,
    resources,
    seen,
)
from tests.small_service import small_service

PARTS_OF_REQUEST = [
    *(
        'method',
        'scheme',
        'root_path',
        'path',
        'query_string',
        'headers',
        'remote_addr',
        'shallow',
        'no_such_part',
    ),
    *sorted(
        name
        for each in flask.Request.__mro__
        for name, part in vars(each).items()
        if not (callable(part) or name.startswith('_') or name in ('json_module', 'stream', 'input_stream'))
        and not isinstance(part, classmethod)
    ),
]
"""Everything that a request has."""


def resource(**options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def decorate(view: Callable[[], Any]) -> Callable[[], Any]:
        mount(view.__name__, view, **options)
        mount(f'async_{view.__name__}', as_coroutine(view), **options)
        return view

    return decorate


def told(value: Any) -> Any:
    """A value as text, with all that it has several of."""
    if hasattr(value, 'lists'):
        return [
            type(value).__name__,
            [[key, [str(each) for each in values]] for key, values in value.lists()],
        ]
    return [type(value).__name__, str(value)]


@resource(force=True)
def parts() -> Any:
    """What the query asks for, or all of it."""
    names = request.args.get('of', '').split() or PARTS_OF_REQUEST
    return [[name, told(getattr(request, name, 'none'))] for name in names]


UNLIKE = ('REMOTE_PORT', 'werkzeug.request')

for part in PARTS_OF_REQUEST:  # Views that touch nothing but this.
    mount(f'part_{part}', lambda name=part: told(getattr(request, name, 'none')))  # type: ignore[misc]


@resource()
def environ() -> Any:
    """The environment, but for what differs from connection to connection."""
    given = {name: value for name, value in request.environ.items() if name not in UNLIKE}
    return [sorted(given), {name: value for name, value in given.items() if isinstance(value, str)}]


@resource()
def globals_of_request() -> Any:
    before = [name for name in g]
    g.a = flask.globals.request_ctx.request.json
    g.setdefault('b', []).append(1)
    return [
        before,
        g.a,
        g.b,
        g.pop('b'),
        'b' in g,
        str(current_app),
        flask.has_request_context(),
        request.path,
    ]


@resource()
def urls() -> Any:
    local = [flask.url_for('dict', a='b c'), flask.url_for('urls', _external=True, _anchor='x')]
    return [
        *local,
        flask.url_for('.urls', _scheme='https', _external=True),
        repr(flask.globals.request_ctx.url_adapter.url_scheme),
    ]


@resource()
def counted() -> Any:
    session['count'] = session.get('count', 0) + 1
    session.permanent = 'permanent' in request.args
    return {'count': session['count']}


@resource()
def looked_at() -> Any:
    return {'count': session.get('count'), 'new': session.new, 'class': type(session).__name__}


@resource()
def flashed() -> Any:
    flask.flash('a message', 'category')
    return flask.get_flashed_messages(with_categories=True)


@resource()
def after() -> Any:
    @after_this_request
    def add(response: Response) -> Response:
        response.headers['X-After'] = request.json['name'].encode().hex()
        return response

    @after_this_request
    async def replace(response: Response) -> Response:
        await asyncio.sleep(0)
        return flask.make_response(response.get_data() + b'after', 203, dict(response.headers))

    return {'a': 1} if 'raise' not in request.args else abort(410)


@resource()
def after_fails() -> Any:
    after_this_request(lambda response: raised(ZeroDivisionError))
    return {'a': 1}


@resource()
def threads() -> Any:
    """Go on in threads."""
    found = [flask.has_request_context()]

    @flask.copy_current_request_context
    def copied() -> None:
        found.extend(
            [request.json, request.url, request.endpoint, flask.url_for('urls'), list(g), request.host]
        )

    for target in (copied, lambda: found.append(flask.has_request_context())):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    return [*found, request.path]


@resource()
def inner() -> Any:
    """Ask the application itself, and look at contexts within contexts."""
    with current_app.test_request_context('/other?a=b') as context:
        g.inside = request.args['a']
        paths = [request.path, request.method, context.request.host]
    with current_app.app_context():
        paths += [request.path, *g]
    answer = current_app.test_client().post('/v1/dict', json={'name': 'inner'})
    return [*paths, answer.json, answer.status_code, request.path, *g]


@resource(above=with_files)
def uploads() -> Any:
    return 'none'


@resource(above=lambda view: functools.wraps(view)(lambda *args: request.stream.read(5) and view(*args)))
def read_before() -> Any:
    return 'never'


@resource(force=True)
def read_after() -> Any:
    return [
        request.stream.read().decode(),
        request.form.to_dict(),
        request.get_data(as_text=True),
        request.data.decode(),
    ]


@resource(above=with_limit)
def limited() -> Any:
    return request.max_content_length


@resource(above=with_user)
def known_above() -> Any:
    return [g.user, request.user, request.json]  # type: ignore[attr-defined]


@resource(below=with_user)
def known_below() -> Any:
    return [g.user, request.user, request.json]  # type: ignore[attr-defined]


@resource()
def parsed() -> Any:
    parser = reqparse.RequestParser()
    parser.add_argument('name', location='json', required=True)
    parser.add_argument('age', type=int, location='args', required=True, help='bad age')
    return parser.parse_args()


@resource()
def made_response() -> Any:
    return flask.make_response(('text', 206, {'X-A': 'b'}))


def create_app() -> flask.Flask:
    """The application."""
    app, _ = small_service(resources)
    app.secret_key = os.environ.get('SECRET') or None

    @app.errorhandler(Handled)
    def handle(error: Handled) -> Any:
        if isinstance(error, HandledBadly):
            raise RuntimeError('in the handler')
        return {'handled': str(error), 'path': request.path}, 422, {'X-Handled': 'yes'}

    @app.errorhandler(HandledLater)
    async def handle_later(error: Handled) -> Any:
        await asyncio.sleep(0)
        return f'later: {error}', 423

    @app.get('/seen')
    def show_seen() -> Any:
        return seen

    @app.get('/closed')
    def show_closed() -> Any:
        told, closed[:] = [str(getattr(each, 'closed', each)) for each in closed], []
        return told

    return app


app = create_app()
