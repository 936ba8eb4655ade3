"""An output has the datatype that its tensor declares, unless a value would be another there."""

import math
from typing import Any

import numpy
import pandas
import pytest

from model_serving.protocols.signature import DTYPES, Signature, Tensor

INF, NAN = math.inf, math.nan
KEPT: dict[str, tuple[str, Any, list[Any]]] = {
    'whole_doubles': ('INT64', [2.0, -3.0], [2, -3]),
    'largest_integers': ('UINT64', [2**64 - 1], [2**64 - 1]),
    'other_integers': ('UINT8', numpy.array([255], 'i8'), [255]),
    'booleans_as_integers': ('INT8', [True, False], [1, 0]),
    'pandas_missing_is_nan': ('FP32', pandas.Series([pandas.NA, 1, pandas.NaT], dtype=object), [NAN, 1, NAN]),
    'ones_and_zeros_as_booleans': ('BOOL', [1, 0.0], [True, False]),
    'precision': ('FP32', [0.1], [float(numpy.float32(0.1))]),
    'half_precision': ('FP16', [0.1], [float(numpy.float16(0.1))]),
    'integers_of_24_bits': ('FP32', [2**24], [2**24]),
    'infinities': ('FP32', [INF, -INF], [INF, -INF]),
    'none_is_nan': ('FP32', [None, 1], [NAN, 1]),
    'masked_is_nan': ('FP64', numpy.ma.array([1.5, 2.5], mask=[0, 1]), [1.5, NAN]),
    'order_of_bytes': ('FP64', numpy.array([1.5], '>f8'), [1.5]),
    'nothing': ('INT64', [], []),
    'texts': ('BYTES', ['a', b'b', numpy.str_('c')], ['a', b'b', 'c']),
}


@pytest.mark.parametrize(('datatype', 'value', 'expected'), KEPT.values(), ids=KEPT)
def test_output_is_cast(datatype: str, value: Any, expected: list[Any]) -> None:
    tensor = Tensor('y', datatype, [-1])
    array = tensor.output_array(value)
    assert array.dtype == numpy.dtype(tensor.dtype)
    assert numpy.array_equal(array, numpy.array(expected, tensor.dtype), equal_nan=datatype != 'BYTES')


@pytest.mark.parametrize('datatype', [each for each in DTYPES if each != 'BYTES'])
@pytest.mark.parametrize('source', ['?', 'i1', 'u1', 'i2', 'u4', 'i8', 'u8', 'f2', 'f4', 'f8', 'g'])
def test_one_and_zero_are_the_same_in_all(source: str, datatype: str) -> None:
    assert Tensor('y', datatype, [-1]).output_array(numpy.array([1, 0], source)).tolist() == [1, 0]


LOST: dict[str, tuple[str, Any, str]] = {
    'fraction': ('INT64', [1.5, 2.5], '1.5 is lost in it'),
    'nan_as_integer': ('INT64', [1.0, NAN], 'nan is lost in it'),
    'none_as_integer': ('INT64', [None], 'nan is lost in it'),
    'infinity_as_integer': ('INT32', [INF], 'inf is lost in it'),
    'masked_as_integer': ('INT64', numpy.ma.array([1, 2], mask=[0, 1]), 'nan is lost in it'),
    'beyond_uint8': ('UINT8', [300], '300 is lost in it'),
    'below_uint64': ('UINT64', [-1], '-1 is lost in it'),
    'beyond_int64': ('INT64', [2**63], f'{2**63} is lost in it'),
    'double_beyond_int64': ('INT64', [2.0**63], 'e+18 is lost in it'),
    'beyond_64_bits': ('FP64', [2**70], 'it has values of object'),
    'integers_of_25_bits': ('FP32', [2**24 + 1], f'{2**24 + 1} is lost in it'),
    'beyond_fp32': ('FP32', [1e300], '1e+300 is lost in it'),
    'beyond_fp16': ('FP16', [70000.0], '70000.0 is lost in it'),
    'two_as_boolean': ('BOOL', [2], '2 is lost in it'),
    'text': ('INT64', ['1'], 'it has values of <U1'),
    'text_among_numbers': ('FP32', [1, '2'], 'it has values of'),
    'complex': ('FP32', [1j], 'it has values of complex128'),
    'date': ('INT64', numpy.array(['2026-01-02'], 'M8[D]'), 'it has values of datetime64'),
    'number_as_bytes': ('BYTES', [5], '5 is lost in it'),
    'none_as_bytes': ('BYTES', [None], 'None is lost in it'),
    'ragged': ('FP32', [[1], [1, 2]], 'inhomogeneous'),
}


@pytest.mark.parametrize(('datatype', 'value', 'message'), LOST.values(), ids=LOST)
def test_error_names_the_tensor_and_what_is_lost(datatype: str, value: Any, message: str) -> None:
    signature = Signature([Tensor('x', 'FP32', [-1])], [Tensor('y', datatype, [-1])], call=lambda _x: value)
    with pytest.raises(TypeError) as caught:
        signature.run([numpy.zeros(2, 'f4')])
    assert str(caught.value).startswith(f"output 'y' cannot be {datatype}: ")
    assert message in str(caught.value)
