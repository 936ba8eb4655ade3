"""The errors of the HTTP contract in terms of OpenAPI: one shape, and when each status is answered."""

from typing import Any

ERROR_SCHEMA: dict[str, Any] = {
    'title': 'Error',
    'description': 'What is wrong, and what to do next.',
    'type': 'object',
    'properties': {
        'message': {'type': 'string', 'description': 'The one thing to know.'},
        'errors': {
            'description': 'Where the body breaks the schema, the best match first.',
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'pointer': {'type': 'string', 'format': 'json-pointer'},
                    'message': {'type': 'string'},
                },
                'required': ['pointer', 'message'],
            },
        },
    },
    'required': ['message'],
    'examples': [
        {
            'message': "'x' is not of type 'number'",
            'errors': [{'pointer': '/instances/3/age', 'message': "'x' is not of type 'number'"}],
        }
    ],
}

OCCASIONS = {
    400: 'The body is missing, is not JSON, or breaks the schema.',
    404: 'Nothing is served at this path.',
    405: 'This path takes another method.',
    408: 'The request did not arrive in time.',
    413: 'The body is larger than the limit.',
    414: 'The URL is too long.',
    415: 'The body is of another content type or charset, or compressed.',
    431: 'The head of the request is too large.',
    500: 'The service crashed; its log says how.',
    503: 'Too much is waiting, or a model is not ready; try again later.',
    504: 'There was no answer in time.',
}
"""When each status is answered."""

HEADERS: dict[int, dict[str, Any]] = {
    405: {'Allow': {'description': 'The methods that it takes.', 'schema': {'type': 'string'}}},
    503: {
        'Retry-After': {
            'description': 'Seconds after which to try again.',
            'schema': {'type': 'integer', 'minimum': 1},
        }
    },
}

OF_ANY = (405, 408, 414, 431, 500, 503, 504)
OF_A_BODY = (400, 413, 415)
"""Statuses that any operation may answer with, and those that one with a body may besides."""


def error_responses() -> dict[str, Any]:
    """The shared responses of an OpenAPI document, by status."""
    content = {'application/json': {'schema': {'$ref': '#/components/schemas/Error'}}}
    return {
        str(status): {
            'description': occasion,
            'content': content,
            **({'headers': HEADERS[status]} if status in HEADERS else {}),
        }
        for status, occasion in OCCASIONS.items()
    }


def references(*statuses: int) -> dict[str, Any]:
    """References to the shared responses of these statuses."""
    return {str(status): {'$ref': f'#/components/responses/{status}'} for status in sorted(statuses)}
