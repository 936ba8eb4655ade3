"""Embeddings of a real service: the queue, the limits and the metrics of the model that a body names."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.key_files import line, write
from tests.engine.clients import ROOT, Service, at_once, request_of, until
from tests.raw_http import Answer, send
from tests.service_process import running_service

SERVED = 'tests.protocols.embeddings_service:create_app()'
URL = '/openai/v1/embeddings'
KEYS = (
    line('letters', 'msk_letters', 'Letters'),
    line('wrong', 'msk_wrong', 'Wrong'),
    line('tight', 'msk_tight', 'Letters', '2/d'),
)
SETTINGS = {
    'THREADS': '2',
    'MODEL_SERVING_TIMEOUT_S': '4',
    'MODEL_SERVING_MAX_WAITING': '3',
    'MODEL_SERVING_MAX_BODY_BYTES': '200000',
}


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp('embeddings')
    keys = str(write(folder / 'keys.conf', *KEYS))
    with running_service(folder / 'log', ROOT, SERVED, MODEL_SERVING_KEYS=keys, **SETTINGS) as url:
        yield Service(url, folder / 'log')


def ask(service: Service, texts: Any, model: str = 'Letters', key: str = 'msk_letters') -> Answer:
    body = json.dumps({'model': model, 'input': texts}).encode()
    return send(service.url, request_of('POST', URL, f'Authorization: Bearer {key}', body=body))


def test_keys_are_for_the_model_that_the_body_names(service: Service) -> None:
    assert ask(service, 'a').status == 200
    refused = ask(service, 'a', 'Wrong')
    assert (refused.status, refused.json['error']['message']) == (403, refused.json['message'])
    nobody = ask(service, 'a', key='msk_nobody')
    assert (nobody.status, nobody.headers['www-authenticate']) == (401, 'Bearer realm="model-serving"')
    assert nobody.json['error']['type'] == 'invalid_request_error'
    assert service.get('/openai/v1/models').status == 401
    listed = service.get('/openai/v1/models', 'X-API-Key: msk_wrong')
    assert [model['id'] for model in listed.json['data']] == [
        'Letters',
        'Remembered',
        'Counted',
        'Arrays',
        'Wrong',
    ]


def test_limit_counts_each_request_once(service: Service) -> None:
    statuses = [ask(service, 'a', key='msk_tight').status for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = ask(service, 'a', key='msk_tight')
    assert int(refused.headers['retry-after']) > 1000
    assert refused.json['error']['message'].startswith('Letters takes 2/d from this key')


def test_full_queue_is_503_and_another_model_goes_on(service: Service) -> None:
    with at_once() as submit:
        naps = [submit(ask, service, 'nap1', 'Wrong', 'msk_wrong') for _ in range(12)]
        time.sleep(0.3)
        begin = time.monotonic()
        assert ask(service, 'a').status == 200
        assert time.monotonic() - begin < 1
        answers = [nap.result() for nap in naps]
    assert {answer.status for answer in answers} == {200, 503}
    refused = next(answer for answer in answers if answer.status == 503)
    assert refused.headers['retry-after']
    assert refused.json['error']['type'] == 'server_error'
    assert refused.json['error']['message'] == refused.json['message']


def test_late_answer_is_504(service: Service) -> None:
    answer = ask(service, 'nap4.5', 'Wrong', 'msk_wrong')
    assert (answer.status, answer.json['error']['type']) == (504, 'server_error')
    until(lambda: ask(service, 'a', 'Wrong', 'msk_wrong').status == 200)


def test_what_the_server_refuses_itself_has_that_form(service: Service) -> None:
    large = ask(service, 300_000 * 'a')
    assert large.status == 413
    assert large.json['error']['message'] == large.json['message']


def test_large_batch_is_answered(service: Service) -> None:
    answer = ask(service, 2048 * [90 * 'a'])
    assert answer.status == 200
    assert [each['index'] for each in answer.json['data']] == list(range(2048))


def test_metrics_are_of_the_model_and_the_log_has_the_path(service: Service) -> None:
    assert ask(service, 'a').status == 200
    counted = r'^model_serving_requests_total\{model="Letters",.*status="200".*\} [1-9]'
    key = 'X-API-Key: msk_letters'
    until(lambda: re.search(counted, service.get('/metrics', key).body.decode(), re.MULTILINE))
    assert f'POST {URL} 200' in service.text()


def test_other_servers_answer_alike(tmp_path: Any) -> None:
    gthread = '--worker-class gthread'
    with running_service(tmp_path / 'log', ROOT, SERVED, GUNICORN_CMD_ARGS=gthread) as url:
        other = Service(url, tmp_path / 'log')
        assert ask(other, 'abc').json['data'][0]['embedding'] == [0.1, 0.1, 0.1, 0.3]
        assert ask(other, 101 * 'a').json['errors'][0]['pointer'] == '/input/0'
