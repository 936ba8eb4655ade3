from typing import Any

import pytest
from flask.testing import FlaskClient

from data.make_digits_model import held_out
from main import MODELS
from model_serving import create_app
from model_serving.resources.digits_model_resource import HANDWRITTEN_SEVEN, digits_model_schema

URL = '/v1/DigitsModel'


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    return create_app(MODELS, only=['DigitsModel']).test_client()


def test_the_example_is_a_seven(client: FlaskClient) -> None:
    response = client.post(URL, json=digits_model_schema['examples'][0])
    assert response.status_code == 200
    [prediction] = response.get_json()['predictions']
    assert prediction['label'] == 7
    assert prediction['probabilities'][7] > 0.9


def test_every_image_has_its_answer_in_order(client: FlaskClient) -> None:
    rows, truth = held_out()
    response = client.post(URL, json={'instances': rows.tolist()})
    predictions = response.get_json()['predictions']
    labels = [prediction['label'] for prediction in predictions]
    assert len(labels) == len(truth)
    assert (truth == labels).mean() >= 0.97
    assert all(len(prediction['probabilities']) == 10 for prediction in predictions)
    assert all(sum(prediction['probabilities']) == pytest.approx(1, abs=1e-5) for prediction in predictions)


SHOWN = f'{str(HANDWRITTEN_SEVEN)[:197]}...'
"""The image as messages repeat it."""

WRONG: list[tuple[Any, str, str]] = [
    ({}, '', "'instances' is a required property"),
    ({'instances': []}, '/instances', '[] should be non-empty'),
    ({'instances': 7}, '/instances', "7 is not of type 'array'"),
    ({'instances': [7]}, '/instances/0', "7 is not of type 'array'"),
    ({'instances': [HANDWRITTEN_SEVEN[:63]]}, '/instances/0', f'{SHOWN} is too short'),
    ({'instances': [[*HANDWRITTEN_SEVEN, 0]]}, '/instances/0', f'{SHOWN} is too long'),
    (
        {'instances': [HANDWRITTEN_SEVEN, ['0', *HANDWRITTEN_SEVEN[1:]]]},
        '/instances/1/0',
        "'0' is not of type 'number'",
    ),
    ({'instances': [[17, *HANDWRITTEN_SEVEN[1:]]]}, '/instances/0/0', '17 is greater than the maximum of 16'),
    ({'instances': [[-1, *HANDWRITTEN_SEVEN[1:]]]}, '/instances/0/0', '-1 is less than the minimum of 0'),
    ({'instances': [[True, *HANDWRITTEN_SEVEN[1:]]]}, '/instances/0/0', "True is not of type 'number'"),
    (
        {'instances': [HANDWRITTEN_SEVEN], 'size': 8},
        '',
        "Additional properties are not allowed ('size' was unexpected)",
    ),
]


@pytest.mark.parametrize(('body', 'pointer', 'message'), WRONG)
def test_a_wrong_body_is_rejected(client: FlaskClient, body: Any, pointer: str, message: str) -> None:
    response = client.post(URL, json=body)
    assert response.status_code == 400
    assert response.get_json()['message'] == message
    if pointer:
        assert response.get_json()['errors'][0] == {'pointer': pointer, 'message': message}
