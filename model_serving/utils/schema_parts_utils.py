"""What a JSON Schema asks of a value's parts: which part of it must fit which schema inside the schema."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from model_serving.utils.wording_utils import decides

Path = tuple[str | int, ...]
Part = tuple[Path, Path, Any]
"""A place in the schema, the step to a place in the body (empty: the same place), and what lies there."""


def parts_of(where: Path, schema: Any, instance: Any) -> Iterator[Part]:
    """The parts of the schema that a value must also fit, or that parts of the value must."""
    if not isinstance(schema, dict):
        return
    if isinstance(reference := schema.get('$ref'), str) and reference.startswith('#/'):
        yield _steps(reference), (), instance
    for index in range(len(schema.get('allOf', ()))):
        yield (*where, 'allOf', index), (), instance
    if isinstance(instance, dict):
        yield from _object_parts(where, schema, instance)
    if isinstance(instance, list):
        yield from _array_parts(where, schema, instance)


def _object_parts(where: Path, schema: dict[str, Any], instance: dict[str, Any]) -> Iterator[Part]:
    named = schema.get('properties', {})
    for key in named:
        if key in instance:
            yield (*where, 'properties', key), (key,), instance[key]
    for pattern in schema.get('patternProperties', {}):
        fits = decides('pattern', pattern)
        for key in filter(fits, instance):
            yield (*where, 'patternProperties', pattern), (key,), instance[key]
    if 'propertyNames' in schema:
        for key in instance:
            yield (*where, 'propertyNames'), (), key
    if 'additionalProperties' in schema and 'patternProperties' not in schema:
        for key in instance.keys() - named.keys():
            yield (*where, 'additionalProperties'), (key,), instance[key]
    for key in schema.get('dependentSchemas', {}):
        if key in instance:
            yield (*where, 'dependentSchemas', key), (), instance


def _array_parts(where: Path, schema: dict[str, Any], instance: list[Any]) -> Iterator[Part]:
    first = len(schema.get('prefixItems', ()))
    for index in range(min(first, len(instance))):
        yield (*where, 'prefixItems', index), (index,), instance[index]
    if 'items' in schema:
        place = (*where, 'items')
        for index in range(first, len(instance)):
            yield place, (index,), instance[index]


def _steps(reference: str) -> Path:
    steps = unquote(reference).split('/')[1:]
    return tuple(
        int(step) if step.isdigit() else step.replace('~1', '/').replace('~0', '~') for step in steps
    )
