import inspect
import itertools
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_cors import CORS
from flask_restful import Resource

from main import MODELS
from model_serving import create_app
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings
from model_serving.web.cors import CACHE_SIZE, EXPOSED

SHOP = 'https://shop.example.com'
LOCAL = 'http://localhost:3000'
OTHER = 'https://evil.example.com'
PREFIX = 'Access-Control-'
EXPOSE = f'{PREFIX}Expose-Headers', ', '.join(sorted(EXPOSED))
PREFLIGHT = {f'{PREFIX}Request-Method': 'POST', f'{PREFIX}Request-Headers': 'content-type, x-token'}


class Plain(Resource):  # type: ignore[misc]
    def get(self) -> Any:
        return {'hello': 'you'}

    def post(self) -> Any:
        return {'made': 1}, 201, {'Vary': 'Accept'}

    def delete(self) -> Any:
        raise ValueError('a crash')


def served(*origins: str) -> Any:
    """A service for pages of these origins."""
    app, api = build_service(ServiceSettings(cors_origins=origins))
    api.add_resource(Plain, '/plain')
    return app


def plain(*origins: str) -> Flask:
    """The same views behind plain Flask-CORS."""
    app = Flask('plain')
    view = Plain()
    app.add_url_rule('/plain', view_func=view.get, endpoint='get')
    app.add_url_rule('/plain', view_func=view.post, endpoint='post', methods=['POST'])
    app.add_url_rule('/plain', view_func=view.delete, endpoint='delete', methods=['DELETE'])
    CORS(app, origins=list(origins), max_age=3600, expose_headers=EXPOSED)
    return app


def ask(app: Flask, method: str = 'GET', path: str = '/plain', **headers: str) -> Any:
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    return app.test_client().open(path, method=method, headers=named)


def cors_headers(response: Any) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in response.headers if name.startswith(PREFIX))


def varies_by(response: Any) -> list[str]:
    return sorted(response.headers.getlist('Vary'))


# Every origin


def test_every_origin_is_allowed_by_default(app: Flask) -> None:
    response = ask(app, path='/')

    assert cors_headers(response) == [('Access-Control-Allow-Origin', '*'), EXPOSE]
    assert 'Origin' not in response.headers.get('Vary', '')
    assert ask(app, path='/', Origin=SHOP).headers[f'{PREFIX}Allow-Origin'] in ('*', SHOP)


@pytest.mark.parametrize('path', ['/plain', '/none'])
def test_errors_are_allowed_too(path: str) -> None:
    for method in ('GET', 'PUT', 'DELETE'):
        response = ask(served('*'), method, path)
        assert response.headers[f'{PREFIX}Allow-Origin'] == '*'


# Listed origins


@pytest.mark.parametrize('origins', [(SHOP,), (SHOP, LOCAL)], ids=['one', 'two'])
@pytest.mark.parametrize('path', ['/plain', '/none'])
def test_listed_origin_is_named_and_any_other_is_not(origins: tuple[str, ...], path: str) -> None:
    app = served(*origins)
    for origin in origins:
        response = ask(app, path=path, Origin=origin)
        assert cors_headers(response) == [('Access-Control-Allow-Origin', origin), EXPOSE]
        assert varies_by(response) == ['Origin']
    for origin in (OTHER, f'{SHOP}.evil.com', f'{SHOP}:8443', 'https://shopxexample.com', 'null', '*'):
        response = ask(app, path=path, Origin=origin)
        assert cors_headers(response) == []
        assert varies_by(response) == ['Origin']


def test_answer_keeps_what_else_it_varies_by() -> None:
    assert varies_by(ask(served(SHOP), 'POST', Origin=SHOP)) == ['Accept', 'Origin']
    assert varies_by(ask(served('*'), 'POST')) == ['Accept']


def test_setting_lists_the_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_CORS_ORIGINS', f'{SHOP}, {LOCAL}')
    app = create_app(MODELS, only=['XXXModel'])

    for origin in (SHOP, LOCAL):
        assert ask(app, path='/v1/XXXModel', Origin=origin).headers[f'{PREFIX}Allow-Origin'] == origin
    assert cors_headers(ask(app, path='/v1/XXXModel', Origin=OTHER)) == []


def test_answers_to_several_origins_are_kept_apart() -> None:
    app = served(SHOP, LOCAL)
    for origin, allowed in [(SHOP, SHOP), (LOCAL, LOCAL), (OTHER, None), (SHOP, SHOP), (OTHER, None)] * 2:
        for method in ('GET', 'POST', 'OPTIONS'):
            assert ask(app, method, Origin=origin).headers.get(f'{PREFIX}Allow-Origin') == allowed


