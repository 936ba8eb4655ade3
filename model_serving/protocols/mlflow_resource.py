"""/invocations, /ping and /version: MLflow's scoring protocol, for services of a single model."""

from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving.protocols.body import json_body, plain_body, take_room_for_data
from model_serving.protocols.mlflow import is_csv, parse_csv, parse_json
from model_serving.protocols.tensor_resource import TensorResource
from model_serving.protocols.tensorflow_serving import build_response
from model_serving.version import __version__


class InvocationsResource(TensorResource):
    """Runs the model on a data frame, as JSON or CSV, or on the rows and columns of TensorFlow Serving."""

    def post(self) -> Any:
        """The predictions, one for each row."""
        signature = self.signature
        if is_csv(request.mimetype, request.mimetype_params):
            body = plain_body()
            take_room_for_data(len(body))
            arrays = parse_csv(signature, body)
        else:
            arrays = parse_json(signature, json_body())
        return build_response(signature, signature.run(arrays), by_rows=True)


class PingResource(TensorResource):
    """Says whether the model is ready."""

    access = 'health'
    quick = True

    def get(self) -> Any:
        """An empty line. Raises ModelNotReady."""
        self.require_ready()
        return Response('\n', mimetype='text/plain')


class VersionResource(Resource):
    """Says which version of the service this is."""

    quick = True

    def get(self) -> Any:
        """The version, as text."""
        return Response(__version__, mimetype='text/plain')
