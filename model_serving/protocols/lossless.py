"""A model's output in the datatype that its tensor declares, where that loses nothing."""

import math
from typing import Any

from model_serving.echo import echo


def lossless(value: Any, dtype: str) -> Any:
    """`value` as an array of numpy's `dtype`, in row-major order.

    A float may be rounded to the declared precision; None is NaN, as are pandas' NA and NaT. Raises TypeError
    or ValueError for numbers that the datatype cannot hold: 1.5 or NaN in INT64, 300 in UINT8, 1e300 or
    2**24 + 1 in FP32.
    """
    import numpy

    if hasattr(value, 'filled'):  # A masked array, whose list has None where it is masked.
        value = value.tolist()
    if dtype == 'O':
        texts = numpy.asarray(value, dtype, order='C')
        _refuse([each for each in texts.ravel().tolist() if not isinstance(each, str | bytes)])
        return texts
    found = numpy.asarray(value, order='C')
    if found.dtype.kind == 'O':
        flat = [math.nan if _is_missing(each) else each for each in found.ravel().tolist()]
        _refuse([each for each in flat if not isinstance(each, int | float | numpy.number)])
        found = numpy.array(flat).reshape(found.shape)
    target = numpy.dtype(dtype)
    if found.dtype == target:
        return found
    if found.dtype.kind not in 'biuf':
        raise TypeError(f'it has values of {found.dtype}')
    with numpy.errstate(all='ignore'):
        cast = found.astype(target)
        _refuse(found[~_survives(numpy, found, target, cast)])
    return cast


def _survives(numpy: Any, found: Any, target: Any, cast: Any) -> Any:
    """Which of the numbers that were `found` are the same in the datatype `target`, as the array `cast`."""
    if target.kind == 'f':
        if found.dtype.kind == 'f':
            return numpy.isfinite(cast) | ~numpy.isfinite(found)
        return numpy.isfinite(cast) & (cast.astype(found.dtype) == found)
    if target.kind == 'b':
        return cast == found
    if found.dtype.kind == 'b':
        return numpy.ones(found.shape, bool)
    limits = numpy.iinfo(target)
    return (found >= limits.min) & (found < limits.max + 1) & (numpy.trunc(found) == found)


def _is_missing(value: Any) -> bool:
    """Whether it is None, or NA or NaT of pandas."""
    return value is None or type(value).__name__ in ('NAType', 'NaTType')


def _refuse(values: Any) -> None:
    if len(values):
        value = values[0].item() if hasattr(values[0], 'item') else values[0]
        raise ValueError(f'{echo(value)} is lost in it')
