"""Answers held against the response schema of their resource: in tests and while debugging."""

import functools
from collections.abc import Callable
from typing import Any

from flask import Response, request

from model_serving.utils.schema_utils import CompiledSchema


class BadAnswer(Exception):
    """An answer breaks the response schema that its resource gives."""


def checked(view: Callable[..., Response], resource: Any) -> Callable[..., Response]:
    """`view`, whose JSON is held against the response schema of the method of `resource` that made it.

    What it returns raises BadAnswer, with the place, for an answer of status 2xx that breaks its schema.
    """
    schemas = _response_schemas(resource)
    if not schemas:
        return view

    @functools.wraps(view)
    def checked_view(*args: Any, **kwargs: Any) -> Response:
        response = view(*args, **kwargs)
        schema = schemas.get(request.method)
        if schema is not None and response.is_json and 200 <= response.status_code < 300:
            for violation in schema.violations(response.get_json()):
                place = violation.pointer or 'the top'
                raise BadAnswer(
                    f'The answer of {resource.__name__} breaks its response schema at {place}: '
                    f'{violation.message}'
                )
        return response

    return checked_view


def _response_schemas(resource: Any) -> dict[str, CompiledSchema]:
    methods = getattr(resource, 'methods', None) or ()
    given = {name: getattr(getattr(resource, name.lower()), 'response_schema', None) for name in methods}
    return {name: CompiledSchema(schema) for name, schema in given.items() if schema is not None}
