"""Beside the sentence of jsonschema, what is needed and what was found, in JSON's words."""

from typing import Any

import pytest
from flask_restful import Resource

from model_serving.echo import MAX_ECHO
from model_serving.schemas.compiled import CompiledSchema
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

NUMBERS = {'type': 'array', 'items': {'type': 'number'}, 'minItems': 64, 'maxItems': 64}
ZONE = 'a date-time needs a time zone, as in 2026-01-02T03:04:05Z'
HINTS: dict[str, tuple[dict[str, Any], Any, str]] = {
    'exact': (NUMBERS, [1] * 63, '64 numbers are needed, 63 were given'),
    'too_few': ({'minItems': 2}, ['a'], 'at least 2 items are needed, 1 was given'),
    'too_many': ({'maxItems': 1}, [1, 2], 'at most 1 item is needed, 2 were given'),
    'short': ({'minLength': 3}, 'a', 'at least 3 characters are needed, 1 was given'),
    'properties': ({'minProperties': 2}, {}, 'at least 2 properties are needed, 0 were given'),
    'null': ({'type': 'string'}, None, 'a string is needed, null was given'),
    'true': ({'type': ['number', 'null']}, True, 'a number or null is needed, true was given'),
    'fraction': ({'type': 'integer'}, 2.5, 'an integer is needed, 2.5 was given'),
    'text': ({'type': 'boolean'}, 'true', 'true or false is needed, a string was given'),
    'list': ({'type': 'object'}, [1, 2], 'an object is needed, a list of 2 was given'),
    'enum': ({'enum': [1, None]}, True, 'one of 1, null is needed, true was given'),
    'const': ({'const': False}, None, 'false is needed, null was given'),
    'none_of_any': ({'anyOf': [{'type': 'string'}, {'type': 'number'}]}, None, 'null was given'),
    'no_zone': ({'format': 'date-time'}, '2026-01-02T03:04:05', ZONE),
    'no_date_time': ({'format': 'date-time'}, '2.1.2026', 'write it as in 2026-01-02T03:04:05Z'),
    'no_date': ({'format': 'date'}, '2.1.2026', 'write it as in 2026-01-02'),
    'clear_already': ({'required': ['a']}, {}, ''),
    'number': ({'minimum': 1}, 0, ''),
}


@pytest.mark.parametrize('size', [0, 1_000_000], ids=['small', 'large'])
@pytest.mark.parametrize(('schema', 'value', 'expected'), HINTS.values(), ids=HINTS)
def test_hint_says_what_is_needed(schema: dict[str, Any], value: Any, expected: str, size: int) -> None:
    violation: Any = CompiledSchema(schema).violations(value, size)[0]
    assert violation.hint == expected


def test_hint_of_a_large_value_is_that_of_a_small_one() -> None:
    violation: Any = CompiledSchema(NUMBERS).violations([1] * 10_000, 1_000_000)[0]
    assert violation.hint == '64 numbers are needed, 10000 were given'


def test_refusal_has_the_hint_beside_the_message() -> None:
    class NumbersResource(Resource):  # type: ignore[misc]
        @validate_json({'type': 'object', 'properties': {'a': NUMBERS, 'b': {}}, 'required': ['b']})
        def post(self) -> Any:
            return {}

    app, api = build_service(ServiceSettings())
    api.add_resource(NumbersResource, '/v1/Numbers', endpoint='Numbers')
    client = app.test_client()
    body = client.post('/v1/Numbers', json={'a': [1] * 63, 'b': 1}).json
    assert body['message'].endswith('is too short')
    assert body['hint'] == '64 numbers are needed, 63 were given'
    assert list(body['errors'][0]) == ['pointer', 'message']
    assert client.post('/v1/Numbers', json={}).json == {'message': "'b' is a required property"}


@pytest.mark.parametrize('schema', [{'type': 'null'}, {'maxLength': 1}, {'const': 1}, {'enum': [None]}])
def test_answer_repeats_little_of_the_body(schema: dict[str, Any]) -> None:
    for value in ('x' * 10_000, ['x' * 10_000], {'x' * 10_000: 'x' * 10_000}):
        for violation in CompiledSchema(schema).violations(value):
            text = f'{violation.message} {getattr(violation, "hint", "")}'
            assert text.count('x') <= MAX_ECHO == 200
