"""The applications that the fuzzers call, and what must hold for every answer."""

import functools
import json
import resource
import time
from typing import Any

from flask import request
from flask.testing import FlaskClient
from flask_restful import Resource

from main import MODELS
from model_serving import create_app
from model_serving.protocols.signature import Signature, Tensor
from model_serving.schemas.validation import validate_json
from model_serving.utils.bytes_utils import base64_bytes
from model_serving.utils.image_utils import ImageDecoder
from tests.protocols.echo_service import EchoModelResource, create

MAX_SECONDS = 3.0
MAX_MEGABYTES = 400
"""What the process may grow by for one request."""
MAX_BODY_BYTES = '1000000'

schema: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'rows': {'type': 'array', 'items': {'type': 'array', 'items': {'type': 'number', 'maximum': 9}}},
        'name': {'type': 'string', 'maxLength': 5, 'pattern': '^a', 'format': 'date-time'},
        'any': {'anyOf': [{'type': 'integer'}, {'items': {'$ref': '#/properties/name'}}]},
        'more': {'contains': {'const': 1}, 'unevaluatedItems': False},
    },
    'patternProperties': {'^x': {'enum': [1, 'a', None]}},
    'dependentRequired': {'name': ['rows']},
}


halves = {'type': 'array', 'items': {'type': 'array', 'items': {'type': 'number', 'multipleOf': 0.5}}}


class JSONResource(Resource):
    """Answers with what it got, which may be anything."""

    @validate_json({})
    def post(self) -> Any:
        return {'got': request.json}


class SchemaResource(Resource):
    """Validates by many keywords."""

    @validate_json(schema)
    def post(self) -> Any:
        return request.json


class TablesResource(Resource):
    """Has arrays made of its tables."""

    @validate_json(
        {
            'type': 'object',
            'properties': {
                'rows': {
                    'type': 'array',
                    'items': {'type': 'array', 'items': {'type': 'number'}, 'minItems': 2, 'maxItems': 2},
                },
                'numbers': {'type': 'array', 'items': {'type': 'number', 'minimum': 0}},
            },
        },
        arrays=True,
    )
    def post(self) -> Any:
        return request.json


class FilesResource(Resource):
    """Takes files, and looks into them."""

    @validate_json(
        {
            'type': 'object',
            'properties': {
                'image': {'type': 'string', 'contentEncoding': 'base64', 'contentMediaType': 'image/*'},
                'more': {'type': 'array', 'items': {'type': 'string', 'contentEncoding': 'base64'}},
                'name': {'type': 'string'},
                'rows': {'type': 'array', 'items': {'type': 'integer'}},
            },
            'required': ['image'],
        }
    )
    def post(self) -> Any:
        sizes = [len(base64_bytes(each)) for each in request.json.get('more', [])]
        return {'shape': ImageDecoder().decode(request.json['image'], '/image').shape, 'sizes': sizes}


class AnyModelResource(Resource):
    """A tensor of any shape whose elements a schema restricts, and one of bytes."""

    tensors = Signature(
        inputs=[
            Tensor('rows', 'FP32', [-1, -1], halves),
            Tensor('texts_bytes', 'BYTES', [-1]),
        ],
        outputs=[Tensor('rows', 'FP32', [-1, -1]), Tensor('texts_bytes', 'BYTES', [-1])],
        call=lambda *arrays: arrays,
    )

    @validate_json({'type': 'object'})
    def post(self) -> Any:
        return {}


RESOURCES: dict[str, Any] = {
    'JSON': JSONResource,
    'Schema': SchemaResource,
    'Tables': TablesResource,
    'Files': FilesResource,
    'EchoModel': EchoModelResource,
    'AnyModel': AnyModelResource,
}


@functools.cache
def several() -> FlaskClient:
    """A service of several models."""
    app = create(**RESOURCES)
    app.config['MAX_CONTENT_LENGTH'] = int(MAX_BODY_BYTES)
    return app.test_client()


@functools.cache
def single() -> FlaskClient:
    """A service of one model, which has MLflow's protocol."""
    app = create_app(MODELS, only=['IrisModel'])
    app.config['MAX_CONTENT_LENGTH'] = int(MAX_BODY_BYTES)
    return app.test_client()


def check_post(client: FlaskClient, url: str, body: bytes, **headers: str) -> None:
    """Post `body`; raises AssertionError if the answer is not what the HTTP contract promises."""
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin = time.thread_time()
    names = {'Content_Type': 'application/json', **headers}
    answer = client.post(url, data=body, headers={key.replace('_', '-'): names[key] for key in names})
    seconds = time.thread_time() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - megabytes
    assert answer.status_code < 500, answer.data[:1000]
    assert seconds < MAX_SECONDS, seconds
    assert grown < MAX_MEGABYTES, grown
    if answer.status_code >= 400:
        assert json.loads(answer.data)['message']
        assert len(answer.data) < 10_000
