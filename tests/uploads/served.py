"""Models that take files, and answer what they got."""

import os
import zlib
from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.console.index_resource import IndexResource
from model_serving.openapi.docs_resource import DOCS_URLS, DocsResource
from model_serving.openapi.openapi_resource import OpenAPIResource
from model_serving.schemas.validation import validate_json
from model_serving.service.application import build_service
from model_serving.service_settings import ServiceSettings
from model_serving.settings import load_settings
from model_serving.utils.bytes_utils import base64_bytes

PICTURE: dict[str, Any] = {
    'title': 'Picture',
    'type': 'string',
    'contentEncoding': 'base64',
    'contentMediaType': 'image/*',
    'maxLength': 1_000_000,
}

SCHEMA: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'image': PICTURE,
        'name': {'type': 'string', 'maxLength': 10},
        'size': {'enum': ['small', 'large', 3]},
        'rows': {'type': 'array', 'items': {'type': 'array', 'items': {'type': 'number', 'maximum': 9}}},
        'more': {'type': 'array', 'items': {**PICTURE, 'contentMediaType': 'image/png, image/gif'}},
        'note': {'type': 'string', 'contentEncoding': 'base64', 'contentMediaType': 'text/*'},
    },
    'required': ['image'],
    'additionalProperties': False,
}


class FileModelResource(Resource):
    """Takes files and more; a body may be the image alone."""

    @validate_json(SCHEMA)
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


class PairModelResource(Resource):
    """Needs a file and a name, so no body is enough that is one file."""

    @validate_json({**SCHEMA, 'required': ['image', 'name']})
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


class AnyFileModelResource(Resource):
    """Takes bytes of any kind, and counts them."""

    @validate_json(
        {
            'type': 'object',
            'properties': {'file': {'type': 'string', 'contentEncoding': 'base64'}},
            'required': ['file'],
        }
    )
    def post(self) -> Any:
        """Count."""
        return {'characters': len(request.json['file'])}


class SizeModelResource(AnyFileModelResource):
    """Takes the bytes out of the base64, in the event loop."""

    @validate_json(
        {
            'type': 'object',
            'properties': {
                'file': {'type': 'string', 'contentEncoding': 'base64'},
                'rows': {'type': 'array', 'items': {}},
            },
            'required': ['file'],
        }
    )
    async def post(self) -> Any:
        """The process, and the sum of the bytes."""
        data = base64_bytes(request.json['file'], '/file')
        return {'pid': os.getpid(), 'bytes': len(data), 'crc': zlib.crc32(data)}


class PlainModelResource(Resource):
    """Takes no files."""

    @validate_json({'type': 'object', 'properties': {'name': {'type': 'string'}}})
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


class ForcedModelResource(Resource):
    """Reads every body as JSON."""

    @validate_json(SCHEMA, force=True)
    def post(self) -> Any:
        """Echo."""
        return {'received': request.json}


MODELS: dict[str, type] = {
    'FileModel': FileModelResource,
    'PairModel': PairModelResource,
    'AnyFileModel': AnyFileModelResource,
    'SizeModel': SizeModelResource,
    'PlainModel': PlainModelResource,
    'ForcedModel': ForcedModelResource,
}


def create_app() -> Any:
    """The application."""
    app, api = build_service(load_settings(ServiceSettings, 'model_serving'))
    api.add_resource(IndexResource, '/', endpoint='index')
    api.add_resource(OpenAPIResource, '/openapi.json', endpoint='openapi')
    api.add_resource(DocsResource, *DOCS_URLS, endpoint='docs')
    for name, resource in MODELS.items():
        api.add_resource(resource, f'/v1/{name}', endpoint=name)
    return app


app = create_app()
