import json
import re
from typing import Any, ClassVar

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_restful import Resource
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing import Resource as Document
from referencing.jsonschema import DRAFT202012

import main
from model_serving import create_app
from model_serving.catalogue import failures
from model_serving.openapi.document import openapi_document
from model_serving.resources.xxx_model_resource import xxx_model_response, xxx_model_schema
from model_serving.schemas.compiled import CompiledSchema
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings
from tests.uploads.served import SCHEMA
from tests.uploads.served import create_app as uploads

TREE: dict[str, Any] = {
    'title': 'Tree',
    'description': 'Counts leaves.',
    '$id': 'https://example.com/tree.json',
    '$defs': {'node': {'$anchor': 'node', 'type': 'array', 'items': {'$ref': '#/$defs/node'}}},
    'type': 'object',
    'properties': {
        'tree': {'$ref': '#node'},
        'picture': {'$anchor': 'picture', 'type': 'string', 'contentEncoding': 'base64'},
        'more': {'$ref': '#picture'},
    },
    'required': ['tree'],
    'examples': [{'tree': [[], [[]]]}],
}


class TreeResource(Resource):
    """Counts the leaves of a tree.

    A leaf is an empty list.
    """

    @validate_json(TREE)
    def post(self) -> Any:
        return {'leaves': json.dumps(request.json).count('[]')}


class BareResource(Resource):
    @validate_json({})
    def post(self) -> Any:
        return {}


class MetricsResource(Resource):
    """Counts requests."""

    answers: ClassVar[dict[str, Any]] = {'text/plain': {'type': 'string'}}

    def get(self, name: str = '') -> Any:
        return name


class HiddenResource(Resource):
    def get(self) -> Any:
        return {}


@pytest.fixture
def made() -> Flask:
    app, api = build_service(ServiceSettings())
    api.add_resource(TreeResource, '/v1/TreeModel', endpoint='TreeModel')
    api.add_resource(BareResource, '/v1/BareModel', endpoint='BareModel')
    api.add_resource(MetricsResource, '/metrics', '/metrics/<name>', endpoint='metrics')
    api.add_resource(HiddenResource, '/v2', endpoint='protocol')
    return app


def test_document_of_the_service_is_openapi(app: Flask, made: Flask) -> None:
    for document in (openapi_document(app), openapi_document(made)):
        OpenAPIV31SpecValidator(document).validate()
        assert json.loads(json.dumps(document)) == document


def test_every_model_and_service_endpoint_is_in_it(app: Flask) -> None:
    paths = openapi_document(app)['paths']

    assert {path: list(operations) for path, operations in paths.items()}.items() >= {
        '/v1/XXXModel': ['post'],
        '/': ['get'],
        '/openapi.json': ['get'],
        '/docs': ['get'],
        '/_ah/warmup': ['get'],
        '/health/live': ['get'],
        '/health/ready': ['get'],
    }.items()


def test_schemas_are_those_of_the_resource(app: Flask) -> None:
    document = openapi_document(app)
    operation = document['paths']['/v1/XXXModel']['post']
    asked = operation['requestBody']['content']['application/json']['schema']
    answered = operation['responses']['200']['content']['application/json']['schema']

    assert (asked, answered) == (
        {'$ref': '#/components/schemas/XXXModelRequest'},
        {'$ref': '#/components/schemas/XXXModelResponse'},
    )
    schemas = document['components']['schemas']
    assert schemas['XXXModelRequest'] == {**xxx_model_schema, 'title': 'XXXModelRequest'}
    assert schemas['XXXModelResponse'] == {**xxx_model_response, 'title': 'XXXModelResponse'}


def test_titles_of_schemas_are_names_of_classes_that_differ(made: Flask) -> None:
    schemas = openapi_document(made)['components']['schemas']
    assert {schema['title'] for schema in schemas.values()} == set(schemas)
    assert all(name.isidentifier() for name in schemas)
    assert TREE['title'] == 'Tree'


