from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.schema_utils import BadSchema
from model_serving.utils.tensor_data_utils import from_bytes, from_lists, to_bytes, to_json
from model_serving.utils.tensor_utils import DTYPES, Signature, Tensor


def rows(number: dict[str, Any], size: int = 2, **more: Any) -> dict[str, Any]:
    """The schema of rows of `size` such numbers."""
    return {
        'type': 'array',
        'items': {'type': 'array', 'minItems': size, 'maxItems': size, 'items': number},
        **more,
    }


MISTAKES: dict[str, tuple[tuple[Any, ...], str]] = {
    'datatype': (('x', 'FLOAT', [-1]), "no datatype 'FLOAT'; known: BOOL, "),
    'size': (('x', 'FP32', [0]), 'is no shape'),
    'fraction': (('x', 'FP32', [1.5]), 'is no shape'),
    'no_list': (('x', 'FP32', [-1], {'type': 'object'}), 'the schema of a list of its rows'),
    'other_size': (('x', 'FP32', [-1, 3], rows({'type': 'number'})), 'is not that of the rows'),
    'other_rank': (('x', 'FP32', [-1, 2, 2], rows({'type': 'number'})), 'is not that of the rows'),
    'any_size_of_a_fixed_one': (('x', 'FP32', [-1, -1], rows({'type': 'number'})), 'is not that of the rows'),
    'other_columns': (
        ('x', 'FP32', [-1, 3], {'type': 'array', 'items': {'type': 'object', 'properties': {'a': {}}}}),
        'rows of 1 properties are a tensor [-1, 1]',
    ),
}


@pytest.mark.parametrize(('arguments', 'message'), MISTAKES.values(), ids=MISTAKES)
def test_mistake_in_a_tensor_stops_the_start(arguments: Any, message: str) -> None:
    with pytest.raises(BadSchema) as caught:
        Tensor(*arguments)
    assert message in str(caught.value)
    assert "tensor 'x'" in str(caught.value)


@pytest.mark.parametrize('names', [[], ['x', 'x']])
def test_signature_needs_names_that_differ(names: list[str]) -> None:
    with pytest.raises(BadSchema, match='each with a name of its own'):
        Signature([Tensor(name, 'FP32', [-1]) for name in names], [Tensor('y', 'FP32', [-1])], abs)


BOUNDS: list[tuple[str, dict[str, Any], list[float], list[float]]] = [
    ('FP64', {'minimum': 0, 'maximum': 16}, [0, 16], [-1e-300, 16.000000000000004]),
    ('FP32', {'exclusiveMinimum': 0, 'exclusiveMaximum': 1}, [1e-45, 0.99999994], [0, 1]),
    ('FP32', {'maximum': 0.1}, [0.1], [0.10000001]),
    ('FP16', {'maximum': 1e9}, [65504], []),
    ('INT64', {'exclusiveMinimum': 0}, [1], [0]),
    ('INT8', {'minimum': -5}, [-5], [-6]),
    ('UINT64', {'maximum': 5}, [5], [6]),
    ('FP64', {}, [1.7976931348623157e308], [float('nan'), float('inf'), -float('inf')]),
]


@pytest.mark.parametrize(('datatype', 'bounds', 'good', 'bad'), BOUNDS)
def test_bounds_of_the_schema_hold(datatype: str, bounds: Any, good: list[float], bad: list[float]) -> None:
    like = {'type': 'array', 'items': {'type': 'number', **bounds}}
    tensor = Tensor('x', datatype, [-1], like=like)
    tensor.check(numpy.array(good, DTYPES[datatype]))
    for value in bad:
        with pytest.raises(InvalidInput, match=r"input 'x': .* at \[1\] is not within: "):
            tensor.check(numpy.array([good[0], value], DTYPES[datatype]))


def test_columns_have_bounds_of_their_own() -> None:
    columns = {'a': {'type': 'number', 'maximum': 1}, 'b': {'type': 'integer', 'minimum': 5}}
    like = {'type': 'array', 'items': {'type': 'object', 'properties': columns}, 'maxItems': 2}
    tensor = Tensor('x', 'FP32', [-1, 2], like=like)
    assert tensor.columns == ('a', 'b')
    tensor.check(numpy.array([[1, 5], [-9, 900]], 'f4'))
    with pytest.raises(InvalidInput, match=r'4.0 at \[1, 1\] is not within: minimum 5'):
        tensor.check(numpy.array([[1, 5], [1, 4]], 'f4'))
    with pytest.raises(InvalidInput, match='3 rows, where at most 2 are allowed'):
        tensor.check(numpy.ones((3, 2), 'f4'))


