"""A batched method whose result has not a row for each row is found on the example, whatever its length."""

import time
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from flask import Flask, request
from flask_restful import Resource

from model_serving.batching.decorator import batched
from model_serving.health.readiness import readiness_of
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

TUPLE = '(several outputs are returned as a tuple, not as a list)'
KINDS = {'lists': list, 'arrays': numpy.asarray}
WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    'list_of_two_outputs': (
        lambda rows: [list(rows), list(rows)],
        TUPLE,
    ),
    'list_of_one_output': (
        lambda rows: [list(rows)],
        'returned 1 rows for',
    ),
    'two_rows_always': (lambda rows: ['a', 'b'], 'returned 2 rows for'),
    'a_row_too_few': (lambda rows: list(rows)[1:] or ['a'], 'rows for'),
    'a_single_value': (len, 'returned int; a batched method returns a list'),
}
RIGHT: dict[str, Callable[[Any], Any]] = {
    'list': list,
    'array': numpy.asarray,
    'tuple': lambda rows: (list(rows), numpy.asarray(rows)),
    'rows_of_two': lambda rows: [[row, row] for row in rows],
}


def app_of(
    answer: Callable[..., Any],
    kind: Callable[[Any], Any],
    rows: int,
    is_async: bool = False,
    options: Callable[[], dict[str, Any]] = dict,
    timeout_s: float = 60,
) -> tuple[Flask, list[int]]:
    """An application with a model whose batched method answers so, and whose example has so many rows."""
    sizes: list[int] = []

    class Model:
        @batched(max_batch_size=8)
        def predict(self, rows: Any, **given: Any) -> Any:
            sizes.append(len(rows))
            return answer(rows, **given)

    model = Model()
    schema = {'type': 'array', 'items': {'type': 'number'}, 'examples': [[1.5] * rows]}

    class AsyncResource(Resource):  # type: ignore[misc]
        @validate_json(schema)
        async def post(self) -> Any:
            await model.predict(kind(request.json), **options())
            return {}

    class PlainResource(Resource):  # type: ignore[misc]
        @validate_json(schema)
        def post(self) -> Any:
            model.predict(kind(request.json), **options())
            return {}

    app, api = build_service(ServiceSettings())
    api.add_resource(AsyncResource if is_async else PlainResource, '/v1/M', endpoint='M')
    readiness = readiness_of(app)
    readiness.timeout_s = timeout_s
    readiness.begin()
    readiness.wait()
    return app, sizes


@pytest.mark.parametrize('is_async', [False, True], ids=['plain', 'async'])
@pytest.mark.parametrize('rows', [1, 2, 3])
@pytest.mark.parametrize('kind', KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(('answer', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_result_is_found(
    answer: Any, message: str, kind: Any, rows: int, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = app_of(answer, kind, rows, is_async)
    assert [state.state for state in readiness_of(app).states()] == ['failed']
    assert 'Model.predict returned' in caplog.text
    assert message in caplog.text


@pytest.mark.parametrize('is_async', [False, True], ids=['plain', 'async'])
@pytest.mark.parametrize('rows', [1, 2, 3])
@pytest.mark.parametrize('kind', KINDS.values(), ids=KINDS)
@pytest.mark.parametrize('answer', RIGHT.values(), ids=RIGHT)
def test_right_result_is_ready(answer: Any, kind: Any, rows: int, is_async: bool) -> None:
    app, sizes = app_of(answer, kind, rows, is_async)
    assert [state.state for state in readiness_of(app).states()] == ['ready']
    assert sizes == [rows, 1, 3]
    app.test_client().post('/v1/M', json=[1.5, 2.5])
    assert sizes == [rows, 1, 3, 2]


def objects(numbers: list[float]) -> list[dict[str, float]]:
    return [{'a': number} for number in numbers]


def as_ids(rows: list[float]) -> list[float]:
    if len(rows) > 1:
        raise ValueError('ids must differ')
    return rows


def doubled_in_place(rows: Any) -> Any:
    rows *= 2
    assert set(rows.ravel()) == {3.0}
    return rows


def with_all(rows: list[float], weights: Any) -> list[float]:
    assert list(weights) == [1, 2]
    return rows


def slow(rows: list[float]) -> list[float]:
    time.sleep(0.4)
    return rows


HONEST: dict[str, dict[str, Any]] = {
    'rows_used_up': {'answer': lambda rows: [row.pop('a') for row in rows], 'kind': objects},
    'rows_changed_in_place': {'answer': doubled_in_place, 'kind': numpy.asarray},
    'rows_that_must_differ': {'answer': as_ids, 'kind': list},
    'iterator_as_an_option': {'answer': with_all, 'kind': list, 'options': lambda: {'weights': iter([1, 2])}},
    'generator_as_an_option': {
        'answer': with_all,
        'kind': list,
        'options': lambda: {'weights': (each for each in [1, 2])},
    },
    'no_time_left': {'answer': slow, 'kind': list, 'timeout_s': 1},
}


@pytest.mark.parametrize('is_async', [False, True], ids=['plain', 'async'])
@pytest.mark.parametrize('case', HONEST.values(), ids=HONEST)
def test_trial_does_no_harm(case: dict[str, Any], is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    app, _ = app_of(**case, rows=1, is_async=is_async)
    assert [state.state for state in readiness_of(app).states()] == ['ready'], caplog.text
