import json
import math
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy
import pandas
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
    'transposed_singles': (numpy.float32([[0.1, 0.2]]).T, [[0.1], [0.2]]),
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
    'numpy_datetime_keys': ({numpy.datetime64('2026-01-02', 'ns'): 1}, {'2026-01-02T00:00:00': 1}),
    'datetime_beside_a_large_integer': ([date(2026, 1, 2), 2**70], ['2026-01-02', 2**70]),
    'tuple': ((1, (2,)), [1, [2]]),
    'dataclass': (Point(1), {'x': 1}),
}


@pytest.mark.parametrize(('value', 'expected'), WRITTEN.values(), ids=WRITTEN)
def test_value_is_written(value: Any, expected: Any) -> None:
    assert json.loads(encode({'value': value})) == {'value': expected}


UNITS = ('Y', 'M', 'W', 'D', 'h', 'm', 's', 'ms', 'us', 'ns', 'ps', 'fs', 'as', '15m', '7D', '10ms')
EPOCH = '1970-01-01T00:00:00'


@pytest.mark.parametrize('unit', UNITS)
@pytest.mark.parametrize('order', ['<', '>'])
def test_missing_datetime_of_any_unit_is_null(unit: str, order: str) -> None:
    dates = numpy.array([0, 'NaT'], f'{order}M8[{unit}]')
    values = [dates, dates[1], dates[:, None], numpy.ma.array(dates, mask=[0, 1]), {'when': [dates]}]
    assert json.loads(encode(values)) == [
        *([EPOCH, None], None, [[EPOCH], [None]], [EPOCH, None], {'when': [[EPOCH, None]]}),
    ]


FRACTIONS = {
    's': EPOCH.replace('00:00:00', '00:00:07'),
    'ms': f'{EPOCH}.007000',
    'us': f'{EPOCH}.000007',
    'ns': f'{EPOCH}.000000007',
}


@pytest.mark.parametrize(('unit', 'text'), FRACTIONS.items(), ids=FRACTIONS)
def test_datetime_has_the_digits_that_it_needs(unit: str, text: str) -> None:
    assert json.loads(encode(numpy.array([7], f'M8[{unit}]'))) == [text]


DAY, BERLIN = pandas.Timestamp('2026-01-02'), pandas.Timestamp('2026-01-02', tz='Europe/Berlin')
OF_PANDAS = {
    'timestamp': (DAY, '2026-01-02T00:00:00'),
    'timestamp_with_zone': (BERLIN, '2026-01-02T00:00:00+01:00'),
    'timestamp_in_nanoseconds': (pandas.Timestamp(7), f'{EPOCH}.000000007'),
    'nat': (pandas.NaT, None),
    'na': (pandas.NA, None),
    'in_an_object_array': (
        numpy.array([DAY, pandas.NaT, pandas.NA], object),
        ['2026-01-02T00:00:00', None, None],
    ),
    'in_a_dict': ({'a': [{'b': pandas.NaT}]}, {'a': [{'b': None}]}),
    'beside_a_large_integer': ([2**70, pandas.NaT, numpy.datetime64('NaT')], [2**70, None, None]),
    'series_of_singles': (pandas.Series([0.1], dtype='float32'), [0.1]),
    'series_of_large_integers': ([pandas.Series([2**70])], [[2**70]]),
    'as_a_key': ({DAY: 1}, {'2026-01-02T00:00:00': 1}),
    'series': (pandas.Series([1.5, None]), [1.5, None]),
    'series_of_integers_and_na': (pandas.Series([2**53 + 1, None], dtype='Int64'), [2**53 + 1, None]),
    'series_of_booleans_and_na': (pandas.Series([True, None], dtype='boolean'), [True, None]),
    'series_of_texts': (pandas.Series(['a', None]), ['a', None]),
    'series_of_categories': (pandas.Series(['a', None], dtype='category'), ['a', None]),
    'series_of_datetimes': (pandas.Series([DAY, None]), ['2026-01-02T00:00:00', None]),
    'series_with_zone': (pandas.Series([BERLIN, None]), ['2026-01-02T00:00:00+01:00', None]),
    'frame': (pandas.DataFrame({'a': [1], 'b': [2.5]}), [[1, 2.5]]),
    'index': (pandas.Index([1, 2]), [1, 2]),
    'index_of_datetimes': (pandas.DatetimeIndex([DAY, None]), ['2026-01-02T00:00:00', None]),
    'index_with_zone': (pandas.DatetimeIndex([BERLIN, None]), ['2026-01-02T00:00:00+01:00', None]),
    'array': (pandas.array([1, None], dtype='Int64'), [1, None]),
}


