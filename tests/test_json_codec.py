import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_serving.json_codec import encode

MATRIX = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)


@dataclass
class Point:
    x: int


WRITTEN = {
    'array': (MATRIX, [[0, 1, 2], [3, 4, 5]]),
    'transposed': (MATRIX.T, [[0, 3], [1, 4], [2, 5]]),
    'every_second': (MATRIX[:, ::2], [[0, 2], [3, 5]]),
    'no_dimensions': (numpy.array(5), 5),
    'empty_array': (numpy.zeros((0, 3)), []),
    'big_endian': (numpy.array([1.5], '>f8'), [1.5]),
    'half': (numpy.array([0.5], numpy.float16), [0.5]),
    'long_double': (numpy.longdouble(0.5), 0.5),
    'booleans': (numpy.array([True, False]), [True, False]),
    'strings': (numpy.array(['setosa', 'é']), ['setosa', 'é']),
    'objects': (numpy.array([{'a': 1}, None], object), [{'a': 1}, None]),
    'object_array_of_large_integers': (numpy.array([2**70, 1], object), [2**70, 1]),
    'masked': (numpy.ma.array([1.0, 2.0], mask=[False, True]), [1.0, None]),
    'scalar': (numpy.float32(0.5), 0.5),
    'integer_scalar': (numpy.int64(7), 7),
    'bool_scalar': (numpy.bool_(True), True),
    'string_scalar': (numpy.str_('a'), 'a'),
    'rows_in_a_list': (
        [{'probabilities': row} for row in MATRIX],
        [{'probabilities': [0, 1, 2]}, {'probabilities': [3, 4, 5]}],
    ),
    'nan': ([math.nan, math.inf, -math.inf], [None, None, None]),
    'nan_in_an_array': (numpy.array([math.nan, 1.0]), [None, 1.0]),
    'nan_beside_a_large_integer': ([math.nan, 2**70], [None, 2**70]),
    'integer_keys': ({1: 'a', 2: {3: MATRIX[0]}}, {'1': 'a', '2': {'3': [0, 1, 2]}}),
    'numpy_keys': ({numpy.int64(1): 'a', numpy.str_('b'): 1}, {'1': 'a', 'b': 1}),
    'other_keys': ({True: 1, None: 2, date(2026, 1, 2): 3}, {'true': 1, 'null': 2, '2026-01-02': 3}),
    'large_integer': ({'n': 2**64, 'm': -(2**63) - 1}, {'n': 2**64, 'm': -(2**63) - 1}),
    'datetime': (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '2026-01-02T03:04:05+00:00'),
    'numpy_datetime': (numpy.datetime64('2026-01-02T03:04:05'), '2026-01-02T03:04:05'),
    'numpy_datetimes_apart': (
        numpy.array(['2026-01-02', '2026-01-03', '2026-01-04'], 'M8[ns]')[::2],
        ['2026-01-02T00:00:00', '2026-01-04T00:00:00'],
    ),
    'datetime_beside_a_large_integer': ([date(2026, 1, 2), 2**70], ['2026-01-02', 2**70]),
    'tuple': ((1, (2,)), [1, [2]]),
    'dataclass': (Point(1), {'x': 1}),
}


@pytest.mark.parametrize(('value', 'expected'), WRITTEN.values(), ids=WRITTEN)
def test_value_is_written(value: Any, expected: Any) -> None:
    assert json.loads(encode({'value': value})) == {'value': expected}


@pytest.mark.parametrize(
    'value',
    [
        b'bytes',
        1j,
        numpy.array([1j]),
        numpy.array([b'x']),
        {1, 2},
        object(),
        Decimal(1),
        {(1, 2): 3},
        {1: 2, '1': 3},
        '\ud800',
    ],
    ids=[
        'bytes',
        'complex',
        'complex_array',
        'bytes_array',
        'set',
        'object',
        'decimal',
        'tuple_key',
        'same_keys',
        'surrogate',
    ],
)
def test_value_that_json_cannot_hold_is_an_error(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode({'value': value})


def test_text_stays_readable() -> None:
    assert encode({'name': 'Zoë 你好'}) == '{"name":"Zoë 你好"}\n'.encode()
    assert encode({'name': 'Zoë', 1: 2}) == '{"name": "Zoë", "1": 2}\n'.encode()


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(), inner) | st.dictionaries(st.integers(), inner)
        ),
    )
)
def test_every_json_value_survives(value: Any) -> None:
    assert json.loads(encode(value)) == json.loads(json.dumps(value))
