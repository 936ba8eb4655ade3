"""A service whose paths begin with a prefix: its own, or that of a proxy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_http import Answer, send
from tests.service_process import running_service

HELLO = b'{"name": "Leo"}'


def served(**settings: str) -> Any:
    """A fixture: the URL of a service with these settings."""

    @pytest.fixture(scope='module')
    def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        log = tmp_path_factory.mktemp('prefix') / 'log'
        with running_service(log, MODEL_SERVING_MODELS='XXXModel', **settings) as url:
            yield url

    return url


below = served(SCRIPT_NAME='/ml/')
behind = served()
"""It learns its prefix from each request."""
distrustful = served(FORWARDED_ALLOW_IPS='192.0.2.1')
trustful = served(FORWARDED_ALLOW_IPS='*')
"""It trusts everybody, as on App Engine, where no proxy removes the header."""


def get(url: str, path: str, *headers: str, accept: str = 'application/json') -> Answer:
    lines = ''.join(f'{header}\r\n' for header in headers)
    head = f'GET {path} HTTP/1.1\r\nHost: models.example.com\r\nAccept: {accept}\r\n{lines}\r\n'
    return send(url, head.encode())


def post(url: str, path: str, *headers: str) -> Answer:
    lines = ''.join(f'{header}\r\n' for header in headers)
    head = f'POST {path} HTTP/1.1\r\nHost: service\r\n{lines}Content-Type: application/json\r\n'
    return send(url, f'{head}Content-Length: {len(HELLO)}\r\n\r\n'.encode() + HELLO)


@pytest.mark.parametrize('path', ['/ml/v1/XXXModel', '/v1/XXXModel'])
def test_models_answer_below_the_prefix_and_probes_without_it(below: str, path: str) -> None:
    assert post(below, path).status == 200
    assert get(below, '/health/live').status == get(below, '/ml/health/live').status == 200


@pytest.mark.parametrize('path', ['/ml', '/ml/', '/ml?x=1', '/'])
def test_page_has_the_prefix_as_its_base(below: str, path: str) -> None:
    page = get(below, path, accept='text/html').body.decode()
    assert '<base href="/ml/">' in page
    assert 'curl http://models.example.com/ml/v1/XXXModel' in page
    assert json.loads(get(below, '/ml/openapi.json').body)['servers'] == [{'url': '/ml'}]


@pytest.mark.parametrize(
    'path',
    [
        '/mlx/v1/XXXModel',
        '/ml/ml/v1/XXXModel',
        '/m/v1/XXXModel',
        '//v1/XXXModel',
        '/ml//v1/XXXModel',
        '///v1/XXXModel',
    ],
)
def test_other_paths_are_not_found(below: str, path: str) -> None:
    assert post(below, path).status == 404


@pytest.mark.parametrize('path', ['/v1/XXXModel', '/a/b/v1/XXXModel'])
def test_proxy_may_say_the_prefix_and_keep_it_or_not(behind: str, path: str) -> None:
    assert post(behind, path, 'X-Forwarded-Prefix: /a/b').status == 200
    page = get(behind, '/', 'X-Forwarded-Prefix: /a/b/', accept='text/html').body.decode()
    assert '<base href="/a/b/">' in page


@pytest.mark.parametrize('prefix', ['a', '/a"><script>', '//evil.example', 'https://a.example', '/a b', '/'])
def test_what_is_no_prefix_does_not_count(behind: str, prefix: str) -> None:
    page = get(behind, '/', f'X-Forwarded-Prefix: {prefix}', accept='text/html').body.decode()
    assert '<base href="/">' in page


@pytest.mark.parametrize('service', ['distrustful', 'trustful'])
def test_client_may_not_say_it(request: pytest.FixtureRequest, service: str) -> None:
    url = request.getfixturevalue(service)
    page = get(url, '/', 'X-Forwarded-Prefix: /a', accept='text/html').body.decode()
    assert '<base href="/">' in page
    assert post(url, '/a/v1/XXXModel', 'X-Forwarded-Prefix: /a').status == 404


@pytest.mark.parametrize(
    ('proto', 'scheme'),
    [
        ('https', 'https'),
        ('HTTPS', 'https'),
        ('https, http', 'https'),
        ('http,https', 'http'),
        ('ftp', 'http'),
    ],
)
def test_scheme_may_be_in_capitals_or_a_list(behind: str, proto: str, scheme: str) -> None:
    page = get(behind, '/', f'X-Forwarded-Proto: {proto}', accept='text/html').body.decode()
    assert f'curl {scheme}://models.example.com/v1/XXXModel' in page


@pytest.mark.parametrize('prefix', ['ml', '/a b', '//x'])
def test_prefix_that_is_none_stops_the_start(tmp_path: Path, prefix: str) -> None:
    log = tmp_path / 'log'
    with pytest.raises(AssertionError, match='did not start'), running_service(log, SCRIPT_NAME=prefix):
        pass
    assert f"SCRIPT_NAME: '{prefix}' is no prefix such as /ml" in log.read_text()
