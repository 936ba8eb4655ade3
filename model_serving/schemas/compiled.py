"""A JSON Schema, compiled once: `jsonschema_rs` validates, helped by numpy where there are many numbers."""

import contextlib
import struct
import sys
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from model_serving.schemas.integers import integer_places, make_integers
from model_serving.schemas.messages import Messages, Violation
from model_serving.schemas.mistakes import cycle, mistakes
from model_serving.schemas.number_lists import split
from model_serving.schemas.subschemas import Subschemas, compile_schema, json_pointer

MANY_NUMBERS_BYTES = 2048
"""From this size on, numpy checks the bounds of the numbers in lists."""

NO_TABLES = (
    'arrays=True, but no property is an array of numbers, or an array of rows of numbers, all of one length '
    '(minItems equal to maxItems)'
)


class BadSchema(Exception):
    """A schema is wrong; the message says where."""


class CompiledSchema:
    """A JSON Schema of draft 2020-12, with `format` asserted.

    Raises BadSchema, with the place, for a schema that is wrong, and for an example in it that is invalid.
    """

    def __init__(self, schema: dict[str, Any], arrays: bool = False) -> None:
        if not isinstance(schema, dict):
            raise BadSchema(f'a dict is due, as in @validate_json(schema), not {schema!r}')
        if (place := cycle(schema)) is not None:
            raise BadSchema(f'the schema contains itself (at {place}); write a $ref to "#"')
        if found := next(mistakes(schema), None):
            raise BadSchema(found)
        try:
            Draft202012Validator.check_schema(schema, format_checker=None)
            self._compile(schema)
        except SchemaError as error:
            raise BadSchema(
                f'{error.message} (at {json_pointer(error.absolute_path) or "the top"})'
            ) from error
        except jsonschema_rs.ValidationError as error:
            raise BadSchema(
                f'{error.message} (at {json_pointer(error.instance_path) or "the top"})'
            ) from error
        except (TypeError, ValueError, jsonschema_rs.ReferencingError) as error:
            raise BadSchema(str(error)) from error
        for index, example in enumerate(schema.get('examples', [])):
            for pointer, message in self.violations(example):
                place = f'/examples/{index}{pointer}'
                raise BadSchema(f'{message} (at {place}: the example breaks the schema)')
        if arrays and not self._tables:
            raise BadSchema(NO_TABLES)
        if arrays:
            import numpy  # noqa: F401 - so that it is there when numbers are checked
        self._arrays = arrays

    def _compile(self, schema: dict[str, Any]) -> None:
        subschemas = Subschemas(schema)
        if (place := subschemas.endless_reference()) is not None:
            reference = subschemas.at(place)['$ref']
            raise BadSchema(f'the $ref {reference!r} leads back to itself (at {place or "the top"})')
        rest, lists = split(schema)
        self._tables = [each for each in lists if each.is_table]
        self._bounded = [each for each in lists if each.is_bounded]
        if subschemas.has_references:  # One may lead to the bounds, so these stay where they are.
            rest, self._bounded = schema, []
        self._whole, self._rest = subschemas.validator(''), compile_schema(rest)
        self._messages = Messages(subschemas)
        self._integers = integer_places(subschemas)

    def validate_body(self, body: Any, body_bytes: int) -> list[Violation]:
        """The violations of a request's body. A valid one gets integers where it has whole doubles for them.

        With `arrays`, it gets arrays for its tables.
        """
        is_taken = self._arrays and self._take_arrays(body, many=body_bytes > MANY_NUMBERS_BYTES)
        violations = [] if is_taken else self.violations(body, body_bytes)
        if self._integers and not violations:
            make_integers(self._integers, body)
        return violations

    def violations(self, value: Any, body_bytes: int = 0) -> list[Violation]:
        """What is wrong with `value`, the best match first; an empty list if it is valid.

        `body_bytes` is the size of the body that `value` was read from.
        """
        if self._is_valid(value, many=body_bytes > MANY_NUMBERS_BYTES):
            return []
        return self._messages.violations(value)

    def _is_valid(self, value: Any, many: bool) -> bool:
        if many and self._bounded and 'numpy' in sys.modules:  # A service without numbers never imports it.
            if not self._rest.is_valid(value):
                return False
            with contextlib.suppress(OverflowError, struct.error):
                return all(each.are_within_bounds(value) for each in self._bounded)
        return self._whole.is_valid(value)

    def _take_arrays(self, body: Any, many: bool) -> bool:
        """Whether `body` is valid; if so, numpy arrays take the place of its tables.

        That costs less than `_is_valid` and making the arrays afterwards.
        """
        if not (self._rest if many else self._whole).is_valid(body):
            return False
        found = []
        for table in self._tables:
            holder, key, array = table.table_in(body)
            if holder is not None:
                if many and not table.includes(array):
                    return False
                found.append((holder, key, array))
        if many and not all(each.are_within_bounds(body) for each in self._bounded if not each.is_table):
            return False
        for holder, key, array in found:
            holder[key] = array
        return True
