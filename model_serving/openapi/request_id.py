"""X-Request-ID in OpenAPI: a header of every answer, and a parameter of every operation."""

from typing import Any

NAME = 'X-Request-ID'
HEADER: dict[str, Any] = {'description': 'What finds the request in the log.', 'schema': {'type': 'string'}}
PARAMETER: dict[str, Any] = {
    **{'name': NAME, 'in': 'header', 'schema': {'type': 'string'}},
    'description': 'The id to give it: 1 to 128 letters, digits or ._~+/=:@-; else it gets a new one.',
}
HEADERS = {NAME: {'$ref': f'#/components/headers/{NAME}'}}
PARAMETERS = [{'$ref': f'#/components/parameters/{NAME}'}]
"""Those of an operation; HEADERS those of an answer."""
