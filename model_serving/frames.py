"""Rows of JSON as a pandas DataFrame, whose dtypes depend on the schema of a row alone."""

import functools
import itertools
from datetime import UTC, datetime
from typing import Any

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from model_serving.echo import echo
from model_serving.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONED, UNZONED = 'datetime64[us, UTC]', 'datetime64[us]'  # Nanoseconds would end in the year 2262.
NEEDED = {'int64': 'an integer of 64 bits', ZONED: 'a time of years 1 to 9999, without a leap second,'}
"""What not every valid value is."""


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
    for name, dtype in _dtypes(schema, root or schema).items():
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


def _dtypes(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, str | list[Any]]:
    """The dtype of each property of a row; for a category, the choices."""
    resolver = Registry().with_resource('', DRAFT202012.create_resource(root)).resolver()
    rows = _forms(schema, resolver)
    names = dict.fromkeys(name for row in rows for name in row['properties'])
    if not names:
        raise ValueError("the schema of a row is due, with its 'properties'")
    dtypes = {}
    for name in names:
        forms = [form for row in rows for form in _forms(row['properties'].get(name), resolver)]
        dtypes[name] = _dtype(forms, all(name in row['required'] for row in rows))
    return dtypes


def _dtype(forms: list[dict[str, Any]], is_required: bool) -> str | list[Any]:
    named = [form.get('type', 'anything') for form in forms]
    kinds = {kind for names in named for kind in ([names] if isinstance(names, str) else names)}
    present = [form for form in forms if form.get('type') != 'null']
    choices = [[form['const']] if 'const' in form else form.get('enum') for form in present]
    if choices and None not in choices:
        flat = [choice for some in choices for choice in some or [] if choice is not None]
        if all(isinstance(choice, str | int | float) for choice in flat):
            return list(dict.fromkeys(flat))
    formats = {form.get('format') for form in present}
    match sorted(kinds - {'null'}):
        case ['integer' | 'boolean' as kind] if is_required and 'null' not in kinds:
            return {'integer': 'int64', 'boolean': 'bool'}[kind]
        case ['integer' | 'boolean' | 'number'] | ['integer', 'number']:
            return 'float64'
        case ['string'] if formats in ({'date-time'}, {'date'}):
            return ZONED if 'date-time' in formats else UNZONED
    return 'object'


def _forms(schema: Any, resolver: Any) -> list[dict[str, Any]]:
    """The alternatives of a schema, each without references and branches, and not narrower than it is."""
    schema = schema if isinstance(schema, dict) else {}  # True allows everything.
    own = {keyword: schema[keyword] for keyword in ('type', 'enum', 'const', 'format') if keyword in schema}
    own['properties'], own['required'] = schema.get('properties', {}), list(schema.get('required', ()))
    groups = [[own], *(_forms(each, resolver) for each in schema.get('allOf', ()))]
    if '$ref' in schema:
        groups.append(_forms(*_target(schema['$ref'], resolver)))
    for branches in (schema[keyword] for keyword in ('anyOf', 'oneOf') if keyword in schema):
        groups.append([form for branch in branches for form in _forms(branch, resolver)])
    return [functools.reduce(_both, forms) for forms in itertools.product(*groups)]


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A form of what both allow; where both have a keyword, that of the other holds."""
    properties = {**one['properties'], **other['properties']}
    return {**one, **other, 'properties': properties, 'required': one['required'] + other['required']}


def _target(reference: str, resolver: Any) -> tuple[Any, Any]:
    try:
        found = resolver.lookup(reference)
    except Unresolvable:
        raise ValueError(f'{reference!r} is not in the schema; give the whole: root=schema') from None
    return found.contents, found.resolver
