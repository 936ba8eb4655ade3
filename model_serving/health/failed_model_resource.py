"""What is mounted in place of a model whose resource cannot be imported."""

from typing import Any

from flask_restful import Resource

from model_serving.errors import ModelNotReady


def failed_model_resource(name: str, reason: str) -> type:
    """A resource that answers each request with the reason why the model called `name` does not serve."""

    class FailedModelResource(Resource):
        load_failure = reason

        def post(self) -> Any:
            raise ModelNotReady(f'{name} {reason}; see the log')

    FailedModelResource.post.request_schema = {}  # type: ignore[attr-defined]
    return FailedModelResource
