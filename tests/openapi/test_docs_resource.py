import pytest
from flask.testing import FlaskClient


def test_docs_are_a_page(client: FlaskClient) -> None:
    response = client.get('/docs')

    assert (response.status_code, response.mimetype) == (200, 'text/html')
    assert 'http' not in response.text.replace('http-equiv', '')


@pytest.mark.parametrize(
    ('name', 'media_type'), [('swagger-ui.css', 'text/css'), ('swagger-ui-bundle.js', 'text/javascript')]
)
def test_swagger_ui_is_served(client: FlaskClient, name: str, media_type: str) -> None:
    response = client.get(f'/docs/{name}')

    assert (response.status_code, response.mimetype) == (200, media_type)
    response.close()
    again = client.get(f'/docs/{name}', headers={'If-None-Match': response.headers['ETag']})
    again.close()
    assert again.status_code == 304


@pytest.mark.parametrize('name', ['index.html', '../flask_swagger_ui.py', 'index.template.html', ''])
def test_nothing_else_of_the_package_is_served(client: FlaskClient, name: str) -> None:
    response = client.get(f'/docs/{name}')

    assert response.status_code == 404
    assert response.json
    assert response.json['message'].startswith('Nothing is served at /docs')
