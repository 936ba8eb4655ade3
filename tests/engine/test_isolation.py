"""Requests that are served by turns in one thread do not see each other."""

import json
import re

from tests.engine.clients import Service, at_once, request_of
from tests.raw_http import Answer, send


def call(service: Service, number: int) -> Answer:
    tag = f'tag-{number:02}-{"x" * number}'
    body = json.dumps({'tag': tag, 'seconds': 0.02 * (number % 4)}).encode()
    return send(service.url, request_of('POST', f'/v1/Context?tag={tag}', f'X-Tag: {tag}', body=body))


def test_20_requests_that_wait_at_once_see_their_own(engine: Service) -> None:
    for _ in range(3):
        with at_once() as submit:
            futures = {number: submit(call, engine, number) for number in range(20)}
            for number, future in futures.items():
                tag = f'tag-{number:02}-{"x" * number}'
                seen = dict.fromkeys(['json', 'header', 'query', 'context'], tag)
                rows = [[2 * 0.02 * (number % 4), 2 * len(tag)]]
                assert future.result().json == {**seen, 'rows': rows}
    lines = re.findall(r'\[context\] - (begins|ends) (tag-\d\d)', engine.text())
    assert len(lines) == 3 * 20 * 2
    assert len(set(lines)) == 40


def test_request_finds_no_context_variable_of_the_one_before(engine: Service) -> None:
    asked = request_of('GET', '/environ')
    assert {send(engine.url, asked).json['context'] for _ in range(20)} == {'none'}
