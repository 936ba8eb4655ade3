"""The service of these tests: models with secrets in their schemas, and answers of every kind."""

import asyncio
import time
from typing import Any

from flask import Response, current_app, request
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.errors import InvalidInput
from model_serving.protocols.forward import forward
from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

SECRET = 'hunter2'

login_schema: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'name': {'type': 'string', 'maxLength': 5},
        'password': {'type': 'string', 'writeOnly': True, 'pattern': '^[^x]*$'},
        'cards': {'type': 'array', 'items': {'$ref': '#/$defs/card'}},
        'then': {'enum': ['crash', 'refuse', 'sleep']},
    },
    'required': ['name'],
    '$defs': {
        'card': {
            'type': 'object',
            'properties': {'bank': {'type': 'string'}},
            'allOf': [{'properties': {'number': {'writeOnly': True}}}],
        }
    },
}
any_schema: dict[str, Any] = {'type': 'object'}


class LoginResource(Resource):  # type: ignore[misc]
    """Is told secrets."""

    @validate_json(login_schema)
    def post(self) -> Any:
        """Greet; or crash, refuse or sleep, and repeat the password."""
        json = request.json
        what = json.get('then')
        if what == 'crash':
            raise ZeroDivisionError(json['password'])
        if what == 'refuse':
            raise InvalidInput(f'{json["password"]} is wrong')
        if what == 'sleep':
            time.sleep(1.5)
        return {'greeting': f'Hello, {json["name"]}!'}


class AsyncResource(Resource):  # type: ignore[misc]
    """Answers from the event loop."""

    @validate_json(any_schema)
    async def post(self) -> Any:
        """Wait a little; raise where it is asked to."""
        await asyncio.sleep(0.01)
        if 'refuse' in request.json:
            raise InvalidInput('as you like')
        return {'asked': request.json}


class StreamResource(Resource):  # type: ignore[misc]
    """Answers in parts."""

    @validate_json(any_schema)
    def post(self) -> Any:
        """Two events."""
        return Response(iter(['data: 1\n\n', 'data: 2\n\n']), mimetype='text/event-stream')


class TupleResource(Resource):  # type: ignore[misc]
    """Answers with a status and a header."""

    @validate_json(any_schema)
    def post(self) -> Any:
        """Created."""
        return {'made': 1}, 201, {'X-Place': 'here'}


class ImageResource(Resource):  # type: ignore[misc]
    """Answers with no JSON."""

    @validate_json(any_schema)
    def post(self) -> Any:
        """Bytes."""
        return Response(b'\x89PNG', mimetype='image/png')


class FileResource(Resource):  # type: ignore[misc]
    """Takes a file."""

    @validate_json(
        {'type': 'object', 'properties': {'file': {'contentEncoding': 'base64'}}, 'required': ['file']}
    )
    def post(self) -> Any:
        """Its size as base64."""
        return {'size': len(request.json['file'])}


def add_seen(view: Any) -> Any:
    """A decorator of an author, who expects the dict that the view returns."""

    def decorated(*args: Any, **kwargs: Any) -> Any:
        result = view(*args, **kwargs)
        result['seen'] = True
        return result

    return decorated


class DecoratedResource(Resource):  # type: ignore[misc]
    """Has a decorator that changes what `post` returns."""

    method_decorators = [add_seen]  # noqa: RUF012

    @validate_json(any_schema)
    def post(self) -> Any:
        """A dict."""
        return {'value': 1}


RESOURCES = {
    'XXXModel': XXXModelResource,
    'Login': LoginResource,
    'Async': AsyncResource,
    'Stream': StreamResource,
    'Tuple': TupleResource,
    'Image': ImageResource,
    'File': FileResource,
    'Decorated': DecoratedResource,
}


def create_app() -> Any:
    """The application."""
    app, _ = small_service(RESOURCES)
    app.add_url_rule('/sends', view_func=sends, methods=['POST'])
    return app


def sends() -> Any:
    """Has Login answer, and says with which status, as a protocol whose own status is always 200."""
    [model] = [each for each in mounted_models(current_app) if each.name == 'Login']
    return {'status': forward(model, request.get_data()).status_code}


app = create_app()
