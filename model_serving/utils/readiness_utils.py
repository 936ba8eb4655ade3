"""Whether the models answer: each is run once on the example of its schema, in the background.

Every worker process has models of its own, so each finds out for itself. What is run here is no request of
a client: no log of access and no metric counts it, and it does not wait in line.
"""

import logging
import os
import sys
import threading
import time
import traceback
from typing import Any, NamedTuple

from flask import Flask, Response
from flask_restful.utils import unpack
from werkzeug.test import create_environ

from model_serving.utils.catalogue_utils import MountedModel, failures, mounted_models
from model_serving.utils.deadline_utils import DEADLINE, STARTED, deadline
from model_serving.utils.error_utils import ModelNotReady, in_words
from model_serving.utils.json_utils import encode

RETRY_SECONDS = 10.0
"""How long a model that failed is left alone before it is run again, if anybody asks for it."""


class ModelState(NamedTuple):
    """Where a model stands: 'ready', 'starting' or 'failed', and why, unless it is ready."""

    name: str
    state: str
    reason: str | None = None

    def __str__(self) -> str:
        return f'{self.name} {self.reason or "is ready"}'


class Readiness:
    """Which models of `app` are ready in this process; one that takes over `timeout_s` has failed so far."""

    def __init__(self, app: Flask, timeout_s: float) -> None:
        self.app = app
        self.timeout_s = timeout_s
        self._failures = failures(app)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._runner: threading.Thread | None = None
        self._rests_until = 0.0
        self._running: set[str] = set()
        self._ready: set[str] = set()

    def begin(self) -> None:
        """Run the models that are not ready, in the background, unless that happens or has just happened."""
        with self._lock:
            if self._pid != os.getpid():  # What a parent process has found out says little about this one.
                self._start_afresh()
            if self._is_running() or time.monotonic() < self._rests_until:
                return
            due = [model for model in mounted_models(self.app) if self._is_due(model)]
            if due:
                self._runner = threading.Thread(target=self._run, args=[due], name='warm-up', daemon=True)
                self._runner.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when all that are being run are known to be ready or not, or after `timeout_s` seconds."""
        if self._runner is not None:
            self._runner.join(timeout_s)

    def require(self) -> None:
        """Run all models, here and now. Raises ModelNotReady for the first that is not ready then."""
        self.begin()
        self.wait()
        if missing := [state for state in self.states() if state.reason]:
            raise ModelNotReady(str(missing[0]))

    def states(self) -> list[ModelState]:
        """Where each model stands; one without an example is ready once it is loaded."""
        return [self._state(model) for model in mounted_models(self.app)]

    def _state(self, model: MountedModel) -> ModelState:
        if model.failure is not None:
            return ModelState(model.name, 'failed', model.failure)
        if model.example is None or model.name in self._ready:
            return ModelState(model.name, 'ready')
        return ModelState(model.name, 'starting', 'has yet to answer its own example')

    def _is_running(self) -> bool:
        return self._runner is not None and self._runner.is_alive()

    def _is_due(self, model: MountedModel) -> bool:
        return model.example is not None and model.name not in self._ready | self._running

    def _run(self, models: list[MountedModel]) -> None:
        """Run one model after the other, each in a thread of its own, because it may never come back."""
        for model in models:
            with self._lock:
                self._running.add(model.name)
            thread = threading.Thread(target=self._try, args=[model], name='example', daemon=True)
            thread.start()
            thread.join(self.timeout_s)
            self._fail_if_running(model, thread)
        self._rests_until = time.monotonic() + RETRY_SECONDS

    def _try(self, model: MountedModel) -> None:
        failure, error = None, None
        try:
            status = answer_example(self.app, model, self.timeout_s)
        except (Exception, SystemExit) as raised:
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

    def _fail_if_running(self, model: MountedModel, thread: threading.Thread) -> None:
        with self._lock:
            if model.name in self._running:
                failure = f'has not answered its own example within {self.timeout_s:g} s'
                self._fail(model.name, failure, place=stack_of(thread))

    def _fail(self, name: str, failure: str, error: BaseException | None = None, place: str = '') -> None:
        """Note a failure. The trace of one that stays the same is in the log already."""
        known = self._failures.get(name) == failure
        self._failures[name] = failure
        more = f'; it is here:\n{place}' if place else ''
        logging.getLogger(name).error('%s %s%s', name, failure, more, exc_info=None if known else error)


def answer_example(app: Flask, model: MountedModel, timeout_s: float) -> int:
    """Let `model` answer the first example of its schema. Returns the status; raises what it raises."""
    environ = create_environ(
        model.url,
        method='POST',
        data=encode(model.example),
        content_type='application/json',
        environ_overrides={STARTED: time.perf_counter(), DEADLINE: time.monotonic() + timeout_s},
    )
    deadline.set(environ[DEADLINE])
    with app.request_context(environ):
        result: Any = model.resource().dispatch_request()
        if isinstance(result, Response):
            result.get_data()  # A stream is answered when it has come to its end.
            return result.status_code
        data, status, _ = unpack(result)
        encode(data)
        return int(status)


def stack_of(thread: threading.Thread) -> str:
    """Where in the code a thread is."""
    frame = sys._current_frames().get(thread.ident or 0)
    return ''.join(traceback.format_stack(frame)) if frame else ''


def readiness_of(app: Flask) -> Readiness:
    """The Readiness of an application that `build_service` made."""
    readiness: Readiness = app.extensions['readiness']
    return readiness


def refuse_failed(app: Flask, name: str) -> None:
    """Raise ModelNotReady for a model that has failed, which is then run again in the background."""
    readiness_of(app).begin()
    if failure := failures(app).get(name):
        raise ModelNotReady(f'{name} {failure}; try again later, and see the log')
