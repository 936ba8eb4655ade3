from typing import Any

import pytest
from flask.testing import FlaskClient

pytestmark = pytest.mark.torch

URL = '/v1/CO2Model'
HISTORY = [350.0 + month / 8 for month in range(36)]


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    from main import MODELS
    from model_serving import create_app

    return create_app(MODELS, only=['CO2Model']).test_client()


def test_the_example_of_2001_is_continued_into_2002(client: FlaskClient) -> None:
    from model_serving.resources.co2_model_resource import co2_model_schema

    response = client.post(URL, json=co2_model_schema['examples'][0])
    assert response.status_code == 200
    [prediction] = response.get_json()['predictions']
    assert len(prediction['ppm']) == 12
    # The air over Mauna Loa is richest in May and poorest in September or October.
    assert max(prediction['ppm']) == prediction['ppm'][4]
    assert min(prediction['ppm']) in prediction['ppm'][8:10]
    assert 369 < min(prediction['ppm']) < max(prediction['ppm']) < 378


def test_the_example_is_real_data() -> None:
    from data.make_co2_model import split
    from model_serving.resources.co2_model_resource import MAUNA_LOA_1999_TO_2001

    assert split()[1][-36:] == pytest.approx(MAUNA_LOA_1999_TO_2001, abs=0.006)


def test_histories_of_different_lengths_are_answered_in_order(client: FlaskClient) -> None:
    longer = [340.0, 341.0, *HISTORY]
    higher = [ppm + 10 for ppm in HISTORY]
    instances = [{'history': HISTORY}, {'history': longer}, {'history': higher}]
    first, same, above = client.post(URL, json={'instances': instances}).get_json()['predictions']
    assert first['ppm'] == pytest.approx(same['ppm'], abs=1e-3)
    assert [ppm + 10 for ppm in first['ppm']] == pytest.approx(above['ppm'], abs=1e-3)


SHOWN = f'{str(HISTORY[1:])[:197]}...'
"""A message repeats at most 200 characters of the body."""

WRONG: list[tuple[Any, str, str]] = [
    ({}, '', "'instances' is a required property"),
    ({'instances': []}, '/instances', '[] should be non-empty'),
    ({'instances': [{}]}, '/instances/0', "'history' is a required property"),
    ({'instances': [{'history': HISTORY[1:]}]}, '/instances/0/history', f'{SHOWN} is too short'),
    (
        {'instances': [{'history': [*HISTORY, None]}]},
        '/instances/0/history/36',
        "None is not of type 'number'",
    ),
    (
        {'instances': [{'history': [*HISTORY, 0.037]}]},
        '/instances/0/history/36',
        '0.037 is less than the minimum of 200',
    ),
]


@pytest.mark.parametrize(('body', 'pointer', 'message'), WRONG)
def test_a_wrong_body_is_rejected(client: FlaskClient, body: Any, pointer: str, message: str) -> None:
    response = client.post(URL, json=body)
    assert response.status_code == 400
    assert response.get_json()['message'] == message
    if pointer:
        assert response.get_json()['errors'][0] == {'pointer': pointer, 'message': message}
