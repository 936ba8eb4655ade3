"""A service with a URL that names no model: what it is sent goes on to the model that the body names."""

import asyncio
import functools
import logging
import time
from typing import Any

import flask
from flask import Response, request
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.protocols.forward import forward
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

NAMES = 'Nap', 'Words', 'Async', 'Await', 'Late'
schema = {
    'type': 'object',
    'properties': {'seconds': {'type': 'number'}, 'text': {'type': 'string'}},
    'required': ['seconds'],
    'examples': [{'seconds': 0}],
}
running = {'most': 0, 'now': 0, 'begun': 0, 'awaited': 0, 'cancelled': 0}


class NapResource(Resource):
    """Sleeps."""

    @validate_json(schema)
    def post(self) -> Any:
        """Sleep."""
        running['begun'] += 1
        running['now'] += 1
        running['most'] = max(running['most'], running['now'])
        try:
            time.sleep(request.json['seconds'])
        finally:
            running['now'] -= 1
        logging.getLogger('nap').info('slept')
        if request.json['seconds'] < 0:
            raise ZeroDivisionError
        return {
            'path': request.path,
            'json': request.json,
            'query': request.args.to_dict(),
            'user': flask.g.get('user'),
        }


class WordsResource(Resource):
    """Sends a stream."""

    @validate_json({'type': 'object', 'examples': [{}]})
    def post(self) -> Any:
        """Two words."""
        return Response((word for word in ['one ', 'two']), mimetype='text/plain')


class AwaitResource(Resource):
    """Waits in the event loop."""

    @validate_json(schema)
    async def post(self) -> Any:
        """Wait."""
        running['awaited'] += 1
        try:
            await asyncio.sleep(request.json['seconds'])
        except asyncio.CancelledError:
            running['cancelled'] += 1
            raise
        return {}


def late(view: Any) -> Any:
    @functools.wraps(view)
    def wait(*args: Any) -> Any:
        if 'text' not in request.get_data(as_text=True):
            time.sleep(3.5)
        return view(*args)

    return wait


class LateResource(Resource):
    """Reads its body after the deadline, unless that has a text."""

    @late
    @validate_json({'type': 'object', 'examples': [{'text': ''}]})
    def post(self) -> Any:
        """Nothing."""
        return {}


class AsyncResource(Resource):
    """Answers from a coroutine."""

    @validate_json({'type': 'object', 'examples': [{}]})
    async def post(self) -> Any:
        """One number."""
        return {'number': 1}


class AnyResource(Resource):
    """Passes on what is for a model."""

    def post(self) -> Any:
        """Its answer, as an object with the status."""
        name = request.path.rpartition('/')[2]
        [model] = [model for model in mounted_models(flask.current_app) if model.name == name]
        answer = forward(model, request.get_data())
        return {'status': answer.status_code, 'body': answer.get_data(as_text=True)}


class RunningResource(Resource):
    """Tells how many naps there were at a time."""

    quick = True

    def get(self) -> Any:
        """The counts."""
        return running


def create_app() -> Any:
    """The application."""
    models = NapResource, WordsResource, AsyncResource, AwaitResource, LateResource
    app, api = small_service({each.__name__.removesuffix('Resource'): each for each in models})
    api.add_resource(RunningResource, '/running', endpoint='running')
    api.add_resource(AnyResource, *(f'/any/{name}' for name in NAMES), endpoint='any')

    @app.before_request
    def know_the_user() -> None:
        flask.g.user = request.headers.get('X-User', 'nobody')

    return app


app = create_app()
