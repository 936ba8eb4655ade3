"""The whole schema of the rows of /v1 holds for tensors, whichever protocol they come by."""

import json
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.errors import InvalidInput
from model_serving.protocols.signature import DTYPES, Signature, Tensor
from model_serving.protocols.tensor_data import to_bytes
from model_serving.schemas.compiled import BadSchema
from tests.protocols.echo_service import ANYTHING, create, validate_json

SHARE = {'type': 'number', 'minimum': 0, 'maximum': 0.7}
CASES: dict[str, tuple[str, Any, list[Any], Any, str]] = {
    'nullable': ('FP32', {'type': ['number', 'null'], 'maximum': 0.7}, [0.7, None], 0.8, 'maximum of 0.7'),
    'not_nullable': ('FP64', SHARE, [0.7, 0], None, "None is not of type 'number'"),
    'enum': ('FP32', {'enum': [0.1, 2]}, [0.1, 2.0], 0.2, '0.2 is not one of [0.1, 2]'),
    'whole_enum': ('INT64', {'enum': [1, 2]}, [1, 2], 3, '3 is not one of [1, 2]'),
    'reference': ('FP32', {'$ref': '#/$defs/share'}, [0, 0.7], 0.8, '0.8 is greater than the maximum of 0.7'),
    'pattern': (
        'BYTES',
        {'type': 'string', 'pattern': '^[a-zé]+$', 'maxLength': 5},
        ['red', 'éé'],
        'RED',
        "'RED' does not match",
    ),
    'enum_of_texts': ('BYTES', {'enum': ['S', 'M']}, ['S', 'M'], 'L', "'L' is not one of ['S', 'M']"),
}
"""The datatype, the schema of a column, good elements, a bad one, and what is said of it."""


def as_array(datatype: str, values: list[Any]) -> Any:
    if datatype == 'BYTES':
        return numpy.array([value.encode() for value in values], object).reshape(-1, 1)
    return numpy.array([numpy.nan if value is None else value for value in values], DTYPES[datatype])


def infer(client: FlaskClient, datatype: str, values: list[Any]) -> Any:
    tensor = {'name': 'x', 'datatype': datatype, 'shape': [len(values), 1], 'data': values}
    return client.post('/v2/models/HeldModel/infer', json={'inputs': [tensor]})


def infer_bytes(client: FlaskClient, datatype: str, values: list[Any]) -> Any:
    data = bytes(to_bytes(Tensor('x', datatype, [-1]), as_array(datatype, values)))
    parameters = {'binary_data_size': len(data)}
    tensor = {'name': 'x', 'datatype': datatype, 'shape': [len(values), 1], 'parameters': parameters}
    head = json.dumps({'inputs': [tensor]}).encode()
    headers = {'Inference-Header-Content-Length': str(len(head))}
    return client.post('/v2/models/HeldModel/infer', data=head + data, headers=headers)


def predict(client: FlaskClient, _datatype: str, values: list[Any]) -> Any:
    rows = [{'column': value} for value in values]
    return client.post('/v1/models/HeldModel:predict', json={'instances': rows})


def predict_columns(client: FlaskClient, _datatype: str, values: list[Any]) -> Any:
    return client.post('/v1/models/HeldModel:predict', json={'inputs': {'column': values}})


def invoke(client: FlaskClient, _datatype: str, values: list[Any]) -> Any:
    split = {'columns': ['column'], 'data': [[value] for value in values]}
    return client.post('/invocations', json={'dataframe_split': split})


def invoke_csv(client: FlaskClient, _datatype: str, values: list[Any]) -> Any:
    lines = '\n'.join(map(str, ['column', *values]))
    return client.post('/invocations', data=lines.encode(), content_type='text/csv')


def serve(datatype: str, column: Any) -> tuple[FlaskClient, list[Any]]:
    """A client of a model of one column with this schema, and the arrays that reach it."""
    row = {'type': 'object', 'properties': {'column': column}, 'required': ['column']}
    like = {'type': 'array', 'items': {'$ref': '#/$defs/row'}, '$defs': {'row': row, 'share': SHARE}}
    seen: list[Any] = []

    def call(array: Any) -> Any:
        seen.append(array)
        return numpy.arange(len(array))

    class HeldModelResource(Resource):
        """Counts its rows."""

        tensors = Signature(
            [Tensor('x', datatype, [-1, 1], like=like)], [Tensor('row', 'INT64', [-1])], call=call
        )

        @validate_json(ANYTHING)
        def post(self) -> Any:
            return {}

    return create(HeldModel=HeldModelResource).test_client(), seen


