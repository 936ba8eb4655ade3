"""The models on Ray give the answers of the plain service, and batch calls as it does."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_serving.models.iris_model import MEASUREMENTS
from tests.raw_http import Answer, chunked, post, post_chunks, send
from tests.ray.cluster import Cluster

FLOWER = [5.1, 3.5, 1.4, 0.2]
IMAGE = [0, 16] * 32
FLOWERS = {'instances': [dict(zip(MEASUREMENTS, FLOWER, strict=True))]}
TENSOR = {'name': 'flowers', 'datatype': 'FP64', 'shape': [1, 4], 'data': FLOWER}
CALLS = {
    'valid': ('/v1/XXXModel', {'name': 'Zoë'}),
    'rows': ('/v1/DigitsModel', {'instances': [IMAGE] * 32}),
    'of the wrong type': ('/v1/XXXModel', {'name': 5}),
    'invalid inside': ('/v1/DigitsModel', {'instances': [IMAGE, [0] * 63]}),
    'null': ('/v1/XXXModel', None),
    'unknown model': ('/v1/NoModel', {}),
    'slash at the end': ('/v1/XXXModel/', {'name': 'Leo'}),
    'default version': ('/v1/IrisModel', FLOWERS),
    'version': ('/v1/IrisModel/versions/2', FLOWERS),
    'label': ('/v1/IrisModel/labels/canary', FLOWERS),
    'unknown version': ('/v1/IrisModel/versions/3', FLOWERS),
    'Open Inference': ('/v2/models/IrisModel/infer', {'id': '42', 'inputs': [TENSOR]}),
    'Open Inference, invalid': ('/v2/models/IrisModel/versions/1/infer', {'inputs': []}),
    'Open Inference, version': ('/v2/models/IrisModel/versions/2/infer', {'inputs': [TENSOR]}),
    'Open Inference, unknown version': ('/v2/models/IrisModel/versions/3/infer', {'inputs': [TENSOR]}),
    'Open Inference, unknown model': ('/v2/models/NoModel/infer', {'inputs': []}),
    'TensorFlow Serving': ('/v1/models/IrisModel:predict', {'instances': [FLOWER]}),
    'TensorFlow Serving, columns': ('/v1/models/DigitsModel/versions/1:predict', {'inputs': [IMAGE]}),
    'TensorFlow Serving, label': ('/v1/models/IrisModel/labels/canary:predict', {'instances': [FLOWER]}),
    'TensorFlow Serving, invalid': ('/v1/models/IrisModel:predict', {'instances': [[1]]}),
}
PATHS = [
    '/v1/XXXModel',
    '/v2',
    '/v2/models/IrisModel',
    '/v2/models/IrisModel/versions/2',
    '/v2/models/DigitsModel/ready',
    '/v1/models/IrisModel',
    '/v1/models/DigitsModel/metadata',
    '/v2/health/ready',
    '/health/live',
    '/docs',
    '/client/call-model.js',
    '/nowhere?a=%20b',
]
THEIR_OWN = {'date', 'server', 'x-request-id', 'connection', 'content-length', 'keep-alive'}


def same(one: Answer, other: Answer) -> None:
    assert one.status == other.status
    assert one.body == other.body
    assert named(one) == named(other)


def named(answer: Answer) -> dict[str, list[str]]:
    """The headers; the items of one, such as Allow, come in any order."""
    headers = answer.headers.items()
    return {name: sorted(value.split(', ')) for name, value in headers if name not in THEIR_OWN}


@pytest.mark.parametrize(('path', 'body'), CALLS.values(), ids=CALLS)
def test_call_gets_the_same_answer(ray_cluster: Cluster, plain_service: str, path: str, body: object) -> None:
    content = json.dumps(body).encode()
    same(post(ray_cluster.url, path, content), post(plain_service, path, content))


def test_versions_answer_for_themselves(ray_cluster: Cluster) -> None:
    answers = [
        post(ray_cluster.url, f'/v1/IrisModel{end}', json.dumps(FLOWERS).encode()).json
        for end in ('', '/versions/1', '/versions/2', '/labels/canary')
    ]
    assert answers[0]['predictions'][0]['label'] == 'setosa'
    assert answers == [answers[0], answers[0], *[{'predictions': ['the second']}] * 2]


@pytest.mark.parametrize('path', PATHS)
def test_page_is_the_same(ray_cluster: Cluster, plain_service: str, path: str) -> None:
    request = f'GET {path} HTTP/1.1\r\nHost: service\r\n\r\n'.encode()
    same(send(ray_cluster.url, request), send(plain_service, request))


@pytest.mark.parametrize(
    ('body', 'content_type'),
    [(b'{"name": NaN}', 'application/json'), (b'', None), (b'a=b', 'text/plain')],
    ids=['no JSON', 'no body', 'another type'],
)
def test_bad_body_gets_the_same_answer(
    ray_cluster: Cluster, plain_service: str, body: bytes, content_type: str | None
) -> None:
    asked = '/v1/XXXModel', body, content_type
    same(post(ray_cluster.url, *asked), post(plain_service, *asked))


def test_body_beyond_the_limit_is_413(ray_cluster: Cluster, plain_service: str) -> None:
    asked = '/v1/XXXModel', b' ' * (32 * 1024 * 1024 + 1)
    same(post(ray_cluster.url, *asked), post(plain_service, *asked))


def test_body_in_chunks_is_read(ray_cluster: Cluster) -> None:
    answer = post_chunks(ray_cluster.url, '/v1/XXXModel', chunked(b'{"name": "Leo"}', 4))
    assert answer.json == {'result': 'Hello, Leo!'}


def test_id_of_a_request_is_answered_once(ray_cluster: Cluster) -> None:
    head = b'POST /v1/XXXModel HTTP/1.1\r\nHost: service\r\nX-Request-ID: abc-1\r\nContent-Length: 0\r\n\r\n'
    assert send(ray_cluster.url, head).headers['x-request-id'] == 'abc-1'


def test_calls_are_batched(ray_cluster: Cluster) -> None:
    with ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(post, ray_cluster.url, '/v1/Sleeper', b'{"seconds": 0.2}') for _ in range(32)]
        answers = [future.result() for future in asked]
    assert {answer.status for answer in answers} == {200}
    assert max(answer.json['together'] for answer in answers) == 8


def test_single_model_answers_without_a_gateway(single_model: str, plain_service: str) -> None:
    body = json.dumps({'instances': [FLOWER]}).encode()
    expected = post(plain_service, '/v1/models/IrisModel:predict', body)
    same(post(single_model, '/single/v1/models/IrisModel:predict', body), expected)
    assert post(single_model, '/single/invocations', body).json == expected.json
    assert post(single_model, '/single/v1/IrisModel', b'{}').status == 400
