"""Models whose schemas have one of everything, for the tests of the console."""

import time
from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving.catalogue import failures, pages
from model_serving.resources.digits_model_resource import DigitsModelResource
from model_serving.resources.iris_model_resource import IrisModelResource
from model_serving.schemas.validation import validate_json
from tests.small_service import small_service

MARKUP = '<script>alert(1)</script><img src=x onerror=alert(2)>'
HOSTILE_NAME = f'"\'`$(touch /tmp/no){MARKUP}'

EXAMPLE: dict[str, Any] = {
    'text': 'Hello',
    'story': 'Once upon a time',
    'email': 'leo@example.com',
    'homepage': 'https://example.com/a?b=c',
    'day': '2026-01-31',
    'moment': '2026-01-31T12:00:00Z',
    'share': 0.25,
    'count': 10,
    'size': 'small',
    'version': 2,
    'agree': True,
    'tags': ['red', 'green'],
    'people': [{'name': 'Ann', 'age': 30}, {'name': 'Bob'}],
    'place': {'city': 'Paris', 'position': {'x': 1, 'y': -2.5}},
    'pixels': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    'anything': {'a': [1, 'two']},
    'deep': {'deeper': {'deepest': {'too': 'deep'}}},
    'nothing': None,
}

RICH: dict[str, Any] = {
    'title': 'One of everything',
    'description': 'A field of each kind.',
    'type': 'object',
    '$defs': {
        'Size': {'enum': ['small', 'large', 3, None]},
        'Person': {
            'title': 'Person',
            'type': 'object',
            'properties': {
                'name': {'title': 'Name', 'type': 'string', 'minLength': 1},
                'age': {'title': 'Age', 'type': 'integer', 'minimum': 0, 'maximum': 150},
            },
            'required': ['name'],
        },
    },
    'properties': {
        'text': {'title': 'Text', 'type': 'string', 'minLength': 2, 'maxLength': 10},
        'story': {'title': 'Story', 'type': 'string', 'maxLength': 5000},
        'email': {'title': 'Email', 'type': 'string', 'format': 'email'},
        'homepage': {'title': 'Homepage', 'type': 'string', 'format': 'uri'},
        'day': {'title': 'Day', 'type': 'string', 'format': 'date'},
        'moment': {'title': 'Moment', 'type': 'string', 'format': 'date-time'},
        'share': {'title': 'Share', 'type': 'number', 'minimum': 0, 'maximum': 1},
        'count': {'title': 'Count', 'type': 'integer', 'minimum': 3, 'maximum': 100, 'multipleOf': 5},
        'size': {'$ref': '#/$defs/Size', 'title': 'Size'},
        'version': {'title': 'Version', 'const': 2},
        'agree': {'title': 'Agree', 'type': 'boolean'},
        'fast': {'title': 'Fast', 'type': 'boolean'},
        'tags': {
            'title': 'Tags',
            'type': 'array',
            'items': {'title': 'Tag', 'type': 'string'},
            'maxItems': 3,
        },
        'people': {'title': 'People', 'type': 'array', 'items': {'$ref': '#/$defs/Person'}, 'minItems': 1},
        'place': {
            'title': 'Place',
            'type': 'object',
            'properties': {
                'city': {'title': 'City', 'type': 'string'},
                'position': {
                    'title': 'Position',
                    'type': 'object',
                    'properties': {
                        'x': {'title': 'East', 'type': 'number'},
                        'y': {'title': 'North', 'type': 'number'},
                    },
                    'required': ['x', 'y'],
                },
            },
            'required': ['city'],
        },
        'pixels': {
            'title': 'Pixels',
            'type': 'array',
            'items': {'type': 'number', 'minimum': 0, 'maximum': 16},
            'minItems': 16,
            'maxItems': 16,
        },
        'anything': {'title': 'Anything', 'anyOf': [{'type': 'object'}, {'type': 'integer'}]},
        'deep': {
            'title': 'Deep',
            'type': 'object',
            'properties': {
                'deeper': {
                    'title': 'Deeper',
                    'type': 'object',
                    'properties': {
                        'deepest': {
                            'title': 'Deepest',
                            'type': 'object',
                            'properties': {'too': {'type': 'string'}},
                        }
                    },
                }
            },
        },
        'nothing': {'title': 'Nothing', 'type': ['string', 'null']},
    },
    'required': ['text', 'share', 'size', 'version', 'agree', 'people', 'nothing'],
    'additionalProperties': False,
    'examples': [EXAMPLE],
}

