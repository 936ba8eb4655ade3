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
}

TOO_LONG = "'Leopold' is too long"
OCCASIONS: dict[int, tuple[str, dict[str, Any]]] = {
    400: (
        'The body is missing, is not JSON, or breaks the schema.',
        {'message': TOO_LONG, 'errors': [{'pointer': '/people/3/name', 'message': TOO_LONG}]},
    ),
    404: ('Nothing is served at this path.', {'message': 'Nothing is served at /v2/X; GET / lists what is'}),
    405: ('This path takes another method.', {'message': 'GET is not allowed here; send POST'}),
    408: (
        'The request did not arrive in time.',
        {'message': 'The request took too long to arrive; send it again'},
    ),
    413: (
        'The body is larger than the limit.',
        {'message': 'The body is larger than the limit of 33554432 bytes; send it in smaller parts'},
    ),
    414: ('The URL is too long.', {'message': 'The URL is over 8192 bytes; send data in the body'}),
    415: (
        'The body is of another content type or charset, or compressed.',
        {'message': 'Send the header Content-Type: application/json (the request has text/plain)'},
    ),
    431: (
        'The head of the request is too large.',
        {'message': 'The headers are larger than 65536 bytes, or over 100; send fewer'},
    ),
    500: ('The service crashed; its log says how.', {'message': 'Internal Server Error'}),
    503: (
        'Too much is waiting, or a model is not ready.',
        {'message': 'The model is not ready; try again later'},
    ),
    504: ('There was no answer in time.', {'message': 'The model did not answer in time'}),
}
"""When each status is answered, and an example."""

HEADERS: dict[int, dict[str, Any]] = {
    405: {'Allow': {'description': 'The methods that it takes.', 'schema': {'type': 'string'}}},
    503: {
        'Retry-After': {
            'description': 'Seconds after which to try again.',
            'schema': {'type': 'integer', 'minimum': 1},
        }
    },
}

OF_ANY = (500, 503, 504)
OF_A_BODY = (400, 413, 415)
"""What any operation may answer, and one with a body besides. The others come before an operation."""


def error_responses() -> dict[str, Any]:
    """The shared responses of an OpenAPI document, by status."""
    return {str(status): _response(status, *said) for status, said in OCCASIONS.items()}


def references(*statuses: int) -> dict[str, Any]:
    """References to the shared responses of these statuses."""
    return {str(status): {'$ref': f'#/components/responses/{status}'} for status in sorted(statuses)}


def _response(status: int, occasion: str, example: dict[str, Any]) -> dict[str, Any]:
    content = {'schema': {'$ref': '#/components/schemas/Error'}, 'example': example}
    response: dict[str, Any] = {'description': occasion, 'content': {'application/json': content}}
    return {**response, 'headers': HEADERS[status]} if status in HEADERS else response
