"""GET /health/live and /health/ready: for whatever starts the service, restarts it and sends it clients."""

from typing import Any, ClassVar

from flask import current_app
from flask_restful import Resource

from model_serving.utils.error_utils import ModelNotReady
from model_serving.utils.readiness_utils import ModelState, readiness_of

NO_STORE = {'Cache-Control': 'no-store'}
STARTING_RETRY_S = 1


class LiveResource(Resource):
    """Whether the process answers. It looks at no model, and waits for none."""

    quick = True
    answers: ClassVar[dict[str, Any]] = {
        'application/json': {'type': 'object', 'properties': {'live': {'const': True}}, 'required': ['live']}
    }

    def get(self) -> Any:
        """Say yes."""
        return {'live': True}, 200, NO_STORE


class ReadyResource(Resource):
    """Whether every model has loaded and has answered the example of its schema, in this worker."""

    quick = True
    answers: ClassVar[dict[str, Any]] = {
        'application/json': {
            'type': 'object',
            'properties': {
                'ready': {'const': True},
                'models': {'type': 'array', 'items': {'type': 'object', 'required': ['name', 'state']}},
            },
            'required': ['ready', 'models'],
        }
    }

    def get(self) -> Any:
        """200 if all are ready; else 503, with the reason for each that is not."""
        readiness = readiness_of(current_app)
        readiness.begin()
        states = readiness.states()
        missing = [state for state in states if state.reason is not None]
        body = {'ready': not missing, 'models': [_described(state) for state in states]}
        return _refusal(body, missing) if missing else (body, 200, NO_STORE)


def _described(state: ModelState) -> dict[str, str]:
    described = {'name': state.name, 'state': state.state}
    return described if state.reason is None else {**described, 'reason': state.reason}


def _refusal(body: dict[str, Any], missing: list[ModelState]) -> Any:
    failed = any(state.state == 'failed' for state in missing)
    retry_s = ModelNotReady.retry_after_s if failed else STARTING_RETRY_S
    reasons = '; '.join(str(state) for state in missing)
    message = f'Not ready: {reasons}; {"see the log" if failed else "ask again in a moment"}'
    return {'message': message, **body}, 503, {**NO_STORE, 'Retry-After': str(retry_s)}
