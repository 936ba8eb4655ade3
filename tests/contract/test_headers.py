"""The headers of every kind of answer, from the real service under gunicorn and from `main.py`."""

import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from model_serving.content_policy import policy_of
from tests.protocols.echo_service import EchoModelResource, create

HELLO = b'{"name": "Leo"}'
JSON = f'Content-Type: application/json\r\nContent-Length: {len(HELLO)}\r\n'
REQUESTS = {
    'fast': f'POST /v1/XXXModel HTTP/1.1\r\nHost: x\r\n{JSON}',
    'invalid': f'POST /v1/DigitsModel HTTP/1.1\r\nHost: x\r\n{JSON}',
    'unsupported': 'POST /v1/XXXModel HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n',
    'not_found': 'GET /none HTTP/1.1\r\nHost: x\r\n',
    'not_allowed': 'GET /v1/XXXModel HTTP/1.1\r\nHost: x\r\n',
    'head': 'HEAD / HTTP/1.1\r\nHost: x\r\n',
    'options': 'OPTIONS /v1/XXXModel HTTP/1.1\r\nHost: x\r\n',
    'file': 'GET /client/call-model.js HTTP/1.1\r\nHost: x\r\n',
    'page': 'GET /client/digits.html HTTP/1.1\r\nHost: x\r\n',
    'docs': 'GET /docs HTTP/1.1\r\nHost: x\r\n',
    'document': 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n',
    'console': 'GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n',
    'too_large': 'POST /v1/XXXModel HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n',
    'malformed': 'GET / HTTP/1.1\r\nno header\r\n',
}
STATES = (
    '/',
    '/health/live',
    '/health/ready',
    '/v2/health/ready',
    '/v1/models/IrisModel',
    '/metrics',
    '/_ah/warmup',
)
PAGES = 'page', 'docs', 'console'


def head_of(url: str, request: str) -> str:
    """The head of the answer."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as client:
        client.sendall(f'{request}Connection: close\r\n\r\n'.encode() + HELLO * ('POST' in request))
        with client.makefile('rb') as file:
            return file.read().partition(b'\r\n\r\n')[0].decode('latin-1') + '\r\n'


def values(head: str, name: str) -> list[str]:
    return re.findall(rf'^{name}: (.*)\r$', head, re.MULTILINE | re.IGNORECASE)


@pytest.fixture(scope='module')
def by_flask() -> Iterator[str]:
    """The server of `main.py`, which sets a Date of its own."""
    server = make_server('127.0.0.1', 0, create(EchoModel=EchoModelResource))
    threading.Thread(target=server.serve_forever).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize('request_head', REQUESTS.values(), ids=REQUESTS)
def test_every_answer_has_nosniff_and_a_date_once(service: str, request_head: str) -> None:
    head = head_of(service, request_head)
    assert values(head, 'X-Content-Type-Options') == ['nosniff'], head
    assert len(values(head, 'Date')) == 1
    assert len(values(head, 'X-Request-ID')) == 1


@pytest.mark.parametrize(
    'path', ['/', '/client/call-model.js', '/openapi.json', '/docs/swagger-ui.css', '/none']
)
def test_so_has_that_of_another_server(by_flask: str, path: str) -> None:
    head = head_of(by_flask, f'GET {path} HTTP/1.1\r\nHost: x\r\n')
    assert values(head, 'X-Content-Type-Options') == ['nosniff'], head
    assert len(values(head, 'Date')) == 1


@pytest.mark.parametrize('path', STATES)
def test_states_are_not_stored(service: str, path: str) -> None:
    assert values(head_of(service, f'GET {path} HTTP/1.1\r\nHost: x\r\n'), 'Cache-Control') == ['no-store']


@pytest.mark.parametrize('name', ['file', 'page', 'document'])
def test_what_changes_seldom_is_asked_for_by_its_tag(service: str, name: str) -> None:
    head = head_of(service, REQUESTS[name])
    assert values(head, 'Cache-Control') == ['no-cache']
    [tag] = values(head, 'ETag')
    again = head_of(service, f'{REQUESTS[name]}If-None-Match: {tag}\r\n')
    assert again.startswith('HTTP/1.1 304')


@pytest.mark.parametrize('name', [*PAGES, 'file'])
def test_pages_run_their_own_scripts_in_no_frame(service: str, name: str) -> None:
    [policy] = values(head_of(service, REQUESTS[name]), 'Content-Security-Policy')
    assert "frame-ancestors 'none'" in policy
    [scripts] = re.findall(r'script-src ([^;]+)', policy)
    assert 'unsafe' not in scripts
    assert scripts.split()[0] == "'self'"


def test_policy_names_inline_scripts_by_their_hashes() -> None:
    known = "'sha256-xsuTGwM1pbHxJt6Bcu7KLls/Z+Q7K2yHs6kiFf8OBkA='"  # alert('Hello')
    page = b"<SCRIPT type=x>alert('Hello')</script ><script defer src = a.js></script>"
    assert re.findall(r"script-src ('self'[^;]*)", policy_of(page)) == [f"'self' {known}"]
    assert policy_of(b'<script>\r\n1\r\n</script>') == policy_of(b'<script>\n1\n</script>')


def test_page_of_another_origin_can_read_what_it_needs(service: str) -> None:
    head = head_of(service, f'{REQUESTS["fast"]}Origin: https://shop.example.com\r\n')
    exposed = values(head, 'Access-Control-Expose-Headers')
    assert exposed == ['Inference-Header-Content-Length, Retry-After, X-Request-ID']
