"""A service of odd models: they raise what is no Exception, lock, compute, hang, and await."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from flask_restful import Resource

from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.schemas.validation import validate_json
from tests.engine.odd_async import AsyncResource, AsyncStreamResource
from tests.engine.odd_models import AROUND, BY_NAME, calls, fail, model, notes, schema, state
from tests.small_service import small_service


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(500))


class OddResource(Resource):  # type: ignore[misc]
    """Any of the resources here."""


class AroundResource(OddResource):
    @validate_json(schema)
    def post(self) -> Any:
        return {'result': AROUND[request.json['what']](request.json['n'])}


class RaiseResource(OddResource):
    """Raises, in the view or in a batch."""

    @validate_json(schema)
    def post(self) -> Any:
        what, n = request.json['what'], request.json['n']
        if what in BY_NAME:
            fail(what)
        return {'result': model.one(n)}


class StreamResource(OddResource):
    """Streams, and raises before event `n`."""

    @validate_json(schema)
    def post(self) -> Any:
        return Response(self.events(request.json['what'], request.json['n']), mimetype='text/event-stream')

    def events(self, what: str, n: float) -> Iterator[str]:
        for number in range(5):
            if number == n:
                fail(what)
            if what == 'batch':  # As of a model whose next token comes from a batch.
                model.one(number)
            if what in ('slow', 'batch'):
                time.sleep(n / 100)
            if what == 'hang' and number == -n:
                time.sleep(3600)
            yield f'data: {number}\n\n'


class LogResource(OddResource):
    """Raises, and the log does so, too, when it is to tell of that."""

    @validate_json(schema)
    def post(self) -> Any:
        def refuse(record: logging.LogRecord) -> bool:
            raise KeyError('tenant')

        engine = logging.getLogger('engine')
        if request.json['what']:
            engine.addFilter(refuse)
            fail(request.json['what'])
        engine.filters.clear()
        return {'result': request.json['n']}


class SleepResource(OddResource):
    """Sleeps, and knows how many do."""

    @validate_json(schema)
    def post(self) -> Any:
        with model.other:
            calls.append(request.json['n'])
            state['at_once'] += 1
            state['most_at_once'] = max(state['at_once'], state['most_at_once'])
        time.sleep(float(request.json['what']))
        with model.other:
            state['at_once'] -= 1
        return {'result': request.json['n'], 'thread': threading.get_ident()}


class ComputeResource(OddResource):
    """Computes in Python for `n` seconds."""

    @validate_json(schema)
    def post(self) -> Any:
        compute(request.json['n'])
        return {'result': request.json['n']}


class MixedResource(OddResource):
    """Computes for `n` seconds, and then sleeps."""

    @validate_json(schema)
    def post(self) -> Any:
        compute(request.json['n'])
        time.sleep(float(request.json['what']))
        return {'result': request.json['n']}


class ExampleResource(OddResource):
    """Raises on its example as long as a file says so."""

    @validate_json({**schema, 'examples': [{'what': '', 'n': 1}]})
    def post(self) -> Any:
        if kind := Path(os.environ.get('ODD_FILE', os.devnull)).read_text():
            fail(kind)
        return {'result': 2 * request.json['n']}


class StateResource(OddResource):
    """What the tests want to know of the worker; DELETE forgets it."""

    def get(self) -> Any:
        threads = threading.active_count()
        return {**state, 'pid': os.getpid(), 'threads': threads, 'calls': calls, 'notes': notes}

    def delete(self) -> Any:
        calls.clear()
        notes.clear()
        state.update(at_once=0, most_at_once=0)
        return '', 204

    def put(self) -> Any:
        return Response('abc', 304 if 'X-304' in request.headers else 200, headers={
            'Connection': 'upgrade', 'Transfer-Encoding': 'chunked', 'Date': 'never', 'Server': 'other',
            'Keep-Alive': 'timeout=5', 'ETag': '"1"',
        })  # fmt: skip

    def options(self) -> Any:
        """As an author may have it: slow, and a stream."""
        time.sleep(1)
        return Response(iter([b'{', b'}']), mimetype='application/json')


def create_app() -> Flask:
    models = XXXModelResource, *OddResource.__subclasses__(), AsyncResource, AsyncStreamResource
    app, _ = small_service({each.__name__.removesuffix('Resource'): each for each in models})

    @app.errorhandler(ZeroDivisionError)
    def handle(_error: ZeroDivisionError) -> Any:
        return {'message': 'handled'}, 422

    if 'ODD_ASYNC_HANDLER' in os.environ:

        @app.errorhandler(ZeroDivisionError)
        async def handle_later(_error: ZeroDivisionError) -> Any:
            await asyncio.sleep(0)
            return {'message': 'handled later'}, 422

    return app


app = create_app()