HOSTILE: dict[str, Any] = {
    'title': MARKUP,
    'description': MARKUP,
    'type': 'object',
    'properties': {
        HOSTILE_NAME: {'type': 'string', 'description': MARKUP, 'pattern': '^[^!]*$'},
        '__proto__': {'title': MARKUP, 'enum': [MARKUP, 'other']},
        'constructor': {
            'title': f'List {MARKUP}',
            'type': 'array',
            'items': {'title': MARKUP, 'type': 'string'},
        },
    },
    'required': [HOSTILE_NAME, '__proto__'],
    'examples': [{HOSTILE_NAME: MARKUP, '__proto__': MARKUP, 'constructor': [MARKUP]}],
}

SLOW: dict[str, Any] = {
    'title': 'Slow',
    'type': 'object',
    'properties': {'seconds': {'title': 'Seconds', 'type': 'number', 'maximum': 20, 'default': 0.5}},
}


FILES: dict[str, Any] = {
    'title': 'Files',
    'type': 'object',
    'properties': {
        'image': {
            'title': 'Picture',
            'description': 'What is to be seen.',
            'type': 'string',
            'contentEncoding': 'base64',
            'contentMediaType': 'image/*',
            'maxLength': 8_000_000,
        },
        'name': {'title': 'Name', 'type': 'string'},
        'size': {'title': 'Size', 'enum': ['small', '3', 3]},
        'more': {
            'title': 'Further ones',
            'type': 'array',
            'items': {'title': 'File', 'type': 'string', 'contentEncoding': 'base64'},
        },
        'deep': {
            'title': 'Inside',
            'type': 'object',
            'properties': {'file': {'title': 'Inner file', 'type': 'string', 'contentEncoding': 'base64'}},
        },
    },
    'required': ['image'],
    'additionalProperties': False,
}


class FileModelResource(Resource):
    """Takes files."""

    @validate_json(FILES)
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


class RichModelResource(Resource):
    """Answers what it was asked."""

    @validate_json(RICH)
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


class HostileModelResource(Resource):
    __doc__ = f'Echoes {MARKUP}'

    @validate_json(HOSTILE)
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json, MARKUP: MARKUP}


class SlowModelResource(Resource):
    """Answers late."""

    @validate_json(SLOW)
    def post(self) -> Any:
        """Sleep."""
        time.sleep(request.json.get('seconds', 0))
        return {'slept': True}


class ListModelResource(Resource):
    """Takes a list; has no title and no example."""

    @validate_json(
        {'type': 'array', 'items': {'type': 'integer', 'maximum': 9}, 'minItems': 1, 'maxItems': 4}
    )
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


class EventModelResource(Resource):
    """Answers with events, which are no JSON."""

    @validate_json({'title': 'Events', 'type': 'object'})
    def post(self) -> Any:
        """Two events."""
        return Response('data: 1\n\ndata: 2\n\n', mimetype='text/event-stream')


class BrokenModelResource(SlowModelResource):
    """Cannot answer."""


MODELS: dict[str, type] = {
    'RichModel': RichModelResource,
    'IrisModel': IrisModelResource,
    'DigitsModel': DigitsModelResource,
    'HostileModel': HostileModelResource,
    'SlowModel': SlowModelResource,
    'ListModel': ListModelResource,
    'EventModel': EventModelResource,
    'BrokenModel': BrokenModelResource,
    'FileModel': FileModelResource,
}


def create_app() -> Any:
    """The application."""
    app, _ = small_service(MODELS)
    pages(app)['DigitsModel'] = 'client/digits.html', 'client/digits-card.js'
    failures(app)['BrokenModel'] = f'has no weights {MARKUP}'
    return app


app = create_app()
