"""JSON in and out of the service, through orjson: the only place that reads or writes it."""

import json
import sys
from datetime import date
from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider

from model_serving.utils.error_utils import InvalidInput


class OrjsonProvider(JSONProvider):
    """Flask's JSON, read and written by orjson; numpy arrays and scalars included."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """`obj` as JSON text."""
        return encode(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """The value of a JSON text. Raises ValueError with the place of a mistake."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """A response whose body is the one positional argument, or an object of the named ones."""
        value = self._prepare_response_obj(args, kwargs)
        return Response(encode(value), mimetype='application/json')


def decode(body: bytes) -> Any:
    """The value of a JSON text. Raises InvalidInput, which says what is wrong, and where."""
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise InvalidInput(fault(body, error)) from error


def fault(body: bytes, error: ValueError) -> str:
    """What is wrong with a body that is not JSON, and where; `error` is what orjson said of it."""
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        return f'The body is not UTF-8: byte {wrong.start} is wrong ({wrong.reason})'
    place = getattr(error, 'pos', 0)
    tokens = text[place : place + 9].startswith(('NaN', 'Infinity', '-Infinity'))
    return f'The body is not JSON: {error}{"; JSON has no NaN and no infinity" if tokens else ""}'


def encode(value: Any) -> bytes:
    """`value` as one line of UTF-8 JSON.

    Numpy arrays become lists, datetimes ISO 8601 text, NaN and infinities `null` (JSON has neither).
    Raises TypeError for what JSON cannot hold.
    """
    try:
        return orjson.dumps(value, default=_default, option=_OPTIONS)
    except TypeError:
        # Keys that are no strings and integers over 64 bits: rare, and only the stdlib writes them.
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False).encode() + b'\n'


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def _default(value: Any) -> Any:
    """Turn what orjson does not know into something that it does."""
    if not hasattr(value, '__array__'):
        raise TypeError(f'{type(value).__module__}.{type(value).__qualname__} has no form in JSON')
    if hasattr(value, 'filled'):  # A masked array: what it masks is null.
        return value.tolist()
    array = _numpy().asarray(value)
    if array.ndim and not array.flags.c_contiguous and array.dtype.kind in 'biufM':
        return _numpy().ascontiguousarray(array)
    return _items(array)


def _numpy() -> Any:
    """numpy, which whatever has `__array__` has imported; a service without numbers never does."""
    return sys.modules['numpy']


def _items(array: Any) -> Any:
    """The elements of a numpy array as Python objects, in nested lists."""
    if array.dtype.kind in 'cSV':
        raise TypeError(f'a numpy array of {array.dtype} has no form in JSON')
    if array.dtype.kind == 'f':
        array = array.astype('f8')
    return array.tolist()


def _plain(value: Any) -> Any:
    """`value` made of what the stdlib writes: each leaf as orjson writes it, big integers as they are."""
    if isinstance(value, dict):
        return _plain_object(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int):
        return value
    if hasattr(value, '__array__') and _numpy().asarray(value).dtype.kind != 'M':
        return _plain(_items(_numpy().asarray(value)))
    return orjson.loads(orjson.dumps(value, default=_default, option=_OPTIONS))


def _plain_object(value: dict[Any, Any]) -> dict[str, Any]:
    plain = {_key(key): _plain(item) for key, item in value.items()}
    if len(plain) < len(value):
        raise TypeError('two keys of an object are the same text in JSON')
    return plain


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, date):
        return key.isoformat()
    if hasattr(key, 'item'):
        key = key.item()
    if key is None or isinstance(key, int | float):
        return json.dumps(key, allow_nan=False)
    raise TypeError(f'a key of type {type(key).__qualname__} has no form in JSON')
