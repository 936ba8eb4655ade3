"""The numbers of a body as numpy arrays: packed once, which also serves to check their bounds."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from model_serving.utils.array_utils import as_array
from model_serving.utils.bounds_utils import EACH, Range


class Table(NamedTuple):
    """A list of numbers, or of rows of `columns` numbers each, at the keys `path` of a body."""

    path: tuple[str, ...]
    columns: int | None
    low: float = -math.inf
    high: float = math.inf

    def within(self, ranges: Iterable[Range]) -> 'Table':
        """The same table with the bounds of its numbers, which are among `ranges` if it has any."""
        own = [each for each in ranges if each.path == self.numbers_path]
        return self._replace(low=own[0].low, high=own[0].high) if own else self

    @property
    def numbers_path(self) -> tuple[Any, ...]:
        """The path of the lists of numbers, as a Range has it."""
        return self.path if self.columns is None else (*self.path, EACH)

    def holder_in(self, body: Any) -> Any:
        """The object that has the key of the table; None where there is none."""
        for key in self.path[:-1]:
            if key not in body:
                return None
            body = body[key]
        return body if self.path[-1] in body else None

    def array_in(self, holder: Any) -> Any:
        """The numbers as an array of float64, [n] or [n, columns]; None where one is out of bounds."""
        import numpy

        numbers = holder[self.path[-1]]
        array = as_array([numbers], 'float64')[0] if self.columns is None else as_array(numbers, 'float64')
        if not array.size:
            return array if self.columns is None else array.reshape(0, self.columns)
        if self.low > -math.inf and numpy.minimum.reduce(array, None) < self.low:
            return None
        return None if self.high < math.inf and numpy.maximum.reduce(array, None) > self.high else array


def tables_in(schema: Any, path: tuple[str, ...] = ()) -> list[Table]:
    """The tables that every body that is valid under `schema` holds, if anything, at their places."""
    if not isinstance(schema, dict):
        return []
    if schema.get('type') == 'object':
        parts = schema.get('properties', {}).items()
        return [table for name, part in parts for table in tables_in(part, (*path, name))]
    if not path or not _is_list(schema):
        return []
    items = schema['items']
    if _is_number(items):
        return [Table(path, None)]
    if _is_list(items) and _is_number(items['items']):
        columns = items.get('minItems', 0)
        return [Table(path, columns)] if 0 < columns == items.get('maxItems') else []
    return []


def _is_list(schema: Any) -> bool:
    if not isinstance(schema, dict) or schema.get('type') != 'array':
        return False
    return 'items' in schema and 'prefixItems' not in schema


def _is_number(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get('type') in ('number', 'integer')
