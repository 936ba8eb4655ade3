"""POST /v1/HeavyModel: the heavy network."""
# mypy: allow-subclassing-any, allow-untyped-decorators

from typing import Any

from flask import request
from flask_restful import Resource

from benchmarks.served.heavy_model import HeavyModel
from model_serving.utils.validation_utils import validate_json

heavy_model_instance = HeavyModel()
heavy_model_schema: dict[str, Any] = {
    'title': 'Heavy network',
    'type': 'object',
    'properties': {
        'instances': {
            'type': 'array',
            'minItems': 1,
            'items': {
                'type': 'array',
                'minItems': 64,
                'maxItems': 64,
                'items': {'type': 'number', 'minimum': 0, 'maximum': 16},
            },
        },
    },
    'required': ['instances'],
    'examples': [{'instances': [[0] * 64]}],
}


class HeavyModelResource(Resource):
    """Labels rows."""

    @validate_json(heavy_model_schema)
    def post(self) -> Any:
        """Label each row."""
        json = request.json
        return {'predictions': heavy_model_instance.predict(json['instances'])}
