"""POST /v1/DrillModel, DrillModel2: what the model is to do, and for how many seconds."""
# mypy: allow-subclassing-any, allow-untyped-decorators

from typing import Any

from flask import request
from flask_restful import Resource

from benchmarks.served.drill_model import DrillModel
from model_serving.utils.validation_utils import validate_json

drill_model_instance = DrillModel()
drill_model_schema = {
    'title': 'A drill',
    'type': 'object',
    'properties': {
        'what': {'enum': sorted(DrillModel.deeds)},
        'seconds': {'type': 'number', 'minimum': 0},
        'size': {'type': 'integer', 'minimum': 0},
    },
    'required': ['what', 'seconds'],
    'examples': [{'what': 'sleep', 'seconds': 0}],
}


class DrillModelResource(Resource):
    """Does what it is told."""

    @validate_json(drill_model_schema)
    def post(self) -> Any:
        """Do it."""
        return self.do()

    def do(self) -> Any:
        """Do what the request says."""
        json = request.json
        done = drill_model_instance.do(json['what'], json['seconds'])
        return {'result': done + drill_model_instance.text(json.get('size', 0))}
