"""POST /v1/HeavyModel: the heavy network."""
# mypy: allow-subclassing-any, allow-untyped-decorators

from typing import Any

from flask import request
from flask_restful import Resource

from benchmarks.served.heavy_model import HeavyModel
from benchmarks.served.rows_schema import rows_schema
from model_serving.utils.validation_utils import validate_json

heavy_model_instance = HeavyModel()
heavy_model_schema = rows_schema('Heavy network')


class HeavyModelResource(Resource):
    """Labels rows."""

    @validate_json(heavy_model_schema, arrays=True)
    def post(self) -> Any:
        """Label each row."""
        json = request.json
        return {'predictions': heavy_model_instance.predict(json['instances'])}
