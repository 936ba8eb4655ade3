"""What a request costs is bounded by its size; and so is what an answer repeats of it."""

import json
import time
import tracemalloc
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_restful import Resource

from main import MODELS
from model_serving import create_app
from model_serving.errors import InvalidInput
from model_serving.protocols.mlflow import parse_csv
from model_serving.protocols.signature import Signature, Tensor
from model_serving.schemas.compiled import CompiledSchema
from model_serving.schemas.validation import require_valid
from tests.protocols.echo_service import ANYTHING, create, validate_json

LONG = 'x' * 60_000
KEY = json.dumps(LONG)
ROWS_OF_NUMBERS = {
    'type': 'array',
    'items': {'type': 'array', 'items': {'type': 'number', 'multipleOf': 1}},
}


class SumsModelResource(Resource):
    """Adds up each row of a table of any size."""

    tensors = Signature(
        inputs=[Tensor('rows', 'FP32', [-1, -1], ROWS_OF_NUMBERS)],
        outputs=[Tensor('sums', 'FP32', [-1])],
        call=lambda rows: rows.sum(1),
    )

    @validate_json(ANYTHING)
    def post(self) -> Any:
        return {}


class TablesResource(Resource):
    """Has an array made of its numbers."""

    @validate_json(
        {'type': 'object', 'properties': {'numbers': {'type': 'array', 'items': {'type': 'number'}}}},
        force=True,
        arrays=True,
    )
    def post(self) -> Any:
        return {}


@pytest.fixture(scope='module')
def iris() -> FlaskClient:
    return create_app(MODELS, only=['IrisModel']).test_client()


@pytest.fixture(scope='module')
def sums() -> FlaskClient:
    return create(SumsModel=SumsModelResource).test_client()


def infer(client: FlaskClient, shape: list[int], data: Any) -> Any:
    given = {'name': 'rows', 'datatype': 'FP32', 'shape': shape, 'data': data}
    return client.post('/v2/models/SumsModel/infer', json={'inputs': [given]})


@pytest.mark.parametrize('shape', [[200_000_000, 0], [0, 200_000_000], [1001, 0], [10**18, 0]])
def test_rows_without_numbers_are_few(sums: FlaskClient, shape: list[int]) -> None:
    tracemalloc.start()
    answer = infer(sums, shape, [])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status_code, peak < 2_000_000) == (400, True)
    assert 'is too large' in answer.get_json()['error']


@pytest.mark.parametrize(('shape', 'sums_of_rows'), [([2, 0], [0, 0]), ([0, 3], []), ([0, 0], [])])
def test_table_may_be_empty(sums: FlaskClient, shape: list[int], sums_of_rows: list[int]) -> None:
    answer = infer(sums, shape, [])
    assert answer.get_json()['outputs'][0]['data'] == sums_of_rows


CSV = 'text/csv'
ROWS = '5.1,3.5,1.4,0.2\n' * 100_000
NAMES = 'sepal_length,sepal_width,petal_length,petal_width\n'


def seconds_of(client: FlaskClient, body: str | bytes, content_type: str = CSV) -> tuple[Any, float]:
    begin = time.process_time()
    answer = client.post('/invocations', data=body, content_type=content_type)
    return answer, time.process_time() - begin


@pytest.mark.parametrize(
    ('body', 'message'),
    [
        ('a,b,c,d\n' + ROWS, "'a' is unknown"),
        ('sepal_length,sepal_width\n' + ROWS, "'petal_length' is missing"),
        (NAMES.replace('sepal_width', 'sepal_length') + ROWS, 'two columns of the same name'),
        (','.join(map(str, range(200_000))) + '\n', 'column names, at most 10000'),
        (LONG + '\n' + ROWS, 'xxx... is unknown'),
        (NAMES + '5.1,3.5,1.4\n' + ROWS, 'Row 1 of the CSV has 3 cells, not 4'),
        (NAMES + LONG + ',3.5,1.4,0.2\n' + ROWS, 'Row 1, column 1 of the CSV cannot be read'),
    ],
    ids=['unknown', 'missing', 'twice', 'many', 'long', 'short row', 'long cell'],
)
def test_csv_is_refused_at_its_first_mistake(iris: FlaskClient, body: str, message: str) -> None:
    answer, seconds = seconds_of(iris, body)
    assert answer.status_code == 400
    assert message in answer.get_json()['message']
    assert len(answer.data) < 1200
    assert seconds < 2


