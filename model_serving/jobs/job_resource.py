"""/v1/<Model>/jobs/<id>: how far a job is, and its answer."""

import base64
import time
from datetime import UTC, datetime
from typing import Any

from flask import request
from flask_restful import Resource
from orjson import Fragment

from model_serving.access.guard import ADMITTED
from model_serving.catalogue import JSON
from model_serving.errors import ServingError
from model_serving.jobs.job_store import Job, JobStore

LONGEST_PAUSE_SECONDS = 30


class NoSuchJob(ServingError):
    """No job of this id is known: 404."""

    status = 404


class JobResource(Resource):
    """A job of a model: 202 until it has ended, then 200 with its answer or its error."""

    model_name: str
    store: JobStore

    def get(self, job_id: str) -> Any:
        """How far it is. Raises NoSuchJob."""
        return answer_about(self._job(job_id), request.root_path + request.path)

    def delete(self, job_id: str) -> Any:
        """Cancel it, unless it has ended: its answer is not kept, and its view may learn that."""
        self.store.end(self._job(job_id), 'canceled')
        return self.get(job_id)

    def _job(self, job_id: str) -> Job:
        job = self.store.find(job_id)
        is_own = job and job.key_name == request.environ.get(ADMITTED, '')
        if job is None or not is_own or job.model.partition('@')[0] != self.model_name:
            kept = f'answers are kept for {self.store.keep_s:g} s (jobs_keep_s), on the host that made them'
            raise NoSuchJob(f'No such job: {kept}')
        return job


def answer_about(job: Job, url: str) -> Any:
    """What is said of a job, which is at `url`: JSON and, unless it has ended, the status and headers."""
    described: dict[str, Any] = {'id': job.id, 'url': url, 'model': job.model, 'status': job.status}
    described['created'] = _time(job.created)
    if job.ended is None:
        pause = min(max(1, round((time.time() - job.created) / 10)), LONGEST_PAUSE_SECONDS)
        return described, 202, {'Retry-After': str(pause)}
    described['ended'] = _time(job.ended)
    if job.status == 'canceled':
        return described
    value: Any = Fragment(job.answer.rstrip())
    if job.media_type != JSON:
        value = {'media_type': job.media_type, 'base64': base64.b64encode(job.answer).decode()}
    return {**described, 'code': job.code, 'error' if job.status == 'failed' else 'answer': value}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec='milliseconds')
