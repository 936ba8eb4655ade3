from typing import Any

import pytest
from flask.testing import FlaskClient

from main import MODELS
from model_serving import create_app
from model_serving.resources import xxx_model_resource

NAME = 'XXXModel'
URL = f'/v1/{NAME}'
SCHEMA: dict[str, Any] = xxx_model_resource.xxx_model_schema
EXAMPLE = SCHEMA['examples'][0]
TYPES = {name: each.get('type') for name, each in SCHEMA.get('properties', {}).items()}


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    return create_app(MODELS, only=[NAME], check_answers=True).test_client()


def test_the_example_is_answered_as_the_response_schema_says(client: FlaskClient) -> None:
    response = client.post(URL, json=EXAMPLE)
    assert response.status_code == 200, response.get_json()


def test_the_model_is_listed_with_its_schema(client: FlaskClient) -> None:
    [listed] = client.get('/', headers={'Accept': 'application/json'}).get_json()['models']
    assert (listed['name'], listed['url'], listed['schema']) == (NAME, URL, SCHEMA)


@pytest.mark.parametrize('name', SCHEMA.get('required', []))
def test_what_is_required_cannot_be_left_out(client: FlaskClient, name: str) -> None:
    response = client.post(URL, json={key: value for key, value in EXAMPLE.items() if key != name})
    assert (response.status_code, response.get_json()['message']) == (400, f"'{name}' is a required property")


NOT_NULL = [name for name in SCHEMA.get('required', []) if isinstance(TYPES.get(name), str)]


@pytest.mark.parametrize('name', NOT_NULL)
def test_a_value_of_another_type_is_rejected_with_its_place(client: FlaskClient, name: str) -> None:
    response = client.post(URL, json={**EXAMPLE, name: None})
    first = {
        'pointer': '/' + name.replace('~', '~0').replace('/', '~1'),
        'message': response.get_json()['message'],
    }
    assert (response.status_code, response.get_json()['errors'][0]) == (400, first)


def test_a_body_that_is_no_object_is_rejected(client: FlaskClient) -> None:
    response = client.post(URL, json=['Leo'])
    assert (response.status_code, response.get_json()['message']) == (400, "['Leo'] is not of type 'object'")