def test_csv_may_have_long_cells_and_the_columns_that_are_declared() -> None:
    text = Signature([Tensor('text', 'BYTES', [-1])], [Tensor('n', 'INT64', [-1])], call=len)
    assert parse_csv(text, b'text\n%s\n' % (b'x' * 200_000))[0][0] == b'x' * 200_000
    wide = Signature([Tensor('rows', 'FP32', [-1, 12_000])], [Tensor('n', 'INT64', [-1])], call=len)
    names = ','.join(map(str, range(12_000))).encode()
    assert parse_csv(wide, names + b'\n' + names)[0].shape == (1, 12_000)


def test_names_of_a_split_table_come_first(iris: FlaskClient) -> None:
    split = {'columns': ['a', 'b'], 'data': [[1, 2]] * 100_000}
    answer, seconds = seconds_of(iris, json.dumps({'dataframe_split': split}), 'application/json')
    assert "'a' is unknown" in answer.get_json()['message']
    assert seconds < 2


@pytest.mark.parametrize(
    'cell', ['nan', 'inf', '1_0', '', '1 2', '0x1', '--1', 'e', '1e', '.', '1.5.', 'Infinity']
)
def test_cell_that_is_no_number_is_refused(iris: FlaskClient, cell: str) -> None:
    answer, _ = seconds_of(iris, f'{NAMES}1,2,3,4\n{cell},3.5,1.4,0.2\n')
    assert f'Row 2, column 1 of the CSV cannot be read: {cell!r}' in answer.get_json()['message']


@pytest.mark.parametrize('cell', ['5.1', ' 5.1 ', '+5.1', '51e-1', '5.10', '.51E1', '5.1\t'])
def test_cell_is_a_number(iris: FlaskClient, cell: str) -> None:
    answers = [
        seconds_of(iris, f'{NAMES}{each},3.5,1.4,0.2\n')[0].get_json()['predictions']
        for each in ('5.1', cell)
    ]
    assert answers[0] == answers[1]


@pytest.fixture(scope='module')
def all_models() -> FlaskClient:
    return create_app(MODELS, only=['XXXModel', 'IrisModel', 'DigitsModel']).test_client()


V2, V1, DIGITS, HELLO = (
    '/v2/models/IrisModel/infer',
    '/v1/models/IrisModel:predict',
    '/v1/DigitsModel',
    '/v1/XXXModel',
)
LONG_BODIES = {
    'name': (HELLO, '{"name": [%s]}'),
    'key of a wrong row': (DIGITS, '{"instances": {%s: 1}}'),
    'unknown key': (DIGITS, '{"instances": [[0]], %s: 1}'),
    'id': (V2, '{"id": %s}'),
    'input': (V2, '{"inputs": [{"name": %s, "datatype": "FP32", "shape": [1], "data": [1]}]}'),
    'datatype': (V2, '{"inputs": [{"name": "a", "datatype": %s, "shape": [1], "data": [1]}]}'),
    'shape': (V2, '{"inputs": [{"name": "a", "datatype": "FP32", "shape": [%s], "data": [1]}]}'),
    'data': (V2, '{"inputs": [{"name": "flowers", "datatype": "FP32", "shape": [1, 4], "data": %s}]}'),
    'element': (V2, '{"inputs": [{"name": "flowers", "datatype": "FP32", "shape": [1, 1], "data": [%s]}]}'),
    'output': (V2, '{"inputs": [], "outputs": [{"name": %s}]}'),
    'column': (V1, '{"inputs": {%s: [1]}}'),
    'column of a row': (V1, '{"instances": [{%s: 1}]}'),
    'value of a row': (V1, '{"instances": [[%s, 1, 2, 3]]}'),
    'signature': (V1, '{"inputs": [], "signature_name": %s}'),
}


