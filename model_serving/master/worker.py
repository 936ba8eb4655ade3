"""The part of a worker: it loads what it can, reports, and waits until it may serve."""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from model_serving.catalogue import mounted_models
from model_serving.engine.application import service_in
from model_serving.errors import with_texts
from model_serving.health.readiness import readiness_of
from model_serving.master.standing import BOOTED, SERVICE, TRIED, Standing
from model_serving.service.mounts import load_seconds, stand_in_for_mistakes

if TYPE_CHECKING:
    from model_serving.health.readiness import Readiness

PAUSE_SECONDS = 0.05
REPORT_SECONDS = 1.0

logger = logging.getLogger('main')


def load_what_loads(worker: Any) -> None:
    """Have a worker that replaces another serve whatever it can load, and answer 503 for the rest."""
    stand_in_for_mistakes()
    load = worker.app.load

    def load_or_stand_in() -> Any:
        try:
            return load()
        except (Exception, SystemExit) as error:
            logger.critical('The service cannot be loaded; this worker answers 503', exc_info=error)
            return FailedService(f'cannot be loaded: {type(error).__name__}: {error}')

    worker.app.load = load_or_stand_in


class FailedService:
    """A WSGI application that answers 503, and is alive. `failure` is for the log, not for clients."""

    def __init__(self, failure: str) -> None:
        self.failure = failure

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer."""
        status, body = '503 Service Unavailable', {'message': 'The service could not be loaded; see the log'}
        if environ['PATH_INFO'] in ('/health/live', '/v2/health/live'):
            status, body = '200 OK', {'live': True}  # type: ignore[dict-item]
        content = json.dumps(body).encode() + b'\n'
        headers = [('Content-Type', 'application/json'), ('Content-Length', str(len(content)))]
        start_response(status, [*headers, ('Cache-Control', 'no-store'), ('Retry-After', '10')])
        return [content]


def run_in_turn(worker: Any, run: Callable[[], None]) -> None:
    """Have the models answer their examples, in the background; `run` when the worker may serve."""
    standing: Standing = worker.standing
    standing.state = BOOTED
    service = service_in(worker.wsgi)
    if service is not None and 'readiness' in service.extensions:
        readiness = readiness_of(service)
        readiness.begin()
        threading.Thread(target=_report, args=[readiness, standing], name='report', daemon=True).start()
    else:
        failure = getattr(worker.wsgi, 'failure', None)
        standing.failures = {SERVICE: failure} if failure else {}
        standing.state = TRIED
    waits_itself = hasattr(worker, 'may_accept')  # LoopWorker does: coroutines need its loop meanwhile.
    worker.may_accept = lambda: standing.is_open
    while not (standing.is_open or waits_itself):
        worker.notify()
        if not worker.alive or os.getppid() != worker.ppid:
            sys.exit(0)
        time.sleep(PAUSE_SECONDS)
    run()


def _report(readiness: 'Readiness', standing: Standing) -> None:
    """Say in the log when a model has become ready, and tell the first process which are not."""
    announced: set[str] = set()
    while True:
        states = readiness.states()
        for state in states:
            if state.state == 'ready' and state.name not in announced:
                announced.add(state.name)
                seconds = load_seconds.get(state.name, 0.0)
                logger.info('ready: %s %.*f s', state.name, seconds < 10, seconds)
        # A model that hangs may answer again: it has not failed as one that cannot answer.
        failed = {model.name: model.failure for model in mounted_models(readiness.app) if model.failure}
        failures = {name: with_texts(failure) for name, failure in failed.items()}
        if failures != standing.failures:
            standing.failures = failures
        if not any(state.state == 'starting' for state in states):
            standing.state = TRIED
        time.sleep(REPORT_SECONDS if standing.state == TRIED else PAUSE_SECONDS)
