"""/v1/models: the REST protocols of TensorFlow Serving and KServe, version 1."""

from typing import Any

from flask import current_app
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.protocols.body import json_body
from model_serving.protocols.tensor_resource import TensorResource, has_tensors
from model_serving.protocols.tensorflow_serving import (
    build_response,
    model_metadata,
    model_status,
    parse_request,
)


class ModelsResource(Resource):
    """Lists the models that have tensors."""

    access = 'listing'
    quick = True

    def get(self) -> Any:
        """Their names."""
        models = mounted_models(current_app)
        return {'models': [model.name for model in models if has_tensors(model)]}


class StatusResource(TensorResource):
    """Says whether a model is ready."""

    quick = True

    def get(self) -> Any:
        """Its status, for clients of both systems. Raises ModelNotReady."""
        self.require_ready()
        return model_status(self.model.name)


class MetadataResource(TensorResource):
    """Describes a model."""

    quick = True

    def get(self) -> Any:
        """Its inputs and outputs."""
        return model_metadata(self.model.name, self.signature)


class PredictResource(TensorResource):
    """Runs a model on rows or columns."""

    def post(self) -> Any:
        """The predictions of rows, or the outputs of columns."""
        signature = self.signature
        body = json_body()
        results = signature.run(parse_request(signature, body))
        return build_response(signature, results, by_rows='instances' in body)
