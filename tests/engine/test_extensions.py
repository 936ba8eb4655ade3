"""Real extensions see and do under the engine what they see and do under gunicorn's own threads."""

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clients import until
from tests.operating.otlp_collector import attributes, collector
from tests.raw_http import Answer, send
from tests.service_process import ROOT, running_service

LEO = 'Authorization: Basic bGVvOnNlY3JldA=='
WRONG = 'Authorization: Basic bGVvOndyb25n'
GOOD, BAD = b'{"name": "Leo"}', b'{"name": 1}'
TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
WORKERS = {'engine': '', 'gthread': '--worker-class gthread'}
UNLIKE = (
    'date',
    'server',
    'connection',
    'content-length',
    'x-request-id',
    'x-ratelimit-reset',
    'retry-after',
)
"""What the server says, or the clock, or the length of the way's name."""


@contextlib.contextmanager
def service(log: Path, worker: str, extensions: str, **environment: str) -> Iterator[str]:
    settings = {
        'EXTENSIONS': extensions,
        'GUNICORN_CMD_ARGS': WORKERS[worker],
        'MODEL_SERVING_FAST_PATH': 'true',
    }
    with running_service(log, ROOT, 'tests.engine.extension_service:app', **settings, **environment) as url:
        yield url


def ask(url: str, name: str, body: bytes, *headers: str) -> Answer:
    lines = [f'POST /v1/{name}?a=b HTTP/1.1', 'Host: service', 'Content-Type: application/json', *headers]
    head = '\r\n'.join([*lines, f'Content-Length: {len(body)}', '', ''])
    return send(url, head.encode() + body)