def test_without_a_schema_anything_goes() -> None:
    Tensor('x', 'FP32', [-1]).check(numpy.array([numpy.nan, numpy.inf], 'f4'))


WHOLE: list[tuple[str, Any]] = [
    ('UINT8', [256]),
    ('UINT8', [-1]),
    ('INT8', [-129]),
    ('INT64', [2**63]),
    ('UINT64', [-1]),
    ('UINT64', [1.8446744073709552e19]),
    ('INT32', [1.0]),
    ('INT32', [True]),
    ('BOOL', [1]),
    ('BYTES', [5]),
    ('FP16', [65520.0]),
    ('FP32', ['1']),
]


@pytest.mark.parametrize(('datatype', 'data'), WHOLE)
def test_element_that_the_datatype_cannot_hold_is_refused(datatype: str, data: Any) -> None:
    with pytest.raises(InvalidInput, match="input 'x': "):
        from_lists(Tensor('x', datatype, [-1]), [1], data)


ELEMENTS: dict[str, tuple[int, bytes, str]] = {
    'too_few_bytes': (3, bytes(8), '8 bytes cannot hold 3 elements'),
    'element_too_long': (2, b'\1\0\0\0a\xff\xff\xff\xff', 'element 1 of BYTES is longer than the data'),
    'length_cut_off': (2, b'\3\0\0\0abc\0', 'element 1 of BYTES is longer than the data'),
    'more_behind': (1, b'\1\0\0\0ab', '1 bytes follow the last element'),
    'huge_count': (2**30, bytes(8), 'cannot hold 1073741824 elements'),
}


@pytest.mark.parametrize(('count', 'data', 'message'), ELEMENTS.values(), ids=ELEMENTS)
def test_bytes_that_are_no_elements_are_refused(count: int, data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_bytes(Tensor('x', 'BYTES', [-1]), [count], memoryview(data))
    assert message in str(caught.value)


def test_bools_are_ones_and_zeros() -> None:
    tensor = Tensor('x', 'BOOL', [-1])
    assert from_bytes(tensor, [3], memoryview(b'\1\0\1')).tolist() == [True, False, True]
    with pytest.raises(InvalidInput, match='a byte of BOOL is 0 or 1'):
        from_bytes(tensor, [3], memoryview(b'\1\0\2'))


def test_bytes_at_an_odd_place_are_aligned() -> None:
    data = memoryview(b'x' + numpy.array([1.5, 2.5]).tobytes())[1:]
    array = from_bytes(Tensor('x', 'FP64', [-1]), [2], data)
    assert array.tolist() == [1.5, 2.5]
    assert array.flags.aligned


numbers = st.sampled_from([name for name in DTYPES if name != 'BYTES']).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(st.booleans() if name == 'BOOL' else st.integers(0, 100), max_size=12),
    )
)
texts = st.tuples(st.just('BYTES'), st.lists(st.text(max_size=5), max_size=12))


@given(numbers | texts)
def test_what_is_read_is_what_is_written(typed: tuple[str, list[Any]]) -> None:
    datatype, values = typed
    tensor = Tensor('x', datatype, [-1])
    array = from_lists(tensor, [len(values)], values)
    data = bytes(to_bytes(tensor, array))
    assert to_json(tensor, array).tolist() == values
    assert to_json(tensor, from_bytes(tensor, [len(values)], memoryview(data))).tolist() == values


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_nested_and_flat_data_are_the_same(shape: list[int]) -> None:
    tensor = Tensor('x', 'FP64', [-1] * len(shape))
    expected = numpy.arange(numpy.prod(shape), dtype=float).reshape(shape)
    assert (from_lists(tensor, shape, expected.tolist()) == expected).all()
    assert (from_lists(tensor, shape, expected.ravel().tolist()) == expected).all()


def test_scalar_goes_both_ways() -> None:
    tensor = Tensor('x', 'FP32', [])
    array = from_lists(tensor, [], [5])
    assert (array.shape, float(array)) == ((), 5.0)
    assert float(from_bytes(tensor, [], memoryview(bytes(to_bytes(tensor, array))))) == 5.0
    echo = Signature([tensor], [Tensor('y', 'FP32', [])], call=lambda x: x)
    assert echo.run([array])[0].shape == ()
