"""POST /v1/SlowModel: a greeting that takes 20 ms of Python."""
# mypy: allow-subclassing-any, allow-untyped-decorators

from typing import Any

from flask import request
from flask_restful import Resource

from benchmarks.served.slow_model import SlowModel
from model_serving.utils.validation_utils import validate_json

slow_model_instance = SlowModel()
slow_model_schema = {
    'title': 'A slow greeting',
    'type': 'object',
    'properties': {'name': {'type': 'string'}},
    'required': ['name'],
    'examples': [{'name': 'Leo'}],
}


class SlowModelResource(Resource):
    """Greets, slowly."""

    @validate_json(slow_model_schema)
    def post(self) -> Any:
        """Say hello."""
        json = request.json
        return {'result': slow_model_instance.hello(json['name'])}
