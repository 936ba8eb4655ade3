from typing import Any

import pytest
from flask import Flask
from flask_restful import Resource

from model_serving.catalogue import MountedModel, failures, mounted_models
from model_serving.console.index_resource import IndexResource
from model_serving.health.failed_model_resource import failed_model_resource
from model_serving.openapi.document import openapi_document
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings

SCHEMA = {'type': 'object', 'examples': [{'name': 'Leo'}, {'name': 'Zoe'}]}


class WineResource(Resource):  # type: ignore[misc]
    """Tells wines apart.

    By their looks.
    """

    @validate_json(SCHEMA)
    def post(self) -> Any:
        """Tell."""
        return {}


class OrderResource(WineResource):
    """Orders a wine."""

    safe_to_retry = False


class PageResource(Resource):  # type: ignore[misc]
    def post(self) -> Any:
        return {}


@pytest.fixture
def app() -> Flask:
    app, api = build_service(ServiceSettings())
    api.add_resource(PageResource, '/page', endpoint='page')
    api.add_resource(WineResource, '/v1/WineModel', endpoint='WineModel')
    api.add_resource(
        failed_model_resource('BeerModel', 'failed to load: ValueError (error 0 in the log)'),
        '/v1/BeerModel',
        endpoint='BeerModel',
    )
    return app


@pytest.fixture
def wine(app: Flask) -> MountedModel:
    return mounted_models(app)[0]


def test_models_are_listed_in_the_order_of_their_mounting(app: Flask) -> None:
    assert [(model.name, model.url) for model in mounted_models(app)] == [
        ('WineModel', '/v1/WineModel'),
        ('BeerModel', '/v1/BeerModel'),
    ]


def test_model_is_described_by_its_resource(wine: MountedModel) -> None:
    assert wine.schema is SCHEMA
    assert wine.example == {'name': 'Leo'}
    assert wine.description == 'Tells wines apart.\n\nBy their looks.'
    assert wine.resource is WineResource
    assert wine.failure is None
    assert wine.response_schema is None


def test_response_schema_is_that_of_the_view(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WineResource.post, 'response_schema', {'type': 'array'}, raising=False)

    assert mounted_models(app)[0].response_schema == {'type': 'array'}


def test_model_that_failed_to_load_says_why(app: Flask) -> None:
    beer = mounted_models(app)[1]

    assert beer.failure == 'failed to load: ValueError (error 0 in the log)'
    assert (beer.schema, beer.example, beer.description) == ({}, None, '')


def test_model_that_fails_later_says_why(app: Flask) -> None:
    failures(app)['WineModel'] = 'has gone off'

    assert mounted_models(app)[0].failure == 'has gone off'


def test_a_model_says_whether_a_request_may_be_sent_again() -> None:
    app, api = build_service(ServiceSettings())
    for resource in (WineResource, OrderResource):
        api.add_resource(resource, f'/v1/{resource.__name__}', endpoint=resource.__name__)
    api.add_resource(IndexResource, '/', endpoint='index')

    assert [model.safe_to_retry for model in mounted_models(app)] == [True, False]
    listed = app.test_client().get('/').get_json()['models']
    assert [model.get('safe_to_retry') for model in listed] == [None, False]
    operations = [path['post'] for path in openapi_document(app)['paths'].values() if 'post' in path]
    assert [operation.get('x-safe-to-retry') for operation in operations] == [None, False]