def test_title_of_the_author_describes_the_body(made: Flask) -> None:
    paths = openapi_document(made)['paths']
    assert paths['/v1/TreeModel']['post']['requestBody']['description'] == 'Tree'
    assert paths['/v1/BareModel']['post']['requestBody']['description'] == 'The request.'


def test_first_example_of_each_schema_stands_beside_it(app: Flask, made: Flask) -> None:
    operation = openapi_document(app)['paths']['/v1/XXXModel']['post']
    asked = operation['requestBody']['content']['application/json']
    answered = operation['responses']['200']['content']['application/json']
    assert (asked['example'], answered['example']) == ({'name': 'Leo'}, {'result': 'Hello, Leo!'})
    without = openapi_document(made)['paths']['/v1/BareModel']['post']
    assert 'example' not in without['requestBody']['content']['application/json']


def test_example_of_an_answer_is_the_answer_to_the_example_of_the_request(client: FlaskClient) -> None:
    [asked], [answered] = xxx_model_schema['examples'], xxx_model_response['examples']
    assert client.post('/v1/XXXModel', json=asked).get_json() == answered


def test_request_id_may_be_sent_everywhere_and_is_in_every_answer(app: Flask) -> None:
    document = openapi_document(app)
    components = document['components']
    reference = {'X-Request-ID': {'$ref': '#/components/headers/X-Request-ID'}}
    answers = list(components['responses'].values())
    for path in document['paths'].values():
        for operation in path.values():
            assert operation['parameters'] == [{'$ref': '#/components/parameters/X-Request-ID'}]
            answers.append(operation['responses']['200'])
    assert all(answer['headers'].items() >= reference.items() for answer in answers)
    assert components['parameters']['X-Request-ID'].items() >= {'in': 'header'}.items()
    assert not components['parameters']['X-Request-ID'].get('required')


def test_docstring_title_and_description_say_what_a_model_does(made: Flask) -> None:
    paths = openapi_document(made)['paths']

    tree, bare = paths['/v1/TreeModel']['post'], paths['/v1/BareModel']['post']
    assert tree['summary'] == 'Counts the leaves of a tree'
    assert tree['description'] == 'Counts leaves.\n\nA leaf is an empty list.'
    assert (bare['summary'], bare['description']) == ('BareModel', '')
    assert (tree['operationId'], bare['operationId']) == ('TreeModel', 'BareModel')


def test_references_inside_a_schema_resolve_in_the_document(made: Flask) -> None:
    document = openapi_document(made)
    registry = Registry().with_resource('urn:openapi', Document(document, DRAFT202012))
    validator = Draft202012Validator(
        {'$ref': 'urn:openapi#/components/schemas/TreeModelRequest'}, registry=registry
    )

    assert validator.is_valid(TREE['examples'][0])
    assert not validator.is_valid({'tree': [[], [5]]})


def test_every_reference_leads_somewhere_by_a_pointer(app: Flask, made: Flask) -> None:
    for document in (openapi_document(app), openapi_document(made), openapi_document(uploads())):
        references = re.findall(r'"\$ref": "(.*?)"', json.dumps(document))
        resolver = Registry().resolver_with_root(Document(document, DRAFT202012))
        assert '#/components/schemas/Error' in references
        for reference in set(references):
            assert reference.startswith('#/')
            resolver.lookup(reference)


def test_every_error_of_the_contract_is_there(made: Flask) -> None:
    document = openapi_document(made)
    shared = document['components']['responses']

    assert {int(status) for status in shared} == {400, 404, 405, 408, 413, 414, 415, 431, 500, 503, 504}
    for response in shared.values():
        content = response['content']['application/json']
        assert content['schema'] == {'$ref': '#/components/schemas/Error'}
        assert CompiledSchema(document['components']['schemas']['Error']).violations(content['example']) == []
    assert 'Retry-After' in shared['503']['headers']
    assert 'Allow' in shared['405']['headers']
    paths = document['paths']
    assert set(paths['/v1/TreeModel']['post']['responses']) == {
        '200',
        '400',
        '413',
        '415',
        '500',
        '503',
        '504',
    }
    assert set(paths['/metrics']['get']['responses']) == {'200', '500', '503', '504'}


