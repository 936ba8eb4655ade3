"""/v1/models: the REST protocols of TensorFlow Serving and KServe, version 1."""

from typing import Any

from flask import current_app
from flask_restful import Resource

from model_serving.resources.tensor_resource import TensorResource, has_tensors, json_body
from model_serving.utils.catalogue_utils import mounted_models
from model_serving.utils.tensorflow_serving_utils import (
    describe,
    describe_status,
    read_request,
    write_response,
)


class ModelsResource(Resource):
    """Lists the models that have tensors."""

    quick = True

    def get(self) -> Any:
        """Their names."""
        models = mounted_models(current_app)
        return {'models': [model.name for model in models if has_tensors(model)]}


class StatusResource(TensorResource):
    """Says whether a model can answer."""

    quick = True

    def get(self) -> Any:
        """That it can, in the words of both systems. Raises ModelNotReady."""
        self.require_ready()
        return describe_status(self.model.name)


class MetadataResource(TensorResource):
    """Describes a model."""

    quick = True

    def get(self) -> Any:
        """Its inputs and outputs."""
        return describe(self.model.name, self.signature)


class PredictResource(TensorResource):
    """Runs a model on rows or columns."""

    def post(self) -> Any:
        """The predictions of rows, or the outputs of columns."""
        signature = self.signature
        asked = json_body()
        results = signature.run(read_request(signature, asked))
        return write_response(signature, results, by_rows='instances' in asked)
