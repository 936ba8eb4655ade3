"""A model's tensors: the names, datatypes and shapes that the protocols of other model servers use.

A resource that has the attribute `tensors`, a Signature, is served by all of them.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from model_serving.echo import echo
from model_serving.errors import InvalidInput
from model_serving.protocols.lossless import lossless
from model_serving.protocols.tensor_schema import RowSchema
from model_serving.schemas.compiled import BadSchema

DTYPES = {
    'BOOL': '?',
    **{f'UINT{8 * size}': f'<u{size}' for size in (1, 2, 4, 8)},
    **{f'INT{8 * size}': f'<i{size}' for size in (1, 2, 4, 8)},
    **{f'FP{8 * size}': f'<f{size}' for size in (2, 4, 8)},
    'BYTES': 'O',
}
"""The datatypes of the Open Inference Protocol, and numpy's names for them; BYTES are Python's bytes."""

ANY = -1
MAX_ELEMENTS = 2**31
"""More than any body can hold."""
MAX_EMPTY_ROWS = 1000
"""Of a tensor without elements: such a row takes no byte of a body, but becomes a list, or a prediction."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor's name, datatype and shape; a dimension of -1 may have any size.

    `like` is the JSON Schema of the same rows in the body of /v1, which applies to the tensor, too: NaN is
    null, BYTES are texts. Rows that are objects there give the columns their names.
    Raises BadSchema for an unknown datatype, and for a shape that is invalid or not that of `like`.
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
        _ = self.schema  # So that a mistake in it stops startup.

    @property
    def dtype(self) -> str:
        """Numpy's name of the datatype."""
        return DTYPES[self.datatype]

    @property
    def kind(self) -> str:
        """Numpy's kind of the datatype: ?, u, i, f or O."""
        return self.dtype.lstrip('<')[0]

    @cached_property
    def schema(self) -> RowSchema | None:
        """The schema of its rows, if it has one."""
        try:
            return None if self.like is None else RowSchema(self.like, self.shape, self.dtype)
        except BadSchema as error:
            raise BadSchema(f'tensor {self.name!r}: {error}') from error

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of its rows; empty if they have none."""
        return self.schema.columns if self.schema else ()

    def accepts(self, shape: Sequence[int]) -> bool:
        """Whether this tensor may have such a `shape`."""
        return len(shape) == len(self.shape) and all(
            size == own or (own == ANY and size >= 0) for size, own in zip(shape, self.shape, strict=True)
        )

    def element_count(self, shape: Sequence[int]) -> int:
        """The number of elements in this `shape`. Raises InvalidInput if the tensor cannot have it."""
        if not self.accepts(shape):
            raise self.invalid(f'the shape {echo(list(shape))} does not fit {list(self.shape)}')
        rows = math.prod(size or 1 for size, own in zip(shape, self.shape, strict=True) if own == ANY)
        if math.prod(shape) > MAX_ELEMENTS or (0 in shape and rows > MAX_EMPTY_ROWS):
            raise self.invalid(f'the shape {echo(list(shape))} is too large')
        return math.prod(shape)

    def validate(self, array: Any) -> None:
        """Raise InvalidInput if `array` is invalid under the schema of the rows."""
        if self.schema and (violation := self.schema.violation(array)):
            raise self.invalid(violation)

    def invalid(self, message: str) -> InvalidInput:
        """The error of a value that cannot be this input."""
        return InvalidInput(f'input {self.name!r}: {message}')

    def output_array(self, value: Any) -> Any:
        """A model's output as an array of this datatype. Raises TypeError for what it cannot be."""
        try:
            array = lossless(value, self.dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise TypeError(f'output {self.name!r} cannot be {self.datatype}: {error}') from error
        if not self.accepts(array.shape):
            raise TypeError(f'output {self.name!r} has the shape {array.shape}, not {list(self.shape)}')
        return array


@dataclasses.dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a model, and the callable that computes one from the other.

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
        """The outputs of the model, as numpy arrays of the declared datatypes and shapes.

        `arrays` are the inputs. Raises InvalidInput if they are invalid under the schema, or differ in their
        number of rows; TypeError if the outputs have not the declared shapes.
        """
        for tensor, array in zip(self.inputs, arrays, strict=True):
            tensor.validate(array)
        self._require_same_rows(arrays)
        outputs = self.call(*arrays)
        if len(self.outputs) == 1 and not isinstance(outputs, tuple):
            outputs = (outputs,)
        return [tensor.output_array(value) for tensor, value in zip(self.outputs, outputs, strict=True)]

    def _require_same_rows(self, arrays: Sequence[Any]) -> None:
        pairs = zip(self.inputs, arrays, strict=True)
        rows = {tensor.name: len(array) for tensor, array in pairs if tensor.shape and tensor.shape[0] == ANY}
        if len(set(rows.values())) > 1:
            counts = ', '.join(f'{name!r} {count}' for name, count in rows.items())
            raise InvalidInput(f'All inputs must have as many rows as the others; they have: {counts}')
