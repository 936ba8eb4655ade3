import json
import logging
from typing import Any

import numpy
import pytest
from flask import Flask, abort, request
from flask.testing import FlaskClient
from flask_restful import Resource

from main import MODELS
from model_serving import __version__, create_app
from model_serving.health.readiness import readiness_of
from model_serving.protocols.signature import Signature, Tensor
from model_serving.resources.digits_model_resource import HANDWRITTEN_SEVEN, DigitsModelResource
from model_serving.settings import SettingError
from tests.exposed_metrics import Exposed
from tests.protocols.echo_service import (
    ANYTHING,
    VALUES,
    EchoModelResource,
    NapModelResource,
    PlainModelResource,
    create,
    validate_json,
)

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
COLUMNS = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width']
RECORDS = [dict(zip(COLUMNS, flower, strict=True)) for flower in FLOWERS]
PREDICT_DIGITS = '/v1/models/DigitsModel:predict'
PREDICT_IRISES = '/v1/models/IrisModel:predict'
PREDICT_ECHO = '/v1/models/EchoModel:predict'


def warm(client: FlaskClient) -> FlaskClient:
    """`client`, whose models have answered their examples."""
    assert client.get('/_ah/warmup').status_code == 200
    return client


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    return warm(create_app(MODELS, only=['XXXModel', 'DigitsModel', 'IrisModel']).test_client())


@pytest.fixture(scope='module')
def echo() -> FlaskClient:
    return create(
        EchoModel=EchoModelResource, NapModel=NapModelResource, Plain=PlainModelResource
    ).test_client()


@pytest.fixture(scope='module')
def iris() -> FlaskClient:
    return warm(create_app(MODELS, only=['IrisModel']).test_client())


def own(client: FlaskClient, model: str, instances: Any) -> Any:
    return client.post(f'/v1/{model}', json={'instances': instances}).get_json()['predictions']


# TensorFlow Serving and KServe


def test_models_with_tensors_are_listed(client: FlaskClient) -> None:
    assert client.get('/v1/models').get_json() == {'models': ['DigitsModel', 'IrisModel']}


@pytest.mark.parametrize('path', ['/v1/models/DigitsModel', '/v1/models/DigitsModel/versions/1'])
def test_status_has_the_keys_of_both_systems(client: FlaskClient, path: str) -> None:
    status = {'error_code': 'OK', 'error_message': ''}
    assert client.get(path).get_json() == {
        'model_version_status': [{'version': '1', 'state': 'AVAILABLE', 'status': status}],
        'name': 'DigitsModel',
        'ready': True,
    }


@pytest.mark.parametrize(
    'path', ['/v1/models/IrisModel/metadata', '/v1/models/IrisModel/versions/1/metadata']
)
def test_metadata_is_a_signature_def(client: FlaskClient, path: str) -> None:
    answer = client.get(path).get_json()
    assert answer['model_spec'] == {'name': 'IrisModel', 'signature_name': '', 'version': '1'}
    signature = answer['metadata']['signature_def']['signature_def']['serving_default']
    shape = {'dim': [{'size': '-1', 'name': ''}, {'size': '4', 'name': ''}], 'unknown_rank': False}
    assert signature['inputs'] == {
        'flowers': {'dtype': 'DT_DOUBLE', 'tensor_shape': shape, 'name': 'flowers:0'}
    }
    assert signature['outputs']['label']['dtype'] == 'DT_STRING'
    assert signature['method_name'] == 'tensorflow/serving/predict'


@pytest.mark.parametrize('path', [PREDICT_DIGITS, '/v1/models/DigitsModel/versions/1:predict'])
@pytest.mark.parametrize(
    'row', [HANDWRITTEN_SEVEN, {'pixels': HANDWRITTEN_SEVEN}], ids=['without_name', 'with_name']
)
def test_rows_are_predicted_as_by_v1(client: FlaskClient, path: str, row: Any) -> None:
    body = {'instances': [row, row], 'signature_name': 'serving_default'}
    expected = own(client, 'DigitsModel', [HANDWRITTEN_SEVEN] * 2)
    assert client.post(path, json=body).get_json() == {'predictions': expected}


