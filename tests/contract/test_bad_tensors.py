"""The HTTP contract of the foreign protocols: what bad input gets, from the real service under gunicorn."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.test_bad_input import in_process
from tests.raw_http import Answer, send
from tests.service_process import running_service

INFER = '/v2/models/DigitsModel/infer'
PREDICT = '/v1/models/DigitsModel:predict'
PREDICT_IRIS = '/v1/models/IrisModel:predict'
INVOCATIONS = '/invocations'
ROW = [0] * 64
LIMIT = 100_000
HEADER = 'Inference-Header-Content-Length'


@pytest.fixture(scope='module')
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of a single model, which takes bodies of 100 kB."""
    log: Path = tmp_path_factory.mktemp('digits') / 'service.log'
    settings = {'MODEL_SERVING_MODELS': 'DigitsModel', 'MODEL_SERVING_MAX_BODY_BYTES': str(LIMIT)}
    with running_service(log, **settings) as url:
        yield url


@pytest.fixture(scope='module')
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log: Path = tmp_path_factory.mktemp('iris') / 'service.log'
    with running_service(log, MODEL_SERVING_MODELS='IrisModel') as url:
        yield url


def request(url: str, line: str, body: bytes = b'', **headers: str) -> Answer:
    lines = [f'{name.replace("_", "-")}: {value}' for name, value in headers.items()]
    head = [f'{line} HTTP/1.1', 'Host: service', f'Content-Length: {len(body)}', *lines, '', '']
    return send(url, '\r\n'.join(head).encode() + body)


def require_error(answer: Answer, status: int, message: str) -> None:
    """The shape of the protocols, and of the service."""
    assert answer.status == status, answer.body[:300]
    assert message in answer.json['error'], answer.json
    assert answer.json['message'] == answer.json['error']
    assert len(answer.body) < 5000
    assert answer.headers['content-type'] == 'application/json'
    assert answer.headers['access-control-allow-origin'] == '*'


def tensor(**changes: Any) -> dict[str, Any]:
    whole = {'name': 'pixels', 'shape': [1, 64], 'datatype': 'FP32', 'data': ROW, **changes}
    return {key: value for key, value in whole.items() if value is not None}


def infer(*tensors: Any, **more: Any) -> bytes:
    return json.dumps({'inputs': tensors, **more}).encode()


