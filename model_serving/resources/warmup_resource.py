"""GET /_ah/warmup: App Engine's warm-up request, sent before an instance gets traffic."""

from typing import Any, ClassVar

from flask import current_app
from flask_restful import Resource

from model_serving.utils.catalogue_utils import MountedModel, mounted_models
from model_serving.utils.error_utils import ModelNotReady


class WarmupResource(Resource):
    """Runs each model once, so that the first user does not wait for what a first call costs."""

    answers: ClassVar[dict[str, Any]] = {
        'application/json': {
            'type': 'object',
            'properties': {'warmed_up': {'type': 'array', 'items': {'type': 'string'}}},
            'required': ['warmed_up'],
        }
    }

    def get(self) -> Any:
        """The names of the models that answered the example of their schema.

        Raises ModelNotReady, naming the first that did not.
        """
        models = [model for model in mounted_models(current_app) if model.example is not None]
        for model in models:
            _run(model)
        return {'warmed_up': [model.name for model in models]}


def _run(model: MountedModel) -> None:
    status = current_app.test_client().post(model.url, json=model.example).status_code
    if status != 200:
        raise ModelNotReady(f'{model.name} answered its own example with status {status}; see the log')
