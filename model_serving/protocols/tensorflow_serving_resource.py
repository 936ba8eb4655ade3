"""/v1/models: the REST protocols of TensorFlow Serving and KServe, version 1."""

from typing import Any

from flask import current_app, request
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.protocols.body import json_body
from model_serving.protocols.tensor_resource import (
    TensorResource,
    has_tensors,
    model_states,
    protocol_version,
)
from model_serving.protocols.tensorflow_serving import (
    build_response,
    model_metadata,
    parse_request,
    version_status,
)


class ModelsResource(Resource):
    """Lists the models that have tensors."""

    access = 'listing'
    quick = True

    def get(self) -> Any:
        """Their names."""
        models = [model.base_name for model in mounted_models(current_app) if has_tensors(model)]
        return {'models': list(dict.fromkeys(models))}


class StatusResource(TensorResource):
    """Says whether a model is ready."""

    quick = True

    def get(self) -> Any:
        """Its status, for clients of both systems, and where no version is named, that of all versions.

        Raises ModelNotReady where the version that answers is not ready.
        """
        self.require_ready()
        name, states = self.model.base_name, model_states()
        versions = self.versions if request.path == f'/v1/models/{name}' else [self.model]
        listed = [version_status(protocol_version(each), *states[each.name][1:]) for each in versions]
        return {'model_version_status': listed, 'name': name, 'ready': True}


class MetadataResource(TensorResource):
    """Describes a model."""

    quick = True

    def get(self) -> Any:
        """Its inputs and outputs."""
        return model_metadata(self.model.base_name, protocol_version(self.model), self.signature)


class PredictResource(TensorResource):
    """Runs a model on rows or columns."""

    def post(self) -> Any:
        """The predictions of rows, or the outputs of columns."""
        signature = self.signature
        body = json_body()
        results = signature.run(parse_request(signature, body))
        return build_response(signature, results, by_rows='instances' in body)
