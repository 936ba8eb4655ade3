"""The data of a tensor: from JSON or bytes to numpy arrays, and back.

Memory is allocated only once the data is known to have the size that the shape says.
"""

import array as arrays
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

from model_serving.echo import echo
from model_serving.errors import InvalidInput
from model_serving.protocols.signature import Tensor

JSON_TYPES: dict[str, tuple[set[type], str]] = {
    '?': ({bool}, 'true or false'),
    'i': ({int}, 'whole numbers'),
    'u': ({int}, 'whole numbers'),
    'f': ({int, float}, 'numbers'),
    'O': ({str, bytes}, 'strings'),
}
"""The types of elements in JSON, and their name in messages, by numpy's kind of the datatype."""

LENGTH_BYTES = 4
"""The size of the length before each element of BYTES, an unsigned little-endian integer."""


def from_lists(tensor: Tensor, shape: Sequence[int], data: Any) -> Any:
    """The array of `shape` whose elements are in `data`, lists nested like the shape, or one flat list.

    A null becomes NaN if the tensor has a schema, which then decides on it. Raises InvalidInput for elements
    that do not fit the shape or the datatype.
    """
    values = _flat(tensor, shape, data, tensor.element_count(shape))
    types, expected = JSON_TYPES[tensor.kind]
    found = set(map(type, values))
    if type(None) in found and tensor.kind == 'f' and tensor.schema:
        values = [math.nan if value is None else value for value in values]
        found.remove(type(None))
    if float in found and tensor.kind in 'iu':  # To a schema, 1.0 is an integer, too.
        values = [int(value) if type(value) is float and value.is_integer() else value for value in values]
        found = set(map(type, values))
    if not found <= types:
        other = next(value for value in values if type(value) not in types)
        raise tensor.invalid(f'{echo(other)}, where {tensor.datatype} has {expected}')
    try:
        return _array_of(tensor, values).reshape(shape)
    except OverflowError as error:
        raise tensor.invalid(f'a number is beyond what {tensor.datatype} can hold') from error


def infer_shape(tensor: Tensor, data: Any) -> list[int]:
    """The shape of nested lists, inferred from the first list on each level."""
    shape: list[int] = []
    while isinstance(data, list) and len(shape) < len(tensor.shape):
        shape.append(len(data))
        data = data[0] if data else None
    # An empty list does not tell how long its rows would be.
    return shape if all(shape) else [*shape, *(max(size, 0) for size in tensor.shape[len(shape) :])]


def _flat(tensor: Tensor, shape: Sequence[int], data: Any, count: int) -> list[Any]:
    if not isinstance(data, list):
        raise tensor.invalid(f'a list of {count} elements is due, not {echo(data)}')
    if list not in set(map(type, data)):
        if len(data) != count:
            raise tensor.invalid(f'{len(data)} elements, where the shape {list(shape)} has {count}')
        return data
    level = [data]
    for dimension, size in enumerate(shape):
        if any(type(part) is not list or len(part) != size for part in level):
            raise tensor.invalid(
                f'the lists are not nested as the shape {list(shape)} says (dimension {dimension})'
            )
        level = list(chain.from_iterable(level))
    return level


def _array_of(tensor: Tensor, values: list[Any]) -> Any:
    """A flat array of the tensor's datatype. Raises OverflowError for a number beyond it."""
    import numpy

    if tensor.datatype == 'BYTES':
        elements = numpy.empty(len(values), object)
        elements[:] = list(map(element_bytes, values))
        return elements
    if tensor.kind != 'f':
        return numpy.array(values, tensor.dtype)
    with numpy.errstate(over='ignore'):
        doubles = numpy.frombuffer(arrays.array('d', values))  # Half the time of numpy.array(values).
        array = doubles.astype(tensor.dtype)
    if numpy.isinf(array).any():
        raise OverflowError
    return array


def from_bytes(tensor: Tensor, shape: Sequence[int], data: memoryview) -> Any:
    """The array of `shape` whose elements are the bytes of `data`, row-major and little-endian.

    It shares the memory of `data` if that is aligned. Raises InvalidInput for data of another size.
    """
    import numpy

    count = tensor.element_count(shape)
    if tensor.datatype == 'BYTES':
        return _bytes_elements(tensor, count, data).reshape(shape)
    expected = count * numpy.dtype(tensor.dtype).itemsize
    if expected != len(data):
        raise tensor.invalid(f'{len(data)} bytes of data, where the shape {list(shape)} has {expected}')
    if tensor.datatype == 'BOOL' and count and numpy.frombuffer(data, 'u1').max() > 1:
        raise tensor.invalid('a byte of BOOL is 0 or 1')
    array = numpy.frombuffer(data, tensor.dtype).reshape(shape)
    return array if array.flags.aligned else array.copy()


def _bytes_elements(tensor: Tensor, count: int, data: memoryview) -> Any:
    """The elements of BYTES, each preceded by its length."""
    import numpy

    if count * LENGTH_BYTES > len(data):
        raise tensor.invalid(f'{len(data)} bytes cannot hold {count} elements of BYTES')
    elements = numpy.empty(count, object)
    end = 0
    for index in range(count):
        start = end + LENGTH_BYTES
        end = start + int.from_bytes(data[start - LENGTH_BYTES : start], 'little')
        if end > len(data):
            raise tensor.invalid(f'element {index} of BYTES is longer than the data')
        elements[index] = bytes(data[start:end])
    if end != len(data):
        raise tensor.invalid(f'{len(data) - end} bytes follow the last element')
    return elements


def to_bytes(tensor: Tensor, array: Any) -> Any:
    """The bytes of an output, or a view of them, in the form that `from_bytes` reads."""
    if tensor.datatype != 'BYTES':
        return array.data.cast('B') if array.size else b''
    elements = map(element_bytes, array.ravel())
    return b''.join(len(value).to_bytes(LENGTH_BYTES, 'little') + value for value in elements)


def to_json(tensor: Tensor, array: Any) -> Any:
    """An output as an array that JSON can hold.

    Raises InvalidInput for BYTES that are not UTF-8: a client can ask for them in binary form.
    """
    if tensor.datatype != 'BYTES':
        return array
    import numpy

    texts = numpy.empty(array.size, object)
    try:
        texts[:] = [value if isinstance(value, str) else bytes(value).decode() for value in array.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f'output {tensor.name!r} is no text; ask for it as binary data') from error
    return texts.reshape(array.shape)


def element_bytes(element: Any) -> bytes:
    """The bytes of an element of BYTES; text is encoded as UTF-8."""
    return element.encode() if isinstance(element, str) else bytes(element)
