import json
import math
import subprocess
import sys
import time
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.errors import InvalidInput
from model_serving.json_codec import encode
from model_serving.schemas.compiled import CompiledSchema
from model_serving.utils.frame_utils import data_frame

ZONED, UNZONED = 'datetime64[us, UTC]', 'datetime64[us]'
LEVELS = pandas.CategoricalDtype(['low', 'mid', 'high'])
ROW: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'size': {'type': 'number'},
        'weight': {'type': ['number', 'null']},
        'count': {'type': 'integer'},
        'rooms': {'type': ['integer', 'null']},
        'level': {'enum': ['low', 'mid', 'high']},
        'grade': {'enum': [3, 1, 2, None]},
        'is_new': {'type': 'boolean'},
        'is_sold': {'type': ['boolean', 'null']},
        'sold': {'type': ['string', 'null'], 'format': 'date-time'},
        'built': {'type': 'string', 'format': 'date'},
        'street': {'type': ['string', 'null']},
        'history': {'type': 'array', 'items': {'type': 'number'}},
        'owner': {'anyOf': [{'type': 'integer'}, {'type': 'string'}]},
    },
    'required': ['size', 'weight', 'count', 'level', 'is_new', 'built', 'street', 'owner'],
}
DTYPES = {
    'size': 'float64',
    'weight': 'float64',
    'count': 'int64',
    'rooms': 'float64',
    'level': LEVELS,
    'grade': pandas.CategoricalDtype([3, 1, 2]),
    'is_new': 'bool',
    'is_sold': 'float64',
    'sold': ZONED,
    'built': UNZONED,
    'street': 'object',
    'history': 'object',
    'owner': 'object',
}
HOUSE = {
    'street': None,
    'owner': 'A',
    'size': 80,
    'weight': None,
    'count': 2**53 + 1,
    'rooms': 3,
    'level': 'mid',
    'grade': 1,
    'is_new': True,
    'is_sold': False,
    'sold': '2026-01-02T03:04:05.123456+02:00',
    'built': '1890-05-01',
    'history': [1, 2],
    'colour': 'red',
}

text = st.text(max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    'size': st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64),
    'weight': st.none() | st.floats(allow_nan=False, allow_infinity=False),
    'count': st.integers(-(2**63), 2**63 - 1),
    'rooms': st.none() | st.integers(-(2**63), 2**63 - 1),
    'level': st.sampled_from(['low', 'mid', 'high']),
    'grade': st.sampled_from([3, 1, 2, None]),
    'is_new': st.booleans(),
    'is_sold': st.none() | st.booleans(),
    'sold': st.none() | st.datetimes().map(lambda when: f'{when.isoformat()}+01:00'),
    'built': st.dates().map(lambda day: day.isoformat()),
    'street': st.none() | text,
    'history': st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    'owner': text | st.integers(),
}


def typed(frame: pandas.DataFrame) -> dict[str, Any]:
    return dict(frame.dtypes)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {name: VALUES[name] for name in ROW['required']},
            optional={name: VALUES[name] for name in ROW['properties'].keys() - set(ROW['required'])},
        ),
        max_size=4,
    )
)
def test_dtypes_depend_on_the_schema_alone(rows: list[dict[str, Any]]) -> None:
    read = json.loads(encode(rows))
    assert all(CompiledSchema(ROW).violations(row) == [] for row in read)
    frame = data_frame(read, ROW)
    assert typed(frame) == DTYPES
    assert len(frame) == len(rows)


def test_no_rows_are_an_empty_frame_with_all_columns() -> None:
    frame = data_frame([], ROW)
    assert (len(frame), typed(frame)) == (0, DTYPES)


def test_values_are_those_of_the_row() -> None:
    [row] = data_frame([HOUSE], ROW).to_dict('records')
    assert list(row) == list(ROW['properties'])
    assert math.isnan(row.pop('weight'))
    assert row == {
        'size': 80.0,
        'count': 2**53 + 1,
        'rooms': 3.0,
        'level': 'mid',
        'grade': 1,
        'is_new': True,
        'is_sold': 0.0,
        'sold': pandas.Timestamp('2026-01-02T01:04:05.123456Z'),
        'built': pandas.Timestamp('1890-05-01'),
        'street': None,
        'history': [1, 2],
        'owner': 'A',
    }


