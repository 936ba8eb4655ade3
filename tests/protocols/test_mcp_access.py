"""Who may use /mcp: this machine by default, those with keys, and few pages."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from main import MODELS
from model_serving import create_app
from tests.access.key_files import BOSS, PROBE, SHOP, line, write
from tests.protocols.mcp_calls import message, newest, send

HERE = {'SERVER_NAME': '127.0.0.1', 'REMOTE_ADDR': '127.0.0.1', 'HTTP_HOST': '127.0.0.1:9999'}
LISTED = 'https://app.example.com'


def client_of(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> FlaskClient:
    for name, value in {'MODEL_SERVING_MODELS': 'XXXModel,DigitsModel', **settings}.items():
        monkeypatch.setenv(name, str(value))
    return create_app(MODELS).test_client()


def status(client: FlaskClient, **environ: Any) -> int:
    return send(client, message('ping'), environ_overrides={**HERE, **environ}).status_code


NOT_HERE: dict[str, dict[str, str]] = {
    'from the network': {'REMOTE_ADDR': '192.168.1.7'},
    'to the network': {'SERVER_NAME': '192.168.1.2'},
    'from nowhere': {'REMOTE_ADDR': ''},
    'to all addresses': {'SERVER_NAME': '0.0.0.0'},
    'by another name': {'HTTP_HOST': 'evil.example.com:9999'},
    'by a name that begins so': {'HTTP_HOST': '127.0.0.1.evil.example.com'},
    'by a name that ends so': {'HTTP_HOST': 'evil.localhost'},
    'by no name': {'HTTP_HOST': ''},
    'through a proxy': {'HTTP_X_FORWARDED_FOR': '127.0.0.1'},
    'through a proxy that says so otherwise': {'HTTP_FORWARDED': 'for=_a'},
    'through a proxy that gives its name': {'HTTP_VIA': '1.1 proxy'},
}


@pytest.mark.parametrize('environ', NOT_HERE.values(), ids=NOT_HERE)
def test_others_do_not_find_it(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    assert status(client_of(monkeypatch), **environ) == 404


@pytest.mark.parametrize(
    'host', ['127.0.0.1:9999', 'localhost', 'LocalHost:1', '127.8.0.1', '[::1]:9999', '[::1]']
)
def test_program_of_this_machine_finds_it(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert status(client_of(monkeypatch), HTTP_HOST=host, SERVER_NAME='::1', REMOTE_ADDR='::1') == 200


@pytest.mark.parametrize(
    ('settings', 'here', 'there'),
    [
        ({'HOST': '0.0.0.0'}, 404, 404),
        ({'HOST': '192.168.1.2'}, 404, 404),
        ({'HOST': 'unix:/run/service.sock'}, 404, 404),
        ({'K_SERVICE': 'models'}, 404, 404),
        ({'HOST': 'localhost'}, 200, 404),
        ({'HOST': '::1'}, 200, 404),
        ({'MODEL_SERVING_MCP': 'off'}, 404, 404),
        ({'MODEL_SERVING_MCP': 'on', 'HOST': '0.0.0.0'}, 200, 200),
    ],
)
def test_settings_say_who_finds_it(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], here: int, there: int
) -> None:
    client = client_of(monkeypatch, **settings)
    assert (status(client), status(client, **NOT_HERE['from the network'])) == (here, there)


def test_off_is_as_any_unknown_path(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch, MODEL_SERVING_MCP='off')
    response = client.get('/mcp')
    assert (response.status_code, response.get_json()['message']) == (
        404,
        'Nothing is served at /mcp; GET / lists what is',
    )


PAGES: list[tuple[str, str, int]] = [
    ('http://127.0.0.1:9999', '127.0.0.1:9999', 200),
    ('https://localhost:9999', 'LOCALHOST:9999', 200),
    (LISTED, '127.0.0.1:9999', 200),
    (LISTED.upper(), '127.0.0.1:9999', 200),
    ('http://127.0.0.1:3000', '127.0.0.1:9999', 403),
    ('http://localhost:9999', '127.0.0.1:9999', 403),
    ('https://evil.example.com', '127.0.0.1:9999', 403),
    ('null', '127.0.0.1:9999', 403),
    ('', '127.0.0.1:9999', 403),
    ('*', '127.0.0.1:9999', 403),
]


@pytest.mark.parametrize(('origin', 'host', 'expected'), PAGES)
def test_pages_may_call_if_they_are_listed_or_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, origin: str, host: str, expected: int
) -> None:
    client = client_of(monkeypatch, MODEL_SERVING_CORS_ORIGINS=f'*,{LISTED}')
    assert status(client, HTTP_ORIGIN=origin, HTTP_HOST=host) == expected


def test_page_whose_name_leads_here_may_not_call_what_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch, MODEL_SERVING_MCP='on')
    rebound = {'HTTP_ORIGIN': 'http://evil.example.com', 'HTTP_HOST': 'evil.example.com'}
    assert status(client, **rebound) == 403
    assert status(client, HTTP_HOST='evil.example.com') == 200


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FlaskClient:
    lines = [
        line('shop', SHOP, 'XXXModel', '2/h'),
        line('boss', BOSS),
        line('probe', PROBE, '-'),
        'anonymous - XXXModel\n',
    ]
    keys = write(tmp_path / 'keys.conf', *lines)
    return client_of(monkeypatch, MODEL_SERVING_KEYS=keys, HOST='0.0.0.0')


def names(client: FlaskClient, headers: dict[str, str]) -> list[str]:
    answer = send(client, message('tools/list'), headers).get_json()
    return [tool['name'] for tool in answer['result']['tools']]


def bearer(key: str) -> dict[str, str]:
    return {'Authorization': f'Bearer {key}'}


@pytest.mark.parametrize(('key', 'expected'), [({}, 403), ({'HTTP_AUTHORIZATION': f'Bearer {BOSS}'}, 200)])
def test_page_whose_name_leads_here_needs_a_key(
    with_keys: FlaskClient, key: dict[str, str], expected: int
) -> None:
    rebound = {'HTTP_ORIGIN': 'http://evil.example.com', 'HTTP_HOST': 'evil.example.com'}
    assert status(with_keys, **rebound, **key) == expected


def test_key_sees_its_tools(with_keys: FlaskClient) -> None:
    assert names(with_keys, bearer(SHOP)) == ['XXXModel']
    assert names(with_keys, {'X-API-Key': BOSS}) == ['XXXModel', 'DigitsModel']
    assert names(with_keys, bearer(PROBE)) == []
    assert names(with_keys, {}) == ['XXXModel']


def test_list_of_a_key_is_for_its_bearer_alone(with_keys: FlaskClient) -> None:
    value, headers = newest('tools/list')
    result = send(with_keys, value, headers | bearer(SHOP)).get_json()['result']
    assert result['cacheScope'] == 'private'


def test_wrong_key_is_refused(with_keys: FlaskClient) -> None:
    response = send(with_keys, message('ping'), bearer('msk_wrong'))
    assert response.status_code == 401
    assert response.headers['WWW-Authenticate'].startswith('Bearer')


def test_tool_of_another_key_says_so(with_keys: FlaskClient) -> None:
    value = message('tools/call', name='DigitsModel', arguments={})
    result = send(with_keys, value, bearer(SHOP)).get_json()['result']
    assert (result['isError'], 'This key is not for DigitsModel' in str(result['content'])) == (True, True)


def test_tool_that_needs_a_key_asks_for_it(with_keys: FlaskClient) -> None:
    response = send(with_keys, message('tools/call', name='DigitsModel', arguments={}))
    assert response.status_code == 401
    assert response.headers['WWW-Authenticate'].startswith('Bearer')


def test_limit_counts_calls_alone_and_says_when_to_try_again(with_keys: FlaskClient) -> None:
    call = message('tools/call', name='XXXModel', arguments={'name': 'Leo'})
    for value in (call, message('ping'), message('tools/list'), call):
        assert 'isError' not in send(with_keys, value, bearer(SHOP)).get_json()['result']
    result = send(with_keys, call, bearer(SHOP)).get_json()['result']
    assert result['isError'] is True
    assert 'XXXModel takes 2/h from this key' in result['content'][0]['text']
    assert 'try again in ' in result['content'][0]['text']


def test_own_page_may_call_with_a_key_under_any_name(with_keys: FlaskClient) -> None:
    own = {'HTTP_ORIGIN': 'https://models.example.com', 'HTTP_HOST': 'models.example.com'}
    assert status(with_keys, **own, HTTP_AUTHORIZATION=f'Bearer {SHOP}') == 200
    other = {**own, 'HTTP_ORIGIN': 'https://evil.example.com'}
    assert status(with_keys, **other, HTTP_AUTHORIZATION=f'Bearer {SHOP}') == 403