BAD_INFERENCES: dict[str, tuple[bytes, str]] = {
    'no_body': (b'', 'No JSON object'),
    'null': (b'null', "None is not of type 'object'"),
    'list': (b'[]', "[] is not of type 'object'"),
    'no_json': (b'{"inputs": [', 'The body is not JSON'),
    'nan_token': (b'{"inputs": [{"data": [NaN]}]}', 'JSON has no NaN'),
    'infinity_token': (b'{"inputs": [{"data": [-Infinity]}]}', 'JSON has no NaN and no infinity'),
    'no_inputs': (b'{}', "'inputs' is a required property"),
    'empty_inputs': (infer(), "input 'pixels' is missing"),
    'nameless': (infer(tensor(name=None)), "'name' is a required property"),
    'unknown_tensor': (infer(tensor(name='pixel')), "input 'pixel' is unknown; the inputs are: pixels"),
    'long_unknown_name': (infer(tensor(name='x' * 50000)), 'is unknown'),
    'twice': (infer(tensor(), tensor()), "input 'pixels' is given twice"),
    'other_datatype': (infer(tensor(datatype='FP64')), "'pixels' is FP32, not FP64"),
    'no_such_datatype': (infer(tensor(datatype='BF16')), "'BF16' is not one of ['BOOL', "),
    'shape_of_other_rank': (infer(tensor(shape=[64])), 'the shape [64] does not fit [-1, 64]'),
    'shape_of_other_size': (infer(tensor(shape=[2, 32])), 'the shape [2, 32] does not fit [-1, 64]'),
    'shape_and_data_differ': (infer(tensor(shape=[2, 64])), '64 elements, where the shape [2, 64] has 128'),
    'negative_shape': (infer(tensor(shape=[-1, 64])), '-1 is less than the minimum of 0'),
    'fraction_in_shape': (infer(tensor(shape=[0.5, 64])), "0.5 is not of type 'integer'"),
    'huge_shape': (infer(tensor(shape=[2**40, 64])), 'is too large'),
    'huger_shape': (infer(tensor(shape=[10**400, 64])), 'The body is not JSON: number is infinity'),
    'shape_just_in_reach': (infer(tensor(shape=[2**24, 64])), '64 elements, where the shape [16777216, 64]'),
    'very_many_dimensions': (infer(tensor(shape=[1] * 20000)), 'is too long'),
    'no_rows': (infer(tensor(shape=[0, 64], data=[])), "input 'pixels': [] should be non-empty"),
    'text_in_data': (infer(tensor(data=['x', *ROW[1:]])), "'x', where FP32 has numbers"),
    'bool_in_data': (infer(tensor(data=[True, *ROW[1:]])), 'True, where FP32 has numbers'),
    'null_in_data': (
        infer(tensor(data=[None, *ROW[1:]])),
        "input 'pixels': None is not of type 'number' (at /0/0)",
    ),
    'object_as_data': (infer(tensor(data={'0': 1})), "is not of type 'array'"),
    'ragged_data': (
        infer(tensor(shape=[2, 64], data=[ROW, ROW[1:]])),
        'not nested as the shape [2, 64] says',
    ),
    'half_nested_data': (infer(tensor(data=[*ROW[1:], [0]])), 'not nested as the shape [1, 64] says'),
    'deeply_nested_data': (
        b'{"inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": %s}]}'
        % (b'[' * 250 + b']' * 250),
        'not nested as the shape [1, 64] says',
    ),
    'lists_as_elements': (infer(tensor(data=[[[[0]]] * 64])), '[[0]], where FP32 has numbers'),
    'too_large_for_fp32': (infer(tensor(data=[1e39, *ROW[1:]])), 'beyond what FP32 can hold'),
    'out_of_the_schemas_bounds': (
        infer(tensor(data=[*ROW[1:], 99])),
        "input 'pixels': 99.0 is greater than the maximum of 16 (at /0/63)",
    ),
    'neither_data_nor_bytes': (
        infer(tensor(data=None)),
        'needs either data or the parameter binary_data_size',
    ),
    'both_data_and_bytes': (
        infer(tensor(parameters={'binary_data_size': 0})),
        'needs either data or the parameter binary_data_size',
    ),
    'unknown_output': (
        infer(tensor(), outputs=[{'name': 'labels'}]),
        "output 'labels' is unknown; the outputs are: label, probabilities",
    ),
    'nameless_output': (infer(tensor(), outputs=[{}]), "'name' is a required property"),
    'number_as_id': (infer(tensor(), id=5), "5 is not of type 'string'"),
    'list_as_parameters': (infer(tensor(), parameters=[]), "[] is not of type 'object'"),
    'text_as_flag': (
        infer(tensor(), parameters={'binary_data_output': 'no'}),
        "'no' is not of type 'boolean'",
    ),
}


@pytest.mark.parametrize(('body', 'message'), BAD_INFERENCES.values(), ids=BAD_INFERENCES)
def test_bad_inference_is_400(digits: str, body: bytes, message: str) -> None:
    require_error(request(digits, f'POST {INFER}', body), 400, message)


def head_of(size: Any, **changes: Any) -> bytes:
    return infer(tensor(data=None, parameters={'binary_data_size': size}, **changes))


