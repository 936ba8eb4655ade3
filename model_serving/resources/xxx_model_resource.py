"""POST /v1/XXXModel: the reference, the one to copy."""

from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.models.xxx_model import XXXModel
from model_serving.utils.validation_utils import validate_json

xxx_model_instance = XXXModel()
xxx_model_schema = {
    'title': 'Hello',
    'description': 'Says hello to a name.',
    'type': 'object',
    'properties': {'name': {'type': 'string', 'description': 'Whom to greet'}},
    'required': ['name'],
    'examples': [{'name': 'Leo'}],
}
xxx_model_response = {
    'type': 'object',
    'properties': {'result': {'type': 'string'}},
    'required': ['result'],
    'examples': [{'result': 'Hello, Leo!'}],
}


class XXXModelResource(Resource):
    """Greets."""

    @validate_json(xxx_model_schema, response=xxx_model_response)
    def post(self) -> Any:
        """Say hello."""
        json = request.json
        return {'result': xxx_model_instance.hello(json['name'])}
