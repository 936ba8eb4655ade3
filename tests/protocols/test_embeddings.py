"""OpenAI's embeddings: what is asked of a model, what becomes of its answer, and what is refused."""

import base64
from typing import Any

import numpy
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from model_serving import Mount, create_app
from model_serving.openapi.document import openapi_document
from model_serving.protocols.embeddings import NO_TOKENS
from model_serving.schemas.compiled import BadSchema
from tests.protocols.embeddings_service import ANSWERS, ARRAYS, MODELS, counter

URL = '/openai/v1/embeddings'


@pytest.fixture(scope='module')
def app() -> Flask:
    return create_app(MODELS)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(client: FlaskClient, texts: Any, **members: Any) -> Any:
    return client.post(URL, json={'model': 'Letters', 'input': texts, **members})


# Answers


def test_each_text_has_its_vector(client: FlaskClient) -> None:
    assert ask(client, ['abc', 'bb']).json == {
        'object': 'list',
        'data': [
            {'object': 'embedding', 'index': 0, 'embedding': [0.1, 0.1, 0.1, 0.3]},
            {'object': 'embedding', 'index': 1, 'embedding': [0, 0.2, 0, 0.2]},
        ],
        'model': 'Letters',
        'usage': {'prompt_tokens': 0, 'total_tokens': 0},
    }


def test_single_text_is_a_list_of_one(client: FlaskClient) -> None:
    assert ask(client, 'abc').json == ask(client, ['abc']).json


def test_base64_is_float32_little_endian(client: FlaskClient) -> None:
    data = ask(client, ['abc', 'bb'], encoding_format='base64').json['data']
    vectors = [numpy.frombuffer(base64.b64decode(each['embedding']), '<f4') for each in data]
    assert numpy.array_equal(vectors, numpy.array([[0.1, 0.1, 0.1, 0.3], [0, 0.2, 0, 0.2]], '<f4'))


@pytest.mark.parametrize('name', ARRAYS)
def test_array_is_answered_as_lists_are(client: FlaskClient, name: str) -> None:
    given = {}
    for encoding in 'float', 'base64':
        array, lists, with_headers = (
            ask(client, [f'{name}{form}', 'b'], model='Arrays', encoding_format=encoding).json['data']
            for form in ('', ' lists', ' with headers')
        )
        given[encoding] = [each['embedding'] for each in array]
        assert array == with_headers
        given[f'{encoding} of lists'] = [each['embedding'] for each in lists]
    vectors = [numpy.frombuffer(base64.b64decode(text), '<f4') for text in given['base64']]
    assert numpy.array_equal(vectors, ARRAYS[name].astype('f4'))
    assert given['base64 of lists'] == given['base64']
    assert numpy.array_equal(numpy.array(given['float'], 'f4'), vectors)
    assert numpy.array_equal(numpy.array(given['float of lists'], 'f4'), vectors)


@pytest.mark.parametrize('members', [{'encoding_format': None}, {'user': 'me'}, {'dimensions': None}])
def test_members_that_say_nothing_change_nothing(client: FlaskClient, members: dict[str, Any]) -> None:
    assert ask(client, 'abc', **members).json == ask(client, 'abc').json


def test_member_that_the_schema_of_the_model_has_reaches_it(client: FlaskClient) -> None:
    assert ask(client, 'abc', dimensions=2).json['data'][0]['embedding'] == [0.1, 0.1]


def test_answer_may_be_remembered(client: FlaskClient) -> None:
    before = counter.runs
    answers = [ask(client, ['abc', 'bb'], model='Remembered').json for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]['data'] == ask(client, ['abc', 'bb']).json['data']
    assert counter.runs == before + 2


def test_usage_is_that_of_the_model(client: FlaskClient) -> None:
    answer = ask(client, ['one two', 'three'], model='Counted').json
    assert answer['usage'] == {'prompt_tokens': 3, 'total_tokens': 3}


def test_models_are_listed_and_found(client: FlaskClient) -> None:
    listed = client.get('/openai/v1/models').json
    assert listed['object'] == 'list'
    assert [model['id'] for model in listed['data']] == [
        'Letters',
        'Remembered',
        'Counted',
        'Arrays',
        'Wrong',
    ]
    assert client.get('/openai/v1/models/Letters').json == listed['data'][0]
    assert listed['data'][0] == {
        'id': 'Letters',
        'object': 'model',
        'created': 0,
        'owned_by': 'model-serving',
    }


# Refusals

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    'no text': ({'input': []}, '[] should be non-empty'),
    'an empty text': ({'input': ''}, "'' should be non-empty"),
    'an empty text in a list': ({'input': ['a', '']}, "'' should be non-empty"),
    'null': ({'input': None}, "None is not of type 'string', 'array'"),
    'an object': ({'input': {'a': 1}}, "{'a': 1} is not of type 'string', 'array'"),
    'a number among texts': ({'input': ['a', 1]}, "1 is not of type 'string'"),
    'a list of lists of texts': ({'input': [['a']]}, "['a'] is not of type 'string'"),
    'true': ({'input': [True]}, "True is not of type 'string'"),
    'tokens': ({'input': [1, 2]}, NO_TOKENS),
    'lists of tokens': ({'input': [[1, 2], [3]]}, NO_TOKENS),
    'an unknown format': (
        {'input': 'a', 'encoding_format': 'hex'},
        "'hex' is not one of ['float', 'base64', None]",
    ),
    'a member that nobody knows': ({'input': 'a', 'foo': 1}, "The model takes no 'foo'; leave it out"),
    "the model's own member": ({'input': 'a', 'texts': ['b']}, "The model takes no 'texts'; leave it out"),
    'dimensions that the model has not': (
        {'model': 'Counted', 'input': 'a', 'dimensions': 2},
        "The model takes no 'dimensions'; leave it out",
    ),
    'too many dimensions': ({'input': 'a', 'dimensions': 9}, '9 is greater than the maximum of 4'),
    'a model that is no text': ({'model': 3, 'input': 'a'}, "3 is not of type 'string'"),
}


