"""/invocations, /ping and /version of the default model: those of MLflow, and of platforms."""

from typing import Any

from flask import Response, current_app, request
from flask_restful import Resource

from model_serving.protocols.body import json_value, plain_body, take_room_for_data
from model_serving.protocols.mlflow import CSV_TYPES, JSON_FORMATS, is_csv, parse_csv, parse_json
from model_serving.protocols.tensor_resource import TensorResource, has_tensors
from model_serving.protocols.tensorflow_serving import build_response
from model_serving.requests.current import current_request
from model_serving.version import __version__


class InvocationsResource(TensorResource):
    """Runs the model on its own JSON, on a data frame, or on the rows and columns of TensorFlow Serving."""

    def post(self) -> Any:
        """The model's own answer to its own JSON; else the predictions, one for each row."""
        self.require_loaded()
        if not has_tensors(self.model):
            return self._own_answer()
        body, mimetype = plain_body(), request.mimetype
        is_checked = mimetype in CSV_TYPES or (body and not mimetype.endswith('+json'))
        if is_checked and is_csv(mimetype, request.mimetype_params):
            take_room_for_data(len(body))
            return self._predictions(parse_csv(self.signature, body))
        if not body:
            return self._own_answer()
        value = json_value(body)
        if is_for_mlflow(value) and not self._is_own(value):
            return self._predictions(parse_json(self.signature, value))
        return self._own_answer()

    def _own_answer(self) -> Any:
        """What the model's own route answers, by its view with all that is around it, such as decorators."""
        answer = current_app.view_functions[self.model.name]()
        if (current := current_request.get()) is not None:
            current.batched = True  # The view has counted the call.
        return answer

    def _is_own(self, value: Any) -> bool:
        """Whether a value fits the model's own schema, and that knows the keys of MLflow that the value has.

        A schema that allows anything says nothing of them.
        """
        keys = JSON_FORMATS.keys() & value.keys() if isinstance(value, dict) else set()
        known = self.model.schema.get('properties', {})
        return keys <= known.keys() and not self.model.resource.post.compiled_schema.violations(value)

    def _predictions(self, arrays: list[Any]) -> Any:
        return build_response(self.signature, self.signature.run(arrays), by_rows=True)


def is_for_mlflow(value: Any) -> bool:
    """Whether a value has a key of MLflow or TensorFlow Serving; what is no object, they refuse in words."""
    return not isinstance(value, dict) or not JSON_FORMATS.keys().isdisjoint(value)


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
