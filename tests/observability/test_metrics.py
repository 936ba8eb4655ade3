import pytest

from model_serving.errors import reason_of
from model_serving.observability import exposition as exposition_utils
from model_serving.observability import metrics as metrics_utils
from model_serving.observability.exposition import exposition
from model_serving.observability.metrics import (
    begin_request,
    observe_batch,
    observe_call,
    observe_load,
    record_request,
)
from model_serving.observability.shared_cells import SharedCells
from model_serving.requests.current import CurrentRequest, current_request
from tests.exposed_metrics import Exposed


@pytest.fixture(autouse=True)
def cells(monkeypatch: pytest.MonkeyPatch) -> SharedCells:
    """Nothing is counted yet."""
    cells = SharedCells()
    monkeypatch.setattr(metrics_utils, 'shared_cells', cells)
    monkeypatch.setattr(exposition_utils, 'shared_cells', cells)
    return cells


def exposed() -> Exposed:
    return Exposed(exposition('')[0].decode())


def answered(model: str, status: int, seconds: float = 0.001, reason: str | None = None) -> None:
    request = CurrentRequest({})
    token = current_request.set(request)
    begin_request(model)
    request.status, request.seconds, request.reason = status, seconds, reason
    record_request(request)
    current_request.reset(token)


REASONS = {
    200: 'ok', 204: 'ok', 304: 'ok', 400: 'invalid', 404: 'invalid', 405: 'invalid', 415: 'invalid',
    408: 'late', 413: 'too_large', 414: 'too_large', 429: 'overloaded', 431: 'too_large', 499: 'gone',
    500: 'crash', 501: 'crash', 503: 'overloaded', 504: 'late',
}  # fmt: skip


@pytest.mark.parametrize(('status', 'reason'), REASONS.items())
def test_status_has_a_reason(status: int, reason: str) -> None:
    assert reason_of(status) == reason


def test_requests_are_counted_by_model_status_and_reason() -> None:
    for _ in range(3):
        answered('A', 200)
    answered('A', 400)
    answered('B', 200, reason='crash')

    assert exposed().sum('requests_total', model='A', status='200', reason='ok') == 3
    assert exposed().sum('requests_total', model='A', status='400', reason='invalid') == 1
    assert exposed().sum('requests_total', model='B', status='200', reason='crash') == 1
    assert exposed().sum('requests_total') == 5


def test_durations_fall_into_their_buckets() -> None:
    for seconds in (0.0005, 0.0006, 3, 60):
        answered('A', 200, seconds)

    def bucket(bound: str) -> float:
        return exposed().sum('request_duration_seconds_bucket', le=bound)

    assert [bucket(bound) for bound in ('0.0005', '0.001', '2.5', '5.0', '30.0', '+Inf')] == [
        1,
        2,
        2,
        3,
        3,
        4,
    ]
    assert exposed().sum('request_duration_seconds_count', model='A') == 4
    assert exposed().sum('request_duration_seconds_sum', model='A') == pytest.approx(63.0011)


def test_requests_in_flight_are_those_that_have_not_left() -> None:
    for _ in range(2):
        current_request.set(CurrentRequest({}))
        begin_request('A')
        begin_request('A')
    assert exposed().sum('requests_in_flight', model='A') == 2

    request = current_request.get()
    assert request is not None
    record_request(request)
    assert exposed().sum('requests_in_flight', model='A') == 1


def test_call_is_a_run_of_the_model_unless_a_batch_was() -> None:
    request = CurrentRequest({})
    current_request.set(request)
    observe_call(1.0)
    assert exposed().sum('model_duration_seconds_count') == 0

    begin_request('A')
    observe_call(0.25)
    request.batched = True
    observe_call(1.0)
    observe_batch(7, 0.5, [0.001, 0.002])

    found = exposed()
    assert found.sum('model_duration_seconds_count', model='A') == 2
    assert found.sum('model_duration_seconds_sum', model='A') == 0.75
    assert found.sum('batch_rows_sum', model='A') == 7
    assert found.sum('batch_rows_count', model='A') == 1
    assert found.sum('batch_queue_seconds_count', model='A') == 2


def test_calls_of_the_service_itself_are_not_counted() -> None:
    current_request.set(None)
    begin_request('A')
    observe_call(1.0)
    observe_batch(1, 1.0, [0.0])

    assert [sample.name for sample in exposed().samples] == ['model_serving_build_info']


def test_slowest_load_is_shown_and_a_failed_one_is_not(cells: SharedCells) -> None:
    with observe_load('A'):
        pass
    with pytest.raises(ZeroDivisionError), observe_load('B'):
        raise ZeroDivisionError
    cells.attach(cells.allocate())
    cells.region.cells[cells.region.find('~model_serving_model_load_seconds\x1fA', 1)] = 7.5

    assert exposed().sum('model_load_seconds', model='A') == 7.5
    assert exposed().labels('model_load_seconds', 'model') == {'A'}


def test_workers_are_added_up_and_their_counts_outlive_them(cells: SharedCells) -> None:
    answered('A', 200)
    for _ in range(4):
        number = cells.allocate()
        cells.attach(number)
        answered('A', 200, 0.004)
        cells.release(number)

    assert exposed().sum('requests_total', model='A') == 5
    assert exposed().sum('request_duration_seconds_count') == 5
    assert exposed().sum('request_duration_seconds_bucket', le='0.005') == 5


def test_names_are_escaped_and_records_of_other_code_left_out(cells: SharedCells) -> None:
    answered('a"b\\c\nd', 200)
    cells.region.find('model_serving_request_duration_seconds\x1fA', 5)
    cells.region.find('unknown', 1)

    assert exposed().labels('requests_total', 'model') == {'a"b\\c\nd'}
    assert exposed().labels('request_duration_seconds_sum', 'model') == {'a"b\\c\nd'}


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    answered('A', 200)
    text, media_type = exposition('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')

    assert media_type.startswith('application/openmetrics-text; version=1.0.0')
    assert 'model_serving_requests' in {
        family.name for family in text_string_to_metric_families(text.decode())
    }
    assert exposition('text/plain')[1].startswith('text/plain; version=')


def test_names_of_keys_take_bounded_memory() -> None:
    names = [f'key{number}' for number in range(2 * metrics_utils.MAX_KEY_SERIES)]
    for name in [*names, 'key0']:
        request = CurrentRequest({})
        request.key = name
        request.finish(200)
        metrics_utils.record_request(request)
    text = exposition('')[0].decode()
    assert text.count('model_serving_key_requests_total{') == metrics_utils.MAX_KEY_SERIES + 1
    assert 'model_serving_key_requests_total{key="key0",outcome="admitted"} 2.0' in text
    assert f'{{key="other",outcome="admitted"}} {float(metrics_utils.MAX_KEY_SERIES)}' in text
