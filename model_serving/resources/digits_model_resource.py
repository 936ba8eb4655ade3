"""POST /v1/DigitsModel: handwritten digits."""

from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.models.digits_model import DigitsModel
from model_serving.utils.tensor_utils import Signature, Tensor
from model_serving.utils.validation_utils import validate_json

digits_model_instance = DigitsModel()

HANDWRITTEN_SEVEN = [
    *(0, 0, 7, 8, 13, 16, 15, 1),
    *(0, 0, 7, 7, 4, 11, 12, 0),
    *(0, 0, 0, 0, 8, 13, 1, 0),
    *(0, 4, 8, 8, 15, 15, 6, 0),
    *(0, 2, 11, 15, 15, 4, 0, 0),
    *(0, 0, 0, 16, 5, 0, 0, 0),
    *(0, 0, 9, 15, 1, 0, 0, 0),
    *(0, 0, 13, 5, 0, 0, 0, 0),
]

digits_model_schema: dict[str, Any] = {
    'title': 'Handwritten digits',
    'description': 'Reads handwritten digits, one per image.',
    'type': 'object',
    'properties': {
        'instances': {
            'title': 'Images',
            'description': 'One or more images.',
            'type': 'array',
            'minItems': 1,
            'items': {
                'title': 'Image',
                'description': (
                    '8x8 cells, row by row from the top left. A cell is the number of inked dots '
                    'in a 4x4 block of a 32x32 image: 0 is blank, 16 is full.'
                ),
                'type': 'array',
                'minItems': 64,
                'maxItems': 64,
                'items': {'type': 'number', 'minimum': 0, 'maximum': 16},
            },
        },
    },
    'required': ['instances'],
    'additionalProperties': False,
    'examples': [{'instances': [HANDWRITTEN_SEVEN]}],
}

probability = {'type': 'number', 'minimum': 0, 'maximum': 1}
digits_model_response: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'predictions': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'label': {'type': 'integer', 'minimum': 0, 'maximum': 9},
                    'probabilities': {'type': 'array', 'items': probability, 'minItems': 10, 'maxItems': 10},
                },
                'required': ['label', 'probabilities'],
            },
        },
    },
    'required': ['predictions'],
}


class DigitsModelResource(Resource):
    """Reads handwritten digits."""

    tensors = Signature(
        inputs=[Tensor('pixels', 'FP32', [-1, 64], like=digits_model_schema['properties']['instances'])],
        outputs=[Tensor('label', 'INT64', [-1]), Tensor('probabilities', 'FP32', [-1, 10])],
        call=digits_model_instance.predict,
    )

    @validate_json(digits_model_schema, arrays=True, response=digits_model_response)
    def post(self) -> Any:
        """Read the digit of each image."""
        json = request.json
        labels, probabilities = digits_model_instance.predict(json['instances'])
        predictions = zip(labels.tolist(), probabilities, strict=True)
        return {'predictions': [{'label': label, 'probabilities': row} for label, row in predictions]}
