"""Where the schema has `integer`, the model gets an int, however the client wrote it."""

import json
from typing import Any

import pytest
from flask import Flask, request
from flask_restful import Resource

from model_serving.errors import InvalidInput
from model_serving.protocols.signature import Tensor
from model_serving.protocols.tensor_data import from_lists
from model_serving.schemas import integers
from model_serving.schemas.compiled import CompiledSchema
from model_serving.schemas.integers import make_integers
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

INTEGER = {'type': 'integer'}
N = {'properties': {'n': INTEGER}}
TREE = {'properties': {'v': INTEGER, 'kids': {'type': 'array', 'items': {'$ref': '#/$defs/tree'}}}}
CASES: dict[str, tuple[dict[str, Any], Any, Any]] = {
    'property': (N, {'n': 3.0}, {'n': 3}),
    'exponent': (N, {'n': 1e3}, {'n': 1000}),
    'negative_zero': (N, {'n': -0.0}, {'n': 0}),
    'beyond_64_bits': (N, {'n': 2.0**70}, {'n': 2**70}),
    'or_null': ({'properties': {'n': {'type': ['integer', 'null']}}}, {'n': 3.0}, {'n': 3}),
    'number_stays': (
        {'properties': {'n': INTEGER, 'm': {'type': 'number'}}},
        {'n': 1, 'm': 2.0},
        {'n': 1, 'm': 2.0},
    ),
    'list': ({'properties': {'n': {'items': INTEGER}}}, {'n': [1, 2.0]}, {'n': [1, 2]}),
    'rows': ({'properties': {'n': {'items': {'items': INTEGER}}}}, {'n': [[1], [2.0]]}, {'n': [[1], [2]]}),
    'objects_in_a_list': (
        {'items': N},
        [{'n': 1.0}, {}, {'n': 2}],
        [{'n': 1}, {}, {'n': 2}],
    ),
    'tuple': ({'prefixItems': [{'type': 'string'}, INTEGER]}, ['a', 2.0], ['a', 2]),
    'other_properties': ({'additionalProperties': INTEGER}, {'n': 2.0}, {'n': 2}),
    'properties_by_pattern': ({'patternProperties': {'^n': INTEGER}}, {'n': 2.0}, {'n': 2}),
    'branch': ({'anyOf': [{'type': 'string'}, N]}, {'n': 2.0}, {'n': 2}),
    'reference': (
        {'properties': {'n': {'$ref': '#/$defs/n'}}, '$defs': {'n': INTEGER}},
        {'n': 2.0},
        {'n': 2},
    ),
    'contains': ({'contains': INTEGER}, ['a', 1.0], ['a', 1]),
    'anchor': (
        {'properties': {'n': {'$ref': '#A'}}, '$defs': {'n': {'$anchor': 'A', **INTEGER}}},
        {'n': 2.0},
        {'n': 2},
    ),
    'own_id': (
        {'$id': 'request.json', 'items': {'$ref': 'request.json#/$defs/n'}, '$defs': {'n': INTEGER}},
        [2.0],
        [2],
    ),
    'absolute_id': (
        {'$id': 'https://a.b/c', 'items': {'$ref': 'https://a.b/c#/$defs/n'}, '$defs': {'n': INTEGER}},
        [2.0],
        [2],
    ),
    'urn': ({'$id': 'urn:a:b', 'items': {'$ref': '#/$defs/n'}, '$defs': {'n': INTEGER}}, [2.0], [2]),
    'embedded_id': (
        {
            '$id': 'https://a.b/c',
            'items': {'$ref': 'n'},
            '$defs': {'x': {'$id': 'n', '$ref': '#/$defs/y', '$defs': {'y': INTEGER}}},
        },
        [2.0],
        [2],
    ),
    'recursion': (
        {'$ref': '#/$defs/tree', '$defs': {'tree': TREE}},
        {'v': 1.0, 'kids': [{'v': 2.0, 'kids': [{'v': 3.0}]}]},
        {'v': 1, 'kids': [{'v': 2, 'kids': [{'v': 3}]}]},
    ),
}


@pytest.mark.parametrize('many', [False, True], ids=['small', 'large'])
@pytest.mark.parametrize(('schema', 'body', 'expected'), CASES.values(), ids=CASES)
def test_whole_double_is_an_integer(schema: dict[str, Any], body: Any, expected: Any, many: bool) -> None:
    value = json.loads(json.dumps(body))
    assert CompiledSchema(schema).validate_body(value, 10_000 if many else 10) == []
    assert json.dumps(value) == json.dumps(expected)


def test_each_level_of_a_recursive_schema_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = {'$ref': '#/$defs/e'}
    branches = [{'properties': {'op': {'const': name}, 'left': inner, 'n': INTEGER}} for name in 'abcd']
    compiled = CompiledSchema({'$defs': {'e': {'anyOf': branches}}, **inner})
    body: Any = {'op': 'a', 'n': 1.0}
    for _ in range(60):
        body = {'op': 'a', 'left': body}
    calls = []

    def counted(places: Any, value: Any) -> Any:
        calls.append(value)
        assert len(calls) < 1000
        return make_integers(places, value)

    monkeypatch.setattr(integers, 'make_integers', counted)
    assert compiled.validate_body(body, 10) == []
    assert '"n": 1}' in json.dumps(body)


def test_values_that_stay_cost_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {'properties': {'id': INTEGER, 'x': {'type': 'number'}, 'tags': {'items': INTEGER}}}
    compiled = CompiledSchema({'items': row})
    calls = []
    monkeypatch.setattr(integers, 'make_integers', lambda places, value: calls.append(value) or value)
    make_integers(compiled._integers, [1, 2])
    assert calls == []
    make_integers(compiled._integers.items, {'id': 1, 'x': 0.5})  # type: ignore[union-attr]
    assert calls == []


def test_body_that_is_invalid_is_left_as_it_is() -> None:
    body = {'n': 1.0, 'm': 1.5}
    assert CompiledSchema({'additionalProperties': INTEGER}).validate_body(body, 10)
    assert json.dumps(body) == '{"n": 1.0, "m": 1.5}'


@pytest.mark.parametrize('arrays', [False, True], ids=['lists', 'arrays'])
def test_view_counts_with_what_it_gets(arrays: bool) -> None:
    rows = {'type': 'array', 'items': {'type': 'number'}}

    class CountResource(Resource):  # type: ignore[misc]
        @validate_json({'properties': {'n': INTEGER, 'rows': rows}, 'type': 'object'}, arrays=arrays)
        def post(self) -> Any:
            return list(range(request.json['n']))

    app: Flask
    app, api = build_service(ServiceSettings())
    api.add_resource(CountResource, '/v1/Count', endpoint='Count')
    for text in ('3.0', '3e0', '3'):
        answer = app.test_client().post(
            '/v1/Count', data=f'{{"n": {text}, "rows": [1.0]}}', content_type='application/json'
        )
        assert answer.json == [0, 1, 2]


def test_tensor_of_integers_takes_whole_doubles() -> None:
    tensor = Tensor('x', 'INT64', [-1])
    assert from_lists(tensor, [3], [1.0, 2, 1e3]).tolist() == [1, 2, 1000]
    for value in (1.5, 1e300):
        with pytest.raises(InvalidInput):
            from_lists(tensor, [1], [value])