WAYS = [infer, infer_bytes, predict, predict_columns, invoke, invoke_csv]
WITHOUT_NULL = [invoke_csv]
BY_EACH_WAY = [
    pytest.param(send, *case, id=f'{name}-{send.__name__}')
    for name, case in CASES.items()
    for send in WAYS
    if send not in WITHOUT_NULL or None not in (*case[2], case[3])
]


@pytest.mark.parametrize(('send', 'datatype', 'column', 'good', 'bad', 'message'), BY_EACH_WAY)
def test_schema_of_a_column_holds(
    send: Callable[..., Any], datatype: str, column: Any, good: list[Any], bad: Any, message: str
) -> None:
    client, seen = serve(datatype, column)
    accepted = send(client, datatype, good)
    refused = send(client, datatype, [good[0], bad])

    assert accepted.status_code == 200, accepted.data
    [array] = seen
    assert numpy.array_equal(array.ravel(), as_array(datatype, good).ravel(), equal_nan=datatype != 'BYTES')
    assert refused.status_code == 400
    said = refused.get_json()['message']
    assert said == refused.get_json()['error']
    assert said.startswith("input 'x': ")
    assert message in said
    assert '(at /1/column)' in said


def test_bytes_that_are_no_text_are_refused_where_the_schema_is_of_texts() -> None:
    client, seen = serve('BYTES', {'type': 'string'})
    answer = client.post('/v1/models/HeldModel:predict', json={'instances': [[{'b64': '/w=='}]]})

    assert (answer.status_code, seen) == (400, [])
    assert "input 'x': an element is not the text that is due" in answer.get_json()['error']


def test_null_is_for_a_number_of_a_schema_alone() -> None:
    client, seen = serve('INT64', {'type': ['integer', 'null']})
    answer = predict(client, 'INT64', [1, None])

    assert (answer.status_code, seen) == (400, [])
    assert "input 'x': None, where INT64 has whole numbers" in answer.get_json()['error']


@pytest.mark.parametrize('send', [infer, infer_bytes, predict, predict_columns, invoke])
def test_refusal_of_a_large_tensor_is_short(send: Callable[..., Any]) -> None:
    client, _ = serve('BYTES', {'type': 'string', 'maxLength': 3})
    answer = send(client, 'BYTES', ['a' * 20000] * 50)

    assert answer.status_code == 400
    assert 'is too long (at /0/column)' in answer.get_json()['error']
    assert len(answer.data) < 5000


def test_first_bad_row_of_many_is_named() -> None:
    client, _ = serve('FP32', {'type': 'number', 'maximum': 9})
    values = [1.0] * 1200 + [10.0] * 2
    assert '(at /1200/column)' in infer_bytes(client, 'FP32', values).get_json()['message']
    assert infer_bytes(client, 'FP32', values[:1200]).status_code == 200


def test_numbers_inside_what_the_schema_lists_are_rounded_as_the_tensor_is() -> None:
    row = {'type': 'object', 'properties': {'a': {'type': 'number'}}, 'required': ['a']}
    like = {
        'type': 'array',
        'items': {**row, 'enum': [{'a': 0.123456789}]},
        'examples': [[{'a': 0.123456789}]],
    }
    schema = Tensor('x', 'FP32', [-1, 1], like=like).schema
    assert schema is not None
    assert schema.violation(numpy.array([[0.123456789]], '<f4')) is None


def test_whole_numbers_are_multiples_in_fp16_as_in_json() -> None:
    client, _ = serve('FP16', {'type': 'number', 'multipleOf': 0.1})
    assert infer_bytes(client, 'FP16', [-1.0, 2.0, 0.5]).status_code == 200


def test_reference_that_leads_back_to_itself_stops_the_start() -> None:
    with pytest.raises(BadSchema, match='leads back to itself'):
        assert Tensor('x', 'FP32', [-1, 1], like={'type': 'array', 'items': {'$ref': '#/items'}}).schema


@pytest.mark.parametrize('rows', [1, 1000])
def test_bounds_hold_beside_a_column_that_may_be_null(rows: int) -> None:
    ratio = {'type': 'number', 'minimum': 0, 'maximum': 1}
    columns = {'a': ratio, 'b': ratio, 'c': {'type': ['number', 'null']}}
    like = {'type': 'array', 'items': {'type': 'object', 'properties': columns, 'required': list(columns)}}
    tensor = Tensor('x', 'FP32', [-1, 3], like)
    tensor.validate(numpy.tile(numpy.float32([[1, 0, numpy.nan]]), (rows, 1)))
    with pytest.raises(InvalidInput, match='is greater than the maximum of 1'):
        tensor.validate(numpy.tile(numpy.float32([[5, 0, 0]]), (rows, 1)))
