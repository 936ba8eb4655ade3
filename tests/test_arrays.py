from typing import Any

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_serving.arrays import as_array
from model_serving.errors import InvalidInput

whole = st.integers(-20, 20) | st.sampled_from([2**24 + 1, 2**53 + 1, -(2**63), 2**64, 10**30, 10**400])
broken = st.floats() | st.sampled_from([0.1, -0.0, 1e300, 5e-324, 65504.0, 65520.0])
numbers = whole | broken | st.booleans()
oddities: st.SearchStrategy[Any] = st.none() | st.sampled_from(['', '1', 'x', '1.5', 'nan']) | st.just({})
leaves = numbers | oddities

anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=12,
)


@st.composite
def tables(draw: Any) -> Any:
    """Rows of numbers; now and then a row is of another length or kind, or holds something else."""
    length = draw(st.integers(0, 4))
    row = st.lists(numbers, min_size=length, max_size=length)
    rows = draw(st.lists(row, max_size=6))
    for index in range(len(rows)):
        match draw(st.integers(0, 20)):
            case 0:
                rows[index] = draw(st.lists(numbers, max_size=8))
            case 1:
                rows[index] = tuple(rows[index])
            case 2:
                rows[index] = draw(st.lists(leaves, min_size=length, max_size=length))
            case 3:
                rows[index] = draw(oddities | numbers)
    return rows


def outcome(function: Any, rows: Any, dtype: Any) -> Any:
    """What `function` returns, or the class of what it raises."""
    try:
        with numpy.errstate(all='ignore'):
            return function(rows, dtype)
    except (InvalidInput, OverflowError):
        return ValueError
    except (ArithmeticError, TypeError, ValueError) as error:
        return type(error)


def assert_same(rows: Any, dtype: Any) -> None:
    expected, found = outcome(numpy.asarray, rows, dtype), outcome(as_array, rows, dtype)
    if isinstance(expected, type) or isinstance(found, type):
        assert found is expected
    else:
        numpy.testing.assert_array_equal(found, expected, strict=True)


FLOATS = st.sampled_from(['float32', 'float64', 'float16', numpy.float32])


@settings(max_examples=400, deadline=None)
@given(tables(), FLOATS)
@example([[1, 2], [3], [4, 5, 6]], 'float32')
@example([[1], [], [2, 3]], 'float32')
@example([[], {}], 'float32')
@example([[], ''], 'float32')
@example([[1, 2], (3, 4)], 'float32')
@example([[1, 10**400]], 'float32')
def test_table_becomes_the_array_that_numpy_makes_of_it(rows: Any, dtype: Any) -> None:
    assert_same(rows, dtype)


@settings(max_examples=300, deadline=None)
@given(anything, FLOATS)
def test_anything_becomes_what_numpy_makes_of_it(rows: Any, dtype: Any) -> None:
    assert_same(rows, dtype)


@pytest.mark.parametrize(
    'rows',
    [[[1, 2], {1: 2, 3: 4}], [[1, 2], {3, 4}], [[1, 2], b'ab'], [[1, 2], range(2)], [[1], numpy.ones(1)]],
    ids=['dict', 'set', 'bytes', 'range', 'array'],
)
def test_row_that_is_no_list_counts_as_with_numpy(rows: Any) -> None:
    assert_same(rows, 'float32')


@pytest.mark.parametrize('dtype', ['int64', 'uint8', 'bool', 'object', 'str', 'complex128', None])
@pytest.mark.parametrize('rows', [[[1, 0]], [[2**53 + 1]], [[2**63]], [[-1]], [[300]], [[1.5]]], ids=str)
def test_other_kinds_of_array_are_those_of_numpy(rows: Any, dtype: Any) -> None:
    assert_same(rows, dtype)


@pytest.mark.parametrize(
    'rows', [numpy.ones((2, 3)), numpy.zeros((0, 4), 'float32'), ((1, 2), (3, 4)), 5, 'x']
)
def test_what_is_no_list_is_left_to_numpy(rows: Any) -> None:
    assert_same(rows, 'float32')


def test_result_can_be_written_to() -> None:
    array = as_array([[1, 2], [3, 4]])
    array[0, 0] = 7

    assert array.tolist() == [[7, 2], [3, 4]]


def test_many_rows() -> None:
    rows = numpy.random.default_rng(0).normal(size=(512, 64)).tolist()

    numpy.testing.assert_array_equal(as_array(rows), numpy.asarray(rows, 'float32'), strict=True)


UNEVEN = {
    'rows': ([[1.0], [1.0, 2.0]], 'row 1 has 2 values, row 0 has 1 values'),
    'last_row': ([[1.0, 2.0]] * 600 + [[1.0]], 'row 600 has 1 values, row 0 has 2 values'),
    'value': ([[1.0], 2.0], 'row 1 has a single value, row 0 has 1 values'),
    'deeper': (
        [[[1.0], [2.0]], [[3.0], [4.0, 5.0]]],
        'one inside a row has 2 values, another has 1 values',
    ),
    'list_for_a_number': (
        [[1, 2], [3, [4]]],
        'one inside a row has 1 values, another has a single value',
    ),
}


@pytest.mark.parametrize('dtype', ['float32', 'int64'])
@pytest.mark.parametrize(('rows', 'message'), UNEVEN.values(), ids=UNEVEN)
def test_rows_of_unequal_length_are_the_fault_of_the_client(rows: Any, message: str, dtype: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        as_array(rows, dtype)


@pytest.mark.parametrize(
    ('number', 'dtype'), [(2**63, 'int64'), (-1, 'uint8'), (300, 'uint8'), (10**400, 'float32')]
)
@pytest.mark.parametrize('depth', [1, 2])
def test_number_beyond_the_dtype_is_the_fault_of_the_client(number: int, dtype: str, depth: int) -> None:
    with pytest.raises(InvalidInput, match=f'A number is too large or too small for {dtype}'):
        as_array([number] if depth == 1 else [[number]], dtype)


def test_text_among_numbers_is_no_fault_of_lengths() -> None:
    with pytest.raises(ValueError, match='could not convert'):
        as_array([['a'], ['b']])
