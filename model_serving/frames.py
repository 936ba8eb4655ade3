"""Rows of JSON as a pandas DataFrame, whose dtypes depend on the schema of a row alone."""

import functools
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs

from model_serving.echo import echo
from model_serving.errors import InvalidInput
from model_serving.schemas.subschemas import Subschemas, json_pointer

Column = tuple[set[str], list[Any] | None]
"""The kinds of values, and their choices, if each is one of those or null."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONED, UNZONED = 'datetime64[us, UTC]', 'datetime64[us]'  # Nanoseconds would end in the year 2262.
NEEDED = {'int64': 'an integer of 64 bits', ZONED: 'a time of years 1 to 9999, without a leap second,'}
"""What not every valid value is."""
KINDS = {kind: {kind} for kind in ('null', 'boolean', 'integer', 'array', 'object')}
KINDS |= {'number': {'integer', 'number'}, 'string': {'string', 'date', 'date-time'}}
"""The kinds of values of each type of JSON Schema."""
DTYPES = {'integer': 'int64', 'integer or number': 'float64', 'boolean': 'bool'}
DTYPES |= {'date-time': ZONED, 'date': UNZONED}
"""By the kinds of a column's values; of all others it is object."""


def data_frame(rows: list[dict[str, Any]], schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """A DataFrame of `rows`, which are valid under `schema`: a column for each property that this names.

    The columns are in the schema's order; other properties are left out, and what is missing is as null.
    `number` is float64, `integer` int64 and `boolean` bool; where an integer or a boolean may be null or
    missing, its column is float64 with NaN. `enum` and `const` are categories in the schema's order, `date-
    time` is datetime64[us, UTC], `date` datetime64[us], all else object with None. A `$ref` leads into `root`
    where `schema` is a part of another.

    Raises InvalidInput for an integer or a time that its column cannot hold, and ValueError for a schema
    without properties, a reference that is not in it, and a value that is not in its `enum`.
    """
    import pandas  # A package of the author's, which imports numpy.

    columns = {}
    for name, dtype in _dtypes(json.dumps(schema), json.dumps(root or schema)).items():
        values = [row.get(name) for row in rows]
        if isinstance(dtype, list):
            columns[name] = _categories(name, values, dtype)
        else:  # numpy would make a table of lists.
            array = values if dtype == 'object' else _array(echo(name), values, dtype)
            columns[name] = pandas.Series(array, dtype=dtype)
    return pandas.DataFrame(columns, index=pandas.RangeIndex(len(rows)))


def _categories(name: str, values: list[Any], choices: list[Any]) -> Any:
    import pandas

    codes = {None: -1, **{choice: code for code, choice in enumerate(choices)}}
    try:
        found = [codes[value] for value in values]
    except KeyError as error:
        raise ValueError(f'{echo(error.args[0])} is not in the enum of {echo(name)}') from None
    return pandas.Categorical.from_codes(found, dtype=pandas.CategoricalDtype(choices))


def _array(name: str, values: list[Any], dtype: str) -> Any:
    """The values as a numpy array. What pandas makes of a time depends on its version, and on the others."""
    import numpy

    try:
        if dtype == ZONED:
            since = [text and datetime.fromisoformat(text.upper()) - EPOCH for text in values]
            return numpy.array(since, 'timedelta64[us]').view(UNZONED)
        return numpy.array(values, dtype)  # It reads None as NaN or NaT, and dates.
    except (OverflowError, ValueError) as error:
        if len(values) == 1 and dtype in NEEDED:
            raise InvalidInput(f'{name} is {echo(values[0])}; {NEEDED[dtype]} is needed') from error
        for index, value in enumerate(values if len(values) > 1 else ()):
            _array(f'{name} of row {index}', [value], dtype)
        raise


@functools.lru_cache(64)
def _dtypes(schema: str, root: str) -> dict[str, str | list[Any]]:
    """The dtype of each property of a row; for a category, the choices. Both are schemas as JSON."""
    try:  # As a part of the whole, where it is checked with what it refers to.
        schemas = Subschemas({**json.loads(root), 'not': json.loads(schema)})
    except jsonschema_rs.ValidationError as error:
        raise ValueError(f'{error.message}; a part of a schema needs the whole, too: root=schema') from error
    names = _names(schemas, '/not')
    if not names:
        raise ValueError("the schema of a row is due, with its 'properties'")
    return {name: _dtype(*_column(schemas, '/not', name)) for name in names}


def _dtype(kinds: set[str], choices: list[Any] | None) -> str | list[Any]:
    present = [choice for choice in choices or () if choice is not None]
    types = {type(choice) for choice in present}
    if present and (types <= {str, bool} or types <= {str, int, float}):  # To Python, True is 1.
        return list(dict.fromkeys(present))
    gaps = kinds & {'null', 'missing'}
    dtype = DTYPES.get(' or '.join(sorted(kinds - gaps)), 'object')
    return 'float64' if gaps and dtype in ('int64', 'bool') else dtype


def _names(schemas: Subschemas, pointer: str) -> list[str]:
    """The properties that the schema at `pointer` names, in its order."""
    applied = itertools.chain(*_groups(schemas, pointer))
    own = schemas.at(pointer).get('properties', ())
    return list(dict.fromkeys([*own, *(name for each in applied for name in _names(schemas, each))]))


def _column(schemas: Subschemas, pointer: str, name: str | None = None) -> Column:
    """What the schema at `pointer` says, at most, of the property `name`; without one of the value itself."""
    kinds, choices = _own(schemas, pointer, name)
    for group in _groups(schemas, pointer):
        branches = [_column(schemas, each, name) for each in group]
        kinds = kinds & set().union(*(each for each, _ in branches))
        lists = [some for _, some in branches if some is not None]
        if len(lists) == len(branches):
            choices = [choice for some in lists for choice in some]
    return kinds, choices


def _groups(schemas: Subschemas, pointer: str) -> list[list[str]]:
    """The schemas that the one at `pointer` applies to the same value: of each group one has to hold."""
    alone = [*schemas.below(pointer, ['allOf']), *schemas.target(pointer)]
    branches = [list(schemas.below(pointer, [keyword])) for keyword in ('anyOf', 'oneOf')]
    return [*([each] for each in alone), *filter(None, branches)]


def _own(schemas: Subschemas, pointer: str, name: str | None) -> Column:
    schema = schemas.at(pointer)
    if name is not None:
        kinds, choices = _column(schemas, pointer + json_pointer(['properties', name]))
        return kinds - {'missing'} if name in schema.get('required', ()) else kinds, choices
    types = schema.get('type', KINDS)
    kinds = {'missing'}.union(*(KINDS[each] for each in ([types] if isinstance(types, str) else types)))
    if schema.get('format') in ('date', 'date-time'):
        kinds -= KINDS['string'] - {schema['format']}
    choices = [] if types == 'null' else schema.get('enum')
    return kinds, [schema['const']] if 'const' in schema else choices
