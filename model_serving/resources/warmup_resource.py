"""GET /_ah/warmup: App Engine's warm-up request, sent before an instance gets traffic."""

from typing import Any, ClassVar

from flask import current_app
from flask_restful import Resource

from model_serving.utils.catalogue_utils import mounted_models
from model_serving.utils.deadline_utils import remaining_s
from model_serving.utils.error_utils import ModelNotReady
from model_serving.utils.readiness_utils import readiness_of
from model_serving.utils.waiting_utils import waiting

SHARE_OF_TIME = 0.9
"""What of the request's time is spent waiting; the rest is for the answer."""


class WarmupResource(Resource):
    """Waits until each model has run once, so that no user waits for what a first call costs."""

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
        readiness = readiness_of(current_app)
        readiness.begin()
        left_s = remaining_s()
        patience_s = None if left_s is None else SHARE_OF_TIME * left_s
        waiting().run(lambda: readiness.wait(patience_s), quick=False)
        if missing := [state for state in readiness.states() if state.reason is not None]:
            raise ModelNotReady(f'{missing[0]}; see the log')
        return {
            'warmed_up': [model.name for model in mounted_models(current_app) if model.example is not None]
        }
