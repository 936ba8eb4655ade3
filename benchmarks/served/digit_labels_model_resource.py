"""POST /v1/DigitLabelsModel: handwritten digits, labels only."""
# mypy: allow-subclassing-any, allow-untyped-decorators

from typing import Any

from flask import request
from flask_restful import Resource

from benchmarks.served.digit_labels_model import DigitLabelsModel
from benchmarks.served.rows_schema import rows_schema
from model_serving.utils.validation_utils import validate_json

digit_labels_model_instance = DigitLabelsModel()
digit_labels_model_schema = rows_schema('Handwritten digits, labels only')


class DigitLabelsModelResource(Resource):
    """Reads handwritten digits."""

    @validate_json(digit_labels_model_schema, arrays=True)
    def post(self) -> Any:
        """Read the digit of each image."""
        json = request.json
        return {'predictions': digit_labels_model_instance.predict(json['instances'])}
