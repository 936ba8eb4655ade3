"""What views return and raise, for fast_service.py: each once as a function, and once as a coroutine."""

import asyncio
import functools
import io
from collections.abc import Callable
from typing import Any

import flask
import flask_restful
import numpy
from flask import Response, abort, current_app, jsonify, request
from flask_restful import Resource
from werkzeug.wrappers import Response as OtherResponse

from model_serving.errors import InvalidInput, Overloaded, ServingError
from model_serving.schemas.validation import validate_json

schema = {'type': 'object', 'properties': {'name': {'type': 'string'}}, 'required': ['name']}

seen: dict[str, str] = {}
"""The class of the request that each view was last called with."""
closed: list[Any] = []
"""What has been closed, or not."""
resources: dict[str, type[Resource]] = {}


class Teapot(ServingError):
    status = 418
    message = 'A teapot'


class Handled(Exception):
    """Has an error handler."""


class HandledLater(Handled):
    """Has one that is a coroutine."""


class HandledBadly(Handled):
    """Has one that crashes."""


def mount(
    name: str, view: Callable[[], Any], above: Any = None, below: Any = None, force: bool = False
) -> None:
    """Mount a resource whose `post` is `view`, with decorators above and below `validate_json`."""

    def post(self: Resource) -> Any:
        return view()

    def noted(self: Resource) -> Any:
        seen[name] = type(request._get_current_object()).__name__  # type: ignore[attr-defined]
        return decorated(self)

    decorated = validate_json(schema, force)(below(post) if below else post)
    decorated = functools.wraps(decorated)(above(decorated) if above else decorated)
    resources[name] = type(name, (Resource,), {'post': functools.wraps(decorated)(noted)})


def raised(error: BaseException | type[BaseException]) -> Any:
    raise error


def chunks(fail_at: int = -1) -> Any:
    try:
        for number in range(3):
            if number == fail_at:
                raise ZeroDivisionError
            yield f'{number} of {request.json["name"]}\n' if flask.has_request_context() else f'{number}\n'
    finally:
        closed.append('stream')


async def later_chunks(fail_at: int = -1) -> Any:
    try:
        for number in range(3):
            await asyncio.sleep(0)
            if number == fail_at:
                raise ZeroDivisionError
            yield f'{number}\n' if number else b'0\n'
    finally:
        closed.append('stream')


def streamed(made: Any, **options: Any) -> Response:
    response = Response(made, mimetype='text/plain', **options)
    response.call_on_close(lambda: closed.append('response'))
    return response


def with_cookies() -> Response:
    response = flask.make_response({'a': 1}, 201)
    response.set_cookie('one', '1')
    response.set_cookie('two', '2', httponly=True)
    response.headers['Server'] = response.headers['Connection'] = 'mine'
    return response


RETURNED: dict[str, Callable[[], Any]] = {
    'dict': lambda: {'hello': request.json['name']},
    'list': lambda: [1, 'two', None],
    'text': lambda: 'Zoë',
    'none': lambda: None,
    'number': lambda: 2**70,
    'numpy': lambda: {'a': numpy.arange(6.0).reshape(2, 3), 'b': numpy.float32('nan'), 'c': numpy.int8(3)},
    'bytes': lambda: b'no JSON',
    'unknown': lambda: {'a': object()},
    'status': lambda: ({'a': 1}, 201),
    'headers': lambda: ({'a': 1}, 202, {'X-A': 'b', 'Vary': 'Accept', 'Content-Type': 'text/x'}),
    'pairs': lambda: ('a', 200, [('X-A', 'b'), ('X-A', 'c')]),
    'four': lambda: ('a', 200, {}, 'too many'),
    'empty': lambda: ('', 204),
    'not_modified': lambda: ({}, 304, {'ETag': '"a"'}),
    'bad_header': lambda: ('a', 200, {'X-A': 'b\r\nX-C: d'}),
    'response': lambda: Response('text', '299 MY OWN', {'X-A': 'é'}, mimetype='text/plain'),
    'other_response': lambda: OtherResponse('other'),
    'jsonify': lambda: jsonify(a=1),
    'cookies': with_cookies,
    'redirect': lambda: flask.redirect('/there?a=b'),
    'file': lambda: flask.send_file(
        io.BytesIO(b'0123456789'), 'image/png', etag=False, download_name='a.png'
    ),
    'conditional': lambda: Response(b'0123456789', headers={'ETag': '"a"'}).make_conditional(request),
    'no_content': lambda: Response(status=204),
    'stream': lambda: streamed(chunks()),
    'stream_context': lambda: streamed(flask.stream_with_context(chunks())),
    'stream_sized': lambda: streamed(chunks(), headers={'Content-Length': '6'}),
    'stream_empty': lambda: streamed(iter(())),
    'stream_204': lambda: streamed(chunks(), status=204),
    'stream_fails': lambda: streamed(chunks(0)),
    'stream_breaks': lambda: streamed(chunks(2)),
    'stream_unused': lambda: flask.stream_with_context(chunks()) and {'unused': True},
    'later_stream': lambda: streamed(later_chunks()),
    'later_stream_sized': lambda: streamed(later_chunks(), headers={'Content-Length': '6'}),
    'later_stream_204': lambda: streamed(later_chunks(), status=204),
    'later_stream_fails': lambda: streamed(later_chunks(0)),
    'later_stream_breaks': lambda: streamed(later_chunks(2)),
    'abort': lambda: abort(404),
    'abort_words': lambda: abort(409, 'in words'),
    'abort_response': lambda: abort(flask.make_response({'mine': 1}, 402)),
    'abort_redirect': lambda: abort(flask.redirect('/there')),
    'abort_restful': lambda: flask_restful.abort(423, message='restful', more=1),
    'teapot': lambda: raised(Teapot),
    'invalid': lambda: raised(InvalidInput('wrong', errors=[{'pointer': '/a', 'message': 'b'}])),
    'overloaded': lambda: raised(Overloaded('later', 7)),
    'crash': lambda: raised(ZeroDivisionError('secret')),
    'no_key': lambda: request.form['missing'],
    'handled': lambda: raised(Handled('for the handler')),
    'handled_later': lambda: raised(HandledLater('for the handler')),
    'handled_badly': lambda: raised(HandledBadly('for the handler')),
    'exit': lambda: raised(SystemExit(3)),
    'interrupt': lambda: raised(KeyboardInterrupt),
    'generator_exit': lambda: raised(GeneratorExit),
    'not_found_key': lambda: raised(KeyError('a')),
    'leaked': lambda: current_app.app_context().push(),  # type: ignore[attr-defined]
    'template': lambda: Response(
        flask.render_template_string('{{ request.path }} {{ g.a }} {{ config.NONE }}')
    ),
    'json_again': lambda: [
        request.get_json(),
        request.json is request.get_json(force=True),
        request.get_data(as_text=True),
    ],
}
"""What a view returns or raises."""


def as_coroutine(view: Callable[[], Any]) -> Callable[[], Any]:
    async def awaited() -> Any:
        await asyncio.sleep(0)
        return view()

    return awaited


for view_name, returning in RETURNED.items():
    mount(view_name, returning)
    if view_name != 'leaked':  # A coroutine on full dispatch has a context of its own to leave things in.
        mount(f'async_{view_name}', as_coroutine(returning))