@pytest.mark.parametrize(('value', 'expected'), OF_PANDAS.values(), ids=OF_PANDAS)
def test_value_of_pandas_is_written(value: Any, expected: Any) -> None:
    assert json.loads(encode({'value': value})) == {'value': expected}


NAMED = {
    'bytes': (b'a', 'bytes'),
    'decimal': (Decimal(1), 'decimal.Decimal'),
    'complex_array': (numpy.array([1j]), 'a numpy ndarray of complex128'),
    'record_array': (numpy.zeros(1, [('a', 'i4')]), r"a numpy ndarray of \[\('a', '<i4'\)\]"),
    'masked_record_array': (numpy.ma.zeros(1, [('a', 'i4')]), 'a numpy MaskedArray of'),
    'timedelta': (timedelta(1), 'datetime.timedelta has no form in JSON; return the seconds'),
    'timedelta_of_numpy': (
        numpy.array([1], 'm8[ns]'),
        r'timedelta64\[ns\] has no form in JSON; return the seconds',
    ),
    'timedelta_of_pandas': (pandas.Timedelta('1h'), 'Timedelta has no form in JSON; return the seconds'),
    'series_of_timedeltas': (
        pandas.Series([pandas.Timedelta('1h')]),
        r'timedelta64\[\w+\] has no form in JSON',
    ),
    'period': (pandas.Period('2026-01'), 'Period has no form in JSON'),
    'year_beyond_iso': (numpy.array(['20000-01-01'], 'M8[D]'), 'the date 20000-01-01T00:00:00 has no form'),
}


@pytest.mark.parametrize(('value', 'message'), NAMED.values(), ids=NAMED)
def test_error_names_what_json_cannot_hold(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encode({'value': [value]})


def test_no_framework_is_imported_for_an_answer() -> None:
    script = (
        'import datetime, sys\nfrom model_serving.json_codec import encode\n'
        'encode([datetime.date.today(), 2**70])\nprint({"numpy", "pandas"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, timeout=60)
    assert done.stdout == 'set()\n', done.stderr


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


@pytest.mark.parametrize('unit', ['ns', 'D', '15m'])
@pytest.mark.parametrize('depth', [0, 1, 2])
def test_date_among_many_rows_of_numbers_is_found(unit: str, depth: int) -> None:
    odd: Any = numpy.array(['NaT', '2024-01-02'], f'M8[{unit}]')
    for _ in range(depth):
        odd = [odd, {'x': 1}]
    rows: list[Any] = [{'label': 1, 'row': numpy.ones(2, 'f4')} for _ in range(20)]
    rows[-1]['label'] = odd

    assert b'[null,"2024-01-02' in encode({'rows': rows})


def test_many_rows_of_numbers_are_written_in_their_own_precision() -> None:
    rows = [{'label': 'a', 'row': numpy.array([0.1, numpy.nan], 'f4')} for _ in range(20)]

    assert json.loads(encode({'rows': rows})) == {'rows': [{'label': 'a', 'row': [0.1, None]}] * 20}


def test_rows_that_contain_themselves_have_no_form() -> None:
    rows: list[Any] = [numpy.ones(2)] * 20
    rows.append(rows)
    with pytest.raises((TypeError, RecursionError)):
        encode({'rows': rows})
