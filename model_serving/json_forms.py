"""What becomes of a value in an answer that orjson does not know: numpy's and pandas', by their own rules.

No framework is imported here: whoever has such a value has imported its package.
"""

import sys
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import chain
from typing import Any

import orjson

COARSE_UNITS = 'Y', 'M', 'W', 'D', 'h', 'm', 'generic'
"""The units of numpy's datetimes that are written to the second."""

NUMBERS = 'biuf'
"""The kinds of numpy's numbers and truth values."""

FEW_ROWS = 8
MAX_DEPTH = 254
PLAIN = {str, int, float, bool, type(None)}

SCALARS: dict[str, Any] = {'float64': float, 'int64': int, 'int32': int, 'uint8': int, 'bool': bool}
"""The commonest of numpy's scalars, and Python's types for them."""

SECONDS_LENGTH = len('2026-01-02T03:04:05')


def has_numeric_rows(value: Any) -> bool:
    """Whether `value` has many rows with numpy arrays, and all arrays in it are of numbers.

    Then orjson may write them itself, in a quarter of the time that asking `json_form` for each takes.
    """
    if type(value) is not dict:
        return False
    for rows in value.values():
        if type(rows) is list and len(rows) > FEW_ROWS:
            row = rows[0]
            numpy: Any = sys.modules.get('numpy')
            found = row.values() if type(row) is dict else (row,)
            if numpy is not None and any(type(each) is numpy.ndarray for each in found):
                return _has_numbers_alone(value, numpy.ndarray)
    return False


def _has_numbers_alone(value: Any, array: type, depth: int = 0) -> bool:
    """Whether there is nothing in a dict or list but plain values and arrays of numbers."""
    if depth > MAX_DEPTH:
        return False
    dtype = None
    for each in _values(value):
        kind = type(each)
        if kind is array:
            if each.dtype is not dtype:  # Rows of one array share theirs.
                dtype = each.dtype
                if dtype.kind not in NUMBERS:
                    return False
        elif kind is dict or kind is list or kind is tuple:
            if not _has_numbers_alone(each, array, depth + 1):
                return False
        elif kind not in PLAIN:
            return False
    return True


def _values(value: Any) -> Iterable[Any]:
    """What is in a dict or list; in a list of dicts what is in these, in one of plain values nothing."""
    if type(value) is dict:
        return value.values()
    kinds = set(map(type, value))
    if kinds == {dict}:
        return chain.from_iterable(map(dict.values, value))
    return () if kinds <= PLAIN else value


def json_form(value: Any) -> Any:
    """`value` as something that orjson knows. Raises TypeError, which names the type, for what has no form.

    It may be an array, which orjson asks about again. Series and Indexes are lists, datetimes ISO 8601 text,
    NaT, NA and what is masked None: orjson itself would write NaT as a date, and end the process for a
    datetime64[15m].
    """
    if type(value).__module__ == 'numpy':  # A masked array is of another module.
        if make := SCALARS.get(type(value).__name__):  # A long list may be full of them.
            return make(value)
        if value.dtype.kind in NUMBERS:
            try:
                return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
            except TypeError:  # Such as one that is not contiguous.
                pass
    numpy: Any = sys.modules.get('numpy')
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _numpy_form(numpy, value)
    if hasattr(value, '__array__'):
        # In an array, pandas' integers beside an NA would be doubles.
        dtype = getattr(value, 'dtype', None) if _is_of_pandas(value) else None
        return numpy.asarray(value) if dtype is None or isinstance(dtype, numpy.dtype) else value.tolist()
    return _single_form(value)


def _is_of_pandas(value: Any) -> bool:
    return type(value).__module__.partition('.')[0] == 'pandas'


def _single_form(value: Any) -> str | None:
    if _is_of_pandas(value) and type(value).__name__ in ('NaTType', 'NAType'):
        return None
    if isinstance(value, date):  # A subclass, such as pandas' Timestamp.
        return value.isoformat()
    hint = '; return the seconds' if isinstance(value, timedelta) else ''
    raise TypeError(f'{type(value).__module__}.{type(value).__qualname__} has no form in JSON{hint}')


def _numpy_form(numpy: Any, value: Any) -> Any:
    kind, is_masked = value.dtype.kind, hasattr(value, 'filled')
    if kind == 'm':
        raise TypeError(f'a numpy {value.dtype} has no form in JSON; return the seconds')
    if kind in 'cSV':
        raise TypeError(f'a numpy {type(value).__name__} of {value.dtype} has no form in JSON')
    if kind == 'M':
        return _datetimes(numpy, value.filled(numpy.datetime64('NaT')) if is_masked else value)
    if kind in NUMBERS and not is_masked:
        if value.ndim and not value.flags.c_contiguous:
            return numpy.ascontiguousarray(value)
        value = value.astype('f8') if kind == 'f' else value  # Else a longdouble stays one.
    return value.tolist()  # What is masked is None.


def _datetimes(numpy: Any, array: Any) -> Any:
    """Datetimes as ISO 8601 text, with the fraction of a second that they have; NaT as None."""
    unit, _ = numpy.datetime_data(array.dtype)
    native = numpy.asarray(array).astype(array.dtype.newbyteorder('='))
    texts = numpy.datetime_as_string(native, 's' if unit in COARSE_UNITS else unit)
    return _listed(texts.tolist())


def _listed(texts: Any) -> Any:
    return [_listed(each) for each in texts] if isinstance(texts, list) else _datetime(texts)


def _datetime(text: str) -> str | None:
    if text == 'NaT':
        return None
    whole, _, fraction = text.partition('.')
    if len(whole) != SECONDS_LENGTH or whole.startswith('-'):
        raise TypeError(f'the date {text} has no form in JSON; its year has not four digits')
    fraction = fraction.rstrip('0')
    return f'{whole}.{fraction.ljust(6, "0")}' if fraction else whole
