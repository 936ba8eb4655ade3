"""The form of an inference request of the Open Inference Protocol, as a JSON Schema."""

import functools
from typing import Any

from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.schema_utils import CompiledSchema
from model_serving.utils.tensor_utils import DTYPES

PARAMETERS = {'type': 'object', 'properties': {'binary_data': {'type': 'boolean'}}}
REQUEST_SCHEMA: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'id': {'type': 'string'},
        'parameters': {'type': 'object', 'properties': {'binary_data_output': {'type': 'boolean'}}},
        'inputs': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'name': {'type': 'string'},
                    'datatype': {'enum': list(DTYPES)},
                    'shape': {'type': 'array', 'items': {'type': 'integer', 'minimum': 0}, 'maxItems': 64},
                    'parameters': {
                        'type': 'object',
                        'properties': {'binary_data_size': {'type': 'integer', 'minimum': 0}},
                    },
                    'data': {'type': 'array'},
                },
                'required': ['name', 'shape', 'datatype'],
            },
        },
        'outputs': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {'name': {'type': 'string'}, 'parameters': PARAMETERS},
                'required': ['name'],
            },
        },
    },
    'required': ['inputs'],
}


@functools.cache
def _compiled() -> CompiledSchema:
    return CompiledSchema(REQUEST_SCHEMA)


def require_valid(request: Any, size: int) -> None:
    """Raise InvalidInput for an inference request, read from `size` bytes, that is not of its form."""
    violations = _compiled().violations(request, size)
    if violations:
        errors = [{'pointer': violation.pointer, 'message': violation.message} for violation in violations]
        raise InvalidInput(violations[0].message, errors=errors)
