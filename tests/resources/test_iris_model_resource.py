from typing import Any

import pytest
from flask.testing import FlaskClient

from data.make_iris_model import held_out
from main import MODELS
from model_serving import create_app
from model_serving.models.iris_model import MEASUREMENTS
from model_serving.resources.iris_model_resource import iris_model_schema

URL = '/v1/IrisModel'
FLOWER = {'sepal_length': 5.1, 'sepal_width': 3.5, 'petal_length': 1.4, 'petal_width': 0.2}


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    return create_app(MODELS, only=['IrisModel']).test_client()


def test_a_flower_has_its_species_and_all_probabilities(client: FlaskClient) -> None:
    response = client.post(URL, json={'instances': [FLOWER]})
    assert response.status_code == 200
    [prediction] = response.get_json()['predictions']
    assert prediction['label'] == 'setosa'
    assert list(prediction['probabilities']) == ['setosa', 'versicolor', 'virginica']
    assert prediction['probabilities']['setosa'] > 0.95
    assert sum(prediction['probabilities'].values()) == pytest.approx(1)


def test_the_order_of_the_measurements_does_not_matter(client: FlaskClient) -> None:
    turned = dict(reversed(FLOWER.items()))
    first, second = client.post(URL, json={'instances': [FLOWER, turned]}).get_json()['predictions']
    assert first['label'] == second['label']
    assert first['probabilities'] == pytest.approx(second['probabilities'])


def test_every_flower_has_its_answer_in_order(client: FlaskClient) -> None:
    rows, truth = held_out()
    flowers = [dict(zip(MEASUREMENTS, row, strict=True)) for row in rows.tolist()]
    response = client.post(URL, json={'instances': flowers})
    labels = [prediction['label'] for prediction in response.get_json()['predictions']]
    assert len(labels) == len(truth)
    assert (truth == labels).mean() >= 0.95


def test_the_example_is_answered(client: FlaskClient) -> None:
    response = client.post(URL, json=iris_model_schema['examples'][0])
    assert [prediction['label'] for prediction in response.get_json()['predictions']] == [
        'setosa',
        'virginica',
    ]


WRONG: list[tuple[Any, str, str]] = [
    ({}, '', "'instances' is a required property"),
    ({'instances': []}, '/instances', '[] should be non-empty'),
    ({'instances': [{}]}, '/instances/0', "'sepal_length' is a required property"),
    (
        {'instances': [FLOWER, {**FLOWER, 'petal_width': '0.2'}]},
        '/instances/1/petal_width',
        "'0.2' is not of type 'number'",
    ),
    (
        {'instances': [{**FLOWER, 'petal_width': 0}]},
        '/instances/0/petal_width',
        '0 is less than or equal to the minimum of 0',
    ),
    (
        {'instances': [{**FLOWER, 'sepal_length': 51}]},
        '/instances/0/sepal_length',
        '51 is greater than the maximum of 20',
    ),
    (
        {'instances': [{**FLOWER, 'colour': 'blue'}]},
        '/instances/0',
        "Additional properties are not allowed ('colour' was unexpected)",
    ),
]


@pytest.mark.parametrize(('body', 'pointer', 'message'), WRONG)
def test_a_wrong_body_is_rejected(client: FlaskClient, body: Any, pointer: str, message: str) -> None:
    response = client.post(URL, json=body)
    assert response.status_code == 400
    assert response.get_json()['message'] == message
    if pointer:
        assert response.get_json()['errors'][0] == {'pointer': pointer, 'message': message}
