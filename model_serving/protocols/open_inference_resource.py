"""/v2: the Open Inference Protocol, which Triton and KServe speak, too."""

from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving.errors import InvalidInput
from model_serving.protocols.body import plain_body
from model_serving.protocols.open_inference import EXTENSIONS, build_response, model_metadata, parse_request
from model_serving.protocols.tensor_resource import TensorResource, require_ready
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


class ModelResource(TensorResource):
    """Describes a model."""

    quick = True

    def get(self) -> Any:
        """Its names, versions, inputs and outputs."""
        return model_metadata(self.model.name, self.signature)


class ModelReadyResource(TensorResource):
    """Says whether a model is ready."""

    access = 'health'
    quick = True

    def get(self) -> Any:
        """Always true. Raises ModelNotReady if it is not."""
        self.require_ready()
        return {'name': self.model.name, 'ready': True}


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
        response, json_bytes = build_response(self.model.name, signature, inference, results)
        if json_bytes is None:
            return Response(response, mimetype='application/json')
        headers = {JSON_BYTES: str(json_bytes)}
        return Response(response, headers=headers, mimetype='application/octet-stream')