ZEROS = bytes(256)
BINARY_HEAD = head_of(256)
BAD_BYTES: dict[str, tuple[bytes, bytes, str | None, str]] = {
    'header_missing': (BINARY_HEAD, ZEROS, None, 'The body is not JSON'),
    'header_beyond_the_body': (BINARY_HEAD, ZEROS, '100000', 'says 100000 bytes, but the body has'),
    'header_one_too_long': (BINARY_HEAD, ZEROS, str(len(BINARY_HEAD) + 1), 'The body is not JSON'),
    'header_one_too_short': (BINARY_HEAD, ZEROS, str(len(BINARY_HEAD) - 1), 'The body is not JSON'),
    'header_is_a_word': (BINARY_HEAD, ZEROS, 'many', 'is not a number of bytes'),
    'header_is_negative': (BINARY_HEAD, ZEROS, '-1', 'is not a number of bytes'),
    'header_is_a_huge_number': (BINARY_HEAD, ZEROS, '9' * 5000, 'is not a number of bytes'),
    'data_too_short': (BINARY_HEAD, ZEROS[1:], '', 'binary_data_size is 256, but 255 bytes are left'),
    'data_too_long': (BINARY_HEAD, ZEROS + b'\0', '', '1 bytes follow the data of the last input'),
    'size_does_not_match_the_shape': (head_of(252), ZEROS[4:], '', '252 bytes of data, where the shape'),
    'negative_size': (head_of(-1), ZEROS, '', '-1 is less than the minimum of 0'),
    'huge_size': (head_of(10**18), ZEROS, '', 'but 256 bytes are left'),
    'size_is_a_word': (head_of('256'), ZEROS, '', "'256' is not of type 'integer'"),
    'huge_shape': (head_of(256, shape=[2**40, 64]), ZEROS, '', 'is too large'),
    'not_a_number': (
        BINARY_HEAD,
        b'\0\0\xc0\x7f' * 64,
        '',
        "None is not of type 'number' (at /0/63); NaN counts as null",
    ),
    'infinity': (
        BINARY_HEAD,
        b'\0\0\x80\x7f' * 64,
        '',
        "input 'pixels': an infinity is not a number of JSON",
    ),
    'out_of_bounds': (
        BINARY_HEAD,
        b'\0\0\xc6\x42' * 64,
        '',
        "input 'pixels': 99.0 is greater than the maximum of 16 (at /0/63)",
    ),
    'raw_of_no_whole_row': (b'', ZEROS[1:], '0', '255 bytes of data, where the shape [0, 64] has 0'),
}


@pytest.mark.parametrize(('head', 'data', 'size', 'message'), BAD_BYTES.values(), ids=BAD_BYTES)
def test_bad_bytes_are_400(digits: str, head: bytes, data: bytes, size: str | None, message: str) -> None:
    headers = {} if size is None else {HEADER: size or str(len(head))}
    require_error(request(digits, f'POST {INFER}', head + data, **headers), 400, message)


def test_bytes_alone_are_one_tensor(digits: str) -> None:
    answer = request(digits, f'POST {INFER}', ZEROS * 3, **{HEADER: '0'})

    assert answer.status == 200
    assert json.loads(answer.body[: int(answer.headers[HEADER.lower()])])['outputs'][0]['shape'] == [3]


BOMB = zlib.compress(bytes(50_000_000))
ENCODED: dict[str, tuple[bytes, str, int, str]] = {
    'broken_gzip': (b'nonsense', 'gzip', 400, 'The body is not gzip'),
    'broken_deflate': (b'nonsense', 'deflate', 400, 'The body is not deflate'),
    'cut_off': (gzip.compress(infer(tensor()))[:-5], 'gzip', 400, 'not one whole gzip stream'),
    'more_behind': (gzip.compress(infer(tensor())) + b'x', 'gzip', 400, 'not one whole gzip stream'),
    'bomb': (BOMB, 'deflate', 413, f'the limit of {LIMIT} bytes'),
    'brotli': (infer(tensor()), 'br', 415, 'the Content-Encoding gzip or deflate'),
    'two_layers': (infer(tensor()), 'gzip, gzip', 415, 'the Content-Encoding gzip or deflate'),
}


@pytest.mark.parametrize('path', [INFER, PREDICT, INVOCATIONS])
@pytest.mark.parametrize(('body', 'encoding', 'status', 'message'), ENCODED.values(), ids=ENCODED)
def test_bad_compression_is_refused(
    digits: str, path: str, body: bytes, encoding: str, status: int, message: str
) -> None:
    headers = {'Content_Encoding': encoding, 'Content_Type': 'application/json'}
    require_error(request(digits, f'POST {path}', body, **headers), status, message)


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