def test_column_that_is_null_or_missing_throughout_keeps_its_type() -> None:
    nothing = {'weight': None, 'street': None}
    rows = [{**{name: HOUSE[name] for name in ROW['required']}, **nothing} for _ in range(3)]
    frame = data_frame(rows, ROW)
    assert typed(frame) == DTYPES
    for name in ('weight', 'rooms', 'grade', 'is_sold', 'sold', 'street', 'history'):
        assert frame[name].isna().all(), name
    assert frame['street'].tolist() == [None] * 3


def test_categories_keep_the_order_of_the_schema_whatever_comes() -> None:
    rows = [{'level': level} for level in ('high', None, 'low')]
    column = data_frame(rows, {'properties': {'level': {'enum': [None, 'low', 'mid', 'high']}}})['level']
    assert column.cat.categories.tolist() == ['low', 'mid', 'high']
    assert column.cat.codes.tolist() == [2, -1, 0]


NULL = {'type': 'null'}
SAID: dict[str, tuple[Any, Any]] = {
    'any_of_null': ({'anyOf': [{'type': 'integer'}, NULL]}, 'float64'),
    'one_of_null': ({'oneOf': [{'type': 'boolean'}, NULL]}, 'float64'),
    'date_time_or_null': ({'anyOf': [{'type': 'string', 'format': 'date-time'}, NULL]}, ZONED),
    'enum_or_null': ({'anyOf': [{'enum': ['low', 'mid', 'high']}, NULL]}, LEVELS),
    'enum_with_a_type': ({'type': ['string', 'null'], 'enum': ['low', 'mid', 'high', None]}, LEVELS),
    'constants': ({'oneOf': [{'const': 'low', 'title': 'L'}, {'const': 'mid'}, {'const': 'high'}]}, LEVELS),
    'constant': ({'const': 5}, pandas.CategoricalDtype([5])),
    'integer_or_number': ({'type': ['integer', 'number']}, 'float64'),
    'any_of_and_one_of': ({'anyOf': [{'type': 'number'}], 'oneOf': [{'type': 'integer'}]}, 'int64'),
    'integers_alone': ({'type': ['integer'], 'minimum': 0}, 'int64'),
    'all_of': ({'allOf': [{'minimum': 0}, {'type': 'integer'}]}, 'int64'),
    'many_branches': ({'type': 'integer', 'allOf': [{'anyOf': [{'minimum': 0}] * 3}] * 20}, 'int64'),
    'reference': ({'$ref': '#/$defs/level'}, LEVELS),
    'reference_to_an_anchor': ({'$ref': '#level'}, LEVELS),
    'reference_or_null': ({'anyOf': [{'$ref': '#/$defs/co~1unt'}, NULL]}, 'float64'),
    'reference_with_words': ({'$ref': '#/$defs/co~1unt', 'description': 'how many'}, 'int64'),
    'reference_into_a_list': ({'$ref': '#/$defs/either/anyOf/1'}, 'float64'),
    'null_alone': (NULL, 'object'),
    'no_type': ({'minimum': 0}, 'object'),
    'format_alone': ({'format': 'date-time'}, 'object'),
    'date_or_date_time': (
        {'type': 'string', 'anyOf': [{'format': 'date'}, {'format': 'date-time'}]},
        'object',
    ),
    'anything': (True, 'object'),
    'lists_to_choose_from': ({'enum': [[1], [2]]}, 'object'),
    'truth_values_to_choose_from': ({'enum': [True, 'a']}, pandas.CategoricalDtype([True, 'a'])),
    'truth_values_beside_numbers': ({'enum': [1, True]}, 'object'),
    'number_written_twice': ({'enum': [1, 1.0, 'a']}, pandas.CategoricalDtype([1, 'a'])),
    'nothing_but_null_to_choose': ({'enum': [None]}, 'object'),
}
DEFS: dict[str, Any] = {
    'level': {'$anchor': 'level', 'enum': ['low', 'mid', 'high']},
    'co/unt': {'type': 'integer'},
    'either': {'anyOf': [{'type': 'string'}, {'type': 'number'}]},
}