# Preflight requests


@pytest.mark.parametrize('origins', [('*',), (SHOP,)], ids=['every', 'listed'])
def test_preflight_echoes_the_headers(origins: tuple[str, ...]) -> None:
    response = ask(served(*origins), 'OPTIONS', Origin=SHOP, **PREFLIGHT)

    assert response.status_code == 200
    assert response.headers[f'{PREFIX}Allow-Headers'] == 'content-type, x-token'
    assert response.headers[f'{PREFIX}Max-Age'] == '3600'
    assert 'POST' in response.headers[f'{PREFIX}Allow-Methods']


def test_preflight_of_an_unknown_path_is_answered_so_that_the_page_sees_the_404() -> None:
    app = served(SHOP)
    preflight = ask(app, 'OPTIONS', '/v1/Misspelt', Origin=SHOP, **PREFLIGHT)

    assert (preflight.status_code, preflight.data) == (204, b'')
    assert preflight.headers[f'{PREFIX}Allow-Origin'] == SHOP
    assert 'POST' in preflight.headers[f'{PREFIX}Allow-Methods']
    refused = ask(app, 'POST', '/v1/Misspelt', Origin=SHOP)
    assert (refused.status_code, refused.headers[f'{PREFIX}Allow-Origin']) == (404, SHOP)


def test_preflight_of_another_origin_allows_nothing() -> None:
    response = ask(served(SHOP), 'OPTIONS', Origin=OTHER, **PREFLIGHT)

    assert cors_headers(response) == []
    assert varies_by(response) == ['Origin']


def test_preflights_for_other_headers_are_kept_apart() -> None:
    app = served('*')
    for names in ('x-a', 'x-b', 'x-a, x-b', 'x-a'):
        headers = {**PREFLIGHT, f'{PREFIX}Request-Headers': names}
        response = ask(app, 'OPTIONS', Origin=SHOP, **headers)
        assert response.headers[f'{PREFIX}Allow-Headers'] == names
    assert f'{PREFIX}Allow-Headers' not in ask(app, 'OPTIONS', Origin=SHOP).headers


# Flask-CORS itself

METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT']
ORIGINS: list[dict[str, str]] = [
    {} if origin is None else {'Origin': origin}
    for origin in (None, '', SHOP, SHOP.upper(), LOCAL, OTHER, 'null', 'é')
]
FURTHER: list[dict[str, str]] = [
    {},
    PREFLIGHT,
    {f'{PREFIX}Request-Method': 'post'},
    {f'{PREFIX}Request-Method': 'BREW', f'{PREFIX}Request-Headers': 'x'},
    {f'{PREFIX}Request-Headers': 'x-b,x-a, ,X-A'},
    {**PREFLIGHT, f'{PREFIX}Request-Headers': ''},
    {**PREFLIGHT, f'{PREFIX}Request-Private-Network': 'true'},
    {f'{PREFIX}Request-Private-Network': 'false'},
    {'Cookie': 'a=b', 'Authorization': 'x'},
]


@pytest.mark.parametrize(
    'origins', [('*',), (SHOP,), (SHOP, LOCAL), ('*', SHOP)], ids=['every', 'one', 'two', 'every_and_one']
)
def test_answers_are_those_of_flask_cors(origins: tuple[str, ...]) -> None:
    """But for a `Vary: Origin` on each answer where origins are listed."""
    ours, theirs = served(*origins), plain(*origins)
    requests = list(itertools.product(METHODS, ['/plain', '/none'], ORIGINS, FURTHER))
    for method, path, origin, further in requests * 2:  # The second time, most are known.
        headers = {**origin, **further}
        found, expected = ask(ours, method, path, **headers), ask(theirs, method, path, **headers)
        assert cors_headers(found) == cors_headers(expected), (method, path, headers)
        if found.status_code == 403:  # A page of another origin may not even ask.
            continue
        varies = varies_by(expected)
        if '*' not in origins and 'Origin' not in varies:
            varies = sorted([*varies, 'Origin'])
        assert varies_by(found) == varies, (method, path, headers)


def test_memory_is_bounded() -> None:
    app = served(SHOP)
    client: FlaskClient = app.test_client()
    for number in range(1000):
        client.get('/plain', headers={'Origin': f'https://{number}.example.com'})
    known = inspect.getclosurevars(app.cors_headers).nonlocals['cors_headers'].cache_info()

    assert known.misses >= 1000
    assert known.currsize <= CACHE_SIZE
    assert ask(app, Origin=SHOP).headers[f'{PREFIX}Allow-Origin'] == SHOP