@pytest.mark.parametrize('column', [[HANDWRITTEN_SEVEN], {'pixels': [HANDWRITTEN_SEVEN]}])
def test_columns_are_answered_in_columns(client: FlaskClient, column: Any) -> None:
    [expected] = own(client, 'DigitsModel', [HANDWRITTEN_SEVEN])
    assert client.post(PREDICT_DIGITS, json={'inputs': column}).get_json() == {
        'outputs': {'label': [7], 'probabilities': [expected['probabilities']]}
    }


@pytest.mark.parametrize('instances', [FLOWERS, RECORDS], ids=['lists', 'objects'])
def test_rows_may_name_the_columns_of_the_schema(client: FlaskClient, instances: Any) -> None:
    expected = own(client, 'IrisModel', RECORDS)
    predictions = client.post(PREDICT_IRISES, json={'instances': instances}).get_json()['predictions']
    assert [each['label'] for each in predictions] == [each['label'] for each in expected]
    assert [each['probabilities'] for each in predictions] == [
        list(each['probabilities'].values()) for each in expected
    ]


@pytest.mark.parametrize('content_type', ['application/x-www-form-urlencoded', 'text/plain', ''])
def test_content_type_is_not_looked_at(client: FlaskClient, content_type: str) -> None:
    """curl's own is that of forms, and KServe's client sends none."""
    body = json.dumps({'instances': FLOWERS})
    assert client.post(PREDICT_IRISES, data=body, content_type=content_type).status_code == 200


def test_one_output_goes_without_its_name(echo: FlaskClient) -> None:
    path = '/v1/models/NapModel:predict'
    assert echo.post(path, json={'instances': [0, 0]}).get_json() == {'predictions': [0, 0]}
    assert echo.post(path, json={'inputs': [0, 0]}).get_json() == {'outputs': [0, 0]}


def test_every_datatype_is_read_in_rows_and_columns(echo: FlaskClient) -> None:
    row = {name.lower(): values for name, values in VALUES.items()}
    expected = {f'{name}_out': values for name, values in row.items()}
    assert echo.post(PREDICT_ECHO, json={'instances': [row]}).get_json() == {'predictions': [expected]}
    columns = {name: [values] for name, values in row.items()}
    assert echo.post(PREDICT_ECHO, json={'inputs': columns}).get_json() == {
        'outputs': {name: [values] for name, values in expected.items()}
    }


class BytesModelResource(Resource):
    """Turns bytes around."""

    tensors = Signature(
        inputs=[Tensor('image', 'BYTES', [-1])],
        outputs=[Tensor('image_bytes', 'BYTES', [-1])],
        call=lambda images: [image[::-1] for image in images],
    )

    @validate_json(ANYTHING)
    def post(self) -> Any:
        return {}


def test_bytes_travel_as_base64() -> None:
    client = create(BytesModel=BytesModelResource).test_client()
    path = '/v1/models/BytesModel:predict'
    answer = client.post(path, json={'instances': [{'b64': 'AP8='}, 'ab']})
    assert answer.get_json() == {'predictions': [{'b64': '/wA='}, {'b64': 'YmE='}]}
    wrong = client.post(path, json={'instances': [{'b64': '???'}]})
    assert (wrong.status_code, 'is not base64' in wrong.get_json()['error']) == (400, True)
    infer = '/v2/models/BytesModel/infer'
    raw = client.post(infer, data=b'\x00\xff', headers={'Inference-Header-Content-Length': '0'})
    assert raw.data.endswith(b'\x02\x00\x00\x00\xff\x00')
    binary = {'name': 'image', 'shape': [1], 'datatype': 'BYTES', 'parameters': {'binary_data_size': 6}}
    head = json.dumps({'inputs': [binary]}).encode()
    headers = {'Inference-Header-Content-Length': str(len(head))}
    no_text = client.post(infer, data=head + b'\x02\x00\x00\x00\x00\xff', headers=headers)
    assert (no_text.status_code, 'ask for it as binary data' in no_text.get_json()['error']) == (400, True)


