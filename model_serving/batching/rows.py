"""Batches of rows: lists or numpy arrays with one entry or slice per row, and tuples of such batches.

numpy is used only if it has been imported already.
"""

import operator
import sys
from collections.abc import Hashable, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any

MAX_OPTION_CHARACTERS = 1000
"""Calls with a longer text as an option share with no other."""


def array_class() -> Any:
    """The class of numpy's arrays for isinstance; without numpy an empty tuple."""
    numpy = sys.modules.get('numpy')
    return numpy.ndarray if numpy else ()


def is_batch(value: object) -> bool:
    """Whether `value` is a list or an array with a leading dimension."""
    return isinstance(value, list) or (isinstance(value, array_class()) and value.ndim > 0)


def row_count(arguments: tuple[Any, ...]) -> int:
    """How many rows these parallel batches have; 0 where they are none.

    Subclasses are none: joining would lose what makes them special, such as an array's mask.
    """
    plain = list, array_class()
    counts = {len(rows) if type(rows) in plain and is_batch(rows) else 0 for rows in arguments}
    return counts.pop() if len(counts) == 1 else 0


def row_kind(arguments: tuple[Any, ...], options: dict[str, Any]) -> Hashable | None:
    """What must be equal for calls to share a batch; None for a call that cannot share one.

    That is the options with their types, and the type and trailing shape of the rows, with an array's dtype.
    int and float are the same in lists, as in JSON. A list whose rows differ in length cannot share a batch.
    """
    kinds = tuple([list_kind(rows) if type(rows) is list else leaf_kind(rows, 1) for rows in arguments])
    if None in kinds:
        return None
    try:
        key = kinds, tuple([(name, option_kind(options[name])) for name in sorted(options)])
        hash(key)
    except TypeError:
        return None
    return key


def option_kind(value: Any) -> Hashable:
    """A key that is equal for options of equal values and types, down to what tuples hold.

    Raises TypeError where the value is too long to be stored.
    """
    kind: type = type(value)
    if isinstance(value, str | bytes) and len(value) > MAX_OPTION_CHARACTERS:
        raise TypeError  # Keys are stored, and clients may choose the value.
    if isinstance(value, tuple):
        return kind, tuple(map(option_kind, value))
    if isinstance(value, frozenset):
        return kind, frozenset(map(option_kind, value))
    return kind, repr(value) if isinstance(value, float | complex) else value  # 0.0 equals -0.0.


def list_kind(rows: list[Any]) -> Hashable | None:
    """The trailing shape of nested lists and the type of their entries; None where they are ragged.

    For the type, the first entry of the first row stands for all.
    """
    first = rows[0]
    types = set(map(type, rows))
    if list not in types:
        return leaf_kind(first) if len(set(map(leaf_kind, rows))) == 1 else None
    if len(types) > 1 or len(set(map(len, rows))) > 1:
        return None
    if not first:
        return (0,)
    if type(first[0]) is not list:
        return len(first), leaf_kind(first[0])
    inner = set(map(list_kind, rows))
    return None if None in inner or len(inner) > 1 else (len(first), *inner)


def leaf_kind(value: Any, skipped: int = 0) -> Hashable:
    """The type of a value that is no list; of an array also the dtype, and the shape after `skipped` axes."""
    kind: type = type(value)
    if isinstance(value, array_class()):
        return kind, value.dtype, value.shape[skipped:]
    return float if kind is int else kind


def join(batches: Sequence[Any]) -> Any:
    """Concatenate batches of the same kind; a single one is returned as it is."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if isinstance(first, tuple):
        return same_tuple(first, [join(parts) for parts in zip(*batches, strict=True)])
    if isinstance(first, list):
        return list(chain.from_iterable(batches))
    return sys.modules['numpy'].concatenate(batches)


def slice_rows(batch: Any, start: int, stop: int) -> Any:
    """The rows from `start` up to `stop`."""
    if isinstance(batch, tuple):
        return same_tuple(batch, [slice_rows(part, start, stop) for part in batch])
    return batch[start:stop]


def repeat_first(batch: Any, rows: int) -> Any:
    """A batch with copies of the first row of `batch`, so many."""
    return [deepcopy(batch[0]) for _ in range(rows)] if isinstance(batch, list) else batch[[0] * rows]


def same_tuple(batches: tuple[Any, ...], parts: list[Any]) -> tuple[Any, ...]:
    """A tuple of `parts`; a named one, if `batches` is."""
    make: Any = getattr(type(batches), '_make', tuple)
    result: tuple[Any, ...] = make(parts)
    return result


def check_result(result: Any, rows: int, method: str) -> Any:
    """Return `result`, the answer of `method` to that many rows.

    Raises TypeError where it is no list, array or tuple of those, ValueError where it has not as many rows.
    """
    for part in result if isinstance(result, tuple) else (result,):
        if not is_batch(part):
            raise TypeError(
                f'{method} returned {type(part).__name__}; a batched method returns a list, a numpy array '
                'or a tuple of those, with one entry for each row'
            )
        if len(part) != rows:
            error = ValueError(f'{method} returned {len(part)} rows for {rows} rows')
            error.add_note('(several outputs are returned as a tuple, not as a list)')
            raise error
    return result


def owned(result: Any) -> Any:
    """Return `result`, with a copy of each array that is a view: its memory may be written to again."""
    arrays = array_class()
    if isinstance(result, tuple):
        parts = [owned(part) for part in result]
        return result if all(map(operator.is_, parts, result)) else same_tuple(result, parts)
    if isinstance(result, list) and any(isinstance(row, arrays) and not row.flags.owndata for row in result):
        return [owned(row) for row in result]
    return result.copy() if isinstance(result, arrays) and not result.flags.owndata else result
