"""Response schemas: checked where the service is told to, and nowhere else."""

from typing import Any

import pytest
from docopt import docopt
from flask import Flask, Response, request
from flask.testing import FlaskClient
from flask_restful import Resource

import main
from model_serving import create_app, run
from model_serving.commands import serve as server_utils
from model_serving.schemas.compiled import BadSchema
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

ANSWER = {
    'type': 'object',
    'properties': {'n': {'type': 'array', 'items': {'type': 'integer'}}},
    'required': ['n'],
}


class EchoResource(Resource):
    @validate_json({'type': 'object'}, response=ANSWER)
    def post(self) -> Any:
        json = request.json
        if 'text' in json:
            return Response(json['text'], mimetype='text/plain')
        return json['answer'], json.get('status', 200)


def client_of(check_answers: bool) -> FlaskClient:
    app, api = build_service(ServiceSettings())
    api.check_answers = check_answers
    api.add_resource(EchoResource, '/echo', endpoint='EchoModel')
    return app.test_client()


def test_answer_that_fits_is_given() -> None:
    assert client_of(True).post('/echo', json={'answer': {'n': [1, 2]}}).json == {'n': [1, 2]}


def test_answer_that_breaks_its_schema_is_a_crash_with_the_place_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = client_of(True).post('/echo', json={'answer': {'n': [1, 'two']}})

    assert (response.status_code, response.json) == (500, {'message': 'Internal Server Error'})
    [record] = [record for record in caplog.records if record.name == 'EchoModel']
    assert record.exc_info
    assert str(record.exc_info[1]) == (
        "The answer of EchoResource breaks its response schema at /n/1: 'two' is not of type 'integer'"
    )


def test_answer_without_a_place_is_wrong_at_the_top(caplog: pytest.LogCaptureFixture) -> None:
    assert client_of(True).post('/echo', json={'answer': {}}).status_code == 500
    assert "at the top: 'n' is a required property" in caplog.text


def test_in_production_nothing_is_checked() -> None:
    assert ServiceSettings().check_answers is False
    assert client_of(False).post('/echo', json={'answer': {'n': 'x'}}).json == {'n': 'x'}


@pytest.mark.parametrize('body', [{'text': 'no JSON'}, {'answer': {'message': 'No'}, 'status': 409}])
def test_errors_and_what_is_no_json_are_not_checked(body: Any) -> None:
    assert client_of(True).post('/echo', json=body).status_code in {200, 409}


def test_setting_and_argument_turn_the_check_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from model_serving.resources.xxx_model_resource import xxx_model_instance

    monkeypatch.setattr(xxx_model_instance, 'hello', lambda name: 5)
    for setting, argument, status in [('true', False, 500), ('false', True, 500), ('false', False, 200)]:
        monkeypatch.setenv('MODEL_SERVING_CHECK_ANSWERS', setting)
        client = create_app(main.MODELS, only=['XXXModel'], check_answers=argument).test_client()
        assert client.post('/v1/XXXModel', json={'name': 'Leo'}).status_code == status


def test_debug_turns_the_check_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from model_serving.resources.xxx_model_resource import xxx_model_instance

    served: list[Flask] = []
    monkeypatch.delenv('MODEL_SERVING_CHECK_ANSWERS')
    monkeypatch.setattr(server_utils, 'serve', lambda create, **options: served.append(create()))
    monkeypatch.setattr(xxx_model_instance, 'hello', lambda name: 5)
    for arguments, status in [(['--debug'], 500), ([], 200)]:
        run(main.MODELS, docopt(main.__doc__, ['--models=XXXModel', *arguments]))
        assert served[-1].test_client().post('/v1/XXXModel', json={'name': 'Leo'}).status_code == status


def test_wrong_response_schema_stops_the_start_and_is_named() -> None:
    with pytest.raises(BadSchema, match=r'The response schema of .*post in tests.*\(at /type\)'):

        @validate_json({'type': 'object'}, response={'type': 'text'})
        def post() -> None: ...


def test_schema_stays_readable() -> None:
    assert EchoResource.post.response_schema is ANSWER
