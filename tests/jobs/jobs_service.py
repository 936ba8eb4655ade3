"""The service of these tests: models that take as long as they are told, and answers of every kind."""

import asyncio
import functools
import itertools
import os
import time
from pathlib import Path
from typing import Any

from flask import Response, request, send_file
from flask_restful import Resource

from model_serving.errors import ClientGone, InvalidInput
from model_serving.schemas.validation import validate_json
from model_serving.utils.request_utils import check_cancelled
from tests.small_service import small_service

schema: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'seconds': {'type': 'number', 'minimum': 0},
        'then': {'type': 'string', 'description': 'One of ENDS, or fork.'},
        'data': {'type': 'array', 'items': {'type': 'number'}},
        'until': {'type': 'string', 'description': 'A file that says that the call has learned of its end.'},
    },
    'required': ['seconds'],
    'additionalProperties': False,
}


class SlowResource(Resource):  # type: ignore[misc]
    """Takes its time."""

    @validate_json(schema)
    def post(self) -> Any:
        """Sleep; then answer, or not."""
        json = request.json
        if json.get('then') == 'fork':
            fork(Path(json['until']))
        end = time.monotonic() + json['seconds']
        while time.monotonic() < end:
            time.sleep(0.01)
            try:
                check_cancelled()
            except ClientGone:
                Path(json['until']).touch()
                raise
        return ENDS.get(json.get('then'), answer)()


class AsyncResource(Resource):  # type: ignore[misc]
    """Takes its time in the event loop."""

    @validate_json(schema)
    async def post(self) -> Any:
        """Sleep."""
        try:
            await asyncio.sleep(request.json['seconds'])
        except asyncio.CancelledError:
            await asyncio.sleep(1)  # It is not cancelled once more.
            Path(request.json.get('until', os.devnull)).touch()
            raise
        return {'slept': request.json['seconds']}


def allowed(view: Any) -> Any:
    """A decorator that may refuse the call."""

    @functools.wraps(view)
    def asked(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return asked


class DecoratedResource(SlowResource):
    """Has something around its post."""

    post = allowed(SlowResource.post)


def fork(file: Path) -> None:
    """Have a child that outlives this process, and write down its id."""
    if child := os.fork():
        file.write_text(str(child))
        return
    time.sleep(60)
    os._exit(0)


def answer() -> Any:
    return {'pid': os.getpid(), 'id': request.headers.get('X-Request-ID'), 'kind': request.args.get('kind')}


def crash() -> Any:
    raise ZeroDivisionError('secret')


def leave() -> Any:
    raise SystemExit('secret')


def refuse() -> Any:
    raise InvalidInput('Too slow; send less')


ENDS: dict[str | None, Any] = {
    'crash': crash,
    'exit': leave,
    'refuse': refuse,
    'image': lambda: Response(b'\x89PNG', mimetype='image/png'),
    'stream': lambda: Response((f'{number}\n' for number in range(3)), mimetype='text/plain'),
    'null': lambda: None,
    'large': lambda: {'text': 'x' * 2_000_000},
    'endless': lambda: Response(itertools.repeat('x' * 100_000), mimetype='text/plain'),
    'text': lambda: Response('{"no": JSON', mimetype='application/json'),
    'file': lambda: send_file(__file__, mimetype='text/x-python'),
}


RESOURCES = {'Slow': SlowResource, 'Async': AsyncResource, 'Decorated': DecoratedResource}


def create_app() -> Any:
    """The application."""
    return small_service(RESOURCES)[0]


app = create_app()