BAD_PREDICTIONS: dict[str, tuple[bytes, str]] = {
    'no_body': (b'', 'No JSON object'),
    'list': (b'[]', 'with either instances (a list of rows) or inputs (columns)'),
    'neither': (b'{}', 'with either instances'),
    'both': (text({'instances': [ROW], 'inputs': [ROW]}), 'with either instances'),
    'nan_token': (b'{"instances": [[NaN]]}', 'JSON has no NaN'),
    'other_signature': (text({'instances': [ROW], 'signature_name': 'x'}), 'serving_default'),
    'signature_of_lists': (text({'instances': [ROW], 'signature_name': [[]]}), 'serving_default'),
    'object_as_instances': (text({'instances': {}}), 'instances is not a list of rows'),
    'no_rows': (text({'instances': []}), "input 'pixels': [] should be non-empty"),
    'short_row': (text({'instances': [ROW[1:]]}), 'the shape [1, 63] does not fit [-1, 64]'),
    'ragged_rows': (text({'instances': [ROW, ROW[1:]]}), 'not nested as the shape [2, 64] says'),
    'deep_rows': (b'{"instances": %s}' % (b'[' * 250 + b']' * 250), 'does not fit [-1, 64]'),
    'deeper_rows': (b'{"instances": %s}' % (b'[' * 900 + b']' * 900), 'depth limit exceeded'),
    'text_in_a_row': (text({'instances': [['x'] * 64]}), "'x', where FP32 has numbers"),
    'numbers_as_rows': (text({'instances': ROW}), 'the shape [64] does not fit [-1, 64]'),
    'unknown_tensor': (text({'instances': [{'pixel': ROW}]}), "'pixel' is unknown; there are: pixels"),
    'rows_that_differ': (text({'instances': [{'pixels': ROW}, ROW]}), 'The rows of instances differ'),
    'empty_row': (text({'instances': [{}]}), 'the shape [1] does not fit'),
    'unknown_column': (text({'inputs': {'pixel': [ROW]}}), "'pixel' is unknown; there are: pixels"),
    'column_is_missing': (text({'inputs': {}}), "'pixels' is missing"),
    'column_is_null': (text({'inputs': None}), 'the shape [] does not fit'),
    'out_of_bounds': (
        text({'instances': [[99, *ROW[1:]]]}),
        '99.0 is greater than the maximum of 16 (at /0/0)',
    ),
}


@pytest.mark.parametrize(('body', 'message'), BAD_PREDICTIONS.values(), ids=BAD_PREDICTIONS)
def test_bad_prediction_is_400(digits: str, body: bytes, message: str) -> None:
    require_error(request(digits, f'POST {PREDICT}', body), 400, message)


BAD_IRISES: dict[str, tuple[Any, str]] = {
    'column_is_missing': ({'instances': [{'sepal_length': 5}]}, "'sepal_width' is missing"),
    'column_is_unknown': ({'instances': [{'colour': 5}]}, "'colour' is unknown; there are: sepal_length"),
    'columns_differ': (
        {'inputs': {'sepal_length': [5], 'sepal_width': [3, 3], 'petal_length': [1], 'petal_width': [1]}},
        'The columns differ in length',
    ),
    'column_is_a_number': (
        {'inputs': {'sepal_length': 5, 'sepal_width': 3, 'petal_length': 1, 'petal_width': 1}},
        'Each column is a list of its values',
    ),
    'not_above_zero': (
        {'instances': [[5, 3, 0, 1]]},
        "input 'flowers': 0.0 is less than or equal to the minimum of 0 (at /0/petal_length)",
    ),
}


@pytest.mark.parametrize(('body', 'message'), BAD_IRISES.values(), ids=BAD_IRISES)
def test_bad_columns_are_400(iris: str, body: Any, message: str) -> None:
    require_error(request(iris, f'POST {PREDICT_IRIS}', text(body)), 400, message)
    require_error(
        request(iris, f'POST {INVOCATIONS}', text(body), Content_Type='application/json'), 400, message
    )