@pytest.mark.parametrize(('url', 'body'), LONG_BODIES.values(), ids=LONG_BODIES)
def test_answer_repeats_little_of_a_body(all_models: FlaskClient, url: str, body: str) -> None:
    answer = all_models.post(url, data=body % KEY, content_type='application/json')
    assert answer.status_code == 400
    assert len(answer.data) < 1200


NEST = b'[' * 300 + b']' * 300
DEEP = {
    'small': (HELLO, b'{"name": "a", "x": %s}' % NEST),
    'large': (HELLO, b'{"name": "a", "x": %s, "y": [%s1]}' % (NEST, b'[1],' * 25_000)),
    'in a row': (V1, b'{"instances": %s}' % NEST),
    'beside rows': (V1, b'{"instances": [%s[1,2,3,4]], "x": %s}' % (b'[1,2,3,4],' * 10_000, NEST)),
    'in a tensor': (V2, b'{"inputs": [], "x": %s}' % NEST),
}


@pytest.mark.parametrize(('url', 'body'), DEEP.values(), ids=DEEP)
def test_deep_body_is_refused_wherever_it_goes(all_models: FlaskClient, url: str, body: bytes) -> None:
    answer = all_models.post(url, data=body, content_type='application/json')
    assert answer.status_code == 400
    assert 'depth limit exceeded' in answer.get_json()['message']


def test_deep_part_beside_tables_that_became_arrays_is_refused() -> None:
    client = create(Tables=TablesResource).test_client()
    body = b'{"numbers": [%s1], "x": %s}' % (b'1.5,' * 25_000, b'[%s]')
    answers = [client.post('/v1/Tables', data=body % each) for each in (b'[[1]]', NEST)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert 'depth limit exceeded' in answers[1].get_json()['message']


def test_pointers_are_cut() -> None:
    """Ten of 60 kB each, and the messages beside them."""

    compiled = CompiledSchema({'additionalProperties': {'items': {'type': 'string'}}})
    with pytest.raises(InvalidInput) as caught:
        require_valid(compiled, {'k' * 2000: list(range(20))}, 2100)
    errors = caught.value.details['errors']
    assert len(errors) == 10
    assert all(len(each['pointer']) <= 200 for each in errors)


HEADERS = {
    'Accept': 'a/b;q=0.1,' * 6000,
    'Content-Type': 'application/json;' + 'a=b;' * 15_000,
    'Content-Encoding': LONG,
    'Origin': f'http://{LONG}',
    'Access-Control-Request-Headers': 'a,' * 30_000,
    'Inference-Header-Content-Length': '1' * 60_000,
    'Cookie': 'a=b;' * 15_000,
    'If-Match': '"a",' * 15_000,
}
PLACES = [
    ('GET', '/'),
    ('GET', '/health/live'),
    ('GET', '/nothing'),
    ('GET', f'/{LONG[:8000]}'),
    ('OPTIONS', HELLO),
    ('POST', HELLO),
    ('POST', V1),
    ('POST', V2),
]


@pytest.mark.parametrize(('method', 'path'), PLACES, ids=[f'{method} {path[:40]}' for method, path in PLACES])
@pytest.mark.parametrize('name', HEADERS)
def test_header_costs_little_and_is_not_repeated(
    all_models: FlaskClient, method: str, path: str, name: str
) -> None:
    headers = {'Origin': 'https://a.example', 'Access-Control-Request-Method': 'POST', name: HEADERS[name]}
    environ = {f'HTTP_{key.upper().replace("-", "_")}': value for key, value in headers.items()}
    if name == 'Content-Type':  # The test client itself would read it.
        environ['CONTENT_TYPE'] = environ.pop('HTTP_CONTENT_TYPE')
    begin = time.process_time()
    answer = all_models.open(path, method=method, data=b'{}', environ_overrides=environ)
    seconds = time.process_time() - begin
    assert answer.status_code < 500
    assert seconds < 0.3
    sent = answer.data + str(answer.headers).encode()
    assert b'x' * 250 not in sent
    assert b'a,' * 100 not in sent
    if answer.status_code >= 400:
        assert len(sent) < 2000