@pytest.mark.parametrize(('members', 'message'), REFUSED.values(), ids=REFUSED)
def test_wrong_request_is_refused_in_words(
    client: FlaskClient, members: dict[str, Any], message: str
) -> None:
    response = client.post(URL, json={'model': 'Letters', **members})
    assert (response.status_code, response.json['message']) == (400, message)
    assert response.json['error']['message'] == message
    assert response.json['error']['type'] == 'invalid_request_error'
    assert response.json['error'].keys() == {'message', 'type', 'param', 'code'}


@pytest.mark.parametrize(
    'body', [b'', b'null', b'[]', b'{', b'{"input": "a"}', b'{"model": "Letters"}', b'\xff']
)
def test_body_that_is_no_request_is_refused_in_words(client: FlaskClient, body: bytes) -> None:
    response = client.post(URL, data=body)
    assert response.status_code == 400
    assert response.json['error']['message'] == response.json['message']


@pytest.mark.parametrize(('texts', 'pointer'), [(['a', 101 * 'x'], '/input/1'), (2049 * ['a'], '/input')])
def test_limits_are_those_of_the_model(client: FlaskClient, texts: Any, pointer: str) -> None:
    response = ask(client, texts)
    assert response.status_code == 400
    assert [error['pointer'] for error in response.json['errors']] == [pointer]
    assert response.json['error']['message'] == response.json['message']
    assert 'at most' in response.json['hint']


@pytest.mark.parametrize('name', ['Nobody', 'Plain', 'letters', '', 'Letters/../Plain', 300 * 'N'])
def test_unknown_model_is_404(client: FlaskClient, name: str) -> None:
    response = ask(client, 'a', model=name)
    assert response.status_code == 404
    assert response.json['error']['code'] == 'model_not_found'
    assert 'GET /openai/v1/models lists them' in response.json['message']
    assert len(response.json['message']) < 300


def test_model_that_failed_to_load_is_503(client: FlaskClient) -> None:
    response = ask(client, 'a', model='Broken', dimensions=2)
    assert (response.status_code, response.headers['Retry-After']) == (503, '10')
    assert response.json['error']['message'].startswith('Broken failed to load: RuntimeError')
    assert response.json['error']['type'] == 'server_error'
    assert 'weights' not in response.text


def test_error_of_the_author_keeps_its_status_and_what_is_in_it(client: FlaskClient) -> None:
    response = ask(client, 'odd', model='Wrong')
    assert (response.status_code, response.json['message']) == (400, 'No odd texts')
    assert response.json['errors'] == ['odd', {'pointer': 7}]
    assert ask(client, 'teapot', model='Wrong').status_code == 418


@pytest.mark.parametrize('text', ANSWERS)
def test_answer_without_vectors_is_a_crash(
    client: FlaskClient, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [text, 'b'] if text == 'ragged' else text
    for encoding in 'float', 'base64':
        response = ask(client, texts, model='Wrong', encoding_format=encoding)
        assert response.status_code == 500
        assert response.json['error']['message'] == 'Internal Server Error'
    assert 'crashed' in caplog.text


@pytest.mark.parametrize(
    ('method', 'path', 'status'),
    [
        ('GET', URL, 405),
        ('POST', '/openai/v1/models', 405),
        ('GET', '/openai/v1/models/Plain', 404),
        ('POST', '/openai/v1/chat/completions', 404),
        ('GET', '/openai/v1', 404),
    ],
)
def test_other_paths_and_methods_are_errors_of_that_form(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    assert response.json['error']['message'] == response.json['message']


# Mounting


def test_nothing_is_there_without_such_a_model() -> None:
    app = create_app(MODELS, only=['Plain'])
    response = app.test_client().post(URL, json={'model': 'Plain', 'input': 'a'})
    assert response.status_code == 404
    assert not [path for path in openapi_document(app)['paths'] if path.startswith('/openai')]


@pytest.mark.parametrize(
    ('name', 'property_name'), [('NoTextsResource', 'sentences'), ('NoVectorsResource', 'rows')]
)
def test_declaration_that_the_schemas_contradict_stops_the_start(name: str, property_name: str) -> None:
    with pytest.raises(
        BadSchema, match=f"embeddings: there is no property '{property_name}'; the schema has"
    ):
        create_app([Mount('Mistaken', f'tests.protocols.mistaken_embeddings:{name}')])


def test_document_has_the_endpoint(app: Flask, client: FlaskClient) -> None:
    document = openapi_document(app)
    OpenAPIV31SpecValidator(document).validate()
    operation = document['paths'][URL]['post']
    schema = operation['requestBody']['content']['application/json']['schema']
    Draft202012Validator(schema).validate({'model': 'Letters', 'input': ['abc']})
    answer = operation['responses']['200']['content']['application/json']['schema']
    Draft202012Validator(answer).validate(ask(client, 'abc').json)
    assert '/openai/v1/models' in document['paths']


def test_console_says_how_clients_reach_the_model(client: FlaskClient) -> None:
    page = client.get('/', headers={'Accept': 'text/html'}).text
    cards = {card.partition('"')[0]: card for card in page.split('data-model="')[1:]}
    assert '/openai/v1' in cards['Letters']
    assert not [name for name in ('Plain', 'Broken') if '/openai' in cards[name]]