NAMES = 'sepal_length,sepal_width,petal_length,petal_width'
BAD_FRAMES: dict[str, tuple[str, str | bytes, int, str]] = {
    'bare_list': ('application/json', '[[5, 3, 1, 1]]', 400, 'exactly one of: dataframe_split, '),
    'two_forms': ('application/json', '{"instances": [], "inputs": []}', 400, 'exactly one of'),
    'nan_token': ('application/json', '{"instances": [[NaN, 1, 1, 1]]}', 400, 'JSON has no NaN'),
    'split_of_lists': ('application/json', '{"dataframe_split": []}', 400, 'the lists columns and data'),
    'split_of_odd_names': (
        'application/json',
        '{"dataframe_split": {"columns": [[], {}], "data": []}}',
        400,
        'not names that differ',
    ),
    'split_ragged': (
        'application/json',
        '{"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}',
        400,
        'is not a list of 2 values',
    ),
    'records_of_numbers': ('application/json', '{"dataframe_records": [1]}', 400, 'not a list of objects'),
    'records_empty': ('application/json', '{"dataframe_records": []}', 400, 'is empty'),
    'records_differ': (
        'application/json',
        '{"dataframe_records": [{"a": 1}, {}]}',
        400,
        'differ in their keys',
    ),
    'csv_empty': ('text/csv', '', 400, 'needs a line of column names'),
    'csv_without_rows': ('text/csv', NAMES, 400, 'at least one row'),
    'csv_unknown_column': ('text/csv', 'a,b,c,d\n1,2,3,4', 400, "'a' is unknown"),
    'csv_same_column': ('text/csv', 'a,a\n1,2', 400, 'two columns of the same name'),
    'csv_short_row': ('text/csv', f'{NAMES}\n5,3,1', 400, 'Row 1 of the CSV has 3 cells, not 4'),
    'csv_word': (
        'application/csv',
        f'{NAMES}\n5,3,1,wide',
        400,
        "Row 1, column 4 of the CSV cannot be read: 'wide'",
    ),
    'csv_empty_cell': ('text/csv', f'{NAMES}\n5,3,1,', 400, "column 4 of the CSV cannot be read: ''"),
    'csv_nan': ('text/csv', f'{NAMES}\n5,3,1,nan', 400, "cannot be read: 'nan'"),
    'csv_too_large': ('text/csv', f'{NAMES}\n5,3,1,1e999', 400, 'beyond what FP64 can hold'),
    'csv_underscore': ('text/csv', f'{NAMES}\n5,3,1,1_0', 400, "cannot be read: '1_0'"),
    'csv_open_quote': ('text/csv', f'{NAMES}\n5,3,1,"1', 400, 'The body is not CSV'),
    'csv_number_too_large': (
        'text/csv',
        f'{NAMES}\n5,3,1,{"1" * 200000}',
        400,
        'a number is beyond what FP64 can hold',
    ),
    'csv_nul': ('text/csv', f'{NAMES}\n5,3,1,\0', 400, 'cannot be read'),
    'csv_not_utf8': ('text/csv', b'a,b\xff\n1,2', 400, 'The body is not UTF-8: byte 3'),
    'other_type': ('text/plain', '{}', 415, 'Content-Type: application/json, or text/csv'),
    'no_type': ('', '{}', 415, 'Content-Type: application/json, or text/csv'),
    'other_charset': ('text/csv; charset=gbk', NAMES, 415, 'in UTF-8'),
    'other_parameter': ('application/json; version=1', '{}', 415, 'in UTF-8'),
}


