from typing import Any

import pytest
from flask.testing import FlaskClient

from main import create_app

NAME = 'XXXModel'
URL = f'/v1/{NAME}'


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    return create_app([NAME]).test_client()


def test_a_good_request_is_answered(client: FlaskClient) -> None:
    response = client.post(URL, json={'name': 'Leo'})
    assert (response.status_code, response.get_json()) == (200, {'result': 'Hello, Leo!'})


def test_the_model_is_listed_and_answers_its_own_example(client: FlaskClient) -> None:
    [listed] = client.get('/', headers={'Accept': 'application/json'}).get_json()['models']
    assert (listed['name'], listed['url']) == (NAME, URL)
    assert client.post(URL, json=listed['schema']['examples'][0]).status_code == 200


WRONG: list[tuple[Any, str, str]] = [
    ({}, '', "'name' is a required property"),
    ({'name': 7}, '/name', "7 is not of type 'string'"),
    ({'name': None}, '/name', "None is not of type 'string'"),
    (['Leo'], '', "['Leo'] is not of type 'object'"),
]


@pytest.mark.parametrize(('body', 'pointer', 'message'), WRONG)
def test_a_wrong_body_is_rejected(client: FlaskClient, body: Any, pointer: str, message: str) -> None:
    response = client.post(URL, json=body)
    assert response.status_code == 400
    assert response.get_json()['message'] == message
    if pointer:
        assert response.get_json()['errors'][0] == {'pointer': pointer, 'message': message}
