"""The command of docs/operating.md: two workers under opentelemetry-instrument, and a collector."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.engine.clients import SERVED, at_once, until
from tests.operating.otlp_collector import Collector, attributes, collector
from tests.raw_http import Answer, send
from tests.service_process import LOG_SECONDS, ROOT, free_port, wait_until_it_answers

TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
SPAN = '00f067aa0ba902b7'


class Traced(NamedTuple):
    url: str
    log: Path
    collector: Collector

    def ask(self, path: str, body: bytes, *headers: str) -> Answer:
        head = [f'POST {path} HTTP/1.1', 'Host: service', 'Content-Type: application/json', *headers]
        length = f'Content-Length: {len(body)}'
        return send(self.url, '\r\n'.join([*head, length, '', '']).encode() + body)

    def spans(self, name: str) -> list[Any]:
        return [span for span in self.collector.spans if span.name == name]


@pytest.fixture(scope='module')
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    log, port = tmp_path_factory.mktemp('traced') / 'log', free_port()
    with collector() as collected, log.open('w') as output:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name('opentelemetry-instrument')),
                *(sys.executable, '-m', 'gunicorn', '-c', 'conf/gunicorn.conf.py', SERVED),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                'HOST': '127.0.0.1',
                'PORT': str(port),
                'WORKERS': '2',
                'MODEL_SERVING_LOG_FORMAT': 'json',
                'OTEL_SERVICE_NAME': 'model-serving',
                'OTEL_EXPORTER_OTLP_PROTOCOL': 'http/protobuf',
                'OTEL_EXPORTER_OTLP_ENDPOINT': collected.url,
                'OTEL_METRICS_EXPORTER': 'none',
                'OTEL_LOGS_EXPORTER': 'none',
                'OTEL_BSP_SCHEDULE_DELAY': '200',
                'OTEL_PYTHON_FLASK_EXCLUDED_URLS': '/health/.*,/metrics',
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f'http://127.0.0.1:{port}'
            wait_until_it_answers(url, process, log)
            yield Traced(url, log, collected)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(45)


def test_request_is_a_span_of_the_callers_trace(traced: Traced) -> None:
    answer = traced.ask('/v1/XXXModel', b'{"name": "Leo"}', f'traceparent: 00-{TRACE}-{SPAN}-01')
    assert answer.json == {'result': 'Hello, Leo!'}

    (span,) = until(lambda: traced.spans('POST /v1/XXXModel'))
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert attributes(span)['http.route'] == '/v1/XXXModel'
    assert 200 in attributes(span).values()


def test_line_of_the_log_has_the_trace(traced: Traced) -> None:
    traced.ask('/v1/XXXModel', b'{}', f'traceparent: 00-{TRACE}-{SPAN}-01', 'X-Request-ID: traced')

    time.sleep(LOG_SECONDS)
    entries = [json.loads(line) for line in traced.log.read_text().splitlines() if line.startswith('{')]
    (entry,) = [entry for entry in entries if entry.get('request_id') == 'traced']
    assert entry['logging.googleapis.com/trace'] == TRACE
    assert entry['httpRequest']['status'] == 400
    assert entry['severity'] == 'INFO'


def test_concurrent_requests_in_both_workers_are_spans_of_their_own(traced: Traced) -> None:
    def call(number: int) -> int:
        trace = f'traceparent: 00-{number + 1:032x}-{SPAN}-01'
        body = f'{{"tag": "t", "seconds": 0.0{number % 10}}}'.encode()
        return traced.ask('/v1/Nap', body, trace).status

    with at_once(16) as submit:
        assert {called.result() for called in [submit(call, number) for number in range(100)]} == {200}

    until(lambda: len(traced.spans('POST /v1/Nap')) >= 100)
    assert {int(span.trace_id.hex(), 16) for span in traced.spans('POST /v1/Nap')} == set(range(1, 101))


def test_crash_is_marked_in_its_span(traced: Traced) -> None:
    assert traced.ask('/v1/Crash', b'').status == 500

    (span,) = until(lambda: traced.spans('POST /v1/Crash'))
    assert 500 in attributes(span).values()


def test_stream_is_a_span(traced: Traced) -> None:
    assert send(traced.url, b'GET /stream?count=3 HTTP/1.1\r\nHost: service\r\n\r\n').status == 200

    assert until(lambda: traced.spans('GET /stream'))


def test_scrapes_are_no_spans(traced: Traced) -> None:
    assert send(traced.url, b'GET /metrics HTTP/1.1\r\nHost: service\r\n\r\n').status == 200
    traced.ask('/v1/Size', b'{"rows": [[1]]}')

    until(lambda: traced.spans('POST /v1/Size'))
    assert not traced.spans('GET /metrics')
    assert 'Failed to detach context' not in traced.log.read_text()
