"""The JSON Schema of a list of rows, applied to a tensor of the same rows.

Where it limits numbers by bounds alone, numpy finds the least and the greatest, and these decide for all.
Anything else is converted to lists and validated as JSON is.
"""

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from model_serving.json_codec import decode, encode
from model_serving.schemas.compiled import BadSchema, CompiledSchema
from model_serving.schemas.number_lists import ANNOTATIONS, BOUNDS
from model_serving.schemas.subschemas import compile_schema

MONOTONE = {'type', 'format', *BOUNDS, *ANNOTATIONS, '$schema', '$defs'} | {
    *('items', 'minItems', 'maxItems', 'properties', 'required', 'additionalProperties'),
}
"""Keywords that hold for all numbers if they hold for the least and the greatest; `integer` is apart."""

WITH_NUMBERS = {*BOUNDS, 'const', 'enum', 'examples'}
"""Keywords that have numbers of the kind that the schema is of."""

OF_ALL_ROWS = ('minItems', 'maxItems', 'examples')
CHUNK = 500
"""So many rows are converted together to find an invalid one."""
MAX_REFERENCES = 50


class RowSchema:
    """The schema `like` of a list of rows, for a tensor of this shape and numpy's `dtype`.

    `columns` are the names of the columns, where the rows are objects. Raises BadSchema for a schema that is
    wrong, or not that of such rows.
    """

    def __init__(self, like: dict[str, Any], shape: Sequence[int], dtype: str) -> None:
        schema = _rounded(like, dtype) if dtype.startswith('<f') else like
        self._compiled = CompiledSchema(schema)
        self._of_rows = CompiledSchema({key: part for key, part in schema.items() if key not in OF_ALL_ROWS})
        self._min_rows, self._max_rows = like.get('minItems', 0), like.get('maxItems', math.inf)
        lists, elements, self.columns = _parts(schema, shape)
        self._integers = [index for index, each in enumerate(elements) if each.get('type') == 'integer']
        is_numeric = dtype[:2] in ('<f', '<i', '<u') and all(
            each.get('type') in ('number', 'integer') for each in elements
        )
        is_monotone = is_numeric and all(set(each) <= MONOTONE for each in (*lists, *elements))
        self._bounds = compile_schema({'items': {'prefixItems': elements}}) if is_monotone else None

    def violation(self, array: Any) -> str | None:
        """What is wrong with `array`, and where; None if it is valid."""
        if self._bounds is None or not array.size or not self._min_rows <= len(array) <= self._max_rows:
            return self._violation(self._compiled, array)
        if self._bounds_hold(array):
            return None
        for start in range(0, len(array), CHUNK):
            chunk = array[start : start + CHUNK]
            if not self._bounds_hold(chunk) and (found := self._violation(self._of_rows, chunk, start)):
                return found
        return None

    def _violation(self, compiled: CompiledSchema, array: Any, start: int = 0) -> str | None:
        """The same, by converting `array`, whose first row is number `start` of the tensor."""
        import numpy

        size, kind, note = array.nbytes, array.dtype.kind, ''
        if kind == 'f' and not numpy.isfinite(array).all():
            if numpy.isinf(array).any():
                return 'an infinity is not a number of JSON'
            note = '; NaN counts as null'
        if kind == 'O':
            size += sum(map(len, array.flat))
            try:
                array = numpy.array([text.decode() for text in array.flat], object).reshape(array.shape)
            except UnicodeDecodeError as error:
                return f'an element is not the text that is due: {error}'
        rows = array.tolist() if kind == 'O' else decode(encode(array))
        if self.columns:
            rows = [dict(zip(self.columns, row, strict=True)) for row in rows]
        for pointer, message in compiled.violations(rows, size):
            _, *steps = pointer.split('/')
            place = '/'.join(['', str(int(steps[0]) + start), *steps[1:]]) if steps else ''
            return message + (place and f' (at {place})') + note
        return None

    def _bounds_hold(self, array: Any) -> bool:
        """Whether numpy finds all numbers valid; False also where it cannot tell."""
        import numpy

        # A line for each column, or one for all: numpy is slow along the rows of a tall table.
        lines = numpy.ascontiguousarray(array.T) if self.columns else array.reshape(1, -1)
        integers = lines[self._integers] if self._integers and array.dtype.kind == 'f' else None
        if integers is not None and (integers != numpy.trunc(integers)).any():
            return False
        extremes = numpy.minimum.reduce(lines, 1), numpy.maximum.reduce(lines, 1)
        return self._bounds is not None and self._bounds.is_valid(decode(encode(extremes)))


def _parts(
    schema: dict[str, Any], shape: Sequence[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[str, ...]]:
    """The schemas of the lists, those of each column (or of all elements), and the names of the columns."""
    if schema.get('type') != 'array' or not isinstance(schema.get('items'), dict) or not shape:
        raise BadSchema(f'`like` is to be the schema of a list of its rows, not {schema}')
    lists, part = [schema], _resolved(schema, schema['items'])
    if part.get('type') == 'object':
        columns = part.get('properties', {})
        if len(shape) != 2 or shape[1] != len(columns) or not set(part.get('required', ())) <= set(columns):
            raise BadSchema(f'rows of {len(columns)} properties are a tensor [-1, {len(columns)}]')
        return [schema, part], [_resolved(schema, each) for each in columns.values()], tuple(columns)
    for size in shape[1:]:
        least, most = part.get('minItems', 0), part.get('maxItems', math.inf)
        fits = least <= size <= most if size > 0 else (least, most) == (0, math.inf)
        if part.get('type') != 'array' or not fits:
            raise BadSchema(f'the shape {list(shape)} is not that of the rows of `like`')
        lists.append(part)
        part = _resolved(schema, part.get('items'))
    return lists, [part], ()


def _resolved(root: dict[str, Any], schema: Any, depth: int = 0) -> dict[str, Any]:
    """`schema` together with what its `$ref` points to. Raises BadSchema if that leads back to itself."""
    if not isinstance(schema, dict):
        return {}
    if not schema.get('$ref', '').startswith('#/'):
        return schema
    target: Any = root
    for step in unquote(schema['$ref']).split('/')[1:]:
        target = target.get(step.replace('~1', '/').replace('~0', '~')) if isinstance(target, dict) else None
    if depth > MAX_REFERENCES:
        raise BadSchema(f'the reference {schema["$ref"]!r} of `like` leads back to itself')
    return {**_resolved(root, target, depth + 1), **schema}


def _rounded(schema: Any, dtype: str, is_number: bool = False) -> Any:
    """The schema with its numbers as the tensor holds them: 0.1 as FP32 is not over a maximum of 0.1."""
    if isinstance(schema, dict):
        return {key: _rounded(part, dtype, is_number or key in WITH_NUMBERS) for key, part in schema.items()}
    if isinstance(schema, list | tuple):
        return [_rounded(part, dtype, is_number) for part in schema]
    import numpy

    if not is_number or type(schema) not in (int, float) or abs(schema) > float(numpy.finfo(dtype).max):
        return schema
    [rounded] = decode(encode(numpy.array([schema], dtype)))
    return schema if rounded == schema else rounded
