"""/v2: the Open Inference Protocol, which Triton and KServe speak, too."""

from typing import Any

from flask import request
from flask_restful import Resource

from model_serving import __version__
from model_serving.resources.tensor_resource import TensorResource, plain_body, require_ready
from model_serving.utils.app_utils import JSONResponse
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.open_inference_utils import EXTENSIONS, describe, read_request, write_response

JSON_BYTES = 'Inference-Header-Content-Length'


class ServerResource(Resource):
    """Says what the server is."""

    quick = True

    def get(self) -> Any:
        """Its name, version and extensions."""
        return {'name': 'model-serving', 'version': __version__, 'extensions': EXTENSIONS}


class ServerLiveResource(Resource):
    """Says that the server answers."""

    quick = True

    def get(self) -> Any:
        """That it does."""
        return {'live': True}


class ServerReadyResource(Resource):
    """Says whether all models can answer."""

    quick = True

    def get(self) -> Any:
        """That they can. Raises ModelNotReady with the reasons of those that cannot."""
        require_ready()
        return {'live': True, 'ready': True}


class ModelResource(TensorResource):
    """Describes a model."""

    quick = True

    def get(self) -> Any:
        """Its names, versions, inputs and outputs."""
        return describe(self.model.name, self.signature)


class ModelReadyResource(TensorResource):
    """Says whether a model can answer."""

    quick = True

    def get(self) -> Any:
        """That it can. Raises ModelNotReady."""
        self.require_ready()
        return {'name': self.model.name, 'ready': True}


class InferResource(TensorResource):
    """Runs a model on tensors, given as JSON or as bytes."""

    def post(self) -> Any:
        """The outputs that are asked for."""
        signature = self.signature
        body = plain_body()
        if not body:
            raise InvalidInput('No JSON object')
        inference = read_request(signature, body, request.headers.get(JSON_BYTES))
        results = signature.run(inference.arrays)
        answer, json_bytes = write_response(self.model.name, signature, inference, results)
        if json_bytes is None:
            return JSONResponse(answer)
        headers = {JSON_BYTES: str(json_bytes)}
        return JSONResponse(answer, headers=headers, mimetype='application/octet-stream')
