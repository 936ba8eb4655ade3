from flask.testing import FlaskClient

from main import MODELS
from model_serving import create_app
from model_serving.catalogue import failures
from model_serving.openapi.document import openapi_document

URL = '/openapi.json'


def test_document_is_that_of_the_app() -> None:
    app = create_app(MODELS, only=['XXXModel'])
    response = app.test_client().get(URL)

    assert response.status_code == 200
    assert response.content_type == 'application/json'
    assert response.json == openapi_document(app)


def test_document_is_sent_once_to_who_keeps_it(client: FlaskClient) -> None:
    first = client.get(URL)
    again = client.get(URL, headers={'If-None-Match': first.headers['ETag']})

    assert first.headers['Cache-Control'] == 'no-cache'
    assert (again.status_code, again.data) == (304, b'')
    assert client.get(URL, headers={'If-None-Match': '"other"'}).data == first.data


def test_model_that_fails_later_shows_up() -> None:
    app = create_app(MODELS, only=['XXXModel'])
    before = app.test_client().get(URL)
    failures(app)['XXXModel'] = 'broke'
    after = app.test_client().get(URL)

    assert b'broke' not in before.data
    assert b'broke' in after.data
    assert before.headers['ETag'] != after.headers['ETag']


def test_prefix_is_respected(client: FlaskClient) -> None:
    response = client.get(URL, environ_overrides={'SCRIPT_NAME': '/models'})

    assert response.json
    assert response.json['servers'] == [{'url': '/models'}]


def test_head_has_no_body(client: FlaskClient) -> None:
    response = client.head(URL)

    assert (response.status_code, response.data) == (200, b'')
