"""The data of a tensor: from JSON or bytes to numpy arrays, and back.

Nothing is allocated for a tensor before its size is known to be that of the data.
"""

import array as arrays
from collections.abc import Sequence
from itertools import chain
from typing import Any

from model_serving.utils.echo_utils import echo
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.tensor_utils import Tensor

KINDS: dict[str, tuple[set[type], str]] = {
    '?': ({bool}, 'true or false'),
    'i': ({int}, 'whole numbers'),
    'u': ({int}, 'whole numbers'),
    'f': ({int, float}, 'numbers'),
    'O': ({str, bytes}, 'strings'),
}
"""What the elements of a tensor may be in JSON, by numpy's kind of its datatype."""

LENGTH_BYTES = 4
"""What stands before each element of BYTES: its length, unsigned, little-endian."""


def from_lists(tensor: Tensor, shape: Sequence[int], data: Any) -> Any:
    """The array of `shape` whose elements are in `data`, lists nested like the shape, or one flat list.

    Raises InvalidInput where they do not fit the shape, or the tensor.
    """
    count = tensor.count(shape)
    values = _flat(tensor, shape, data, count)
    if not set(map(type, values)) <= KINDS[_kind(tensor)][0]:
        wrong = next(value for value in values if type(value) not in KINDS[_kind(tensor)][0])
        due = KINDS[_kind(tensor)][1]
        raise InvalidInput(f'input {tensor.name!r}: {echo(wrong)}, where {tensor.datatype} has {due}')
    try:
        return _array_of(tensor, values).reshape(shape)
    except OverflowError as error:
        raise InvalidInput(f'input {tensor.name!r}: {error}') from error


def shape_of(tensor: Tensor, data: Any) -> list[int]:
    """The shape that nested lists seem to have, going by the first list on each level."""
    shape: list[int] = []
    while isinstance(data, list) and len(shape) < len(tensor.shape):
        shape.append(len(data))
        data = data[0] if data else None
    # Where there are no rows, nothing says how long they are.
    return shape if all(shape) else [*shape, *(max(size, 0) for size in tensor.shape[len(shape) :])]


def _flat(tensor: Tensor, shape: Sequence[int], data: Any, count: int) -> list[Any]:
    if not isinstance(data, list):
        raise InvalidInput(f'input {tensor.name!r}: a list of {count} elements is due, not {echo(data)}')
    if list not in set(map(type, data)):
        if len(data) == count:
            return data
        raise InvalidInput(
            f'input {tensor.name!r}: {len(data)} elements, where the shape {list(shape)} has {count}'
        )
    level = [data]
    for place, size in enumerate(shape):
        if any(type(part) is not list or len(part) != size for part in level):
            raise InvalidInput(
                f'input {tensor.name!r}: the lists are not nested as the shape {list(shape)} says'
                f' (dimension {place})'
            )
        level = list(chain.from_iterable(level))
    return level


def _array_of(tensor: Tensor, values: list[Any]) -> Any:
    """A flat array of the tensor's datatype. Raises OverflowError for a number that it cannot hold."""
    import numpy

    if tensor.datatype == 'BYTES':
        elements = numpy.empty(len(values), object)
        elements[:] = [value.encode() if isinstance(value, str) else value for value in values]
        return elements
    if _kind(tensor) != 'f':
        return numpy.array(values, tensor.dtype)
    with numpy.errstate(over='ignore'):
        doubles = numpy.frombuffer(arrays.array('d', values))  # Half the time of numpy.array(values).
        array = doubles.astype(tensor.dtype)
    if not numpy.isfinite(array).all():
        raise OverflowError(f'a number is beyond what {tensor.datatype} can hold')
    return array


def from_bytes(tensor: Tensor, shape: Sequence[int], data: memoryview) -> Any:
    """The array of `shape` whose elements are the bytes of `data`, row-major and little-endian.

    It shares the memory of `data` where the place of that allows. Raises InvalidInput where the data is not
    of the size that the shape says.
    """
    import numpy

    count = tensor.count(shape)
    if tensor.datatype == 'BYTES':
        return _elements(tensor, count, data).reshape(shape)
    due = count * numpy.dtype(tensor.dtype).itemsize
    if due != len(data):
        raise InvalidInput(
            f'input {tensor.name!r}: {len(data)} bytes of data, where the shape {list(shape)} has {due}'
        )
    if tensor.datatype == 'BOOL' and count and numpy.frombuffer(data, 'u1').max() > 1:
        raise InvalidInput(f'input {tensor.name!r}: a byte of BOOL is 0 or 1')
    array = numpy.frombuffer(data, tensor.dtype).reshape(shape)
    return array if array.flags.aligned else array.copy()


def _elements(tensor: Tensor, count: int, data: memoryview) -> Any:
    """The elements of BYTES, each behind its length."""
    import numpy

    if count * LENGTH_BYTES > len(data):
        raise InvalidInput(f'input {tensor.name!r}: {len(data)} bytes cannot hold {count} elements of BYTES')
    elements = numpy.empty(count, object)
    place = 0
    for index in range(count):
        begin = place + LENGTH_BYTES
        place = begin + int.from_bytes(data[begin - LENGTH_BYTES : begin], 'little')
        if place > len(data):
            raise InvalidInput(f'input {tensor.name!r}: element {index} of BYTES is longer than the data')
        elements[index] = bytes(data[begin:place])
    if place != len(data):
        raise InvalidInput(f'input {tensor.name!r}: {len(data) - place} bytes follow the last element')
    return elements


def to_bytes(tensor: Tensor, array: Any) -> Any:
    """What holds the bytes of an output, as `from_bytes` reads them."""
    if tensor.datatype != 'BYTES':
        return array.data.cast('B') if array.size else b''
    elements = [value.encode() if isinstance(value, str) else bytes(value) for value in array.ravel()]
    return b''.join(len(value).to_bytes(LENGTH_BYTES, 'little') + value for value in elements)


def to_json(tensor: Tensor, array: Any) -> Any:
    """An output as an array that JSON can hold.

    Raises InvalidInput for BYTES that are no text: a client can have them in binary form.
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


def _kind(tensor: Tensor) -> str:
    return tensor.dtype.lstrip('<')[0]
