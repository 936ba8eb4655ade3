"""What becomes of a value in an answer that orjson does not know: numpy's and pandas', by their own rules.

No framework is imported here: whoever has such a value has imported its package.
"""

import contextlib
import sys
from datetime import date, timedelta
from typing import Any

import orjson

COARSE_UNITS = 'Y', 'M', 'W', 'D', 'h', 'm', 'generic'
"""The units of numpy's datetimes that are written to the second."""

SCALARS: dict[str, Any] = {'float64': float, 'int64': int, 'int32': int, 'uint8': int, 'bool': bool}
"""The commonest of numpy's scalars, and Python's types for them."""

SECONDS_LENGTH = len('2026-01-02T03:04:05')


def json_form(value: Any) -> Any:
    """`value` as something that orjson knows. Raises TypeError, which names the type, for what has no form.

    It may be an array, which orjson asks about again. Series and Indexes are lists, datetimes ISO 8601 text,
    NaT, NA and what is masked None: orjson itself would write NaT as a date, and end the process for a
    datetime64[15m].
    """
    if type(value).__module__ == 'numpy':  # A masked array is of another module.
        if make := SCALARS.get(type(value).__name__):  # A long list may be full of them.
            return make(value)
        if value.dtype.kind in 'biuf':
            with contextlib.suppress(TypeError):
                return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
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
    if kind in 'biuf' and not is_masked:
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
