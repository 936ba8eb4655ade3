"""The lists of numbers in a body: numpy checks their bounds, and makes arrays of them.

`jsonschema_rs` takes 2 ms to check `minimum` and `maximum` of the numbers in 512 images for DigitsModel,
numpy a quarter of that: without it, reading and checking such a body takes half as long again.
"""

import math
import sys
from typing import Any, NamedTuple

from model_serving.arrays import ROWS_AT_ONCE, as_array, packed

EACH = object()
BOUNDS = ('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum')
ANNOTATIONS = ('title', 'description', 'examples', 'default', '$comment')
LARGEST_EXACT = 2**53 - 1
"""Up to here every whole number is a double; beyond, a number could be taken for its neighbour."""


class NumberLists(NamedTuple):
    """The lists of numbers at `path` in a body, and the bounds of these numbers, both included.

    A step of the path is a key, or EACH for all items of a list. `length` is the length of each list, if the
    schema fixes it.
    """

    path: tuple[Any, ...]
    length: int | None = None
    low: float = -math.inf
    high: float = math.inf

    @property
    def is_table(self) -> bool:
        """Whether they are a single list in an object, or a list of rows of one length."""
        if EACH not in self.path:
            return bool(self.path)
        return bool(self.length) and 0 < self.path.index(EACH) == len(self.path) - 1

    @property
    def is_bounded(self) -> bool:
        """Whether the numbers have bounds."""
        return self.low > -math.inf or self.high < math.inf

    def includes(self, array: Any) -> bool:
        """Whether the numbers in `array` are within the bounds."""
        if not array.size:
            return True
        if self.low > -math.inf and array.min() < self.low:
            return False
        return self.high == math.inf or bool(array.max() <= self.high)

    def are_within_bounds(self, body: Any) -> bool:
        """Whether all numbers in `body`, which is valid otherwise, are within the bounds.

        numpy must have been imported. Raises OverflowError or struct.error for a number beyond a double.
        """
        numpy = sys.modules['numpy']
        rows = _lists_at(self.path, body)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            if not self.includes(numpy.frombuffer(packed(rows[start : start + ROWS_AT_ONCE]))):
                return False
        return True

    def table_in(self, body: Any) -> tuple[Any, str, Any]:
        """The object with the table, its key there, and the table as an array of float64, [n] or [n, length].

        The object is None if there is no table in `body`.
        """
        is_list = self.path[-1] is not EACH
        *outer, key = self.path if is_list else self.path[:-1]
        for step in outer:
            body = body.get(step, {})
        if key not in body:
            return None, key, None
        numbers = body[key]
        if is_list:
            return body, key, as_array([numbers], 'float64')[0]
        array = as_array(numbers, 'float64')
        return body, key, array if numbers else array.reshape(0, self.length)


def split(schema: dict[str, Any]) -> tuple[dict[str, Any], list[NumberLists]]:
    """Return a copy of `schema` without the bounds of the numbers in lists, and these lists.

    A body is valid under the schema if it is valid under the copy and its numbers are within their bounds.
    Bounds that are not exact in a double stay in the copy.
    """
    lists: list[NumberLists] = []
    return _without_bounds(schema, (), lists), lists


def _without_bounds(schema: Any, path: tuple[Any, ...], lists: list[NumberLists]) -> Any:
    match schema:
        case {'type': 'object', 'properties': properties}:
            parts = properties.items()
            rest = {name: _without_bounds(part, (*path, name), lists) for name, part in parts}
            return {**schema, 'properties': rest}
        case {'prefixItems': _}:
            return schema
        case {'type': 'array', 'items': {'type': 'number' | 'integer'} as items}:
            least, most = schema.get('minItems'), schema.get('maxItems')
            bounds, rest = _take_bounds(items)
            lists.append(NumberLists(path, least if least == most else None, *bounds))
            return {**schema, 'items': rest}
        case {'type': 'array', 'items': items}:
            return {**schema, 'items': _without_bounds(items, (*path, EACH), lists)}
    return schema


def _take_bounds(schema: dict[str, Any]) -> tuple[tuple[float, float], dict[str, Any]]:
    """The least and the greatest number that are valid, and the schema without these bounds."""
    low, high = -math.inf, math.inf
    rest = {keyword: schema[keyword] for keyword in schema if keyword not in BOUNDS}
    are_exact = all(abs(schema.get(bound, 0)) <= LARGEST_EXACT for bound in BOUNDS)
    if not are_exact or set(rest) - {'type', *ANNOTATIONS}:
        return (low, high), schema
    if 'exclusiveMinimum' in schema:
        low = math.nextafter(schema['exclusiveMinimum'], math.inf)
    if 'exclusiveMaximum' in schema:
        high = math.nextafter(schema['exclusiveMaximum'], -math.inf)
    return (max(low, schema.get('minimum', low)), min(high, schema.get('maximum', high))), rest


def _lists_at(path: tuple[Any, ...], value: Any) -> list[list[Any]]:
    """The lists at `path` in `value`; none where a key is missing."""
    if not path:
        return [value]
    step, rest = path[0], path[1:]
    if step is not EACH:
        return _lists_at(rest, value[step]) if step in value else []
    if not rest:
        return value  # type: ignore[no-any-return]
    return [found for item in value for found in _lists_at(rest, item)]
