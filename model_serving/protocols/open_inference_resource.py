"""/v2: the Open Inference Protocol, which Triton and KServe speak, too."""

from typing import Any

from flask import Response, current_app, request
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.errors import InvalidInput
from model_serving.protocols.body import json_value, plain_body
from model_serving.protocols.open_inference import EXTENSIONS, build_response, model_metadata, parse_request
from model_serving.protocols.tensor_resource import (
    TensorResource,
    has_tensors,
    model_states,
    protocol_version,
    require_ready,
)
from model_serving.version import __version__

JSON_BYTES = 'Inference-Header-Content-Length'


class ServerResource(Resource):
    """Describes the server."""

    access = 'listing'
    quick = True

    def get(self) -> Any:
        """Its name, version and extensions."""
        return {'name': 'model-serving', 'version': __version__, 'extensions': EXTENSIONS}


class ServerLiveResource(Resource):
    """Says that the server is alive."""

    access = 'health'
    quick = True

    def get(self) -> Any:
        """Always true."""
        return {'live': True}


class ServerReadyResource(Resource):
    """Says whether all models are ready."""

    access = 'health'
    quick = True

    def get(self) -> Any:
        """Always true. Raises ModelNotReady with the reasons of those that are not."""
        require_ready()
        return {'live': True, 'ready': True}


class RepositoryIndexResource(Resource):
    """Lists the versions of the models, and whether each is ready.

    After extension_model_repository.md of Triton, which can load and unload, too: here a reload does that.
    """

    access = 'listing'

    def get(self) -> Any:
        """All of them."""
        states = model_states()
        return [
            {
                'name': model.base_name,
                'version': protocol_version(model),
                'state': 'UNAVAILABLE' if states[model.name].reason else 'READY',
                'reason': states[model.name].reason or '',
            }
            for model in mounted_models(current_app)
            if has_tensors(model)
        ]

    def post(self) -> Any:
        """All of them or, with `ready`, those that are. Raises InvalidInput."""
        body = plain_body()
        chosen = json_value(body) if body else {}
        if not isinstance(chosen, dict) or not isinstance(chosen.get('ready', False), bool):
            raise InvalidInput('Send {"ready": true} for the versions that are ready, or {} for all')
        return [each for each in self.get() if each['state'] == 'READY' or not chosen.get('ready')]


class ModelResource(TensorResource):
    """Describes a model."""

    quick = True

    def get(self) -> Any:
        """Its names, versions, inputs and outputs."""
        versions = [protocol_version(version) for version in self.versions]
        return model_metadata(self.model.base_name, versions, self.signature)


class ModelReadyResource(TensorResource):
    """Says whether a model is ready."""

    access = 'health'
    quick = True

    def get(self) -> Any:
        """Always true. Raises ModelNotReady if it is not."""
        self.require_ready()
        return {'name': self.model.base_name, 'ready': True}


class InferResource(TensorResource):
    """Runs a model on tensors, given as JSON or as bytes."""

    def post(self) -> Any:
        """The requested outputs."""
        signature = self.signature
        body = plain_body()
        if not body:
            raise InvalidInput('No JSON object')
        inference = parse_request(signature, body, request.headers.get(JSON_BYTES))
        results = signature.run(inference.arrays)
        name, version = self.model.base_name, protocol_version(self.model)
        response, json_bytes = build_response(name, version, signature, inference, results)
        if json_bytes is None:
            return Response(response, mimetype='application/json')
        headers = {JSON_BYTES: str(json_bytes)}
        return Response(response, headers=headers, mimetype='application/octet-stream')
