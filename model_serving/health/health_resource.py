"""GET /health/live, /health/ready and /_ah/warmup, for what starts the service and routes clients to it."""

from typing import Any, ClassVar

from flask import current_app
from flask_restful import Resource

from model_serving.catalogue import json_object, mounted_models
from model_serving.errors import ModelNotReady
from model_serving.health.readiness import ModelState, readiness_of
from model_serving.requests.deadline import remaining_s

NO_STORE = {'Cache-Control': 'no-store'}
STARTING_RETRY_S = 1
WAIT_SHARE = 0.9
"""The share of a warm-up request's time that is spent waiting; the rest is for the answer."""


class LiveResource(Resource):
    """Whether the process answers. It looks at no model, and waits for none."""

    access = 'health'
    quick = True
    answers: ClassVar[dict[str, Any]] = json_object(live={'const': True})

    def get(self) -> Any:
        """Say yes."""
        return {'live': True}, 200, NO_STORE


class ReadyResource(Resource):
    """Whether every model has loaded and has answered the example of its schema, in this worker."""

    access = 'health'
    quick = True
    answers: ClassVar[dict[str, Any]] = json_object(
        ready={'const': True},
        models={'type': 'array', 'items': {'type': 'object', 'required': ['name', 'state']}},
    )

    def get(self) -> Any:
        """200 if all are ready; else 503, with the reason for each that is not."""
        readiness = readiness_of(current_app)
        readiness.begin()
        states = readiness.states()
        missing = [state for state in states if state.reason is not None]
        models = [
            {key: value for key, value in state._asdict().items() if value is not None} for state in states
        ]
        body = {'ready': not missing, 'models': models}
        return _refusal(body, missing) if missing else (body, 200, NO_STORE)


class WarmupResource(Resource):
    """Waits until each model has run once, so that no user waits for what a first call costs.

    App Engine asks for it before an instance gets traffic.
    """

    access = 'health'
    answers: ClassVar[dict[str, Any]] = json_object(warmed_up={'type': 'array', 'items': {'type': 'string'}})

    def get(self) -> Any:
        """The names of the models that answered the example of their schema.

        Raises ModelNotReady, naming the first that did not.
        """
        readiness = readiness_of(current_app)
        readiness.begin()
        timeout_s = remaining_s()
        readiness.wait(None if timeout_s is None else WAIT_SHARE * timeout_s)
        if missing := readiness.missing():
            raise ModelNotReady(f'{missing[0]}; see the log')
        models = mounted_models(current_app)
        return {'warmed_up': [model.name for model in models if model.example is not None]}


def _refusal(body: dict[str, Any], missing: list[ModelState]) -> Any:
    failed = any(state.state == 'failed' for state in missing)
    retry_s = ModelNotReady.retry_after_s if failed else STARTING_RETRY_S
    reasons = '; '.join(str(state) for state in missing)
    message = f'Not ready: {reasons}; {"see the log" if failed else "ask again in a moment"}'
    return {'message': message, **body}, 503, {**NO_STORE, 'Retry-After': str(retry_s)}