@pytest.mark.parametrize(('schema', 'dtype'), SAID.values(), ids=SAID)
def test_schema_says_the_dtype(schema: Any, dtype: Any) -> None:
    row = {'$defs': DEFS, 'properties': {'a': schema}, 'required': ['a']}
    assert typed(data_frame([], row)) == {'a': dtype}


ROWS: dict[str, Any] = {
    'reference': {'$ref': '#/$defs/base'},
    'all_of': {'allOf': [{'$ref': '#/$defs/base'}, {'properties': {'b': {'type': 'integer'}, 'a': True}}]},
    'many_branches': {'$ref': '#/$defs/base', 'allOf': [{'anyOf': [{}, {'required': ['a']}, {}]}] * 20},
    'one_of_two_required': {
        '$ref': '#/$defs/base',
        'anyOf': [{'required': ['b']}, {'required': ['c']}],
    },
}


@pytest.mark.parametrize('name', ROWS)
def test_row_may_be_put_together(name: str) -> None:
    base = {'properties': {'a': {'type': 'integer'}}, 'required': ['a']}
    root = {'$defs': {'base': base}, 'properties': {'rows': {'items': ROWS[name]}}}
    found = typed(data_frame([{'a': 1}], root['properties']['rows']['items'], root))
    assert found == {'a': 'int64', **({'b': 'float64'} if name == 'all_of' else {})}


def test_schema_that_is_changed_is_read_anew() -> None:
    schema: dict[str, Any] = {'properties': {'a': {'enum': [1]}}}
    for choice in (1, True):
        schema['properties']['a']['enum'][0] = choice
        assert typed(data_frame([], schema)) == {'a': pandas.CategoricalDtype([choice])}


def test_rows_of_two_kinds_have_the_columns_of_both() -> None:
    kinds = {'a': {'x': {'type': 'integer'}}, 'b': {'y': {'type': 'number'}, 'x': {'type': 'string'}}}
    schema = {
        'oneOf': [
            {'properties': {'kind': {'const': kind}, **more}, 'required': ['kind', *more]}
            for kind, more in kinds.items()
        ]
    }
    frame = data_frame([{'kind': 'b', 'y': 1, 'x': 's'}, {'kind': 'a', 'x': 2}], schema)
    assert typed(frame) == {'kind': pandas.CategoricalDtype(['a', 'b']), 'x': 'object', 'y': 'object'}


TIMES = {
    '2026-01-02T03:04:05+02:00': '2026-01-02T01:04:05',
    '2026-01-02t03:04:05z': '2026-01-02T03:04:05',
    '2026-01-02T03:04:05.5-00:30': '2026-01-02T03:34:05.500',
    '2016-12-31T23:59:59.1234567890123Z': '2016-12-31T23:59:59.123456',
    '9999-12-31T23:59:59.999999Z': '9999-12-31T23:59:59.999999',
    '0001-01-01T00:00:00Z': '0001-01-01T00:00:00',
}


def test_times_of_all_years_and_zones_are_kept_beside_each_other() -> None:
    schema = {'properties': {'at': {'type': 'string', 'format': 'date-time'}}}
    rows = [{'at': when} for when in TIMES]
    assert all(CompiledSchema(schema).violations(row) == [] for row in rows)
    found = data_frame(rows, schema)['at'].dt.tz_localize(None).to_numpy()
    assert found.tolist() == numpy.array(list(TIMES.values()), 'datetime64[us]').tolist()


TIME = {'type': 'string', 'format': 'date-time'}
NEEDS_YEARS = 'a time of years 1 to 9999, without a leap second, is needed'


