"""The service of these tests: models that take as long as they are told, and answers of every kind."""

import asyncio
import os
import time
from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving.errors import InvalidInput
from model_serving.jobs.mount import mount_jobs
from model_serving.schemas.validation import validate_json
from model_serving.utils.request_utils import check_cancelled
from tests.small_service import small_service

schema: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'seconds': {'type': 'number', 'minimum': 0},
        'then': {'enum': ['answer', 'crash', 'exit', 'refuse', 'image', 'stream', 'nothing']},
        'until': {'type': 'string'},
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
        end = time.monotonic() + json['seconds']
        while time.monotonic() < end:
            time.sleep(0.01)
            try:
                check_cancelled()
            except BaseException:
                if 'until' in json:
                    open(json['until'], 'w').close()
                raise
        match json.get('then', 'answer'):
            case 'crash':
                raise ZeroDivisionError('secret')
            case 'exit':
                raise SystemExit('secret')
            case 'refuse':
                raise InvalidInput('Too slow; send less')
            case 'image':
                return Response(b'\x89PNG', mimetype='image/png')
            case 'stream':
                return Response((f'{number}\n' for number in range(3)), mimetype='text/plain')
            case 'nothing':
                return Response(status=204)
        return {'pid': os.getpid(), 'id': request.headers['X-Request-ID'], 'kind': request.args.get('kind')}


class AsyncResource(Resource):  # type: ignore[misc]
    """Takes its time in the event loop."""

    @validate_json(schema)
    async def post(self) -> Any:
        """Sleep."""
        try:
            await asyncio.sleep(request.json['seconds'])
        except asyncio.CancelledError:
            if 'until' in request.json:
                open(request.json['until'], 'w').close()
            raise
        return {'slept': request.json['seconds']}


def create_app() -> Any:
    """The application."""
    app, api = small_service({'Slow': SlowResource, 'Async': AsyncResource})
    mount_jobs(app, api)
    return app


app = create_app()
