"""Prometheus itself scrapes two workers under load; the queries of the dashboard are put to it."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from model_serving.observability.metrics import METRICS
from tests.engine.clients import at_once, served, until
from tests.exposed_metrics import read_metrics
from tests.operating.prometheus_server import Prometheus, prometheus
from tests.raw_http import post
from tests.service_process import ROOT, free_port, wait_until_it_answers

DASHBOARD = json.loads((ROOT / 'docs' / 'grafana-dashboard.json').read_text())
QUERIES = sorted({target['expr'] for panel in DASHBOARD['panels'] for target in panel['targets']})
GOOD, BAD, ROWS = 3000, 300, 200


class Loaded(NamedTuple):
    """A service, and the Prometheus that scraped it while the requests came."""

    url: str
    prometheus: Prometheus


@pytest.fixture(scope='module')
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp('prometheus')
    with (
        served(folder / 'service.log', WORKERS='2', GUNICORN_CMD_ARGS='--max-requests 1500') as service,
        prometheus(folder, service.url) as server,
    ):
        with at_once(16) as submit:
            called = [submit(post, service.url, '/v1/XXXModel', b'{"name": "Leo"}') for _ in range(GOOD)]
            called += [submit(post, service.url, '/v1/XXXModel', b'{}') for _ in range(BAD)]
            called += [submit(service.double, [0.0, number]) for number in range(ROWS)]
            for one in called:
                one.result()
        yield Loaded(service.url, server)


def test_counter_equals_the_number_of_requests_sent(loaded: Loaded) -> None:
    counted = 'sum(model_serving_requests_total{model="XXXModel", reason="%s"})'

    until(lambda: loaded.prometheus.value(counted % 'invalid') == BAD)
    until(lambda: loaded.prometheus.value(counted % 'ok') == GOOD)
    until(lambda: loaded.prometheus.value('sum(model_serving_batch_rows_sum)') == ROWS)
    # Counted after the answer, so a scrape may have come in between.
    answered = 'sum(model_serving_request_duration_seconds_count{model="Rows"})'
    until(lambda: loaded.prometheus.value(answered) == ROWS)


def test_no_counter_ever_goes_back(loaded: Loaded) -> None:
    for name in (
        'model_serving_requests_total',
        'model_serving_request_duration_seconds_count',
        'model_serving_request_duration_seconds_sum',
        'model_serving_batch_rows_count',
    ):
        assert loaded.prometheus.value(f'sum(resets({name}[5m]))') == 0
    assert loaded.prometheus.value('sum_over_time(up[5m])') > 3


def test_prometheus_has_nothing_to_say_against_the_names(loaded: Loaded) -> None:
    text = subprocess.run(['curl', '-s', f'{loaded.url}/metrics'], capture_output=True, check=True).stdout
    checked = subprocess.run(['promtool', 'check', 'metrics'], input=text, capture_output=True, text=False)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b'', b'')


@pytest.mark.parametrize('query', QUERIES)
def test_query_of_the_dashboard_has_an_answer(loaded: Loaded, query: str) -> None:
    shown = query.replace('$__rate_interval', '1m').replace('$model', '.*')
    if 'load_seconds' in query:
        assert loaded.prometheus.query(shown) == []  # These models were not loaded by main.py.
        return
    until(lambda: loaded.prometheus.query(shown))


def test_dashboard_asks_for_metrics_that_there_are() -> None:
    known = METRICS.keys() | {'model_serving_build_info'}
    known -= {
        'model_serving_key_requests_total',
        'model_serving_payloads_total',
        'model_serving_remembered_answers_total',
        'model_serving_jobs_total',
    }  # There are none unless a setting, or a resource, asks for them.
    asked = {
        re.sub(r'_(bucket|sum|count)$', '', name)
        for query in QUERIES
        for name in re.findall(r'model_serving_\w+', query)
    }

    assert asked == known


def test_dashboard_is_one_that_grafana_reads() -> None:
    ids = [panel['id'] for panel in DASHBOARD['panels']]
    variables = {variable['name'] for variable in DASHBOARD['templating']['list']}

    assert len(set(ids)) == len(ids)
    assert variables == {'datasource', 'model'}
    assert overlapping(DASHBOARD['panels']) == []


def overlapping(panels: list[dict[str, Any]]) -> list[tuple[int, int]]:
    places = [(panel['id'], panel['gridPos']) for panel in panels]
    return [
        (first, second)
        for first, a in places
        for second, b in places
        if first < second
        and a['x'] < b['x'] + b['w'] and b['x'] < a['x'] + a['w']
        and a['y'] < b['y'] + b['h'] and b['y'] < a['y'] + a['h']
    ]  # fmt: skip


def test_service_without_gunicorn_counts_too(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / 'log'
    with log.open('w') as output:
        process = subprocess.Popen(
            [sys.executable, 'main.py', '-a', '127.0.0.1', f'--port={port}', '--models=XXXModel'],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f'http://127.0.0.1:{port}'
    try:
        wait_until_it_answers(url, process, log)
        callers = [
            threading.Thread(target=post, args=[url, '/v1/XXXModel', b'{"name": "Leo"}']) for _ in range(50)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        found = read_metrics(url)
    finally:
        process.terminate()
        process.wait(20)

    assert found.sum('requests_total', model='XXXModel', reason='ok') == 50
    assert found.sum('model_load_seconds', model='XXXModel') > 0