@pytest.mark.parametrize(
    ('schema', 'value', 'needed'),
    [
        ({'type': 'integer'}, 2**63, 'an integer of 64 bits is needed'),
        (TIME, '2016-12-31T23:59:60Z', NEEDS_YEARS),
        (TIME, '0000-01-01T00:00:00Z', NEEDS_YEARS),
    ],
)
def test_valid_value_that_no_column_holds_is_refused(schema: Any, value: Any, needed: str) -> None:
    row = {'properties': {'a': schema}, 'required': ['a']}
    fitting = 1 if isinstance(value, int) else '2026-01-02T03:04:05Z'
    assert CompiledSchema(row).violations({'a': value}) == []
    with pytest.raises(InvalidInput) as raised:
        data_frame([{'a': fitting}, {'a': value}, {'a': fitting}], row)
    assert raised.value.message == f"'a' of row 1 is {value!r}; {needed}"


def test_large_value_is_cut_in_the_refusal() -> None:
    row = {'properties': {'a': TIME}}
    with pytest.raises(InvalidInput) as raised:
        data_frame([{'a': f'2016-12-31T23:59:60.{"1" * 10_000}Z'}], row)
    assert len(raised.value.message) < 400


@pytest.mark.parametrize(
    ('schema', 'words'),
    [
        ({'type': 'array', 'items': ROW}, "the schema of a row is due, with its 'properties'"),
        ({'properties': {'a': {'$ref': '#/$defs/x'}}}, "'/$defs/x' does not exist; a part of a schema needs"),
        ({'properties': {'a': {'$ref': 'x.json#/b'}}}, "'x.json#/b' is not present"),
        ({'properties': {'a': {'$ref': '#anchor'}}}, "'anchor' does not exist; a part of a schema needs"),
    ],
)
def test_mistake_of_the_author_is_named(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace('$', r'\$')):
        data_frame([], schema)


def test_value_outside_its_enum_does_not_become_missing() -> None:
    with pytest.raises(ValueError, match="'none' is not in the enum of 'level'"):
        data_frame([{**HOUSE, 'level': 'none'}], ROW)


def test_time_without_a_zone_is_not_taken_for_one_of_this_machine() -> None:
    with pytest.raises(TypeError):
        data_frame([{**HOUSE, 'sold': '2026-01-02T03:04:05'}], ROW)


def test_frame_goes_back_to_json() -> None:
    frame = data_frame([HOUSE, {**HOUSE, 'grade': None, 'sold': None, 'rooms': None}], ROW)
    columns = json.loads(encode({name: frame[name] for name in frame.columns}))
    assert columns['level'] == ['mid', 'mid']
    assert columns['grade'] == [1, None]
    assert columns['rooms'] == [3, None]
    assert columns['is_new'] == [True, True]
    assert columns['sold'] == ['2026-01-02T01:04:05.123456+00:00', None]
    assert columns['built'] == ['1890-05-01T00:00:00'] * 2
    assert columns['street'] == [None, None]
    assert columns['history'] == [[1, 2], [1, 2]]
    records = json.loads(encode(frame.to_dict('records')))
    assert [record['grade'] for record in records] == [1, None]
    assert [record['sold'] for record in records] == ['2026-01-02T01:04:05.123456+00:00', None]
    assert [row[3:6] for row in json.loads(encode(frame))] == [[3, 'mid', 1], [None, 'mid', None]]


def test_kit_does_not_import_pandas_before_it_is_called() -> None:
    code = (
        "import sys, model_serving.utils.frame_utils\nassert not {'pandas', 'numpy'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.alone
def test_many_rows_take_no_longer_than_pandas_alone() -> None:
    rows = json.loads(json.dumps([HOUSE] * 5000))
    names = list(ROW['properties'])

    def best(make: Any) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            make()
            times.append(time.perf_counter() - start)
        return min(times)

    plain = best(lambda: pandas.DataFrame(rows)[names].astype(DTYPES))
    assert best(lambda: data_frame(rows, ROW)) < 1.5 * plain
