"""Whether the models answer: each is run once on the example of its schema, in the background.

Every worker process has its own models, so each checks them itself. These runs are no requests of clients:
they are in no access log and no metric, and do not wait in a queue.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from flask import Flask, Response
from flask_restful.utils import unpack
from werkzeug.test import create_environ

from model_serving.catalogue import MountedModel, failures, mounted_models
from model_serving.errors import ModelNotReady, in_words
from model_serving.json_codec import encode
from model_serving.observability.log_guard import check_logging
from model_serving.requests.coroutines import iterate_sync, run_coroutine
from model_serving.requests.current import on_trial
from model_serving.requests.deadline import deadline

RETRY_SECONDS = 10.0
"""How long a model that has failed is left alone before a request lets it run again."""


class ModelState(NamedTuple):
    """The state of a model: 'ready', or 'starting', 'failed' or 'stopping' and the reason."""

    name: str
    state: str
    reason: str | None = None

    def __str__(self) -> str:
        return f'{self.name} {self.reason or "is ready"}'


class Readiness:
    """Which models of `app` are ready in this process; one that takes over `timeout_s` has failed so far.

    `why_hanging` says why a model has stopped answering, in words that follow its name; a server that knows
    replaces it, and sets `is_stopping` when the service is about to end.
    """

    is_stopping = False

    def __init__(self, app: Flask, timeout_s: float) -> None:
        self.app = app
        self.timeout_s = timeout_s
        self.why_hanging: Callable[[str], str | None] = lambda _name: None
        self._failures = failures(app)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._runner: threading.Thread | None = None
        self._retry_at = 0.0
        self._running: set[str] = set()
        self._ready: set[str] = set()

    def begin(self) -> None:
        """Run the models that are not ready, in the background, unless that happens or has just happened."""
        with self._lock:
            if self._pid != os.getpid():  # What a parent process found out says little about this one.
                self._reset()
            is_running = self._runner is not None and self._runner.is_alive()
            if is_running or time.monotonic() < self._retry_at:
                return
            known = self._ready | self._running
            models = mounted_models(self.app)
            if due := [model for model in models if model.example is not None and model.name not in known]:
                self._runner = threading.Thread(target=self._run, args=[due], name='warm-up', daemon=True)
                self._runner.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when each model that is being run is ready or has failed, or after `timeout_s` seconds."""
        if self._runner is not None:
            self._runner.join(timeout_s)

    def require(self) -> None:
        """Run all models, here and now. Raises ModelNotReady for the first that is not ready then."""
        self.begin()
        self.wait()
        if missing := self.missing():
            raise ModelNotReady(str(missing[0]))

    def missing(self, name: str | None = None) -> list[ModelState]:
        """The states of those models that are not ready; with a name, at most that one."""
        return [state for state in self.states() if state.reason and name in (None, state.name)]

    def states(self) -> list[ModelState]:
        """The state of each model; one without an example is ready once it is loaded."""
        return [self._state(model) for model in mounted_models(self.app)]

    def _state(self, model: MountedModel) -> ModelState:
        failure = model.failure or self.why_hanging(model.name)
        if failure is not None:
            return ModelState(model.name, 'failed', failure)
        if self.is_stopping:
            return ModelState(model.name, 'stopping', 'is stopping, with the whole service')
        if model.example is None or model.name in self._ready:
            return ModelState(model.name, 'ready')
        return ModelState(model.name, 'starting', 'has yet to answer its own example')

    def _run(self, models: list[MountedModel]) -> None:
        """Run one model after the other, each in a thread of its own, because it may never return."""
        for model in models:
            with self._lock:
                self._running.add(model.name)
            answered = threading.Event()
            thread = threading.Thread(target=self._try, args=[model, answered], name='example', daemon=True)
            thread.start()
            thread.join(self.timeout_s)
            if answered.is_set():  # The trials have as much time again.
                thread.join(self.timeout_s)
            with self._lock:
                if model.name in self._running:
                    failure = f'has not answered its own example within {self.timeout_s:g} s'
                    self._fail(model.name, failure, more=f'; it is here:\n{stack_of(thread)}')
        self._retry_at = time.monotonic() + RETRY_SECONDS

    def _try(self, model: MountedModel, answered: threading.Event) -> None:
        failure, error = None, None
        trials: list[Callable[[], None]] = []
        on_trial.set(trials)
        try:
            status = answer_example(self.app, model, self.timeout_s)
            answered.set()
            for trial in trials:
                trial()
        except BaseException as raised:
            failure, error = f'failed on its own example: {in_words(raised)}', raised
        else:
            if not 200 <= status < 300:
                failure = f'answered its own example with status {status}'
        with self._lock:
            self._running.discard(model.name)
            if failure is None:
                self._ready.add(model.name)
                self._failures.pop(model.name, None)
            else:
                self._fail(model.name, failure, error)

    def _fail(self, name: str, failure: str, error: BaseException | None = None, more: str = '') -> None:
        """Store and log a failure; the trace only of a new one."""
        check_logging(name)
        is_known = self._failures.get(name) == failure
        self._failures[name] = failure
        logging.getLogger(name).error('%s %s%s', name, failure, more, exc_info=None if is_known else error)


def answer_example(app: Flask, model: MountedModel, timeout_s: float) -> int:
    """Let `model` answer the first example of its schema. Returns the status; raises what it raises."""
    body = encode(model.example)
    environ = create_environ(model.url, method='POST', data=body, content_type='application/json')
    deadline.set(time.monotonic() + timeout_s)
    with app.request_context(environ):
        result: Any = model.resource().dispatch_request()
        if isinstance(result, Coroutine):
            result = run_coroutine(result)
        if isinstance(result, Response):
            if hasattr(result.response, '__aiter__'):
                result.response = iterate_sync(result.response)  # type: ignore[arg-type]
            result.get_data()  # A stream counts as answered when it has come to its end.
            return result.status_code
        data, status, _ = unpack(result)
        encode(data)
        return int(status)


def stack_of(thread: threading.Thread) -> str:
    """The stack of a thread, formatted."""
    frame = sys._current_frames().get(thread.ident or 0)
    return ''.join(traceback.format_stack(frame)) if frame else ''


def readiness_of(app: Flask) -> Readiness:
    """The Readiness of an application that `build_service` made."""
    readiness: Readiness = app.extensions['readiness']
    return readiness


def refuse_failed(app: Flask, name: str) -> None:
    """Raise ModelNotReady for a model that has failed, and let it run again in the background."""
    readiness_of(app).begin()
    if failure := failures(app).get(name):
        raise ModelNotReady(f'{name} {failure}; try again later, and see the log')
