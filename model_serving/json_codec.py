"""JSON in and out of the service, by orjson; nothing else parses or serialises it."""

import json
from datetime import date
from typing import Any

import orjson
from flask.json.provider import JSONProvider

from model_serving.errors import InvalidInput
from model_serving.json_cost import DEEP_BYTES, LARGE_BYTES, require_shallow
from model_serving.json_forms import has_numeric_rows, json_form

LINE = orjson.OPT_APPEND_NEWLINE
WITH_ARRAYS = LINE | orjson.OPT_SERIALIZE_NUMPY


class OrjsonProvider(JSONProvider):
    """Flask's JSON provider on orjson; it serialises numpy arrays and scalars, too."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """`obj` as JSON text."""
        return encode(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """The value of a JSON text. Raises ValueError with the place of an error."""
        value = orjson.loads(s)
        if DEEP_BYTES < len(s) <= LARGE_BYTES and isinstance(s, bytes):  # Else validate_json does it.
            require_shallow(s, value)
        return value


def decode(body: bytes) -> Any:
    """The value of a JSON text. Raises InvalidInput, which says what is wrong, and where."""
    try:
        value = orjson.loads(body)
        require_shallow(body, value)
    except ValueError as error:
        raise invalid_json(body, error) from error
    return value


def invalid_json(body: bytes, error: ValueError) -> InvalidInput:
    """The error for a `body` on which orjson has failed with `error`: it says what is wrong, and where."""
    position = getattr(error, 'pos', 0)
    rest = decode_text(body)[position:]
    hint = '; JSON has no NaN and no infinity' if rest.startswith(('NaN', 'Infinity', '-Infinity')) else ''
    return InvalidInput(f'The body is not JSON: {error}{hint}')


def decode_text(body: bytes, encoding: str = 'utf-8') -> str:
    """The text of a body. Raises InvalidInput with the first byte that is not UTF-8."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput(f'The body is not UTF-8: byte {error.start} is wrong ({error.reason})') from error


def encode(value: Any) -> bytes:
    """`value` as one line of UTF-8 JSON.

    numpy arrays become lists, datetimes ISO 8601 text, NaN, infinities, NaT and NA `null` (JSON has none).
    Raises TypeError for what JSON cannot hold.
    """
    try:
        return orjson.dumps(value, default=json_form, option=WITH_ARRAYS if has_numeric_rows(value) else LINE)
    except TypeError:
        # Only the standard library writes keys that are not strings, and integers over 64 bits.
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False).encode() + b'\n'


def encoded(body: bytes) -> Any:
    """A value that `encode` makes `body` of, which it has made before."""
    return orjson.Fragment(body[:-1])


def _plain(value: Any) -> Any:
    """`value` in types of the standard library: each leaf as orjson writes it, large integers unchanged."""
    if isinstance(value, dict):
        return _plain_object(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int):
        return value
    if hasattr(value, '__array__') and not isinstance(form := json_form(value), orjson.Fragment):
        return _plain(form)
    try:
        return orjson.loads(orjson.dumps(value, default=json_form))
    except TypeError as error:  # Its cause is that of `json_form`, which names the type.
        raise error.__cause__ or error from None


def _plain_object(value: dict[Any, Any]) -> dict[str, Any]:
    plain = {_key(key): _plain(item) for key, item in value.items()}
    if len(plain) < len(value):
        raise TypeError('two keys of an object are the same text in JSON')
    return plain


def _key(key: Any) -> str:
    if isinstance(key, date) or getattr(getattr(key, 'dtype', None), 'kind', '') == 'M':
        key = json_form(key)
    elif hasattr(key, 'item'):
        key = key.item()
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, int | float):
        return json.dumps(key, allow_nan=False)
    raise TypeError(f'a key of type {type(key).__qualname__} has no form in JSON')