def told(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """An answer, without what differs from server to server, and with the way of the request left out."""
    headers = {name: value for name, value in answer.headers.items() if name not in UNLIKE}
    return answer.status, headers, re.sub(rb'"way":"[A-Za-z]+"', b'', answer.body)


def dialogue(
    folder: pytest.TempPathFactory, extensions: str, requests: list[tuple[Any, ...]]
) -> tuple[list[Any], str, list[Answer]]:
    """The statuses with which the engine, and gthread, answer these requests; its log; its answers."""
    found = {}
    for worker in WORKERS:
        log = folder.mktemp(worker) / 'log'
        with service(log, worker, extensions) as url:
            found[worker] = [ask(url, *request) for request in requests], log
    answers, log = found['engine']
    assert [told(answer) for answer in answers] == [told(answer) for answer in found['gthread'][0]]
    return [answer.status for answer in answers], log.read_text(), answers


def test_httpauth(tmp_path_factory: pytest.TempPathFactory) -> None:
    requests = [
        (name, body, *headers)
        for name in ('Hello', 'Late', 'Protected')
        for headers in ([], [WRONG], [LEO])
        for body in (BAD, GOOD)
    ]
    statuses, log, answers = dialogue(tmp_path_factory, 'auth', requests)

    hello, late, protected = statuses[:6], statuses[6:12], statuses[12:]
    assert hello == [401, 401, 401, 401, 400, 200]
    assert late == [400, 401, 400, 401, 400, 201]
    assert protected == [401, 401, 401, 401, 400, 200]
    assert answers[0].headers['www-authenticate'] == 'Basic realm="Authentication Required"'
    assert answers[5].json == {'hello': 'Leo', 'user': 'leo', 'way': 'FastRequest'}
    assert "Protected takes Flask's full dispatch: ProtectedResource has method_decorators" in log


def test_limiter(tmp_path_factory: pytest.TempPathFactory) -> None:
    requests: list[tuple[Any, ...]] = [('Hello', GOOD), ('Hello', BAD), ('Hello', GOOD), ('Hello', BAD)]
    requests += [('Late', GOOD, f'X-User: {user}') for user in ('a', 'a', 'b', 'a', 'b')]
    requests += [('Crash', GOOD)] * 6
    statuses, log, answers = dialogue(tmp_path_factory, 'limiter', requests)

    assert statuses[:4] == [200, 400, 429, 429]
    assert statuses[4:9] == [201, 201, 201, 429, 201]
    assert statuses[9:] == [500, 500, 500, 500, 500, 429]
    assert answers[0].headers['x-ratelimit-remaining'] == '1'
    assert answers[2].json == {'message': '2 per 1 minute'}
    assert "Hello takes Flask's full dispatch: before_request function" in log


class Events:
    """What Sentry's client has sent."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.dsn = ''

    def of_kind(self, kind: str) -> list[Any]:
        return [item for item in self.items if item.get('type', 'event') == kind]


@contextlib.contextmanager
def sentry() -> Iterator[Events]:
    """A server that takes envelopes: a line of JSON for each, and one for the head of each item."""
    events = Events()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers['Content-Length']))
            if self.headers['Content-Encoding'] == 'gzip':
                body = gzip.decompress(body)
            _, *lines = body.splitlines()
            events.items += [json.loads(line) for line in lines[1::2] if line.startswith(b'{')]
            self.send_response(200)
            self.send_header('Content-Length', '2')
            self.end_headers()
            self.wfile.write(b'{}')

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    events.dsn = f'http://key@127.0.0.1:{server.server_port}/1'
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield events
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_sentry(tmp_path: Path) -> None:
    seen = {}
    for worker in WORKERS:
        with sentry() as events, service(tmp_path / worker, worker, 'sentry', DSN=events.dsn) as url:
            for name, body in [
                ('Crash', GOOD),
                ('Coroutine', b'{"name": "crash"}'),
                ('Hello', GOOD),
                ('Hello', BAD),
            ]:
                ask(url, name, body, 'X-Mine: yes')
            until(lambda events=events: len(events.of_kind('transaction')) >= 5)
            until(lambda events=events: len(events.of_kind('event')) >= 2)
        errors = [
            (
                *(event['transaction'], event['request']['url'], event['request']['method']),
                *(
                    event['request']['data'],
                    event['request']['query_string'],
                    event['request']['headers']['X-Mine'],
                ),
                *[
                    (each['type'], each['value'], each['mechanism']['type'])
                    for each in event['exception']['values']
                ],
            )
            for event in events.of_kind('event')
            if 'exception' in event
        ]
        spans = [
            (each['transaction'], each['contexts']['trace']['op'], each['contexts']['trace']['status'])
            for each in events.of_kind('transaction')
            if each['request']['method'] == 'POST'
        ]
        seen[worker] = sorted(errors), sorted(spans)
    assert seen['engine'] == seen['gthread']
    errors, spans = seen['engine']
    assert {each[0] for each in errors} == {'Crash', 'Coroutine'}
    assert errors[-1][:6] == ('Crash', 'http://service/v1/Crash', 'POST', {'name': 'Leo'}, 'a=b', 'yes')
    assert [name for name, *_ in spans] == ['Coroutine', 'Crash', 'Hello', 'Hello']
    assert (
        "Hello takes Flask's full dispatch: the signal request-started has"
        in (tmp_path / 'engine').read_text()
    )


def test_opentelemetry(tmp_path: Path) -> None:
    seen = {}
    for worker in WORKERS:
        with collector() as collected:
            settings = {
                'OTEL_EXPORTER_OTLP_PROTOCOL': 'http/protobuf', 'OTEL_EXPORTER_OTLP_ENDPOINT': collected.url,
            }  # fmt: skip
            with service(tmp_path / worker, worker, 'opentelemetry', **settings) as url:
                for name in ('Hello', 'Crash', 'Coroutine', 'Late'):
                    ask(url, name, GOOD, f'traceparent: 00-{TRACE}-00f067aa0ba902b7-01')
                until(lambda collected=collected: len(collected.spans) >= 4)
        seen[worker] = sorted(
            (span.name, span.trace_id.hex(), span.parent_span_id.hex(), span.status.code, *facts(span))
            for span in collected.spans
            if span.name.startswith('POST')
        )
    assert seen['engine'] == seen['gthread']
    assert [name for name, *_ in seen['engine']] == [
        f'POST /v1/{name}' for name in ('Coroutine', 'Crash', 'Hello', 'Late')
    ]
    assert {trace for _, trace, *_ in seen['engine']} == {TRACE}
    assert re.search("Hello takes Flask's full dispatch: .*opentelemetry", (tmp_path / 'engine').read_text())


def facts(span: Any) -> list[tuple[str, str]]:
    """The attributes of a span, but for the ports."""
    return sorted((name, str(value)) for name, value in attributes(span).items() if 'port' not in name)
