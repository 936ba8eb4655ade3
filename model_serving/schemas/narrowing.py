"""Finds the innermost invalid part of a large body, by asking `is_valid` of one part after the other.

All errors of a large body would be too many: each costs `jsonschema_rs` 30 us and 2 kB.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from model_serving.schemas.subschemas import Subschemas, json_pointer

MAX_VALUES, MAX_CHARACTERS, MAX_DEPTH = 500, 2048, 200
"""Most values, characters of texts and keys, and levels of a small body."""

MAX_BRANCHES = 500
"""Most branches, as of `anyOf`, that a small body is tried on if references lead back to them."""

MAX_STEPS = 8
"""Most steps into a large body: each costs at most about one more check of the whole."""

CHUNK = 500
"""Length of the parts of a list that are checked in one go."""

LONG_ENUM = 50
"""So many values of an `enum` cost as much as a violation."""


class Location(NamedTuple):
    """A value in a body, the path to it, and the JSON Pointer of the schema that holds for it."""

    schema: str
    path: tuple[str | int, ...]
    value: Any


class Narrowing:
    """Descends from a body into its invalid parts, along the schema of `subschemas`."""

    def __init__(self, subschemas: Subschemas) -> None:
        self._subschemas = subschemas
        # Each value is tried on each branch, and each violation has all that an `enum` lists.
        branches = sum(len(each.get('anyOf', ())) + len(each.get('oneOf', ())) for each in subschemas.all())
        listed = max(len(each.get('enum', ())) for each in subschemas.all())
        self._max_values = MAX_VALUES // max(1, branches, listed // LONG_ENUM)
        self._most_required = max(len(each.get('required', ())) for each in subschemas.all())
        # In a recursive schema each level multiplies the branches.
        is_multiplied = branches > 1 and subschemas.may_recurse()
        self._max_depth = max(1, int(math.log(MAX_BRANCHES, branches))) if is_multiplied else MAX_DEPTH

    def is_small(self, value: Any) -> bool:
        """Whether it is cheap to ask for all errors of `value`."""
        level, values, characters = [value], 1, 0
        for _ in range(self._max_depth):
            next_level: list[Any] = []
            for item in level:
                if isinstance(item, str):
                    characters += len(item)
                elif isinstance(item, dict):
                    if _has_ambiguous_keys(item):
                        return False
                    values += max(len(item), self._most_required)
                    characters += sum(map(len, item))
                    next_level += item.values()
                elif isinstance(item, list):
                    values += len(item)
                    next_level += item
                if values > self._max_values:
                    return False
            if not next_level or characters > MAX_CHARACTERS:
                return characters <= MAX_CHARACTERS
            level = next_level
        return False

    def innermost(self, body: Any) -> Location:
        """The first invalid part of `body` that is small, or in which no invalid part is found."""
        location = Location('', (), body)
        for _ in range(0 if self._subschemas.has_dynamic_references else MAX_STEPS):
            if self.is_small(location.value):
                break
            inner = self._first_invalid_part(location)
            if inner is None:
                break
            location = inner
        return location

    def _first_invalid_part(self, location: Location) -> Location | None:
        for schema, keys, values in self._parts(location.schema, location.value):
            is_valid = self._subschemas.validator(schema).is_valid
            are_all_valid = self._subschemas.validator(schema, of_items=True).is_valid
            for start in range(0, len(values), CHUNK):
                chunk = values[start : start + CHUNK]
                if len(chunk) > 1 and are_all_valid(chunk):
                    continue
                for index, value in enumerate(chunk, start):
                    if not is_valid(value):
                        return Location(schema, (*location.path, *keys[index : index + 1]), value)
        return None

    def _parts(self, pointer: str, value: Any) -> Iterator[tuple[str, Sequence[str | int], Sequence[Any]]]:
        """The schemas in the one at `pointer`, each with the keys and values that have to fit it."""
        schema = self._subschemas.at(pointer)
        all_of = [f'{pointer}/allOf/{index}' for index in range(len(schema.get('allOf', ())))]
        for inner in [*self._subschemas.target(pointer), *all_of, *self._only_branches(pointer, value)]:
            yield inner, (), [value]
        properties, prefix = schema.get('properties', {}), len(schema.get('prefixItems', ()))
        if isinstance(value, dict):
            for key in filter(value.__contains__, properties):
                yield pointer + json_pointer(('properties', key)), [key], [value[key]]
            if isinstance(schema.get('additionalProperties'), dict) and 'patternProperties' not in schema:
                keys = [key for key in value if key not in properties]
                yield f'{pointer}/additionalProperties', keys, [value[key] for key in keys]
        elif isinstance(value, list):
            for index, item in enumerate(value[:prefix]):
                yield f'{pointer}/prefixItems/{index}', [index], [item]
            if isinstance(schema.get('items'), dict):
                yield f'{pointer}/items', range(prefix, len(value)), value[prefix:]

    def _only_branches(self, pointer: str, value: Any) -> Iterator[str]:
        """The branch of `anyOf`, and that of `oneOf`, that alone suits the type and the keys of `value`."""
        for keyword in ('anyOf', 'oneOf'):
            count = len(self._subschemas.at(pointer).get(keyword, ()))
            branches = [f'{pointer}/{keyword}/{index}' for index in range(count)]
            suitable = [branch for branch in branches if self._suits(branch, value)]
            if len(suitable) == 1:
                yield suitable[0]

    def _suits(self, pointer: str, value: Any) -> bool:
        schema = self._subschemas.at(pointer)
        for target in self._subschemas.target(pointer):
            schema = self._subschemas.at(target) | schema
        types = schema.get('type', [])
        is_type = Draft202012Validator.TYPE_CHECKER.is_type
        if types and not any(is_type(value, each) for each in ([types] if isinstance(types, str) else types)):
            return False
        return not isinstance(value, dict) or set(schema.get('required', ())) <= value.keys()


def _has_ambiguous_keys(value: dict[str, Any]) -> bool:
    """Whether paths of jsonschema_rs would not tell its keys: they lack empty ones, and have 1 for "01"."""
    return '' in value or len({key.lstrip('+0') for key in value}) < len(value)
