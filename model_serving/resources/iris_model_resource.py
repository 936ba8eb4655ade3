"""POST /v1/IrisModel: species of iris."""

from typing import Any

from flask import request
from flask_restful import Resource

from model_serving.models.iris_model import MEASUREMENTS, IrisModel
from model_serving.utils.tensor_utils import Signature, Tensor
from model_serving.utils.validation_utils import validate_json

iris_model_instance = IrisModel()


def centimetres(title: str, seen: str) -> dict[str, Any]:
    """Return the schema of a measurement; `seen` is its range in the data that the model was trained on."""
    description = f'In cm; {seen} in the training data.'
    return {
        'title': title,
        'description': description,
        'type': 'number',
        'exclusiveMinimum': 0,
        'maximum': 20,
    }


iris_model_schema: dict[str, Any] = {
    'title': 'Iris species',
    'description': 'Tells the species of irises (setosa, versicolor, virginica) from their measurements.',
    'type': 'object',
    'properties': {
        'instances': {
            'title': 'Flowers',
            'description': 'One or more flowers.',
            'type': 'array',
            'minItems': 1,
            'items': {
                'title': 'Flower',
                'type': 'object',
                'properties': {
                    'sepal_length': centimetres('Sepal length', '4.3 to 7.9'),
                    'sepal_width': centimetres('Sepal width', '2.0 to 4.4'),
                    'petal_length': centimetres('Petal length', '1.0 to 6.9'),
                    'petal_width': centimetres('Petal width', '0.1 to 2.5'),
                },
                'required': list(MEASUREMENTS),
                'additionalProperties': False,
            },
        },
    },
    'required': ['instances'],
    'additionalProperties': False,
    'examples': [
        {
            'instances': [
                {'sepal_length': 5.1, 'sepal_width': 3.5, 'petal_length': 1.4, 'petal_width': 0.2},
                {'sepal_length': 6.3, 'sepal_width': 3.3, 'petal_length': 6.0, 'petal_width': 2.5},
            ]
        }
    ],
}

probability = {'type': 'number', 'minimum': 0, 'maximum': 1}
setosa = {'setosa': 0.997, 'versicolor': 0.003, 'virginica': 0}
iris_model_response: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'predictions': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'label': {'enum': iris_model_instance.species},
                    'probabilities': {'type': 'object', 'additionalProperties': probability},
                },
                'required': ['label', 'probabilities'],
            },
        },
    },
    'required': ['predictions'],
    'examples': [{'predictions': [{'label': 'setosa', 'probabilities': setosa}]}],
}


class IrisModelResource(Resource):
    """Tells species of iris apart."""

    tensors = Signature(
        inputs=[Tensor('flowers', 'FP64', [-1, 4], like=iris_model_schema['properties']['instances'])],
        outputs=[Tensor('label', 'BYTES', [-1]), Tensor('probabilities', 'FP64', [-1, 3])],
        call=iris_model_instance.predict,
    )

    @validate_json(iris_model_schema, response=iris_model_response)
    def post(self) -> Any:
        """Tell the species of each flower."""
        json = request.json
        flowers = [[flower[name] for name in MEASUREMENTS] for flower in json['instances']]
        labels, probabilities = iris_model_instance.predict(flowers)
        species = iris_model_instance.species
        return {
            'predictions': [
                {'label': label, 'probabilities': dict(zip(species, row, strict=True))}
                for label, row in zip(labels, probabilities.tolist(), strict=True)
            ]
        }
