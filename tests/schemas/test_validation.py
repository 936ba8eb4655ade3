import inspect
from typing import Any

import pytest
from flask import Response, request
from flask_restful import Resource, abort
from werkzeug.exceptions import Conflict, NotFound

from model_serving.errors import InvalidInput, ModelNotReady
from model_serving.schemas.compiled import BadSchema
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

SCHEMA = {'type': 'object', 'properties': {'n': {'type': 'integer'}}, 'required': ['n']}


def raises(error: Exception) -> Any:
    raise error


RETURNED = {
    'dict': lambda n: {'n': n},
    'list': lambda n: [n],
    'status': lambda n: ({'n': n}, 201),
    'headers': lambda n: ({'n': n}, 202, {'X-N': str(n)}),
    'response': lambda n: Response(f'n={n}', 203, mimetype='text/plain'),
    'stream': lambda n: Response((str(number) for number in range(n)), mimetype='text/plain'),
    'crash': lambda n: 1 / 0,
    'not_json': lambda n: {'n': object()},
    'invalid': lambda n: raises(InvalidInput('n is odd', errors=[{'pointer': '/n', 'message': 'odd'}])),
    'not_ready': lambda n: raises(ModelNotReady()),
    'abort': lambda n: abort(409, message='busy', tries=n),
    'conflict': lambda n: raises(Conflict('taken')),
    'not_found': lambda n: raises(NotFound('no such row')),
}


def make_client(force: bool = False) -> Any:
    app, api = build_service(ServiceSettings())
    for name, function in RETURNED.items():
        api.add_resource(make_resource(name, function, force), f'/{name}', endpoint=name)
    return app.test_client()


def make_resource(name: str, function: Any, force: bool) -> type:
    class Made(Resource):
        @validate_json(SCHEMA, force=force)
        def post(self) -> Any:
            return function(request.json['n'])

    return type(name, (Made,), {})


ANSWERS = {
    'dict': (200, {'n': 4}),
    'list': (200, [4]),
    'status': (201, {'n': 4}),
    'headers': (202, {'n': 4}),
    'crash': (500, {'message': 'Internal Server Error'}),
    'not_json': (500, {'message': 'Internal Server Error'}),
    'invalid': (400, {'message': 'n is odd', 'errors': [{'pointer': '/n', 'message': 'odd'}]}),
    'not_ready': (503, {'message': 'The model is not ready; try again later'}),
    'abort': (409, {'message': 'busy', 'tries': 4}),
    'conflict': (409, {'message': 'taken'}),
    'not_found': (404, {'message': 'no such row'}),
}


@pytest.mark.parametrize(('name', 'status', 'body'), [(name, *answer) for name, answer in ANSWERS.items()])
def test_handler_may_return_or_raise_anything(name: str, status: int, body: Any) -> None:
    response = make_client().post(f'/{name}', json={'n': 4})

    assert (response.status_code, response.json) == (status, body)
    assert response.content_type == 'application/json'
    assert response.headers['Access-Control-Allow-Origin'] == '*'


def test_not_ready_says_when_to_try_again() -> None:
    assert make_client().post('/not_ready', json={'n': 4}).headers['Retry-After'] == '10'


def test_headers_of_the_handler_are_kept() -> None:
    assert make_client().post('/headers', json={'n': 4}).headers['X-N'] == '4'


def test_response_of_the_handler_is_kept() -> None:
    client = make_client()

    response = client.post('/response', json={'n': 4})
    assert (response.status_code, response.text, response.mimetype) == (203, 'n=4', 'text/plain')
    assert client.post('/stream', json={'n': 4}).text == '0123'


@pytest.mark.parametrize('name', ['crash', 'not_json'])
def test_crash_is_logged_under_the_model_with_its_trace(name: str, caplog: pytest.LogCaptureFixture) -> None:
    make_client().post(f'/{name}', json={'n': 4})

    record = next(record for record in caplog.records if record.name == name)
    assert record.levelname == 'ERROR'
    assert record.exc_info
    assert '4' not in record.getMessage()


def test_force_reads_any_content_type_and_request_json_gives_it() -> None:
    client = make_client(force=True)

    assert client.post('/dict', data='{"n": 4}', content_type='text/plain').json == {'n': 4}
    assert client.post('/dict', data='{"n": 4}').json == {'n': 4}
    assert client.post('/dict', data='{"n": ', content_type='text/plain').status_code == 400
    assert client.post('/dict').json == {'message': 'No JSON object'}


def test_request_json_without_the_decorator_is_415_for_another_content_type() -> None:
    app, _ = build_service(ServiceSettings())
    app.add_url_rule('/plain', 'plain', lambda: {'got': request.json}, methods=['POST'])

    assert app.test_client().post('/plain', data='{}', content_type='text/plain').status_code == 415
    assert app.test_client().post('/plain', json={'a': 1}).json == {'got': {'a': 1}}


def test_decorator_without_a_schema_is_refused() -> None:
    with pytest.raises(BadSchema, match=r'write @validate_json\(schema\)'):

        @validate_json  # type: ignore[arg-type]
        def post() -> None: ...


def test_without_force_another_content_type_is_415() -> None:
    response = make_client().post('/dict', data='{"n": 4}', content_type='text/plain')

    assert response.status_code == 415
    assert response.json == {
        'message': 'Send the header Content-Type: application/json (the request has text/plain)'
    }


def test_violation_inside_lists_pointers() -> None:
    assert make_client().post('/dict', json={'n': 'x'}).json == {
        'message': "'x' is not of type 'integer'",
        'hint': 'an integer is needed, a string was given',
        'errors': [{'pointer': '/n', 'message': "'x' is not of type 'integer'"}],
    }


def test_decorated_function_keeps_its_name_and_shows_its_schema() -> None:
    @validate_json(SCHEMA)
    def post(number: int) -> None:
        """Predicts."""

    assert (post.__name__, post.__doc__) == ('post', 'Predicts.')
    assert list(inspect.signature(post).parameters) == ['number']
    assert post.request_schema is SCHEMA  # type: ignore[attr-defined]


def test_bad_schema_names_the_view_and_the_place() -> None:
    with pytest.raises(BadSchema, match=r'The schema of .*post in tests.*\(at /properties/n/type\)'):

        @validate_json({'properties': {'n': {'type': 'int'}}})
        def post() -> None: ...
