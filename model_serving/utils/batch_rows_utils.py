"""Batches of rows: lists or numpy arrays with one entry or slice per row, and tuples of such batches.

numpy is looked at only where somebody has imported it.
"""

import sys
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any


def array_class() -> Any:
    """The class of numpy's arrays; without numpy an empty tuple, of which nothing is an instance."""
    numpy = sys.modules.get('numpy')
    return numpy.ndarray if numpy else ()


def is_batch(value: object) -> bool:
    """Whether `value` is a list or an array with a leading dimension."""
    return isinstance(value, list) or (isinstance(value, array_class()) and value.ndim > 0)


def row_count(arguments: tuple[Any, ...]) -> int:
    """How many rows these parallel batches have; 0 where they are not that.

    Subclasses do not count: joining would lose what makes them special, such as an array's mask.
    """
    plain = list, array_class()
    counts = {len(rows) if type(rows) in plain and is_batch(rows) else 0 for rows in arguments}
    return counts.pop() if len(counts) == 1 else 0


def row_kind(arguments: tuple[Any, ...], options: dict[str, Any]) -> Hashable | None:
    """What must be equal for calls to share a batch; None for a call that can share none.

    That is the options and their types, and the type and trailing shape of the rows, with an array's dtype.
    int and float are the same in lists, as in JSON. Lists with rows of unequal length share with nobody.
    """
    kinds = tuple([list_kind(rows) if type(rows) is list else leaf_kind(rows, 1) for rows in arguments])
    if None in kinds:
        return None
    if not options:
        return kinds
    kind = kinds, tuple((name, type(value), value) for name, value in sorted(options.items()))
    try:
        # With the hash in front, values that differ are told apart without their own `==`, which may be no
        # truth value, as for tensors.
        return hash(kind), kind
    except TypeError:
        return None


def list_kind(rows: list[Any]) -> Hashable | None:
    """The trailing shape of nested lists and the type of what they hold; None where they are ragged.

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
    """The type of what is no list; for an array with its dtype and its shape after `skipped` dimensions."""
    kind: type = type(value)
    if isinstance(value, array_class()):
        return kind, value.dtype, value.shape[skipped:]
    return float if kind is int else kind


def join(batches: Sequence[Any]) -> Any:
    """Put batches of the same kind one after the other."""
    first = batches[0]
    if isinstance(first, tuple):
        return like(first, [join(parts) for parts in zip(*batches, strict=True)])
    if isinstance(first, list):
        return list(chain.from_iterable(batches))
    return sys.modules['numpy'].concatenate(batches)


def cut(batch: Any, start: int, stop: int) -> Any:
    """The rows from `start` up to `stop`."""
    if isinstance(batch, tuple):
        return like(batch, [cut(part, start, stop) for part in batch])
    return batch[start:stop]


def like(batches: tuple[Any, ...], parts: list[Any]) -> tuple[Any, ...]:
    """A tuple of `parts`, with the names that `batches` has."""
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
            raise ValueError(f'{method} returned {len(part)} rows for {rows} rows')
    return result