@pytest.mark.parametrize(('content_type', 'body', 'status', 'message'), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_bad_frame_is_refused(
    iris: str, content_type: str, body: str | bytes, status: int, message: str
) -> None:
    plain = body if isinstance(body, bytes) else body.encode()
    require_error(request(iris, f'POST {INVOCATIONS}', plain, Content_Type=content_type), status, message)


UNKNOWN: list[tuple[str, int, str]] = [
    ('GET /v2/models/NoModel', 404, 'GET /v1/models lists the models with tensors'),
    ('GET /v2/models/XXXModel', 404, 'GET /v1/models lists'),
    ('GET /v2/models/DigitsModel/versions/2', 404, 'DigitsModel has versions/1'),
    ('POST /v2/models/DigitsModel/versions/2/infer', 404, 'DigitsModel has versions/1'),
    ('POST /v2/models/NoModel/infer', 404, 'GET /v1/models lists'),
    ('GET /v2/models/DigitsModel/infer', 405, 'GET is not allowed here; send POST'),
    ('POST /v2', 405, 'POST is not allowed here; send GET'),
    ('GET /v2/nothing', 404, 'GET /v1/models lists'),
    ('GET /v2/models/%0a%3Cscript%3E', 404, 'GET /v1/models lists'),
    ('GET /v1/models/NoModel', 404, 'GET /v1/models lists'),
    ('GET /v1/models/DigitsModel/versions/2', 404, 'DigitsModel has versions/1'),
    ('GET /v1/models/DigitsModel/labels/stable', 404, 'DigitsModel has versions/1'),
    ('POST /v1/models/NoModel:predict', 404, 'GET /v1/models lists'),
    ('POST /v1/models/DigitsModel:classify', 404, 'GET /v1/models lists'),
    ('GET /v1/models/DigitsModel:predict', 405, 'send POST'),
    ('POST /v1/models', 405, 'send GET'),
    ('POST /invocations', 404, 'GET /v1/models lists'),
]


@pytest.mark.parametrize(('line', 'status', 'message'), UNKNOWN)
def test_what_does_not_exist_has_the_shape_of_the_protocol(
    service: str, line: str, status: int, message: str
) -> None:
    answer = request(service, line)

    require_error(answer, status, message)
    assert (answer.headers.get('allow') is not None) == (status == 405)


def test_get_of_invocations_is_405(digits: str) -> None:
    require_error(request(digits, 'GET /invocations'), 405, 'send POST')


@pytest.mark.parametrize('path', ['/v2x', '/v1/modelsx', '/v1/XXXModel/infer', '/invocation'])
def test_other_paths_keep_the_shape_of_the_service(service: str, path: str) -> None:
    assert set(request(service, f'GET {path}').json) == {'message'}


@pytest.mark.parametrize('path', [INFER, PREDICT, INVOCATIONS])
def test_body_over_the_limit_is_413(digits: str, path: str) -> None:
    answer = request(digits, f'POST {path}', b' ' * (LIMIT + 1), Content_Type='application/json')

    require_error(answer, 413, f'the limit of {LIMIT} bytes')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    'inputs',
                    'instances',
                    'name',
                    'shape',
                    'datatype',
                    'data',
                    'parameters',
                    'binary_data_size',
                    'b64',
                ]
            ),
            inner,
        )
    ),
)
near_tensors = st.fixed_dictionaries(
    {},
    optional={
        'name': st.sampled_from(['pixels', 'x']) | json_values,
        'shape': st.lists(st.integers(-1, 65), max_size=3) | json_values,
        'datatype': st.sampled_from(['FP32', 'BYTES']) | json_values,
        'parameters': st.fixed_dictionaries({'binary_data_size': st.integers(-1, 300)}) | json_values,
        'data': st.lists(st.integers(0, 16), max_size=70) | json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([INFER, PREDICT]),
    st.fixed_dictionaries(
        {}, optional={'inputs': st.lists(near_tensors, max_size=2) | json_values, 'instances': json_values}
    )
    | json_values,
    st.binary(max_size=20) | st.just(ZEROS),
    st.none() | st.just('right') | st.integers(0, 300).map(str) | st.text('0123456789-x', max_size=5),
)
def test_no_body_is_a_crash(path: str, value: Any, more: bytes, size: str | None) -> None:
    head = text(value)
    headers = {} if size is None else {HEADER: str(len(head)) if size == 'right' else size}
    response = in_process().post(path, data=head + (more if headers else b''), headers=headers)

    assert response.status_code in {200, 400}, response.data
    if response.status_code == 400:
        assert response.get_json()['error'] == response.get_json()['message'] != ''