# MLflow


def test_frames_are_predicted_whatever_their_form(iris: FlaskClient) -> None:
    order = [2, 0, 3, 1]
    split = {
        'columns': [COLUMNS[i] for i in order],
        'data': [[flower[i] for i in order] for flower in FLOWERS],
    }
    bodies = [
        {'instances': FLOWERS},
        {'inputs': FLOWERS},
        {'inputs': {name: [record[name] for record in RECORDS] for name in COLUMNS}},
        {'dataframe_split': {**split, 'index': [0, 1]}, 'params': {}},
        {'dataframe_records': RECORDS},
    ]
    answers = [iris.post('/invocations', json=body).get_json() for body in bodies]
    lines = '\ufeff' + '\r\n'.join(','.join(map(str, row)) for row in [COLUMNS, *FLOWERS]) + '\n\n'
    for content_type in ('text/csv', 'application/csv; charset=UTF-8'):
        answers.append(iris.post('/invocations', data=lines, content_type=content_type).get_json())

    assert [each['label'] for each in answers[0]['predictions']] == ['setosa', 'virginica']
    assert all(answer == answers[0] for answer in answers)


def test_columns_without_names_in_the_schema_may_have_any() -> None:
    client = create_app(MODELS, only=['DigitsModel']).test_client()
    split = {'columns': list(range(64)), 'data': [HANDWRITTEN_SEVEN]}
    lines = f'{",".join(f"p{i}" for i in range(64))}\n{",".join(map(str, HANDWRITTEN_SEVEN))}'
    for options in ({'json': {'dataframe_split': split}}, {'data': lines, 'content_type': 'text/csv'}):
        answer = client.post('/invocations', **options)
        assert [each['label'] for each in answer.get_json()['predictions']] == [7]


class SeveralModelResource(Resource):
    """Has a column for each input."""

    tensors = Signature(
        inputs=[Tensor('text', 'BYTES', [-1]), Tensor('count', 'INT64', [-1]), Tensor('loud', 'BOOL', [-1])],
        outputs=[Tensor('said', 'BYTES', [-1])],
        call=lambda texts, counts, loud: [
            (text.upper() if is_loud else text) * int(count)
            for text, count, is_loud in zip(texts, counts, loud, strict=True)
        ],
    )

    @validate_json(ANYTHING)
    def post(self) -> Any:
        return {}


def test_columns_are_the_inputs_where_there_are_several() -> None:
    client = create(SeveralModel=SeveralModelResource).test_client()
    lines = 'count,text,loud\n2,"a, b",True\n1,c,false\n'
    answer = client.post('/invocations', data=lines, content_type='text/csv')
    assert answer.get_json() == {'predictions': ['A, BA, B', 'c']}
    wrong = client.post('/invocations', data='count,text,loud\n1.5,a,yes\n', content_type='text/csv')
    assert "Row 1, column 1 of the CSV cannot be read: '1.5'" in wrong.get_json()['error']
    nobody = client.post('/v1/models/SeveralModel:predict', json={'instances': ['a']})
    assert 'several inputs; name them: text, count, loud' in nobody.get_json()['error']
    differ = {'inputs': {'text': ['a'], 'count': [1, 2], 'loud': [True]}}
    answer = client.post('/v1/models/SeveralModel:predict', json=differ)
    assert "they have: 'text' 1, 'count' 2, 'loud' 1" in answer.get_json()['error']


def test_ping_and_version_are_mlflows(iris: FlaskClient) -> None:
    assert (iris.get('/ping').status_code, iris.get('/ping').data) == (200, b'\n')
    assert iris.get('/version').get_data(as_text=True) == __version__


