"""The service of these tests: models that sleep, hang, count and crash, behind the usual resources."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving.batching.decorator import batched
from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

MOST_SECONDS = 3600
NAPS = ('Nap', 'Other', 'Quick', 'Refused', *(f'Hanging{number}' for number in range(6)))
"""Where the model that sleeps is mounted: each is a view of its own."""
CONTEXT: ContextVar[str] = ContextVar('CONTEXT', default='none')

nap_schema = {
    'type': 'object',
    'properties': {
        'tag': {'type': 'string'},
        'seconds': {'type': 'number', 'minimum': 0, 'maximum': MOST_SECONDS},
    },
    'required': ['tag', 'seconds'],
}
rows_schema = {
    'type': 'object',
    'properties': {
        'rows': {'type': 'array', 'items': {'type': 'array', 'items': {'type': 'number'}}},
        'seconds': {'type': 'number'},
    },
    'required': ['rows'],
}


class NapModel:
    """Sleeps for as long as it is asked to; knows who called it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def nap(self, tag: str, seconds: float) -> str:
        self.called.append(tag)
        time.sleep(seconds)
        return tag

    def crash(self) -> None:
        raise ZeroDivisionError('a secret')


class RowsModel:
    """Doubles numbers, batch by batch."""

    @batched(max_batch_size=8, max_wait_ms=5)
    def double(self, rows: list[list[float]]) -> list[list[float]]:
        time.sleep(max((row[0] for row in rows if row), default=0))
        return [[2 * number for number in row] for row in rows]


nap_model = NapModel()
rows_model = RowsModel()
ended: list[str] = []
"""The streams whose generators have been closed."""


class ServedResource(Resource):  # type: ignore[misc]
    """Any of the resources here."""


class NapResource(ServedResource):
    """Lets the model sleep."""

    @validate_json(nap_schema)
    def post(self) -> Any:
        """Sleep."""
        json = request.json
        return {'tag': nap_model.nap(json['tag'], json['seconds']), 'thread': threading.get_ident()}


class RowsResource(ServedResource):
    """Doubles numbers; a row that begins with 0.5 takes half a second."""

    @validate_json(rows_schema)
    def post(self) -> Any:
        """Double."""
        return {'rows': rows_model.double(request.json['rows'])}


class SizeResource(ServedResource):
    """Counts numbers."""

    @validate_json(rows_schema)
    def post(self) -> Any:
        """Count."""
        return {'rows': len(request.json['rows'])}


class CrashResource(ServedResource):
    """Crashes."""

    def post(self) -> Any:
        """Crash."""
        nap_model.crash()


class ContextResource(ServedResource):
    """Tells what a request sees of itself after it has waited."""

    @validate_json(nap_schema)
    def post(self) -> Any:
        """Wait in a batch, sleep, and look."""
        tag = request.json['tag']
        CONTEXT.set(tag)
        logging.getLogger('context').info('begins %s', tag)
        rows = rows_model.double([[request.json['seconds'], len(tag)]])
        nap_model.nap(tag, request.json['seconds'])
        logging.getLogger('context').info('ends %s', tag)
        return {
            'json': request.json['tag'],
            'header': request.headers['X-Tag'],
            'query': request.args['tag'],
            'context': CONTEXT.get(),
            'rows': rows,
        }


class StreamResource(ServedResource):
    """Sends events, as a language model does."""

    def get(self) -> Response:
        """Send `count` events, `pause` seconds apart, of `size` characters; raise before number `fail`."""
        given = request.args
        if 'type' in given:
            return Response(iter([b'one', {'two': 2}]), mimetype='text/event-stream')
        events = make_events(
            given.get('tag', ''),
            count=int(given['count']),
            pause=float(given.get('pause', 0)),
            size=int(given.get('size', 1)),
            fail=int(given.get('fail', -1)),
        )
        headers = {'X-Name': given['name']} if 'name' in given else {}
        return Response(events, mimetype='text/event-stream', headers=headers)


def make_events(tag: str, count: int, pause: float, size: int, fail: int) -> Iterator[bytes]:
    try:
        for number in range(count):
            if number == fail:
                raise ZeroDivisionError('midway')
            yield b'data: %d %s\n\n' % (number, b'x' * size)
            time.sleep(pause)
    finally:
        ended.append(tag)


class WholeResource(ServedResource):
    """Sends one large answer."""

    def get(self) -> Response:
        """Send `size` bytes."""
        return Response(b'x' * int(request.args['size']), mimetype='application/octet-stream')


class StateResource(ServedResource):
    """Tells what the tests want to know of the worker."""

    def get(self) -> Any:
        """The process, who was served by the model, which streams have ended."""
        return {
            'pid': os.getpid(),
            'thread': threading.get_ident(),
            'engine': 'model_serving.engine.server' in sys.modules,
            'called': nap_model.called,
            'ended': ended,
        }


class EnvironResource(ServedResource):
    """Tells what the application is given."""

    def get(self, rest: str = '') -> Any:
        """The environment, as far as it is text."""
        texts = {key: value for key, value in request.environ.items() if isinstance(value, str)}
        seen, _ = CONTEXT.get(), CONTEXT.set('left behind')
        return {
            'environ': texts,
            'path': request.path,
            'url': request.url,
            'body': len(request.get_data()),
            'context': seen,
        }

    post = get


def create_app() -> Any:
    """The application."""
    models = XXXModelResource, RowsResource, SizeResource, CrashResource, ContextResource
    named = {each.__name__.removesuffix('Resource'): each for each in models}
    app, api = small_service({**named, **dict.fromkeys(NAPS, NapResource)})
    api.add_resource(StreamResource, '/stream', endpoint='stream')
    api.add_resource(WholeResource, '/whole', endpoint='whole')
    api.add_resource(StateResource, '/state', endpoint='state')
    api.add_resource(EnvironResource, '/environ', '/environ/<path:rest>', endpoint='environ')
    return app


app = create_app()
