"""/invocations, /ping and /version: MLflow's scoring protocol, where a single model is served."""

from typing import Any

from flask import Response, request
from flask_restful import Resource

from model_serving import __version__
from model_serving.resources.tensor_resource import TensorResource, json_body, plain_body
from model_serving.utils.mlflow_utils import is_csv, read_csv, read_json
from model_serving.utils.tensorflow_serving_utils import write_response


class InvocationsResource(TensorResource):
    """Runs the model on a data frame, as JSON or CSV, or on the rows and columns of TensorFlow Serving."""

    def post(self) -> Any:
        """The predictions, a row for each row."""
        signature = self.signature
        if is_csv(request.mimetype, request.mimetype_params):
            arrays = read_csv(signature, plain_body())
        else:
            arrays = read_json(signature, json_body())
        return write_response(signature, signature.run(arrays), by_rows=True)


class PingResource(TensorResource):
    """Says whether the model can answer."""

    quick = True

    def get(self) -> Any:
        """An empty line. Raises ModelNotReady."""
        self.require_ready()
        return Response('\n', mimetype='text/plain')


class VersionResource(Resource):
    """Says which version serves."""

    quick = True

    def get(self) -> Any:
        """The version, as text."""
        return Response(__version__, mimetype='text/plain')
