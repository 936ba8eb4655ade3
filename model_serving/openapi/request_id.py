"""X-Request-ID in OpenAPI: a header of every answer, and a parameter of every operation."""

from typing import Any

NAME = 'X-Request-ID'
HEADER: dict[str, Any] = {
    'description': "The request's id: what finds it in the service's log.",
    'schema': {'type': 'string'},
}
PARAMETER: dict[str, Any] = {
    'name': NAME,
    'in': 'header',
    'description': 'The id to give it: 1 to 128 letters, digits or ._~+/=:@-; else it gets a new one.',
    'schema': {'type': 'string'},
}
HEADERS = {NAME: {'$ref': f'#/components/headers/{NAME}'}}
"""Those of an answer."""
PARAMETERS = [{'$ref': f'#/components/parameters/{NAME}'}]
"""Those of an operation."""
