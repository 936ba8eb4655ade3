import re

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

import main
from model_serving import create_app
from tests.exposed_metrics import Exposed


def read(client: FlaskClient) -> Exposed:
    return Exposed(client.get('/metrics').text)


def test_media_type_is_that_of_the_text_format(client: FlaskClient) -> None:
    answer = client.get('/metrics')

    assert answer.status_code == 200
    assert re.fullmatch(r'text/plain; version=[\d.]+; charset=utf-8', answer.headers['Content-Type'])
    assert (
        'application/openmetrics-text'
        in client.get('/metrics', headers={'Accept': 'application/openmetrics-text;version=1.0.0'}).headers[
            'Content-Type'
        ]
    )


def test_every_metric_has_its_type_and_base_unit(client: FlaskClient) -> None:
    client.post('/v1/XXXModel', json={'name': 'Leo'})
    families = {
        family.name: family.type for family in text_string_to_metric_families(client.get('/metrics').text)
    }

    assert families == {
        'model_serving_build_info': 'gauge',
        'model_serving_requests': 'counter',
        'model_serving_key_requests': 'counter',
        'model_serving_payloads': 'counter',
        'model_serving_remembered_answers': 'counter',
        'model_serving_jobs': 'counter',
        'model_serving_request_duration_seconds': 'histogram',
        'model_serving_model_duration_seconds': 'histogram',
        'model_serving_batch_rows': 'histogram',
        'model_serving_batch_queue_seconds': 'histogram',
        'model_serving_requests_in_flight': 'gauge',
        'model_serving_model_load_seconds': 'gauge',
    }


ASKED = {
    'ok': ({'json': {'name': 'Leo'}}, 'XXXModel', '200'),
    'invalid': ({'json': {}}, 'XXXModel', '400'),
    'too_large': ({'data': b' ' * (32 * 1024 * 1024 + 1)}, 'XXXModel', '413'),
}


@pytest.mark.parametrize('reason', ASKED)
def test_request_is_counted_once(client: FlaskClient, reason: str) -> None:
    options, model, status = ASKED[reason]
    before = read(client)
    client.post('/v1/XXXModel', **options)  # type: ignore[arg-type]
    after = read(client)

    labels = {'model': model, 'status': status, 'reason': reason}
    assert after.sum('requests_total', **labels) == before.sum('requests_total', **labels) + 1
    assert after.sum('requests_total', model=model) == before.sum('requests_total', model=model) + 1
    assert after.sum('requests_in_flight') == before.sum('requests_in_flight')


def test_labels_stay_few_whatever_clients_send(client: FlaskClient) -> None:
    before = read(client)  # Other tests of this process may have mounted models of their own.
    for number in range(50):
        client.get(f'/v1/{number}')
        client.open('/v1/XXXModel', method=f'M{number}')
        client.post('/v1/XXXModel', json={}, headers={'X-Request-ID': str(number)})
    found = read(client)

    labels = before.labels('requests_total', 'model') | {'other', *(mount.name for mount in main.MODELS)}
    assert found.labels('requests_total', 'model') <= labels
    assert len(found.found('requests_total', {})) < len(before.found('requests_total', {})) + 20


def test_warm_up_is_not_counted(client: FlaskClient) -> None:
    before = read(client).sum('requests_total', model='XXXModel')
    assert client.get('/_ah/warmup').status_code == 200

    assert read(client).sum('requests_total', model='XXXModel') == before


def test_setting_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_METRICS', 'false')
    answer = create_app(main.MODELS, only=['XXXModel']).test_client().get('/metrics')

    assert answer.status_code == 404
    assert answer.json == {'message': 'Nothing is served at /metrics; GET / lists what is'}


def test_every_answer_has_a_request_id(client: FlaskClient) -> None:
    answers = [
        client.post('/v1/XXXModel', json={'name': 'Leo'}),
        client.post('/v1/XXXModel', json={}),
        client.get('/v1/None'),
        client.get('/v1/XXXModel'),
        client.get('/'),
        client.get('/client/digits.html'),
        client.options('/v1/XXXModel'),
        client.head('/client/digits.html'),
    ]

    for answer in answers:
        answer.close()
    ids = [answer.headers['X-Request-ID'] for answer in answers]
    assert len(set(ids)) == len(answers)
    assert client.get('/', headers={'X-Request-ID': 'mine'}).headers.get_all('X-Request-ID') == ['mine']
