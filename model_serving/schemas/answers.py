"""Validates the answers of resources with their response schemas, in tests and while debugging."""

from collections.abc import Callable
from typing import Any

from flask import Response

from model_serving.schemas.compiled import CompiledSchema


class BadAnswer(Exception):
    """An answer is invalid under the response schema of its resource."""


def answer_check(resource: Any) -> Callable[[str, Response], None] | None:
    """A function that validates the response to a method of `resource`; None if it has no response schemas.

    It raises BadAnswer, with the place, for JSON of status 2xx that breaks the schema; 202 only announces an
    answer.
    """
    methods = getattr(resource, 'methods', None) or ()
    given = {name: getattr(getattr(resource, name.lower()), 'response_schema', None) for name in methods}
    schemas = {name: CompiledSchema(schema) for name, schema in given.items() if schema is not None}

    def check(method: str, response: Response) -> None:
        schema = schemas.get(method)
        is_answer = 200 <= response.status_code < 300 and response.status_code != 202
        if schema is None or not response.is_json or not is_answer:
            return
        for pointer, message in schema.violations(response.get_json()):
            place = pointer or 'the top'
            raise BadAnswer(
                f'The answer of {resource.__name__} breaks its response schema at {place}: {message}'
            )

    return check if schemas else None
