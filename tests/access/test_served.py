"""Keys and limits under gunicorn: with the fast path and without, in middleware, and with several workers."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.access.key_files import BOSS, PROBE, SHOP, line, write
from tests.engine.clients import Service, at_once, nap_body, request_of, served, until
from tests.raw_http import Answer, read_answer, send
from tests.service_process import ROOT, running_service

WAYS: dict[str, tuple[str, dict[str, str]]] = {
    'fast': ('tests.engine.served:app', {'MODEL_SERVING_FAST_PATH': 'true'}),
    'full': ('tests.engine.served:app', {'MODEL_SERVING_FAST_PATH': 'false'}),
    'middleware': ('tests.engine.wrapped_service:app', {}),
    'gthread': ('tests.engine.served:app', {'GUNICORN_CMD_ARGS': '--worker-class gthread'}),
}
LINES = line('shop', SHOP, 'Nap,XXXModel'), line('tight', 'msk_tight', 'Nap', '3/d'), line('boss', BOSS)
HELLO = b'{"name": "Leo"}'


@pytest.fixture(scope='module', params=WAYS)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp('keys')
    keys = write(folder / 'keys.conf', *LINES)
    application, environment = WAYS[request.param]
    settings = {'MODEL_SERVING_KEYS': str(keys), 'MODEL_SERVING_LOG_FORMAT': 'json', **environment}
    with running_service(folder / 'log', ROOT, application, **settings) as url:
        yield Service(url, folder / 'log')


def call(service: Service, path: str, key: str = '', body: bytes = HELLO, method: str = 'POST') -> Answer:
    headers = [f'Authorization: Bearer {key}'] if key else []
    return send(service.url, request_of(method, path, *headers, body=body))


def test_keys_hold(service: Service) -> None:
    keys = ('', 'msk_none', 'msk_tight', SHOP, BOSS)
    assert [call(service, '/v1/XXXModel', key).status for key in keys] == [401, 401, 403, 200, 200]
    assert [call(service, '/state', key, b'', 'GET').status for key in keys] == [401, 401, 403, 403, 200]
    assert [call(service, '/v1/None', key).status for key in ('', SHOP)] == [401, 404]
    assert [call(service, path, '', b'', 'GET').status for path in ('/', '/health/live')] == [200, 200]
    assert call(service, '/v1/XXXModel', '', b'', 'OPTIONS').status == 200


def test_path_is_that_which_flask_finds(service: Service) -> None:
    paths = (
        '/v1/N%61p',
        '/environ/%C3%BC',
        '/environ/x%2Fy',
        '//v1/Nap',
        '/v1/Nap/',
        '/v1/Nap?x',
        'http://x/v1/Nap',
    )
    found = {path: call(service, path, SHOP, nap_body('', 0)).status for path in paths}
    assert found == dict(zip(paths, [200, 403, 403, 404, 404, 200, 200], strict=True))


def test_body_of_a_stranger_is_not_parsed(service: Service) -> None:
    answer = call(service, '/v1/XXXModel', '', b'not JSON')
    assert (answer.status, answer.headers['www-authenticate']) == (401, 'Bearer realm="model-serving"')
    assert answer.json == {'message': 'A key is needed: send the header Authorization: Bearer <key>'}
    assert answer.headers['content-type'] == 'application/json'
    assert answer.headers['x-request-id']
    assert answer.headers['access-control-allow-origin'] == '*'


def test_limit_holds_to_the_request(service: Service) -> None:
    with at_once() as submit:
        answers = [
            each.result()
            for each in [submit(call, service, '/v1/Nap', 'msk_tight', nap_body('', 0)) for _ in range(20)]
        ]
    assert Counter(answer.status for answer in answers) == {200: 3, 429: 17}
    limited = next(answer for answer in answers if answer.status == 429)
    assert 28_700 < int(limited.headers['retry-after']) <= 28_800
    assert limited.json['message'].startswith('Nap takes 3/d from this key; try again in 28')


def test_log_and_metrics_have_the_name_and_nobody_the_key(service: Service) -> None:
    for key in (SHOP, BOSS, 'msk_none'):
        call(service, '/v1/XXXModel', key)
    metrics = call(service, '/metrics', BOSS, b'', 'GET').body.decode()
    counted = dict(re.findall(r'key_requests_total\{(key="shop",outcome="admitted")\} (\S+)', metrics))
    assert float(counted['key="shop",outcome="admitted"']) >= 1
    assert 'key="none",outcome="unauthorized"' in metrics
    text = service.text()
    entries: list[dict[str, Any]] = [json.loads(row) for row in text.splitlines() if row.startswith('{')]
    logged = {entry.get('key') for entry in entries if entry['message'].startswith('POST /v1/XXXModel')}
    assert {'shop', 'boss', None} <= logged
    assert 'POST /v1/XXXModel 200' in text
    assert 'msk_' not in text + metrics


@pytest.fixture(scope='module')
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp('keyed')
    keys = write(folder / 'keys.conf', *LINES)
    with served(folder / 'log', MODEL_SERVING_KEYS=str(keys)) as service:
        yield service


def test_large_body_of_a_stranger_is_refused_before_it_has_come(keyed: Service) -> None:
    ways = (
        'Content-Length: 20000000',
        'Transfer-Encoding: chunked',
        'Content-Length: 9\r\nExpect: 100-continue',
    )
    for way in ways:
        with keyed.connect(10) as client:
            client.sendall(request_of('POST', '/v1/XXXModel', 'Content-Type: application/json', way))
            assert read_answer(client).status == 401


def test_small_refusals_leave_the_connection_open(keyed: Service) -> None:
    with keyed.connect(10) as client:
        for _ in range(3):
            client.sendall(request_of('POST', '/v1/XXXModel', body=HELLO))
            assert read_answer(client).status == 401


def test_changed_file_holds_without_a_restart(keyed: Service) -> None:
    path = keyed.log.with_name('keys.conf')
    new = write(path.with_name('new'), line('new', PROBE))
    new.replace(path)
    until(lambda: call(keyed, '/v1/XXXModel', PROBE).status == 200)
    assert call(keyed, '/v1/XXXModel', SHOP).status == 401
    write(path, 'broken\n')
    until(lambda: call(keyed, '/v1/XXXModel', PROBE).status and 'line 1: a line has three' in keyed.text())
    assert call(keyed, '/v1/XXXModel', PROBE).status == 200


def test_four_workers_count_together(tmp_path: Path) -> None:
    keys = write(tmp_path / 'keys.conf', line('shop', SHOP, '*', '40/d'), 'anonymous - Nap 20/d\n')
    with (
        served(tmp_path / 'log', MODEL_SERVING_KEYS=str(keys), WORKERS='4') as service,
        at_once(16) as submit,
    ):
        seen: Counter[tuple[str, int]] = Counter()
        for key, model, body in [
            (SHOP, 'XXXModel', HELLO),
            (SHOP, 'Nap', nap_body('', 0)),
            ('', 'Nap', nap_body('', 0)),
        ]:
            for each in [submit(call, service, f'/v1/{model}', key, body) for _ in range(120)]:
                seen[f'{key} {model}', each.result().status] += 1
        metrics = call(service, '/metrics', SHOP, b'', 'GET').body.decode()
        pids = set(re.findall(r'Booting worker with pid: (\d+)', service.text()))
    assert len(pids) == 4
    assert seen == {
        (f'{SHOP} XXXModel', 200): 40,
        (f'{SHOP} XXXModel', 429): 80,
        (f'{SHOP} Nap', 200): 40,
        (f'{SHOP} Nap', 429): 80,
        (' Nap', 200): 20,
        (' Nap', 429): 100,
    }
    assert 'model_serving_key_requests_total{key="shop",outcome="limited"} 160.0' in metrics
