"""Which requests are refused, by Flask's dispatch and in the shapes of all protocols."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from flask import request
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.settings import SettingError
from tests.access.key_files import BOSS, LINES, PROBE, SHOP, write
from tests.protocols.echo_service import EchoModelResource, PlainModelResource, create

HEALTH = (
    '/health/live',
    '/health/ready',
    '/_ah/warmup',
    '/v2/health/live',
    '/v2/health/ready',
    '/v2/models/EchoModel/ready',
)
PAGES = (
    '/',
    '/docs',
    '/docs/swagger-ui.css',
    '/openapi.json',
    '/client/call-model.js',
    '/client/jquery.min.js',
)
OF_MODEL = '/v1/models/EchoModel', '/v1/models/EchoModel/metadata', '/v2/models/EchoModel'
LISTING = '/v2', '/v2/', '/v1/models'
POSTS = '/v1/EchoModel', '/v1/models/EchoModel:predict', '/v2/models/EchoModel/infer'
ALICE = {'REMOTE_ADDR': '203.0.113.1'}


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write(tmp_path / 'keys.conf', *LINES)
    monkeypatch.setenv('MODEL_SERVING_KEYS', str(path))
    return path


@pytest.fixture
def client(key_file: Path) -> FlaskClient:
    app = create(EchoModel=EchoModelResource, PlainModel=PlainModelResource)
    app.add_url_rule('/own', 'own', lambda: {'own': True})
    app.add_url_rule('/options', 'options', lambda: {}, methods=['OPTIONS'])
    return app.test_client()


def status(client: FlaskClient, path: str, key: str = '', method: str = 'GET', **headers: str) -> int:
    given = {'X-API-Key': key} if key else {}
    with client.open(path, method=method, headers={**given, **headers}) as answer:
        return answer.status_code


@pytest.mark.parametrize('path', [*HEALTH, *PAGES])
def test_health_and_pages_are_free(client: FlaskClient, path: str) -> None:
    assert status(client, path) == status(client, path, 'wrong') == 200


@pytest.mark.parametrize('path', ['/metrics', *LISTING])
def test_some_paths_take_any_key(client: FlaskClient, path: str) -> None:
    assert [status(client, path, key) for key in ('', 'wrong', PROBE, SHOP)] == [401, 401, 200, 200]


def test_what_is_not_there_takes_any_key(client: FlaskClient) -> None:
    assert [status(client, '/none', key) for key in ('', 'wrong', PROBE)] == [401, 401, 404]
    assert [status(client, '/v1/EchoModel', key) for key in ('', PROBE)] == [401, 405]


@pytest.mark.parametrize('path', OF_MODEL)
def test_metadata_of_a_model_take_its_key(client: FlaskClient, path: str) -> None:
    assert [status(client, path, key) for key in ('', PROBE, SHOP, BOSS)] == [401, 403, 200, 200]


@pytest.mark.parametrize('path', ['/own', '/v1/PlainModel'])
def test_whatever_declares_nothing_takes_a_key_of_its_name(client: FlaskClient, path: str) -> None:
    method = 'GET' if path == '/own' else 'POST'
    assert [status(client, path, key, method) for key in ('', SHOP)] == [401, 403]
    assert status(client, path, BOSS, method) in (200, 400)


def test_preflights_are_free_and_views_of_options_are_not(client: FlaskClient) -> None:
    for path in ('/v1/EchoModel', '/metrics', '/none'):
        assert status(client, path, method='OPTIONS') != 401
    assert status(client, '/options', method='OPTIONS') == 401


HEADERS = {
    'bearer': ({'Authorization': f'Bearer {SHOP}'}, 200),
    'any_case': ({'Authorization': f'bearer   {SHOP} '}, 200),
    'api_key': ({'X-API-Key': SHOP}, 200),
    'both': ({'Authorization': f'Bearer {SHOP}', 'X-API-Key': SHOP}, 200),
    'different': ({'Authorization': f'Bearer {SHOP}', 'X-API-Key': BOSS}, 401),
    'wrong': ({'Authorization': 'Bearer msk_none'}, 401),
    'the_hash_itself': ({'X-API-Key': LINES[1].split()[1]}, 401),
    'basic': ({'Authorization': 'Basic c2hvcDptc2tfc2hvcA=='}, 401),
    'no_scheme': ({'Authorization': SHOP}, 401),
    'no_token': ({'Authorization': 'Bearer'}, 401),
    'empty': ({'Authorization': ''}, 401),
    'empty_beside_a_key': ({'Authorization': '', 'X-API-Key': SHOP}, 200),
    'empty_key_beside_a_token': ({'Authorization': f'Bearer {SHOP}', 'X-API-Key': ''}, 200),
    'empty_key': ({'X-API-Key': ''}, 401),
    'not_ascii': ({'Authorization': 'Bearer \xff\xfe'}, 401),
    'long': ({'X-API-Key': 'x' * 60_000}, 401),
    'two_keys': ({'Authorization': f'Bearer {SHOP},Bearer {SHOP}'}, 401),
}


@pytest.mark.parametrize(('headers', 'expected'), HEADERS.values(), ids=HEADERS)
def test_headers(client: FlaskClient, headers: dict[str, str], expected: int) -> None:
    assert status(client, '/v1/models/EchoModel', **headers) == expected


def test_headers_that_are_remembered_take_bounded_memory(client: FlaskClient) -> None:
    for number in range(1200):
        assert status(client, '/v2', Authorization=f'Bearer {" " * number}{SHOP}') == 200
        assert client.get('/v2', headers={'X-API-Key': SHOP}).status_code == 200
    guard = cast(Any, client.application).guard
    seen = guard.keys.keys(0).seen
    assert 0 < len(seen) <= 1024
    assert max(len(text or '') for texts in seen for text in texts) < 1024
    assert (None, SHOP) in seen
    assert (
        client.get('/v2', headers={'Authorization': f'Bearer {SHOP}', 'X-API-Key': BOSS}).status_code == 401
    )


@pytest.mark.parametrize('path', [*POSTS, '/v2/none', '/none'])
def test_refusals_have_the_shape_of_the_protocol(client: FlaskClient, path: str) -> None:
    answer: Any = client.post(path, data='not JSON', content_type='application/json')
    assert (answer.status_code, answer.headers['WWW-Authenticate'][:7]) == (401, 'Bearer ')
    assert answer.json['message'] == 'A key is needed: send the header Authorization: Bearer <key>'
    assert ('error' in answer.json) is (path.startswith(('/v1/models', '/v2')))
    assert answer.headers['Access-Control-Allow-Origin'] == '*'


def test_mlflow_takes_a_key_too(key_file: Path) -> None:
    client = create(EchoModel=EchoModelResource).test_client()
    assert [status(client, '/ping'), status(client, '/version'), status(client, '/version', SHOP)] == [
        200,
        401,
        200,
    ]
    refused: Any = client.post('/invocations', json={})
    assert (refused.status_code, refused.json['error'][:15]) == (401, 'A key is needed')


@pytest.mark.parametrize(
    ('public', 'free'), [('', set()), ('docs', {'docs'}), ('metrics,console', {'metrics', 'console'})]
)
def test_setting_says_what_is_public(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, public: str, free: set[str]
) -> None:
    monkeypatch.setenv('MODEL_SERVING_PUBLIC', public)
    client = create(EchoModel=EchoModelResource).test_client()
    found = {'console': '/', 'docs': '/docs', 'metrics': '/metrics'}
    assert {name for name, path in found.items() if status(client, path) == 200} == free
    assert {status(client, path, PROBE) for path in found.values()} == {200}
    assert status(client, '/client/call-model.js') == (200 if 'console' in free else 401)


# Without a key, and limits


def take(client: FlaskClient, key: str = '', path: str = '/v1/EchoModel', **environ: str) -> Any:
    headers = {'X-API-Key': key} if key else {}
    return client.post(path, json={}, headers=headers, environ_base=environ)


def test_line_for_those_without_a_key(key_file: Path) -> None:
    write(key_file, *LINES, 'anonymous - EchoModel 2/d\n')
    client = create(EchoModel=EchoModelResource, PlainModel=PlainModelResource).test_client()
    assert [take(client, **ALICE).status_code for _ in range(3)] == [200, 200, 429]
    assert take(client, REMOTE_ADDR='203.0.113.2').status_code == 200
    assert take(client, SHOP, **ALICE).status_code == 200
    assert take(client, 'wrong', **ALICE).status_code == 401
    forged = {'X-Forwarded-For': '203.0.113.3'}
    assert client.post('/v1/EchoModel', json={}, headers=forged, environ_base=ALICE).status_code == 429
    assert take(client, path='/v1/PlainModel', **ALICE).status_code == 401
    assert [status(client, path) for path in ('/v1/models', '/metrics')] == [200, 401]


def test_limit_of_a_key_is_that_of_each_model(key_file: Path) -> None:
    write(key_file, LINES[1].replace('EchoModel,Other', '* 2/d'))
    client = create(EchoModel=EchoModelResource, PlainModel=PlainModelResource).test_client()
    urls = ['/v1/EchoModel', '/v1/models/EchoModel:predict', '/v2/models/EchoModel/infer', '/v1/PlainModel']
    answers = [take(client, SHOP, url) for url in urls]
    assert [answer.status_code for answer in answers] == [200, 400, 429, 200]
    limited = answers[2]
    assert limited.headers['Retry-After'] == '43200'
    assert (
        limited.json['error']
        == limited.json['message']
        == ('EchoModel takes 2/d from this key; try again in 43200 s')
    )
    small = client.post(
        urls[2], json={}, headers={'X-API-Key': SHOP}, environ_overrides={'REQUEST_METHOD': 'post'}
    )
    assert small.status_code == 429
    assert status(client, '/v1/models/EchoModel', SHOP) == 200  # What describes a model is not limited.


def test_keys_that_cannot_be_read_stop_the_start(key_file: Path) -> None:
    key_file.write_text('shop\n')
    with pytest.raises(SettingError, match='line 1'):
        create(EchoModel=EchoModelResource)


# Order


def test_stranger_reaches_neither_hook_nor_model(key_file: Path) -> None:
    seen: list[str] = []

    class SeenResource(Resource):
        def post(self) -> Any:
            seen.append('view')
            return {}

    app = create(SeenModel=SeenResource)
    app.before_request(lambda: seen.append('hook'))
    assert app.test_client().post('/v1/SeenModel', data=b'x').status_code == 401
    assert seen == []


def test_admission_holds_for_one_endpoint_alone(client: FlaskClient) -> None:
    admitted = {'model_serving.admitted': 'shop', 'model_serving.endpoint': None}
    assert client.get('/own', environ_overrides=admitted).status_code == 401
    admitted['model_serving.endpoint'] = 'own'  # As if the engine had.
    assert client.get('/own', environ_overrides=admitted).status_code == 200


# Origins

OWN, OTHER = 'https://shop.example.com', 'https://evil.example.com'


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setenv('MODEL_SERVING_CORS_ORIGINS', OWN)
    app = create(EchoModel=EchoModelResource)
    app.add_url_rule('/own', 'own', lambda: {'origin': request.headers['Origin']}, methods=['GET', 'PUT'])
    return app.test_client()


ORIGINS = {
    'listed': ({'Origin': OWN}, True),
    'listed_in_capitals': ({'Origin': OWN.upper()}, True),
    'other': ({'Origin': OTHER}, False),
    'null': ({'Origin': 'null'}, False),
    'empty': ({'Origin': ''}, False),
    'two': ({'Origin': f'{OWN},{OTHER}'}, False),
    'none': ({}, True),
    'same': ({'Origin': 'http://models:9999', 'Host': 'models:9999'}, True),
    'same_behind_tls': ({'Origin': 'https://models', 'Host': 'models'}, True),
    'same_says_the_browser': (
        {'Origin': 'https://models', 'Host': 'inner', 'Sec-Fetch-Site': 'same-origin'},
        True,
    ),
    'not_same': ({'Origin': 'https://models:1', 'Host': 'models', 'Sec-Fetch-Site': 'same-site'}, False),
}


@pytest.mark.parametrize('path', [*POSTS, '/invocations', '/none'])
@pytest.mark.parametrize(('headers', 'is_allowed'), ORIGINS.values(), ids=ORIGINS)
def test_pages_of_other_origins_post_nothing(
    listed: FlaskClient, path: str, headers: dict[str, str], is_allowed: bool
) -> None:
    answer: Any = listed.post(path, data=json.dumps({}), content_type='text/plain', headers=headers)
    assert (answer.status_code != 403) is is_allowed
    if not is_allowed:
        assert 'cors_origins' in answer.json['message']


def test_other_methods_too_but_not_those_that_only_read(listed: FlaskClient) -> None:
    assert [status(listed, '/own', method=method, Origin=OTHER) for method in ('PUT', 'GET', 'OPTIONS')] == [
        403,
        200,
        200,
    ]
