import math
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_serving.errors import InvalidInput
from model_serving.protocols.signature import DTYPES, Signature, Tensor
from model_serving.protocols.tensor_data import from_bytes, from_lists, to_bytes, to_json
from model_serving.schemas.compiled import BadSchema


def rows(number: dict[str, Any], size: int = 2, **more: Any) -> dict[str, Any]:
    """The schema of rows of `size` such numbers."""
    return {
        'type': 'array',
        'items': {'type': 'array', 'minItems': size, 'maxItems': size, 'items': number},
        **more,
    }


ROW_OF_A = {'type': 'object', 'properties': {'a': {}}}
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
    'objects_as_elements': (
        ('x', 'FP32', [-1], {'type': 'array', 'items': {'type': 'object', 'properties': {'a': {}}}}),
        'rows of 1 properties are a tensor [-1, 1]',
    ),
    'required_column_that_is_none': (
        ('x', 'FP32', [-1, 1], {'type': 'array', 'items': {**ROW_OF_A, 'required': ['b']}}),
        'rows of 1 properties are a tensor [-1, 1]',
    ),
    'wrong_schema': (
        ('x', 'FP32', [-1], {'type': 'array', 'items': {'type': 'numbr'}}),
        "there is no type 'numbr'; write 'number' (at /items/type)",
    ),
    'reference_to_nothing': (
        ('x', 'FP32', [-1], {'type': 'array', 'items': {'$ref': '#/$defs/row'}}),
        '/$defs/row',
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


NAN = float('nan')
BOUNDS: list[tuple[str, dict[str, Any], list[float], list[tuple[float, str]]]] = [
    (
        'FP64',
        {'minimum': 0, 'maximum': 16},
        [0, 16],
        [(-1e-300, '-1e-300 is less than the minimum of 0'), (16.000000000000004, 'the maximum of 16')],
    ),
    (
        'FP32',
        {'exclusiveMinimum': 0, 'exclusiveMaximum': 1},
        [1e-45, 0.99999994],
        [(0, 'less than or equal to the minimum of 0'), (1, 'greater than or equal to the maximum of 1')],
    ),
    ('FP32', {'maximum': 0.1}, [0.1], [(0.10000001, '0.10000001 is greater than the maximum of 0.1')]),
    ('FP32', {'maximum': math.pi}, [math.pi], [(3.1415930, 'the maximum of 3.1415927')]),
    ('FP64', {'minimum': 2**53 + 1}, [2.0**53], [(2.0**53 - 1, '9007199254740991.0 is less than')]),
    ('FP16', {'maximum': 1e9}, [65504], [(float('inf'), 'an infinity is not a number of JSON')]),
    ('FP16', {'exclusiveMinimum': 0.1}, [0.1001], [(0.1, 'less than or equal to the minimum of 0.09997')]),
    ('INT64', {'exclusiveMinimum': 0}, [1], [(0, '0 is less than or equal to the minimum of 0')]),
    ('INT8', {'minimum': -5}, [-5], [(-6, '-6 is less than the minimum of -5')]),
    ('UINT64', {'maximum': 2**63}, [2**63], [(2**63 + 1, '9223372036854775809 is greater than')]),
    (
        'FP64',
        {},
        [1.7976931348623157e308],
        [
            (float('nan'), "None is not of type 'number' (at /1); NaN counts as null"),
            (float('inf'), 'an infinity is not a number of JSON'),
            (-float('inf'), 'an infinity is not a number of JSON'),
        ],
    ),
]


@pytest.mark.parametrize(('datatype', 'bounds', 'good', 'bad'), BOUNDS)
def test_bounds_of_the_schema_hold(
    datatype: str, bounds: Any, good: list[float], bad: list[tuple[float, str]]
) -> None:
    like = {'type': 'array', 'items': {'type': 'number', **bounds}}
    tensor = Tensor('x', datatype, [-1], like=like)
    tensor.validate(numpy.array(good, DTYPES[datatype]))
    for value, message in bad:
        said = refusal(tensor, numpy.array([good[0], value], DTYPES[datatype]))
        assert message in said
        assert '(at /1)' in said or 'infinity' in said


def refusal(tensor: Tensor, array: Any) -> str:
    """What the tensor says of an array that breaks its schema."""
    with pytest.raises(InvalidInput, match=r"^input 'x': ") as caught:
        tensor.validate(array)
    assert len(caught.value.message) < 2000
    return caught.value.message


def test_columns_have_bounds_of_their_own() -> None:
    columns = {'a': {'type': 'number', 'maximum': 1}, 'b': {'type': 'integer', 'minimum': 5}}
    like = {'type': 'array', 'items': {'type': 'object', 'properties': columns}, 'maxItems': 2}
    tensor = Tensor('x', 'FP32', [-1, 2], like=like)
    assert tensor.columns == ('a', 'b')
    tensor.validate(numpy.array([[1, 5], [-9, 900]], 'f4'))
    assert '4.0 is less than the minimum of 5 (at /1/b)' in refusal(
        tensor, numpy.array([[1, 5], [1, 4]], 'f4')
    )
    for endless in ([1, math.inf], [math.inf, 5]):
        assert 'an infinity is not' in refusal(tensor, numpy.array([endless], 'f4'))
    assert "None is not of type 'integer' (at /0/b); NaN" in refusal(tensor, numpy.array([[1, NAN]], 'f4'))
    assert "5.5 is not of type 'integer' (at /0/b)" in refusal(tensor, numpy.array([[1, 5.5]], 'f4'))
    assert 'is too long' in refusal(tensor, numpy.ones((3, 2), 'f4'))


def table(**columns: Any) -> dict[str, Any]:
    """The schema of rows that are objects of these columns, which may refer to `$defs`."""
    share = {'type': 'number', 'maximum': 0.7}
    items = {'type': 'object', 'properties': columns, 'required': list(columns)}
    return {'type': 'array', 'items': {'$ref': '#/$defs/row'}, '$defs': {'row': items, 'share': share}}


HELD: dict[str, tuple[str, dict[str, Any], list[Any], list[tuple[Any, str]]]] = {
    'nullable': (
        'FP32',
        {'type': ['number', 'null'], 'maximum': 0.1},
        [0.1, NAN],
        [(0.2, '0.2 is greater than the maximum of 0.1 (at /1/b)'), (float('inf'), 'an infinity')],
    ),
    'not_nullable': ('FP64', {'enum': [1, 2]}, [1, 2], [(NAN, 'None is not one of [1, 2] (at /1/b); NaN ')]),
    'enum': (
        'FP32',
        {'enum': [0.1, 0.5, None]},
        [0.1, 0.5, NAN],
        [(0.2, '0.2 is not one of [0.1, 0.5, None]')],
    ),
    'reference': ('FP32', {'$ref': '#/$defs/share'}, [0.7, -1], [(0.8, 'the maximum of 0.7 (at /1/b)')]),
    'multiple': ('FP32', {'type': 'number', 'multipleOf': 0.1}, [0.3, 7], [(0.35, 'not a multiple of 0.1')]),
    'either': ('INT64', {'anyOf': [{'maximum': 1}, {'minimum': 9}]}, [1, 9], [(5, '5 is ')]),
    'flags': ('BOOL', {'const': True}, [True], [(False, 'True was expected (at /1/b)')]),
    'pattern': (
        'BYTES',
        {'type': 'string', 'pattern': '^[a-z你好]+$', 'maxLength': 3},
        [b'ab', '你好你'.encode()],
        [(b'AB', "'AB' does not match '^[a-z你好]+$' (at /1/b)"), (b'abcd', "'abcd' is too long")],
    ),
    'format': ('BYTES', {'format': 'date'}, [b'2026-01-31'], [(b'2026-02-31', "is not a 'date' (at /1/b)")]),
    'no_text': ('BYTES', {'type': 'string'}, ['Zoë'.encode()], [(b'\xff', "can't decode byte 0xff")]),
}


@pytest.mark.parametrize(('datatype', 'column', 'good', 'bad'), HELD.values(), ids=HELD)
def test_whatever_the_schema_says_of_a_column_holds(
    datatype: str, column: Any, good: list[Any], bad: list[tuple[Any, str]]
) -> None:
    tensor = Tensor('x', datatype, [-1, 2], like=table(a=True, b=column))
    assert tensor.columns == ('a', 'b')
    for value in good:
        tensor.validate(numpy.array([[good[0], value]], DTYPES[datatype]))
    for value, message in bad:
        array = numpy.array([[good[0], good[0]], [good[0], value]], DTYPES[datatype])
        assert message in refusal(tensor, array)


def test_without_a_schema_anything_goes() -> None:
    Tensor('x', 'FP32', [-1]).validate(numpy.array([numpy.nan, numpy.inf], 'f4'))


WHOLE: list[tuple[str, Any]] = [
    ('UINT8', [256]),
    ('UINT8', [-1]),
    ('INT8', [-129]),
    ('INT64', [2**63]),
    ('UINT64', [-1]),
    ('UINT64', [1.8446744073709552e19]),
    ('INT32', [1.5]),
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
