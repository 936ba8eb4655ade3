"""Models as the tests of /mcp need them; some are called as the tools of the official conformance suite."""

import base64
import time
from typing import Any

from flask import Response, request
from flask_restful import Resource, abort

from model_serving.errors import Overloaded
from model_serving.schemas.validation import validate_json

NOTHING: dict[str, Any] = {'type': 'object', 'examples': [{}]}
PIXEL = base64.b64decode(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
)
SILENCE = base64.b64decode('UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=')
ADDRESS = {
    '$anchor': 'addressDef',
    'type': 'object',
    'properties': {'street': {'type': 'string'}, 'city': {'type': 'string'}},
}
EVERY_KEYWORD: dict[str, Any] = {
    '$schema': 'https://json-schema.org/draft/2020-12/schema',
    'type': 'object',
    '$defs': {'address': ADDRESS},
    'properties': {
        'name': {'type': 'string'},
        'address': {'$ref': '#/$defs/address'},
        'contactMethod': {'type': 'string', 'enum': ['phone', 'email']},
        'phone': {'type': 'string'},
        'email': {'type': 'string'},
    },
    'allOf': [{'anyOf': [{'required': ['phone']}, {'required': ['email']}]}],
    'if': {'properties': {'contactMethod': {'const': 'phone'}}, 'required': ['contactMethod']},
    'then': {'required': ['phone']},
    'else': {'required': ['email']},
    'additionalProperties': False,
    'examples': [{'email': 'leo@example.com'}],
}


class TextResource(Resource):
    """Says a text."""

    @validate_json(NOTHING)
    def post(self) -> Any:
        """The text."""
        return Response('This is a simple text response for testing.', mimetype='text/plain')


class ImageResource(Resource):
    """Draws."""

    @validate_json(NOTHING)
    def post(self) -> Any:
        """One pixel."""
        return Response(PIXEL, mimetype='image/png')


class AudioResource(Resource):
    """Plays."""

    @validate_json(NOTHING)
    def post(self) -> Any:
        """Nothing, for no time."""
        return Response(SILENCE, mimetype='audio/wav')


class KeywordsResource(Resource):
    """Has every keyword."""

    @validate_json(EVERY_KEYWORD)
    def post(self) -> Any:
        """The arguments."""
        return request.json


class ErrorResource(Resource):
    """Has too much to do."""

    safe_to_retry = False

    @validate_json({'type': 'object'})  # Without an example: else it would have failed on that.
    def post(self) -> Any:
        """Never. Raises Overloaded."""
        raise Overloaded('Too much to do', 7)


class CrashResource(Resource):
    """Crashes."""

    @validate_json({'type': 'object'})
    def post(self) -> Any:
        """Never."""
        raise ZeroDivisionError('a secret')


class OddErrorResource(Resource):
    """Fails in words of its own."""

    @validate_json({'type': 'object', 'properties': {'errors': {}}})
    def post(self) -> Any:
        """Never."""
        abort(409, message={'name': 'taken'}, errors=request.json.get('errors'))


class SlowResource(Resource):
    """Sleeps."""

    @validate_json({'type': 'object'})
    def post(self) -> Any:
        """Nothing, but late."""
        time.sleep(8)


class BigResource(Resource):
    """Counts."""

    @validate_json(NOTHING)
    def post(self) -> Any:
        """A number of over 64 bits, and a NaN."""
        return {'number': 2**64 + 1, 'nan': float('nan')}


class ListResource(Resource):
    """Takes a list."""

    @validate_json({'type': 'array', 'examples': [[]]})
    def post(self) -> Any:
        """The list."""
        return request.json


class RowsResource(Resource):
    """Answers with a list.

    A second paragraph.
    """

    @validate_json(NOTHING, response={'type': 'array'})
    def post(self) -> Any:
        """The list."""
        return [1, 2]
