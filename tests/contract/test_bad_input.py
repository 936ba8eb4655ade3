"""The HTTP contract: what bad input gets, from the real service under gunicorn."""

import functools
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from main import MODELS
from model_serving import create_app
from tests.raw_http import Answer, chunked, post, post_chunks, read_answer, send
from tests.service_process import running_service

HELLO = '/v1/XXXModel'
DIGITS = '/v1/DigitsModel'
LIMIT = 32 * 1024 * 1024
NO_OBJECT = 'No JSON object'
ROW = [0] * 64

json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(['name', 'instances', 'x']), inner),
).map(lambda value: json.dumps(value).encode())


def rows(*instances: object) -> bytes:
    return json.dumps({'instances': instances}).encode()


DEPTH = 'The body is not JSON: depth limit exceeded'

BAD_BODIES = {
    'no_body': (HELLO, b'', NO_OBJECT),
    'null': (HELLO, b'null', NO_OBJECT),
    'empty_object': (HELLO, b'{}', "'name' is a required property"),
    'list': (HELLO, b'[]', "[] is not of type 'object'"),
    'string': (HELLO, b'"Leo"', "'Leo' is not of type 'object'"),
    'number': (HELLO, b'5', "5 is not of type 'object'"),
    'spaces': (HELLO, b'   ', 'The body is not JSON: '),
    'wrong_type': (HELLO, b'{"name": 5}', "5 is not of type 'string'"),
    'truncated': (HELLO, b'{"name": "Le', 'The body is not JSON: '),
    'two_values': (HELLO, b'{"name": "Leo"} {}', 'The body is not JSON: '),
    'nan': (HELLO, b'{"name": NaN}', 'The body is not JSON: '),
    'infinity': (HELLO, b'{"name": -Infinity}', 'The body is not JSON: '),
    'too_large_a_number': (HELLO, b'{"name": 1e400}', 'The body is not JSON: number is infinity'),
    'lone_surrogate': (HELLO, b'{"name": "\\ud800"}', 'The body is not JSON: '),
    'invalid_utf8': (HELLO, b'{"name": "\xff"}', 'The body is not UTF-8: byte 10 '),
    'byte_order_mark': (HELLO, b'\xef\xbb\xbf{}', 'The body is not JSON: UTF-8 byte order mark'),
    'nested_254': (HELLO, b'[' * 254 + b']' * 254, '[[[['),
    'nested_500': (HELLO, b'[' * 500 + b']' * 500, DEPTH),
    'nested_1000': (HELLO, b'[' * 1000 + b']' * 1000, DEPTH),
    'nested_10000': (HELLO, b'[' * 10000 + b']' * 10000, DEPTH),
    'open_10000': (HELLO, b'[' * 10000, 'The body is not JSON: '),
    'nested_500_inside': (HELLO, b'{"name":' * 500 + b'1' + b'}' * 500, DEPTH),
    'nested_1000_inside': (HELLO, b'{"name":' * 1000 + b'1' + b'}' * 1000, DEPTH),
    '63_numbers': (DIGITS, rows(ROW[1:]), '[0, 0, 0, '),
    '65_numbers': (DIGITS, rows([*ROW, 0]), '[0, 0, 0, '),
    'out_of_range': (DIGITS, rows([17, *ROW[1:]]), '17 is greater than the maximum of 16'),
    'strings_in_a_row': (DIGITS, rows(['x'] * 64), "'x' is not of type 'number'"),
    'no_rows': (DIGITS, rows(), '[] should be non-empty'),
    'rows_missing': (DIGITS, b'{}', "'instances' is a required property"),
    'object_of_20000_wrong_rows': (
        DIGITS,
        json.dumps({'instances': {str(number): [0] * 3 for number in range(20000)}}).encode(),
        "{'0': [0, 0, 0], '1': ",
    ),
    '20000_wrong_rows': (DIGITS, rows(*[[0] * 3] * 20000), '[0, 0, 0] is too short'),
    'last_of_63_kb_wrong': (
        DIGITS,
        rows(*[ROW] * 320, [*ROW[1:], 17]),
        '17 is greater than the maximum of 16',
    ),
    'last_of_many_rows_wrong': (DIGITS, rows(*[ROW] * 2000, [*ROW[1:], 'x']), "'x' is not of type 'number'"),
}


