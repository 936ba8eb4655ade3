"""Runs the jobs of this process: of each model one after the other, in a thread beside those of requests."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

from flask import Response

from model_serving.errors import InvalidInput, Overloaded
from model_serving.jobs.job_store import JSON, Job, JobStore
from model_serving.json_codec import decode, encode
from model_serving.protocols.forward import respond
from model_serving.requests.current import REQUEST_KEY, CurrentRequest, current_request
from model_serving.requests.deadline import deadline

WATCH_SECONDS = 0.5
CRASHED = encode({'message': 'Internal Server Error'})

logger = logging.getLogger('jobs')


class QueuedJob(NamedTuple):
    """A job, and the request that it answers: `size` is that of its body, in bytes."""

    job: Job
    environ: dict[str, Any]
    size: int
    ends_at: float


class JobRunner:
    """The jobs that this process has yet to finish: at most `max_waiting` of a model, `max_bytes` in all."""

    def __init__(self, app: Any, store: JobStore, max_waiting: int, max_bytes: int) -> None:
        self.store = store
        self.unfinished = 0
        self._app, self._max_waiting, self._max_bytes = app, max_waiting, max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[QueuedJob]] = {}
        """Of the models that have a thread."""
        self._running: dict[str, CurrentRequest] = {}
        self._is_watched = False

    def put(self, model: str, key_name: str, environ: dict[str, Any], size: int) -> Job:
        """Have a request answered as a new job. Raises Overloaded where too many wait."""
        with self._lock:
            waiting = self._waiting.get(model)
            is_full = self._bytes + size > self._max_bytes and self._bytes
            if is_full or (waiting and len(waiting) >= self._max_waiting):
                raise Overloaded(f'{self.unfinished} jobs are waiting already; try again later', 30)
            if waiting is None:
                _start(self._run_all, model)  # It waits for the lock.
                waiting = self._waiting[model] = deque()
            if not self._is_watched:
                _start(self._watch)
                self._is_watched = True
            job = self.store.add(model, key_name)
            waiting.append(QueuedJob(job, environ, size, time.monotonic() + self.store.timeout_s))
            self._bytes += size
            self.unfinished += 1
        return job

    def _run_all(self, model: str) -> None:
        while True:
            with self._lock:
                if not self._waiting[model]:
                    del self._waiting[model]
                    return
                queued = self._waiting[model].popleft()
            try:
                if self.store.begin(queued.job):
                    Context().run(self._run, queued)
            except Overloaded:  # The store could not note it; the job fails once its time is over.
                pass
            finally:
                with self._lock:
                    self._bytes -= queued.size
                    self.unfinished -= 1

    def _run(self, queued: QueuedJob) -> None:
        job, environ = queued.job, queued.environ
        request = environ[REQUEST_KEY] = self._running[job.id] = CurrentRequest(environ)
        current_request.set(request)
        deadline.set(queued.ends_at)
        try:
            response = respond(self._app, environ)
            self._end(job, response)
            response.close()
        except BaseException:  # Even SystemExit: the next job is to run.
            logger.exception('The job %s of %s failed', job.id, job.model)
            self._app.end(request, 500)
            self.store.end(job, 'failed', 500, CRASHED)
        finally:
            del self._running[job.id]

    def _end(self, job: Job, response: Response) -> None:
        code, answer, media_type = response.status_code, response.get_data(), response.mimetype or ''
        status = 'succeeded' if code < 400 else 'failed'
        if media_type == JSON and not _is_json(answer):
            media_type = 'text/plain'
        try:
            self.store.end(job, status, code, answer, media_type)
        except Overloaded as error:  # The disk may have room for this.
            self.store.end(job, 'failed', error.status, encode({'message': error.message}))

    def _watch(self) -> None:
        """Tell the jobs that run here of their cancellation, which any worker may have been asked for."""
        while True:
            time.sleep(WATCH_SECONDS)
            with self._lock:
                if not self.unfinished:
                    self._is_watched = False
                    return
            running = dict(self._running)
            try:
                canceled = self.store.canceled(running) if running else []
            except Overloaded:
                continue
            for request in (running[job_id] for job_id in canceled):
                request.client_gone = True
                if (cancel := request.cancel) is not None:
                    cancel()


def _is_json(text: bytes) -> bool:
    with contextlib.suppress(InvalidInput):
        decode(text)
        return True
    return False


def _start(function: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=function, args=arguments, name='job', daemon=True).start()