def test_mlflows_paths_are_for_a_single_model_or_the_default_one(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [client.get(path).status_code for path in ('/ping', '/version')] == [404, 404]
    monkeypatch.setenv('MODEL_SERVING_DEFAULT_MODEL', 'IrisModel')
    several = warm(create_app(MODELS, only=['XXXModel', 'IrisModel']).test_client())
    assert several.get('/ping').status_code == 200
    answer = several.post('/invocations', json={'dataframe_records': RECORDS})
    assert [each['label'] for each in answer.get_json()['predictions']] == ['setosa', 'virginica']


def test_default_model_is_one_that_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_DEFAULT_MODEL', 'DigitsModel')
    with pytest.raises(SettingError, match="default_model: 'DigitsModel' is none of the models"):
        create_app(MODELS, only=['XXXModel', 'IrisModel'])


def test_invocations_take_the_models_own_json() -> None:
    client = create_app(MODELS, only=['XXXModel']).test_client()
    assert client.post('/invocations', json={'name': 'Leo'}).get_json() == (
        client.post('/v1/XXXModel', json={'name': 'Leo'}).get_json()
    )
    wrong = client.post('/invocations', json={})
    assert wrong.status_code == 400
    assert wrong.get_json()['error'] == "'name' is a required property"
    csv = client.post('/invocations', data='name\nLeo\n', content_type='text/csv')
    assert csv.status_code == 415
    assert 'Content-Type: application/json' in csv.get_json()['message']


def test_body_that_fits_neither_is_told_what_the_model_takes(iris: FlaskClient) -> None:
    answer = iris.post('/invocations', json={'flowers': RECORDS})
    assert answer.status_code == 400
    assert "'flowers' was unexpected" in answer.get_json()['message']


def test_own_json_comes_first(iris: FlaskClient) -> None:
    answer = iris.post('/invocations', json={'instances': RECORDS}).get_json()
    assert answer['predictions'] == own(iris, 'IrisModel', RECORDS)


def test_schema_that_allows_anything_leaves_mlflow_its_forms() -> None:
    client = create(SeveralModel=SeveralModelResource).test_client()
    nobody = client.post('/invocations', json={'instances': ['a']})
    assert 'several inputs; name them: text, count, loud' in nobody.get_json()['error']
    assert client.post('/invocations', json={'text': 'a'}).get_json() == {}


def test_vertex_ai_chooses_the_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AIP_HEALTH_ROUTE', '/v1/endpoints/1/deployedModels/2')
    monkeypatch.setenv('AIP_PREDICT_ROUTE', '/v1/endpoints/1/deployedModels/2:predict')
    client = warm(create_app(MODELS, only=['IrisModel']).test_client())
    assert client.get('/v1/endpoints/1/deployedModels/2').status_code == 200
    answer = client.post('/v1/endpoints/1/deployedModels/2:predict', json={'instances': FLOWERS})
    assert [each['label'] for each in answer.get_json()['predictions']] == ['setosa', 'virginica']


@pytest.mark.parametrize('health', ['/health/ready', '/health', '/ping'])
@pytest.mark.parametrize('predict', ['/v1/IrisModel', '/invocations', '/ping', '/'])
def test_chosen_routes_may_be_there_already(
    monkeypatch: pytest.MonkeyPatch, health: str, predict: str
) -> None:
    monkeypatch.setenv('AIP_HEALTH_ROUTE', health)
    monkeypatch.setenv('AIP_PREDICT_ROUTE', predict)
    client = warm(create_app(MODELS, only=['IrisModel']).test_client())
    assert client.get(health).status_code == 200
    answer = client.post(predict, json={'instances': RECORDS}).get_json()
    assert [each['label'] for each in answer['predictions']] == ['setosa', 'virginica']


@pytest.mark.parametrize(
    ('name', 'route'),
    [('AIP_HEALTH_ROUTE', '/'), ('AIP_HEALTH_ROUTE', '/metrics'), ('AIP_PREDICT_ROUTE', '/v1/XXXModel')],
)
def test_chosen_route_is_not_anothers(monkeypatch: pytest.MonkeyPatch, name: str, route: str) -> None:
    monkeypatch.setenv('MODEL_SERVING_DEFAULT_MODEL', 'IrisModel')
    monkeypatch.setenv(name, route)
    with pytest.raises(SettingError, match=f'{name}: something else answers at'):
        create_app(MODELS, only=['XXXModel', 'IrisModel'])


class GuardedModelResource(Resource):
    """Has what an author puts around a resource."""

    @staticmethod
    def secret(view: Any) -> Any:
        def checked(*args: Any) -> Any:
            if request.headers.get('X-Secret') != 'yes':
                abort(401)
            return view(*args)

        return checked

    method_decorators = [secret]  # noqa: RUF012

    @validate_json({'type': 'string'}, {'type': 'string'})
    def post(self) -> Any:
        return request.json if request.json != 'wrong' else 5


def test_invocations_go_through_all_that_is_around_the_own_route() -> None:
    client = create(GuardedModel=GuardedModelResource).test_client()
    assert client.post('/invocations', json='a').status_code == 401
    answer = client.post('/invocations', json='a', headers={'X-Secret': 'yes'})
    assert (answer.status_code, answer.get_json()) == (200, 'a')


@pytest.mark.parametrize(
    ('content_type', 'body', 'status'),
    [
        ('application/json', b'{}', 200),
        ('application/problem+json', b'{}', 200),
        ('text/plain', b'{}', 415),
        ('', b'', 400),
        ('application/json', b'', 400),
        ('application/json', b'null', 400),
    ],
)
def test_invocations_take_what_the_own_route_takes(content_type: str, body: bytes, status: int) -> None:
    client = create(Plain=PlainModelResource).test_client()
    for path in ('/v1/Plain', '/invocations'):
        assert client.post(path, data=body, content_type=content_type).status_code == status, path


@pytest.mark.parametrize('name', ['AIP_HEALTH_ROUTE', 'AIP_PREDICT_ROUTE'])
@pytest.mark.parametrize('route', ['predict', '/<path:x>', 'https://a/b', '/a b'])
def test_route_is_a_path(monkeypatch: pytest.MonkeyPatch, name: str, route: str) -> None:
    monkeypatch.setenv(name, route)
    with pytest.raises(SettingError, match=f'{name}: .* is not a path such as /health'):
        create_app(MODELS, only=['XXXModel'])


def test_chosen_route_needs_a_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AIP_PREDICT_ROUTE', '/predict')
    with pytest.raises(SettingError, match='set MODEL_SERVING_DEFAULT_MODEL'):
        create_app(MODELS, only=['XXXModel', 'IrisModel'])


def test_health_alone_is_whether_it_is_ready(iris: FlaskClient) -> None:
    assert iris.get('/health').get_json() == iris.get('/health/ready').get_json()


# The schema of /v1 holds


@pytest.mark.parametrize(
    ('path', 'body'),
    [
        (PREDICT_DIGITS, {'instances': [[99, *HANDWRITTEN_SEVEN[1:]]]}),
        (PREDICT_IRISES, {'instances': [[0, *FLOWERS[0][1:]]]}),
        (PREDICT_IRISES, {'instances': [[*FLOWERS[0][:3], 20.5]]}),
        (PREDICT_IRISES, {'instances': []}),
    ],
)
def test_what_v1_refuses_no_protocol_accepts(client: FlaskClient, path: str, body: Any) -> None:
    assert client.post(path, json=body).status_code == 400


# How they are mounted


def test_each_model_has_gates_of_its_own(echo: FlaskClient) -> None:
    functions = echo.application.view_functions
    infer = [functions[f'{name}.v2.infer'] for name in ('EchoModel', 'NapModel')]
    assert infer[0] is not infer[1]
    assert {'Plain.v2.infer', 'Plain.v1.predict'}.isdisjoint(functions)


def test_crash_is_logged_under_the_models_name(echo: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = echo.post('/v1/models/NapModel:predict', json={'instances': [0.001, -0.0001]})
    assert answer.status_code == 500
    assert answer.get_json() == {'error': 'Internal Server Error', 'message': 'Internal Server Error'}
    assert [record.name for record in caplog.records] == ['NapModel']


def test_calls_are_counted_under_the_models_name(client: FlaskClient) -> None:
    def counted(status: str) -> float:
        exposed = Exposed(client.get('/metrics').text)
        return exposed.sum('requests_total', model='IrisModel', status=status)

    before = counted('200'), counted('400')
    for instances in (FLOWERS, [], FLOWERS):
        client.post(PREDICT_IRISES, json={'instances': instances})
    client.get('/v1/models/IrisModel')
    assert (counted('200'), counted('400')) == (before[0] + 2, before[1] + 1)


class UndeclaredModelResource(Resource):
    """Returns something else than it declares."""

    tensors = Signature([Tensor('x', 'FP32', [-1])], [Tensor('y', 'FP32', [-1, 2])], call=lambda x: x)

    @validate_json(ANYTHING)
    def post(self) -> Any:
        return {}


def test_output_that_is_not_as_declared_is_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    client = create(UndeclaredModel=UndeclaredModelResource).test_client()
    assert client.post('/v1/models/UndeclaredModel:predict', json={'instances': [1]}).status_code == 500
    assert "output 'y' has the shape (1,), not [-1, 2]" in caplog.text


class FailedModelResource(Resource):
    """Stands for a model that could not be loaded."""

    load_failure = failure = 'failed to load: ValueError: no file'

    def post(self) -> Any:
        return {}

    post.request_schema = {}  # type: ignore[attr-defined]  # noqa: RUF012


@pytest.mark.parametrize(
    ('method', 'path'),
    [
        ('GET', '/v2/health/ready'),
        ('GET', '/v2/models/FailedModel'),
        ('GET', '/v2/models/FailedModel/ready'),
        ('POST', '/v2/models/FailedModel/infer'),
        ('GET', '/v1/models/FailedModel'),
        ('POST', '/v1/models/FailedModel:predict'),
        ('POST', '/invocations'),
        ('GET', '/ping'),
    ],
)
def test_model_that_failed_to_load_is_503_with_the_reason(method: str, path: str) -> None:
    answer = create(FailedModel=FailedModelResource).test_client().open(path, method=method)
    assert answer.status_code == 503
    assert answer.headers['Retry-After']
    assert 'no file' in answer.get_json()['message']


class BrokenModelResource(Resource):
    """Fails on its own example."""

    tensors = NapModelResource.tensors

    @validate_json({'type': 'object', 'examples': [{}]})
    def post(self) -> Any:
        raise RuntimeError('broken')


def test_model_that_fails_on_its_own_example_is_503_with_the_reason() -> None:
    app = create(BrokenModel=BrokenModelResource, NapModel=NapModelResource)
    client = app.test_client()
    assert client.get('/v2/health/ready').status_code == 503
    readiness_of(app).wait()
    for path in ('/v2/health/ready', '/v2/models/BrokenModel/ready', '/v1/models/BrokenModel'):
        answer = client.get(path)
        assert answer.status_code == 503
        assert 'BrokenModel failed on its own example' in answer.get_json()['error']
    assert client.get('/v2/models/NapModel/ready').get_json() == {'name': 'NapModel', 'ready': True}
    refused = client.post('/v1/models/BrokenModel:predict', json={'instances': [0]})
    assert (refused.status_code, 'failed on its own example' in refused.get_json()['error']) == (503, True)


def test_model_with_inputs_in_place_gets_them_without_a_copy() -> None:
    seen = []
    app: Flask = create_app(MODELS, only=['DigitsModel'])
    own_call = DigitsModelResource.tensors.call

    def call(pixels: Any) -> Any:
        seen.append(pixels)
        return own_call(pixels)

    watched = Signature(DigitsModelResource.tensors.inputs, DigitsModelResource.tensors.outputs, call)
    body = numpy.zeros((100, 64), 'float32').tobytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DigitsModelResource, 'tensors', watched)
        headers = {'Inference-Header-Content-Length': '0'}
        answer = app.test_client().post('/v2/models/DigitsModel/infer', data=body, headers=headers)
    assert answer.status_code == 200
    assert not seen[0].flags.owndata
