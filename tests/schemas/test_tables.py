import subprocess
import sys
from typing import Any

import numpy
import orjson
import pytest
from flask import Flask, request
from hypothesis import example, given
from hypothesis import strategies as st

from model_serving.schemas.compiled import MANY_NUMBERS_BYTES, BadSchema, CompiledSchema
from model_serving.schemas.number_lists import EACH, split
from model_serving.schemas.validation import validate_json

NUMBER = {'type': 'number', 'minimum': 0, 'exclusiveMaximum': 16}
ROWS = {'type': 'array', 'items': {'type': 'array', 'minItems': 3, 'maxItems': 3, 'items': NUMBER}}
SIZES = [0, MANY_NUMBERS_BYTES + 1]


def body_of(**properties: Any) -> dict[str, Any]:
    return {'type': 'object', 'properties': properties}


SCHEMA = body_of(
    rows=ROWS,
    row={'type': 'array', 'items': {'type': 'integer', 'maximum': 9}},
    inner=body_of(free={'type': 'array', 'items': {'type': 'number'}}),
    ragged={'type': 'array', 'items': {'type': 'array', 'items': NUMBER}},
    deep={'type': 'array', 'items': ROWS},
)


def test_tables_are_lists_of_numbers_and_rows_of_one_length() -> None:
    assert table_paths(SCHEMA) == [('rows', EACH), ('row',), ('inner', 'free')]


def table_paths(schema: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [each.path for each in split(schema)[1] if each.is_table]


@pytest.mark.parametrize(
    'schema',
    [
        {'type': 'array', 'items': {'type': 'number'}},
        body_of(a={'type': ['array', 'null'], 'items': {'type': 'number'}}),
        body_of(a={'type': 'array', 'prefixItems': [{}], 'items': {'type': 'number'}}),
        body_of(a={'type': 'array', 'items': {'type': ['number', 'null']}}),
        body_of(a={'type': 'array', 'items': {'type': 'array', 'minItems': 2, 'items': NUMBER}}),
        body_of(
            a={'type': 'array', 'items': {'type': 'array', 'minItems': 0, 'maxItems': 0, 'items': NUMBER}}
        ),
        {'properties': {'a': {'type': 'array', 'items': NUMBER}}},
        body_of(a={'type': 'array'}),
    ],
)
def test_arrays_of_a_schema_without_tables_are_a_mistake(schema: dict[str, Any]) -> None:
    assert table_paths(schema) == []
    with pytest.raises(BadSchema, match='arrays=True'):
        CompiledSchema(schema, arrays=True)


numbers = st.integers(-1, 17) | st.sampled_from([15.999, 16.0, -0.0, 2**63, 1e300]) | st.floats(0, 16)
leaves = st.one_of(*[numbers] * 8, st.booleans(), st.none(), st.text(max_size=1))
bodies = st.fixed_dictionaries(
    {},
    optional={
        'rows': st.lists(
            st.lists(leaves, min_size=3, max_size=3) | st.lists(numbers, max_size=4), max_size=4
        ),
        'row': st.lists(leaves, max_size=4) | st.just('x'),
        'inner': st.fixed_dictionaries({}, optional={'free': st.lists(leaves, max_size=3)}),
        'ragged': st.lists(st.lists(numbers, max_size=2), max_size=2),
        'deep': st.lists(st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=2), max_size=2),
    },
)
plain, with_arrays = CompiledSchema(SCHEMA), CompiledSchema(SCHEMA, arrays=True)


@pytest.mark.parametrize('size', SIZES)
@given(body=bodies)
@example(body={'rows': [], 'row': [], 'inner': {'free': []}})
@example(body={'rows': [[1, 2, 3], [4.5, 5, 6]], 'row': [1, 9.0], 'ragged': [[1], []]})
@example(body={'rows': [[1, 2, True]]})
@example(body={'rows': [[1, 2, 16]]})
@example(body={'ragged': [[1, 16]], 'rows': [[1, 2, 3]]})
def test_arrays_change_neither_the_verdict_nor_the_numbers(body: dict[str, Any], size: int) -> None:
    copy = orjson.loads(orjson.dumps(body))
    assert with_arrays.validate_body(copy, size) == plain.violations(body, size)
    if plain.violations(body, size):
        assert copy == orjson.loads(orjson.dumps(body)), 'a refused body stays as it is'
        return
    assert orjson.dumps(copy, option=orjson.OPT_SERIALIZE_NUMPY) == orjson.dumps(as_doubles(body))
    for array, columns in ((copy.get('rows'), 3), (copy.get('row'), None)):
        if array is not None:
            assert array.dtype == numpy.float64
            assert array.flags.writeable
            assert array.shape[1:] == (() if columns is None else (columns,))


def as_doubles(body: dict[str, Any]) -> dict[str, Any]:
    found = dict(body)
    if 'rows' in body:
        found['rows'] = [[float(number) for number in row] for row in body['rows']]
    if 'row' in body:
        found['row'] = [float(number) for number in body['row']]
    if 'inner' in body and 'free' in body['inner']:
        found['inner'] = {'free': [float(number) for number in body['inner']['free']]}
    return found


def test_the_view_finds_arrays_in_request_json() -> None:
    app = Flask(__name__)
    schema = {**SCHEMA, 'examples': [{'rows': [[1, 2, 3]]}]}

    @app.post('/')
    @validate_json(schema, arrays=True)
    def view() -> Any:
        rows = request.json['rows']  # type: ignore[index]
        return {'shape': rows.shape, 'sum': rows.sum()}

    assert app.test_client().post('/', json={'rows': [[1, 2, 3], [4, 5, 6]]}).json == {
        'shape': [2, 3],
        'sum': 21,
    }
    assert schema['examples'] == [{'rows': [[1, 2, 3]]}], 'the schema stays as it was written'


def test_body_without_tables_is_checked_before_anything_has_imported_numpy() -> None:
    code = (
        'from model_serving.schemas.compiled import CompiledSchema\n'
        'row = {"type": "array", "items": {"type": "number", "minimum": 0}}\n'
        'properties = {"row": row, "ragged": {"type": "array", "items": row}}\n'
        'compiled = CompiledSchema({"type": "object", "properties": properties}, arrays=True)\n'
        'assert compiled.validate_body({"ragged": [[1], [1, 2]]}, 10_000) == []\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