def test_model_without_a_response_schema_may_answer_anything(made: Flask) -> None:
    answer = openapi_document(made)['paths']['/v1/TreeModel']['post']['responses']['200']

    assert answer['content'] == {'application/json': {'schema': {}}}


def test_resource_says_what_its_get_answers(made: Flask) -> None:
    paths = openapi_document(made)['paths']

    assert paths['/metrics']['get']['summary'] == 'Counts requests'
    assert paths['/metrics']['get']['operationId'] == 'getMetrics'
    assert paths['/metrics']['get']['responses']['200']['content'] == {
        'text/plain': {'schema': {'type': 'string'}}
    }


def test_what_says_nothing_of_its_answers_or_has_a_variable_stays_out(made: Flask) -> None:
    assert set(openapi_document(made)['paths']) == {'/v1/TreeModel', '/v1/BareModel', '/metrics'}


def test_operation_ids_are_unique(app: Flask) -> None:
    operations = [path[method] for path in openapi_document(app)['paths'].values() for method in path]
    names = [operation['operationId'] for operation in operations]

    assert len(set(names)) == len(names)
    assert {'XXXModel', 'getIndex', 'getOpenapiJson', 'getAhWarmup'} <= set(names)


def test_failed_model_is_listed_with_its_reason() -> None:
    app = create_app(main.MODELS, only=['XXXModel'])
    before = openapi_document(app)
    failures(app)['XXXModel'] = 'needs <torch>\nand `more`'
    after = openapi_document(app)

    assert 'Not serving' not in before['info']['description']
    assert "- XXXModel `needs <torch> and 'more'`" in after['info']['description']
    description = after['paths']['/v1/XXXModel']['post']['description']
    assert description.startswith("Answers 503, because XXXModel `needs <torch> and 'more'`")
    OpenAPIV31SpecValidator(after).validate()


def test_model_that_takes_files_says_how() -> None:
    document = openapi_document(uploads())
    OpenAPIV31SpecValidator(document).validate()
    binary = {'type': 'string', 'format': 'binary'}
    content = document['paths']['/v1/FileModel']['post']['requestBody']['content']
    assert content == {
        'application/json': {'schema': {'$ref': '#/components/schemas/FileModelRequest'}},
        'multipart/form-data': {
            'schema': {'$ref': '#/components/schemas/FileModelForm'},
            'encoding': {
                'image': {'contentType': 'image/*'},
                'more': {'contentType': 'image/png, image/gif'},
                'note': {'contentType': 'text/*'},
            },
        },
        'image/*': {'schema': binary},
    }
    form = document['components']['schemas']['FileModelForm']
    properties = {
        'image': {'title': 'Picture', **binary},
        'more': {'type': 'array', 'items': binary},
        'note': binary,
    }
    assert form == {**SCHEMA, 'title': 'FileModelForm', 'properties': {**SCHEMA['properties'], **properties}}
    paths = document['paths']
    assert set(paths['/v1/PairModel']['post']['requestBody']['content']) == {
        'application/json',
        'multipart/form-data',
    }
    assert set(paths['/v1/AnyFileModel']['post']['requestBody']['content']) == {
        'application/json',
        'multipart/form-data',
        'application/octet-stream',
    }
    for name in ('PlainModel', 'ForcedModel'):
        assert set(paths[f'/v1/{name}']['post']['requestBody']['content']) == {'application/json'}


def test_prefix_of_the_service_is_its_server(app: Flask) -> None:
    assert openapi_document(app)['servers'] == [{'url': '/'}]
    assert openapi_document(app, '/models')['servers'] == [{'url': '/models'}]
