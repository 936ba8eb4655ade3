"""Runs the jobs of this process: of each model one after the other, in a thread beside those of requests."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

from flask import Response

from model_serving.catalogue import JSON
from model_serving.errors import InvalidInput, Overloaded
from model_serving.jobs.job_store import Job, JobStore
from model_serving.json_codec import decode, encode
from model_serving.protocols.forward import respond
from model_serving.requests.current import REQUEST_KEY, CurrentRequest, current_request
from model_serving.requests.deadline import deadline

WATCH_SECONDS, RETRY_SECONDS, HANG_SECONDS = 0.5, 10.0, 10.0
CRASHED = 'failed', 500, encode({'message': 'Internal Server Error'})
NOT_BEGUN = 'failed', 503, encode({'message': 'The job could not begin; send the request again'})

Outcome = tuple[Any, ...]
"""The status of a job, the HTTP status of its answer, that, and its media type unless it is JSON."""

logger = logging.getLogger('jobs')


class QueuedJob:
    """A job and the request that it answers, with a body of `size` bytes; its time is over at `ends_at`.

    `request` is what runs. `outcome` is how it has ended where that could not be noted so far.
    """

    request: CurrentRequest | None = None
    outcome: Outcome | None = None

    def __init__(self, job: Job, environ: dict[str, Any], size: int, timeout_s: float) -> None:
        self.job, self.environ, self.size = job, environ, size
        self.ends_at = time.monotonic() + timeout_s

    def is_late(self, by_s: float = 0) -> bool:
        """Whether its time is over, for so long."""
        return time.monotonic() >= self.ends_at + by_s


class JobRunner:
    """The jobs that this process has yet to finish: at most `max_waiting` of a model, `max_bytes` in all."""

    def __init__(self, app: Any, store: JobStore, max_waiting: int, max_bytes: int) -> None:
        self.store = store
        self._app, self._max_waiting, self._max_bytes = app, max_waiting, max_bytes
        self._lock = threading.Lock()
        self._unfinished: dict[str, QueuedJob] = {}
        self._waiting: dict[str, deque[QueuedJob]] = {}
        self._running: dict[str, QueuedJob] = {}
        self._bytes = 0
        self._is_watched = False

    @property
    def unfinished(self) -> int:
        """How many there are."""
        return len(self._unfinished)

    def put(self, model: str, key_name: str, environ: dict[str, Any], size: int) -> Job:
        """Have a request answered as a new job. Raises Overloaded where too many wait, or one hangs."""
        with self._lock:
            waiting, running = self._waiting.get(model), self._running.get(model)
            if running and running.is_late(HANG_SECONDS):
                raise Overloaded(f'{model} hangs in a job; try again later', 60)
            is_full = self._bytes + size > self._max_bytes and self._bytes
            if is_full or (waiting and len(waiting) >= self._max_waiting):
                raise Overloaded('Too many jobs are waiting already; try again later', 30)
            if waiting is None:
                _start(self._run_all, model)  # It waits for the lock.
                waiting = self._waiting[model] = deque()
            if not self._is_watched:
                _start(self._watch)
                self._is_watched = True
            queued = QueuedJob(self.store.add(model, key_name), environ, size, self.store.timeout_s)
            waiting.append(queued)
            self._unfinished[queued.job.id] = queued
            self._bytes += size
        return queued.job

    def _run_all(self, model: str) -> None:
        while True:
            with self._lock:
                if not self._waiting[model]:
                    del self._waiting[model]
                    return
                queued = self._running[model] = self._waiting[model].popleft()
            try:
                if queued.is_late():
                    self._note(queued, self.store.late)
                elif self.store.begin(queued.job):
                    self._note(queued, Context().run(self._run, queued))
                else:
                    self._forget(queued)
            except Exception:  # The next may do better.
                logger.exception('The job %s of %s could not begin', queued.job.id, model)
                self._note(queued, NOT_BEGUN)
            with self._lock:
                del self._running[model]
                self._bytes -= queued.size

    def _run(self, queued: QueuedJob) -> Outcome:
        request = queued.request = queued.environ[REQUEST_KEY] = CurrentRequest(queued.environ)
        request.takes_room = False  # It may run for long.
        current_request.set(request)
        deadline.set(queued.ends_at)
        try:
            response = respond(self._app, queued.environ)
            outcome = self._outcome(response)
            response.close()
        except BaseException:  # Even SystemExit: the next job is to run.
            if not request.client_gone:
                logger.exception('The job %s of %s failed', queued.job.id, queued.job.model)
            self._app.end(request, 499 if request.client_gone else 500)
            return CRASHED
        return outcome

    def _outcome(self, response: Response) -> Outcome:
        code, answer, media_type = response.status_code, response.get_data(), response.mimetype or ''
        if len(answer) > self._max_bytes:
            message = f'The answer has over {self._max_bytes} bytes; ask for less at a time'
            return 'failed', 500, encode({'message': message})
        if response.is_json:
            media_type = JSON if _is_json(answer) else 'text/plain'
        return 'succeeded' if code < 400 else 'failed', code, answer, media_type

    def _note(self, queued: QueuedJob, outcome: Outcome) -> None:
        """Note how a job has ended; later, if that cannot be now."""
        queued.outcome = self.store.late if queued.is_late() else outcome
        with contextlib.suppress(Overloaded):
            self.store.end(queued.job, *queued.outcome)
            self._forget(queued)

    def _forget(self, queued: QueuedJob) -> None:
        with self._lock:
            self._unfinished.pop(queued.job.id, None)

    def _watch(self) -> None:
        """Look after the jobs of this process, which any worker may have canceled, until there are none."""
        while True:
            time.sleep(WATCH_SECONDS)
            with self._lock:
                if not self._unfinished:
                    self._is_watched = False
                    return
                unfinished = list(self._unfinished.values())
            try:
                canceled = self.store.canceled()
            except Overloaded:
                time.sleep(RETRY_SECONDS)
                continue
            for queued in unfinished:
                if queued.job.id in canceled or queued.is_late():
                    self._give_up(queued)
                if queued.outcome or queued.is_late():
                    self._note(queued, queued.outcome or self.store.late)

    def _give_up(self, queued: QueuedJob) -> None:
        """Let a job not begin, or have what runs learn that nobody waits for it."""
        with self._lock:
            waiting = self._waiting.get(queued.job.model)
            if waiting and queued in waiting:
                waiting.remove(queued)
                self._bytes -= queued.size
                if not queued.is_late():
                    del self._unfinished[queued.job.id]
        request = queued.request
        if request is not None and not request.client_gone:
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
