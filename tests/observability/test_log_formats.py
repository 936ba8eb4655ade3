import json
import logging
import re
from typing import Any

import pytest

from model_serving.observability.access_log import add_request_ids
from model_serving.observability.log_formats import ACCESS, JSONFormatter, TextFormatter, chosen_formatter
from model_serving.requests.current import CurrentRequest, current_request

CLOUD = '105445aa7843bc8bf206b12000100000/1311768467463790320;o=1'
PARENT = '00-105445aa7843bc8bf206b12000100000-123456789abcdef0-01'


def record(message: str = 'hello %s', *values: Any, name: str = 'XXXModel', **more: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.WARNING, __file__, 1, message, values or ('you',), None)
    made.__dict__.update(more)
    return made


def of_request(headers: dict[str, str]) -> logging.LogRecord:
    request = CurrentRequest(headers)
    return record(current_request=request, request_id=request.id)


def entry(made: logging.LogRecord) -> Any:
    line = JSONFormatter().format(made)
    assert '\n' not in line
    return json.loads(line)


def test_entry_has_the_fields_of_cloud_logging() -> None:
    found = entry(record())

    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z', found.pop('time'))
    assert found == {'severity': 'WARNING', 'logger': 'XXXModel', 'message': 'hello you'}


TRACES = {
    'traceparent': ({'HTTP_TRACEPARENT': PARENT}, '105445aa7843bc8bf206b12000100000', '123456789abcdef0'),
    'cloud': ({'HTTP_X_CLOUD_TRACE_CONTEXT': CLOUD}, '105445aa7843bc8bf206b12000100000', '123456789abcdef0'),
}


@pytest.mark.parametrize(('headers', 'trace', 'span'), TRACES.values(), ids=TRACES)
def test_entry_is_grouped_by_trace(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], trace: str, span: str
) -> None:
    found = entry(of_request({**headers, 'HTTP_X_REQUEST_ID': 'abc'}))
    assert found['request_id'] == 'abc'
    assert found['logging.googleapis.com/trace'] == trace
    assert found['logging.googleapis.com/spanId'] == span

    monkeypatch.setenv('GOOGLE_CLOUD_PROJECT', 'shop')
    found = entry(of_request(headers))
    assert found['logging.googleapis.com/trace'] == f'projects/shop/traces/{trace}'


@pytest.mark.parametrize('header', ['', 'x', '00-1-2-01', f'{PARENT[:20]}', 'a' * 10_000, '"}{"'])
def test_broken_trace_is_left_out(header: str) -> None:
    found = entry(of_request({'HTTP_TRACEPARENT': header}))

    assert set(found) == {'severity', 'time', 'logger', 'message', 'request_id'}


def test_line_of_the_access_log_is_an_http_request() -> None:
    found = entry(
        record(ACCESS, 'POST', '/v1/XXXModel', 200, 1.5, 187, '192.0.2.7', ' key=shop', name='access')
    )

    assert found['message'] == 'POST /v1/XXXModel 200 1.5 ms 187 B 192.0.2.7 key=shop'
    assert found['httpRequest'] == {
        'requestMethod': 'POST',
        'requestUrl': '/v1/XXXModel',
        'status': 200,
        'latency': '0.001500s',
        'responseSize': '187',
        'remoteIp': '192.0.2.7',
    }


def test_trace_of_an_exception_is_in_the_message() -> None:
    try:
        raise ZeroDivisionError('oh')
    except ZeroDivisionError as error:
        found = entry(record(exc_info=(type(error), error, error.__traceback__)))

    assert found['message'].startswith('hello you\nTraceback (most recent call last):\n')
    assert found['message'].endswith('ZeroDivisionError: oh')


@pytest.mark.parametrize('text', ['a\nb', '\x1b[31m', '"}', '\ud800', 'ünï', '\u2028'])
def test_any_text_is_one_line_of_json(text: str) -> None:
    assert entry(record('%s', text))['message'] == text


@pytest.mark.parametrize(
    ('value', 'kind'), [('json', JSONFormatter), ('text', TextFormatter), ('x', TextFormatter)]
)
def test_setting_chooses_the_form(
    monkeypatch: pytest.MonkeyPatch, value: str, kind: type[logging.Formatter]
) -> None:
    monkeypatch.setenv('MODEL_SERVING_LOG_FORMAT', value)

    assert type(chosen_formatter('%(message)s', '')) is kind


def test_text_has_a_dash_where_there_is_no_request() -> None:
    formatter = TextFormatter('%(asctime)s [%(request_id)s] %(message)s', '%S')

    assert re.fullmatch(r'\d\d \[-\] hello you', formatter.format(record()))
    assert re.fullmatch(r'\d\d \[a\] hello you', formatter.format(record(request_id='a')))


def test_time_is_that_of_the_record() -> None:
    formatter = TextFormatter('%(asctime)s', '%H:%M:%S')
    lines = [formatter.format(record(created=float(second))) for second in (0, 0, 1, 59, 0)]

    assert [line[-2:] for line in lines] == ['00', '00', '01', '59', '00']


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records know their request."""
    monkeypatch.setattr(logging.Logger, 'makeRecord', logging.Logger.makeRecord)
    add_request_ids()
    add_request_ids()


@pytest.mark.usefixtures('named')
def test_records_know_their_request(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger('model').warning('outside')
    token = current_request.set(CurrentRequest({'HTTP_X_REQUEST_ID': 'abc'}))
    logging.getLogger('model').warning('inside')
    logging.getLogger('model').warning('of another', extra={'request_id': 'mine', 'more': 1})
    current_request.reset(token)

    found = [made.__dict__['request_id'] for made in caplog.records]
    assert found == ['-', 'abc', 'mine']
    form = TextFormatter('[%(request_id)s] %(message)s')
    assert form.format(caplog.records[2]) == '[mine] of another'
    assert [entry(made).get('request_id') for made in caplog.records] == [None, 'abc', 'mine']


def test_id_of_a_call_breaks_no_line() -> None:
    line = TextFormatter('[%(request_id)s] %(message)s').format(record(request_id='a\nINJECT'))
    assert line == r"['a\nINJECT'] hello you"
