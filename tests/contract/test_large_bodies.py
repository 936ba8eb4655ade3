"""The HTTP contract: large bodies are checked in one go, and refused for what is wrong in them."""

import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import request
from flask.testing import FlaskClient
from flask_restful import Resource
from jsonschema import Draft202012Validator

from main import MODELS
from model_serving import create_app
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

STRINGS = '/strings'
DIGITS = '/v1/DigitsModel'
MOST_BYTES = 22_000_000

schema = {
    'type': 'object',
    'properties': {
        'image': {'type': 'string', 'maxLength': MOST_BYTES, 'contentEncoding': 'base64'},
        'words': {'type': 'array', 'items': {'type': 'string', 'minLength': 1, 'maxLength': 20}},
        'scores': {'type': 'array', 'items': {'type': 'number', 'minimum': 0, 'maximum': 1}},
    },
    'additionalProperties': False,
}


class Strings(Resource):  # type: ignore[misc]
    """Says how much there is."""

    @validate_json(schema)
    def post(self) -> Any:
        return {key: len(value) for key, value in request.json.items()}


@functools.cache
def client() -> FlaskClient:
    app, api = build_service(ServiceSettings())
    api.add_resource(Strings, STRINGS)
    return app.test_client()


@functools.cache
def digits_client() -> FlaskClient:
    return create_app(MODELS, only=['DigitsModel']).test_client()


def post(body: bytes) -> Any:
    return client().post(STRINGS, data=body, content_type='application/json')


def post_digits(body: bytes) -> Any:
    return digits_client().post(DIGITS, data=body, content_type='application/json')


def image(size: int, last: str = '=') -> bytes:
    """A body with a base64 string of `size` bytes."""
    return b'{"image": "%s"}' % ('QUJD' * (size // 4 - 1) + 'QUJ' + last).encode()


def words(count: int, last: object = 'x') -> bytes:
    return json.dumps({'words': [*(f'word {number}' for number in range(count - 1)), last]}).encode()


def scores(count: int, last: object = 1) -> bytes:
    return json.dumps({'scores': [*(1 / number for number in range(1, count)), last]}).encode()


def rows(last: object) -> dict[str, Any]:
    """512 images of 64 numbers: 32,768."""
    images = [[(image * cell) % 17 / 1.0625 for cell in range(64)] for image in range(512)]
    images[-1][-1] = last  # type: ignore[call-overload]
    return {'instances': images}


def costs_at_most(factor: float, one: Callable[[], Any], other: Callable[[], Any]) -> bool:
    """Whether `one` takes at most so many times as long as `other`, at their best.

    They are measured in turns, and again where the machine may have been busy.
    """
    best_of_one = best_of_other = float('inf')
    for _ in range(8):
        for _ in range(3):
            best_of_other = min(best_of_other, seconds_of(other))
            best_of_one = min(best_of_one, seconds_of(one))
        if best_of_one <= factor * best_of_other:
            return True
    return False


def seconds_of(function: Callable[[], Any]) -> float:
    begin = time.process_time()  # Which other load on the machine does not stretch.
    function()
    return time.process_time() - begin


LARGE: dict[str, tuple[Callable[[int], bytes], int, dict[str, int]]] = {
    'base64_string': (image, 20_000_000, {'image': 20_000_000}),
    'short_strings': (words, 200_000, {'words': 200_000}),
    'numbers': (scores, 200_000, {'scores': 200_000}),
}


@pytest.mark.parametrize(('make', 'size', 'answer'), LARGE.values(), ids=LARGE)
def test_large_body_is_answered(make: Callable[[int], bytes], size: int, answer: Any) -> None:
    response = post(make(size))

    assert (response.status_code, response.json) == (200, answer)


@pytest.mark.alone
@pytest.mark.parametrize(('make', 'size', 'answer'), LARGE.values(), ids=LARGE)
def test_time_grows_as_the_body_does(make: Callable[[int], bytes], size: int, answer: Any) -> None:
    quarter, whole = make(size // 4), make(size)

    # Four times as much where it grows as the body does, sixteen where it grows as the square of it.
    assert costs_at_most(8, lambda: post(whole), lambda: post(quarter))


WRONG: dict[str, tuple[Callable[[], bytes], str, str]] = {
    'long_string': (lambda: image(24_000_000), '/image', ' is too long'),
    'last_string': (lambda: words(200_000, ''), '/words/199999', "'' should be non-empty"),
    'last_is_no_string': (lambda: words(200_000, 5), '/words/199999', "5 is not of type 'string'"),
    'last_number': (
        lambda: scores(200_000, 1.5),
        '/scores/199999',
        '1.5 is greater than the maximum of 1',
    ),
    'last_is_no_number': (lambda: scores(200_000, '1'), '/scores/199999', "'1' is not of type 'number'"),
    'last_is_huge': (
        lambda: scores(200_000, 2**64),
        '/scores/199999',
        '1.8446744073709552e+19 is greater than the maximum of 1',
    ),
}


@pytest.mark.parametrize(('make', 'pointer', 'message'), WRONG.values(), ids=WRONG)
def test_large_body_is_refused_for_what_is_wrong(
    make: Callable[[], bytes], pointer: str, message: str
) -> None:
    response = post(make())

    assert response.status_code == 400
    assert [error['pointer'] for error in response.json['errors']] == [pointer]
    assert response.json['message'] == response.json['errors'][0]['message']
    assert response.json['message'].endswith(message)
    assert len(response.data) < 3000


@pytest.mark.parametrize('last', [17, 16.000000000000004, -5e-324, 1e308, 'x', True, {'a': 1}], ids=repr)
def test_last_of_32768_numbers_is_refused_as_jsonschema_does(last: object) -> None:
    from model_serving.resources.digits_model_resource import digits_model_schema

    body = rows(last)
    expected = next(Draft202012Validator(digits_model_schema).iter_errors(body))
    response = post_digits(json.dumps(body).encode())

    assert response.status_code == 400
    assert {key: response.json[key] for key in ('message', 'errors')} == {
        'message': expected.message,
        'errors': [{'pointer': '/instances/511/63', 'message': expected.message}],
    }


@pytest.mark.parametrize('last', [0, 16, 16.0, -0.0, 5e-324], ids=repr)
def test_last_of_32768_numbers_may_be_at_the_bounds(last: float) -> None:
    assert post_digits(json.dumps(rows(last)).encode()).status_code == 200


@pytest.mark.alone
def test_body_wrong_in_its_last_number_costs_little_more_than_a_valid_one() -> None:
    """With `jsonschema` alone it would be a hundred times."""
    valid, wrong = (json.dumps(rows(last)).encode() for last in (1, 17))

    assert costs_at_most(3, lambda: post_digits(wrong), lambda: post_digits(valid))
