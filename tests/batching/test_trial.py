"""A batched method whose result has not a row for each row is found on the example, whatever its length."""

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
from model_serving.settings import ServiceSettings

TUPLE = '(several outputs are returned as a tuple, not as a list)'
KINDS = {'lists': list, 'arrays': numpy.asarray}
WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    'list_of_two_outputs': (
        lambda rows: [list(rows), list(rows)],
        TUPLE,
    ),
    'list_of_one_output': (
        lambda rows: [list(rows)],
        'returned 1 rows for 3 rows',
    ),
    'two_rows_always': (lambda rows: ['a', 'b'], 'returned 2 rows for'),
    'a_row_too_few': (lambda rows: list(rows)[1:] or ['a'], 'returned 2 rows for 3 rows'),
    'a_single_value': (len, 'returned int; a batched method returns a list'),
}
RIGHT: dict[str, Callable[[Any], Any]] = {
    'list': list,
    'array': numpy.asarray,
    'tuple': lambda rows: (list(rows), numpy.asarray(rows)),
    'rows_of_two': lambda rows: [[row, row] for row in rows],
}


def app_of(
    answer: Callable[[Any], Any], kind: Callable[[Any], Any], rows: int, is_async: bool
) -> tuple[Flask, list[int]]:
    """An application with a model whose batched method answers so, and whose example has so many rows."""
    sizes: list[int] = []

    class Model:
        @batched(max_batch_size=8)
        def predict(self, rows: Any) -> Any:
            sizes.append(len(rows))
            return answer(rows)

    model = Model()
    schema = {'type': 'array', 'items': {'type': 'number'}, 'examples': [[1.5] * rows]}

    class AsyncResource(Resource):  # type: ignore[misc]
        @validate_json(schema)
        async def post(self) -> Any:
            await model.predict(kind(request.json))
            return {}

    class PlainResource(Resource):  # type: ignore[misc]
        @validate_json(schema)
        def post(self) -> Any:
            model.predict(kind(request.json))
            return {}

    app, api = build_service(ServiceSettings())
    api.add_resource(AsyncResource if is_async else PlainResource, '/v1/M', endpoint='M')
    readiness = readiness_of(app)
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
    assert sizes == [1, 3, rows]
    app.test_client().post('/v1/M', json=[1.5, 2.5])
    assert sizes == [1, 3, rows, 2]
