"""POST /v1/ImageModel: the brightness of a base64 image."""
# mypy: allow-subclassing-any, allow-untyped-decorators

from typing import Any

from flask import request
from flask_restful import Resource

from benchmarks.served.image_model import ImageModel
from model_serving.utils.validation_utils import validate_json

image_model_instance = ImageModel()
image_model_schema: dict[str, Any] = {
    'title': 'Brightness',
    'type': 'object',
    'properties': {'image': {'type': 'string', 'contentEncoding': 'base64'}},
    'required': ['image'],
    'examples': [{'image': 'AAAA' * (224 * 224)}],
}


class ImageModelResource(Resource):
    """Measures images."""

    @validate_json(image_model_schema)
    def post(self) -> Any:
        """Measure the brightness of an image."""
        json = request.json
        return {'mean': image_model_instance.brightness(json['image'])}
