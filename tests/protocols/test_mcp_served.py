"""/mcp as it is served: by gunicorn, to the official client in both eras, and as its page says."""

import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.protocols.mcp_calls import message, newest
from tests.raw_http import Answer, send
from tests.service_process import ROOT, running_service

HERE = Path(__file__).parent
PAGE = (ROOT / 'docs' / 'mcp.md').read_text()


def post(url: str, value: Any, headers: dict[str, str], host: str = '127.0.0.1') -> Answer:
    body = json.dumps(value).encode()
    given = {'Host': host, 'Content-Type': 'application/json', 'Content-Length': str(len(body)), **headers}
    lines = ['POST /mcp HTTP/1.1', *(f'{name}: {text}' for name, text in given.items()), '', '']
    return send(url, '\r\n'.join(lines).encode() + body)


def result(url: str, tool: str, arguments: Any) -> Any:
    return post(url, *newest('tools/call', name=tool, arguments=arguments)).json['result']


def test_tool_is_called_through_the_queue_of_its_model(mcp_service: str) -> None:
    assert result(mcp_service, 'Hello', {'name': 'Leo'})['structuredContent'] == {'result': 'Hello, Leo!'}
    metrics = send(mcp_service, b'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n').body.decode()
    assert re.search(r'model_serving_requests_total\{model="Hello",[^}]*status="200"', metrics)


def test_header_may_have_spaces_around_its_value(mcp_service: str) -> None:
    value, headers = newest('tools/call', name='Hello', arguments={'name': 'Leo'})
    assert post(mcp_service, value, {**headers, 'Mcp-Name': '  Hello  '}).status == 200


def test_header_that_comes_twice_is_refused(mcp_service: str) -> None:
    value, headers = newest('tools/list')
    answer = post(mcp_service, value, {**headers, 'mcp-method': 'tools/call'})
    assert answer.json['error']['code'] == -32020


def test_call_past_the_deadline_is_late_and_others_are_not(mcp_service: str) -> None:
    answer = post(mcp_service, *newest('tools/call', name='Slow', arguments={}))
    assert (answer.status, answer.json['message']) == (504, 'The model did not answer in time')
    assert result(mcp_service, 'Hello', {'name': 'Leo'})['structuredContent']


def test_call_that_finds_too_many_waiting_says_when_to_try_again(tmp_path: Path) -> None:
    service = 'tests.protocols.mcp_service:create_app()'
    settings = {'THREADS': '1', 'MODEL_SERVING_MAX_WAITING': '1', 'MODEL_SERVING_TIMEOUT_S': '6'}
    running = running_service(tmp_path / 'log', application=service, **settings)
    with running as url, ThreadPoolExecutor(2) as pool:
        for _ in range(2):  # One runs, one waits.
            pool.submit(post, url, *newest('tools/call', name='Slow', arguments={}))
            time.sleep(0.5)
        refused = result(url, 'Slow', {})
    assert 'requests to Slow are waiting' in refused['content'][0]['text']
    assert refused['content'][0]['text'].endswith('Try again in 1 s.')
    assert refused['isError'] is True


@pytest.mark.parametrize(
    ('headers', 'host', 'status'),
    [
        ({}, 'localhost:1', 200),
        ({}, 'evil.example.com', 404),
        ({'X-Forwarded-For': '10.0.0.1'}, '127.0.0.1', 404),
        ({'Origin': 'http://evil.example.com'}, '127.0.0.1', 403),
    ],
)
def test_pages_and_proxies_do_not_reach_it(
    mcp_service: str, headers: dict[str, str], host: str, status: int
) -> None:
    assert post(mcp_service, message('ping'), headers, host).status == status


@pytest.mark.parametrize(
    'settings',
    [{'HOST': '0.0.0.0'}, {'GUNICORN_CMD_ARGS': '--worker-class gthread'}],
    ids=['network', 'gthread'],
)
def test_it_is_off_on_a_network_and_on_under_other_workers(tmp_path: Path, settings: dict[str, str]) -> None:
    log = tmp_path / 'log'
    with running_service(log, MODEL_SERVING_MODELS='XXXModel', **settings) as url:
        answer = post(url, message('tools/call', name='XXXModel', arguments={'name': 'Leo'}), {})
        assert answer.status == (404 if 'HOST' in settings else 200), log.read_text()


@pytest.mark.parametrize(('mode', 'version'), [('auto', '2026-07-28'), ('legacy', '2025-11-25')])
def test_official_client_calls_tools(
    mcp_environment: Path, mcp_service: str, mode: str, version: str
) -> None:
    found = json.loads(
        python(mcp_environment, HERE / 'mcp_client_calls.py', f'{mcp_service}/mcp', mode).splitlines()[-1]
    )
    assert found['version'] == version
    assert {'Hello', 'Rows', 'test_image_content'} <= set(found['tools'])
    assert 'List' not in found['tools']
    hello = '{"result":"Hello, Leo!"}'
    structured = {'result': 'Hello, Leo!'}
    assert found['hello'] == {'error': False, 'types': ['text'], 'text': hello, 'structured': structured}
    assert (found['invalid']['error'], found['crash']['error']) == (True, True)
    assert "/name: 3 is not of type 'string'" in found['invalid']['text']
    assert found['crash']['text'] == 'Internal Server Error'
    assert (found['rows']['text'], found['rows']['structured']) == ('[1,2]', None)
    assert found['image']['types'] == ['image']
    assert (found['unknown'], found['prompts']) == (-32602, -32601)


def python(programs: Path, *arguments: object) -> str:
    """What Python writes in the environment of the client."""
    ran = subprocess.run(
        [programs / 'python', *map(str, arguments)],
        env={**os.environ, 'PYTHONPATH': ''},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


def blocks(language: str) -> list[tuple[str, str]]:
    """The blocks of the page in a language, each with what it gives."""
    pattern = rf'^```{language}\n((?:(?!^```).)*)^```\n\n```(?:json|text)\n(.*?)^```'
    return re.findall(pattern, PAGE, re.DOTALL | re.MULTILINE)


def with_port(code: str, url: str) -> str:
    return code.replace('9999', str(urlsplit(url).port))


def test_command_of_the_page_gives_what_it_says(service: str) -> None:
    [(command, given)] = blocks('sh')
    ran = subprocess.run(
        ['sh', '-c', with_port(command, service)], capture_output=True, text=True, timeout=60
    )
    assert json.loads(ran.stdout) == json.loads(given)


def test_code_of_the_page_gives_what_it_says(service: str, mcp_environment: Path) -> None:
    [(code, given)] = blocks('python')
    assert python(mcp_environment, '-c', with_port(code, service)) == given
