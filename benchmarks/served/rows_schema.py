"""What the models of rows take: rows of 64 numbers from 0 to 16."""

from typing import Any


def rows_schema(title: str) -> dict[str, Any]:
    """Return the schema of a model of that title."""
    return {
        'title': title,
        'type': 'object',
        'properties': {
            'instances': {
                'type': 'array',
                'minItems': 1,
                'items': {
                    'type': 'array',
                    'minItems': 64,
                    'maxItems': 64,
                    'items': {'type': 'number', 'minimum': 0, 'maximum': 16},
                },
            },
        },
        'required': ['instances'],
        'examples': [{'instances': [[0] * 64]}],
    }
