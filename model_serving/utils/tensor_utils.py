"""A model's tensors: the names, datatypes and shapes that the protocols of other model servers go by.

A resource that has the attribute `tensors`, a Signature, is served by all of them.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from model_serving.utils.echo_utils import echo
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.schema_utils import BadSchema
from model_serving.utils.tensor_limits_utils import NO_LIMITS, Limits, limits_of

DTYPES = {
    'BOOL': '?',
    'UINT8': 'u1',
    'UINT16': '<u2',
    'UINT32': '<u4',
    'UINT64': '<u8',
    'INT8': 'i1',
    'INT16': '<i2',
    'INT32': '<i4',
    'INT64': '<i8',
    'FP16': '<f2',
    'FP32': '<f4',
    'FP64': '<f8',
    'BYTES': 'O',
}
"""The datatypes of the Open Inference Protocol, and numpy's names for them; BYTES are Python's bytes."""

ANY = -1
MOST_NUMBERS = 2**31
"""More elements than any body can hold."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor's name, datatype and shape; of a dimension -1 any number is accepted.

    `like` is the JSON Schema of the same rows in the body of /v1: how many there may be, and the bounds of
    their numbers, hold for the tensor, too. Rows that are objects there give its columns their names.
    Raises BadSchema for a datatype that does not exist, and for a shape that is none or not that of `like`.
    """

    name: str
    datatype: str
    shape: Sequence[int]
    like: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.datatype not in DTYPES:
            raise BadSchema(
                f'tensor {self.name!r}: no datatype {self.datatype!r}; known: {", ".join(DTYPES)}'
            )
        if not all(type(size) is int and (size == ANY or size > 0) for size in self.shape):
            raise BadSchema(f'tensor {self.name!r}: {self.shape} is no shape; give sizes above 0, or -1')
        _ = self.limits  # So that a mistake stops the start.

    @property
    def dtype(self) -> str:
        """The datatype, as numpy calls it."""
        return DTYPES[self.datatype]

    @cached_property
    def limits(self) -> Limits:
        """What the schema of its rows says."""
        try:
            return NO_LIMITS if self.like is None else limits_of(self.like, self.shape)
        except BadSchema as error:
            raise BadSchema(f'tensor {self.name!r}: {error}') from error

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of its rows; empty where they have none."""
        return self.limits.columns

    def count(self, shape: Sequence[int]) -> int:
        """How many elements a tensor of this `shape` has. Raises InvalidInput if this one cannot have it."""
        fits = len(shape) == len(self.shape) and all(
            size == own or (own == ANY and size >= 0) for size, own in zip(shape, self.shape, strict=True)
        )
        if not fits:
            raise InvalidInput(
                f'input {self.name!r}: the shape {echo(list(shape))} does not fit {list(self.shape)}'
            )
        if math.prod(size or 1 for size in shape) > MOST_NUMBERS:
            raise InvalidInput(f'input {self.name!r}: the shape {echo(list(shape))} is too large')
        return math.prod(shape)

    def check(self, array: Any) -> None:
        """Raise InvalidInput where the array breaks what the schema says of its rows."""
        self.limits.check(self.name, array)


@dataclasses.dataclass(frozen=True)
class Signature:
    """What goes into a model and what comes out, and the callable that does it.

    `call` gets the inputs as numpy arrays in their order (BYTES as arrays of `bytes`), which it must not
    change, and returns the outputs in theirs: an array, or a tuple of arrays or lists.
    """

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    call: Callable[..., Any]

    def __post_init__(self) -> None:
        for tensors in (self.inputs, self.outputs):
            if not tensors or len({tensor.name for tensor in tensors}) < len(tensors):
                raise BadSchema('a signature needs inputs and outputs, each with a name of its own')

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs of the model, as numpy arrays of the datatypes and shapes that are declared.

        `arrays` are the inputs. Raises InvalidInput where they break the schema, or differ in their rows;
        TypeError where the outputs are not what was declared.
        """
        for tensor, array in zip(self.inputs, arrays, strict=True):
            tensor.check(array)
        self._require_same_rows(arrays)
        outputs = self.call(*arrays)
        if len(self.outputs) == 1 and not isinstance(outputs, tuple):
            outputs = (outputs,)
        return [_declared(tensor, value) for tensor, value in zip(self.outputs, outputs, strict=True)]

    def _require_same_rows(self, arrays: Sequence[Any]) -> None:
        pairs = zip(self.inputs, arrays, strict=True)
        rows = {tensor.name: len(array) for tensor, array in pairs if tensor.shape and tensor.shape[0] == ANY}
        if len(set(rows.values())) > 1:
            said = ', '.join(f'{name!r} {count}' for name, count in rows.items())
            raise InvalidInput(f'All inputs must have as many rows as the others; they have: {said}')


def _declared(tensor: Tensor, value: Any) -> Any:
    import numpy

    array = numpy.asarray(value, tensor.dtype, order='C')
    if len(array.shape) != len(tensor.shape) or any(
        own not in (ANY, size) for size, own in zip(array.shape, tensor.shape, strict=True)
    ):
        raise TypeError(f'output {tensor.name!r} has the shape {array.shape}, not {list(tensor.shape)}')
    return array
