"""What the JSON Schema of a list of rows says of a tensor with the same rows."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from model_serving.utils.bounds_utils import BOUNDS
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.schema_utils import BadSchema


class Limits(NamedTuple):
    """How many rows there may be, the names of their columns, and the schemas of their numbers.

    `numbers` has one schema for all numbers, one for each column, or none.
    """

    least_rows: int = 0
    most_rows: float = math.inf
    columns: tuple[str, ...] = ()
    numbers: tuple[dict[str, Any], ...] = ()

    def check(self, name: str, array: Any) -> None:
        """Raise InvalidInput where `array`, the tensor called `name`, is outside."""
        if array.ndim and not self.least_rows <= len(array) <= self.most_rows:
            few = len(array) < self.least_rows
            allowed = f'at least {self.least_rows}' if few else f'at most {self.most_rows}'
            raise InvalidInput(f'input {name!r}: {len(array)} rows, where {allowed} are allowed')
        if not self.numbers or array.dtype.kind not in 'iuf' or not array.size:
            return
        import numpy

        axis = None if len(self.numbers) == 1 else 0
        low, high = _ends(tuple(map(_bounds, self.numbers)), array.dtype.str)
        # A NaN is the least and the greatest, and within nothing.
        if not (numpy.minimum.reduce(array, axis) >= low).all():
            self._refuse(name, array, ~(array >= low))
        if not (numpy.maximum.reduce(array, axis) <= high).all():
            self._refuse(name, array, ~(array <= high))

    def _refuse(self, name: str, array: Any, outside: Any) -> None:
        place = tuple(outside.nonzero()[axis][0] for axis in range(array.ndim))
        schema = self.numbers[place[-1] if len(self.numbers) > 1 else 0]
        said = ', '.join(f'{key} {schema[key]}' for key in BOUNDS if key in schema) or 'a finite number'
        raise InvalidInput(
            f'input {name!r}: {array[place]} at {[int(step) for step in place]} is not within: {said}'
        )


NO_LIMITS = Limits()


def limits_of(rows: dict[str, Any], shape: Sequence[int]) -> Limits:
    """What `rows`, the schema of a list, says of a tensor of `shape`. Raises BadSchema if they do not fit."""
    limits = Limits(rows.get('minItems', 0), rows.get('maxItems', math.inf))
    items = rows.get('items')
    if rows.get('type') != 'array' or not isinstance(items, dict) or not shape:
        raise BadSchema(f'`like` is to be the schema of a list of its rows, not {rows}')
    if items.get('type') == 'object':
        columns = items.get('properties', {})
        if len(shape) != 2 or shape[1] != len(columns):
            raise BadSchema(f'rows of {len(columns)} properties are a tensor [-1, {len(columns)}]')
        numbers = tuple(columns.values()) if all(map(_is_number, columns.values())) else ()
        return limits._replace(columns=tuple(columns), numbers=numbers)
    for size in shape[1:]:
        if items.get('type') != 'array' or not _has_size(items, size):
            raise BadSchema(f'the shape {list(shape)} is not that of the rows of `like`')
        items = items.get('items', {})
    return limits._replace(numbers=(items,) if _is_number(items) else ())


def _has_size(items: dict[str, Any], size: int) -> bool:
    if size < 0:
        return not {'minItems', 'maxItems'} & set(items)
    return bool(items.get('minItems', 0) <= size <= items.get('maxItems', math.inf))


def _is_number(schema: dict[str, Any]) -> bool:
    return schema.get('type') in ('number', 'integer')


def _bounds(schema: dict[str, Any]) -> tuple[float | None, ...]:
    return tuple(schema.get(name) for name in BOUNDS)


@functools.lru_cache(64)
def _ends(bounds: tuple[tuple[float | None, ...], ...], dtype: str) -> tuple[Any, Any]:
    """The least and the greatest numbers of the columns, as numpy arrays, both included.

    Rounded as the numbers of the tensor are: 0.1 as FP32 is not over a maximum of 0.1.
    """
    import numpy

    kind = numpy.dtype(dtype if numpy.dtype(dtype).kind == 'f' else 'f8').type
    lows, highs = [], []
    with numpy.errstate(over='ignore'):
        for least, most, above, below in bounds:
            low, high = numpy.finfo(kind).min, numpy.finfo(kind).max
            low = low if least is None else max(low, kind(least))
            high = high if most is None else min(high, kind(most))
            low = low if above is None else max(low, numpy.nextafter(kind(above), kind(math.inf)))
            high = high if below is None else min(high, numpy.nextafter(kind(below), kind(-math.inf)))
            lows.append(low)
            highs.append(high)
    return numpy.array(lows), numpy.array(highs)
