"""The errors of the HTTP contract in OpenAPI: their schema, and the cases of each status."""

from typing import Any

from model_serving.openapi import request_id

ERROR_SCHEMA: dict[str, Any] = {
    'title': 'Error',
    'description': 'What is wrong, and what to do next.',
    'type': 'object',
    'properties': {
        'message': {'type': 'string', 'description': 'The one thing to know.'},
        'hint': {'type': 'string', 'description': 'What is needed, and what was found.'},
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

ERRORS = {
    400: ('The body is missing, is not JSON, or breaks the schema.', "'Leopold' is too long"),
    401: (
        'There is no key, or no valid one.',
        'A key is needed: send the header Authorization: Bearer <key>',
    ),
    403: (
        'The key is for other models.',
        'This key is not for IrisModel; ask whoever runs the service for one that is',
    ),
    404: ('Nothing is served at this path.', 'Nothing is served at /v2/X; GET / lists what is'),
    405: ('This path takes another method.', 'GET is not allowed here; send POST'),
    408: ('The request did not arrive in time.', 'The request took too long to arrive; send it again'),
    413: (
        'The body is larger than the limit.',
        'The body is larger than the limit of 33554432 bytes; send it in smaller parts',
    ),
    414: ('The URL is too long.', 'The URL is over 8192 bytes; send data in the body'),
    415: (
        'The body is of another content type or charset, or compressed.',
        'Send the header Content-Type: application/json (the request has text/plain)',
    ),
    429: ('The limit of the key is reached.', 'IrisModel takes 100/m from this key; try again in 2 s'),
    431: (
        'The head of the request is too large.',
        'The headers are larger than 65536 bytes, or over 100; send fewer',
    ),
    500: ('The service crashed; its log says how.', 'Internal Server Error'),
    503: ('Too much is waiting, or a model is not ready.', 'The model is not ready; try again later'),
    504: ('There was no answer in time.', 'The model did not answer in time'),
}
"""When each status is sent, and an example of its message."""

RETRY_AFTER = {
    'Retry-After': {
        'description': 'Seconds after which to try again.',
        'schema': {'type': 'integer', 'minimum': 1},
    }
}
HEADERS: dict[int, dict[str, Any]] = {
    405: {'Allow': {'description': 'The methods that it takes.', 'schema': {'type': 'string'}}},
    401: {'WWW-Authenticate': {'description': 'How to send a key.', 'schema': {'type': 'string'}}},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}

ANY_OPERATION, WITH_BODY, WITH_KEY = (500, 503, 504), (400, 413, 415), (401, 403, 429)
"""The statuses of any operation, and further ones if it has a body, or needs a key.

The others occur before an operation.
"""


def error_responses(has_keys: bool) -> dict[str, Any]:
    """The shared responses of an OpenAPI document, by status."""
    known = {status: texts for status, texts in ERRORS.items() if has_keys or status not in WITH_KEY}
    return {str(status): _response(status, *texts) for status, texts in known.items()}


def error_references(has_body: bool, needs_key: bool) -> dict[str, Any]:
    """References to the shared responses that an operation may have, by status."""
    statuses = sorted((*ANY_OPERATION, *WITH_BODY * has_body, *WITH_KEY * needs_key))
    return {str(status): {'$ref': f'#/components/responses/{status}'} for status in statuses}


def _response(status: int, description: str, message: str) -> dict[str, Any]:
    example: dict[str, Any] = {'message': message}
    if status == 400:
        example['errors'] = [{'pointer': '/people/3/name', 'message': message}]
    content = {'schema': {'$ref': '#/components/schemas/Error'}, 'example': example}
    headers = {**HEADERS.get(status, {}), **request_id.HEADERS}
    return {'description': description, 'headers': headers, 'content': {'application/json': content}}