@pytest.mark.parametrize(('path', 'body', 'message'), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body_is_400_with_a_message(service: str, path: str, body: bytes, message: str) -> None:
    answer = post(service, path, body)

    assert answer.status == 400
    assert answer.json['message'].startswith(message)
    assert len(answer.json['message']) < 1200
    assert answer.headers['content-type'] == 'application/json'
    assert answer.headers['access-control-allow-origin'] == '*'
    assert_alive(service)


CONTENT_TYPES = {
    'none': (None, 415),
    'form': ('application/x-www-form-urlencoded', 415),
    'text': ('text/plain', 415),
    'charset_gbk': ('application/json; charset=gbk', 415),
    'charset_utf8': ('application/json; charset=UTF-8', 200),
    'suffix_json': ('application/vnd.hello+json', 200),
    'garbage': (';;;=,', 415),
}


@pytest.mark.parametrize(('content_type', 'status'), CONTENT_TYPES.values(), ids=CONTENT_TYPES)
def test_content_type_decides(service: str, content_type: str | None, status: int) -> None:
    answer = post(service, HELLO, b'{"name": "Leo"}', content_type)

    assert answer.status == status
    if status == 415:
        assert 'application/json' in answer.json['message']


def test_compressed_body_is_415(service: str) -> None:
    head = (
        f'POST {HELLO} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Encoding: gzip'
    )
    answer = send(service, f'{head}\r\nContent-Length: 3\r\n\r\n'.encode() + b'\x1f\x8b\x08')

    assert answer.status == 415
    assert answer.json == {'message': 'Send the body as it is, without the Content-Encoding gzip'}


def test_identity_is_no_compression(service: str) -> None:
    head = f'POST {HELLO} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Length: 15'
    answer = send(service, f'{head}\r\nContent-Encoding: identity\r\n\r\n'.encode() + b'{"name": "Leo"}')

    assert answer.status == 200


def test_header_cannot_move_the_application(service: str) -> None:
    for name in ('SCRIPT_NAME', 'PATH_INFO', 'REMOTE_USER'):
        head = f'POST {HELLO} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n{name}: /x'
        answer = send(service, f'{head}\r\nContent-Length: 15\r\n\r\n'.encode() + b'{"name": "Leo"}')
        assert (answer.status, answer.json) == (200, {'result': 'Hello, Leo!'})


def test_duplicate_key_counts_its_last_value(service: str) -> None:
    answer = post(service, HELLO, b'{"name": "A", "name": "B"}')

    assert (answer.status, answer.json) == (200, {'result': 'Hello, B!'})


@pytest.mark.parametrize(
    ('request_line', 'status', 'message'),
    [
        ('GET /v1/XXXModel', 405, 'GET is not allowed here; send POST'),
        ('DELETE /v1/XXXModel', 405, 'DELETE is not allowed here; send POST'),
        ('POST /', 405, 'POST is not allowed here; send GET'),
        ('POST /v1/NoModel', 404, 'Nothing is served at /v1/NoModel; GET / lists what is'),
        ('POST /v1//XXXModel', 404, 'Nothing is served at /v1//XXXModel'),
        ('POST /v1/XXXModel/', 404, 'Nothing is served at /v1/XXXModel/; GET / lists what is'),
        ('GET /v1', 404, 'Nothing is served at /v1; GET / lists what is'),
        ('POST /health/live', 405, 'POST is not allowed here; send GET'),
        ('POST /health/ready', 405, 'POST is not allowed here; send GET'),
        ('DELETE /_ah/warmup', 405, 'DELETE is not allowed here; send GET'),
        ('GET /healthy', 404, 'Nothing is served at /healthy; GET / lists what is'),
        ('GET /health/live/', 404, 'Nothing is served at /health/live/; GET / lists what is'),
        ('GET /health/ready/XXXModel', 404, 'Nothing is served at /health/ready/XXXModel; GET / lists'),
        ('GET /client/../main.py', 404, 'Nothing is served at '),
        ('GET /client/%2e%2e/main.py', 404, 'Nothing is served at '),
        ('GET /client/none.html', 404, 'Nothing is served at /client/none.html'),
    ],
)
def test_wrong_path_or_method_has_the_same_shape(
    service: str, request_line: str, status: int, message: str
) -> None:
    answer = send(service, f'{request_line} HTTP/1.1\r\nHost: service\r\nContent-Length: 0\r\n\r\n'.encode())

    assert answer.status == status
    assert answer.json['message'].startswith(message)
    assert answer.headers['access-control-allow-origin'] == '*'
    if status == 405:
        assert answer.headers['allow']


@pytest.fixture(scope='module')
def small_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that takes bodies of 1,000 bytes."""
    log: Path = tmp_path_factory.mktemp('small') / 'service.log'
    with running_service(log, MODEL_SERVING_MODELS='XXXModel', MODEL_SERVING_MAX_BODY_BYTES='1000') as url:
        yield url


def hello_of(size: int) -> bytes:
    """A valid body of `size` bytes."""
    return b'{"name": "%s"}' % (b'x' * (size - 12))


def too_large(answer: Answer) -> bool:
    return answer.status == 413 and '1000 bytes' in answer.json['message']


def test_body_at_the_limit_is_accepted(small_service: str) -> None:
    assert post(small_service, HELLO, hello_of(1000)).status == 200
    assert post_chunks(small_service, HELLO, chunked(hello_of(1000))).status == 200


def test_body_over_the_limit_is_413(small_service: str) -> None:
    assert too_large(post(small_service, HELLO, hello_of(1001)))
    assert too_large(post_chunks(small_service, HELLO, chunked(hello_of(1001))))
    assert too_large(post_chunks(small_service, HELLO, chunked(hello_of(30) + b' ' * 2000, 100)))


def test_body_far_over_the_limit_is_413_and_not_a_reset(small_service: str) -> None:
    assert too_large(post(small_service, HELLO, hello_of(8_000_000)))


def test_default_limit_is_32_mib(service: str) -> None:
    head = f'POST {HELLO} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n'
    answer = send(service, f'{head}Content-Length: {LIMIT + 1}\r\nConnection: close\r\n\r\n'.encode())

    assert answer.status == 413
    assert f'{LIMIT} bytes' in answer.json['message']


@pytest.mark.parametrize(
    'chunks',
    [b'xyz\r\n{}\r\n0\r\n\r\n', b'5\r\n{}', b'2\r\n{}garbage\r\n0\r\n\r\n', b'-1\r\n\r\n', b'\r\n\r\n'],
    ids=['no_size', 'cut_off', 'wrong_end', 'negative', 'empty_size'],
)
def test_broken_chunk_framing_is_400(service: str, chunks: bytes) -> None:
    place = urlsplit(service)
    head = f'POST {HELLO} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n'
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(f'{head}Transfer-Encoding: chunked\r\n\r\n'.encode() + chunks)
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection)

    assert answer.status == 400
    assert answer.json['message'].startswith('The body could not be read to its end')


def test_100000_rows_are_answered(service: str) -> None:
    answer = post(service, DIGITS, rows(*[ROW] * 100_000))

    assert answer.status == 200
    assert len(answer.json['predictions']) == 100_000


@pytest.mark.alone
@pytest.mark.parametrize('name', BAD_BODIES)
def test_refusing_takes_no_longer_than_answering(service: str, name: str) -> None:
    """A refused body may cost a few times what a valid one of its size costs, not more."""
    path, body, _ = BAD_BODIES[name]
    valid = rows(*[ROW] * (len(body) // 192 + 1)) if path == DIGITS else hello_of(max(len(body), 12))

    assert best_seconds(service, path, body) < 0.05 + 3 * best_seconds(service, path, valid)


def best_seconds(service: str, path: str, body: bytes) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        post(service, path, body)
        times.append(time.perf_counter() - start)
    return min(times)


def assert_alive(service: str) -> None:
    assert post(service, HELLO, b'{"name": "Leo"}').json == {'result': 'Hello, Leo!'}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([HELLO, DIGITS]),
    st.binary(max_size=60) | st.text(max_size=40).map(str.encode) | json_texts,
    st.sampled_from(
        ['application/json', 'application/json; charset=utf-8', 'text/plain', 'a/b; charset="', '']
    ),
)
def test_no_body_is_a_crash(path: str, body: bytes, content_type: str) -> None:
    response = in_process().post(path, data=body, content_type=content_type)

    assert response.status_code in {200, 400, 415}
    assert response.status_code == 200 or response.get_json()['message']


@functools.cache
def in_process() -> FlaskClient:
    return create_app(MODELS, only=['XXXModel', 'DigitsModel']).test_client()
