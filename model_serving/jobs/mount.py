"""Makes jobs of calls whose clients prefer that (RFC 7240), and mounts what they are asked for at."""

import re
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, request
from flask_restful import Api

from model_serving.access.guard import ADMITTED, JOB
from model_serving.catalogue import mounted_models
from model_serving.jobs.job_resource import JobResource, answer_about
from model_serving.jobs.job_runner import JobRunner
from model_serving.jobs.job_store import JobStore
from model_serving.payloads.around import with_post
from model_serving.project import ROOT
from model_serving.protocols.forward import with_body
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.service_settings import ServiceSettings
from model_serving.settings import SettingError

PREFERRED = re.compile(r'(^|,)\s*respond-async\s*($|[,;])', re.IGNORECASE)
QUOTED = re.compile('"[^"]*"')
"""The value of another preference, whatever is in it."""


def take_jobs(app: Any, api: Any, settings: ServiceSettings) -> None:
    """Have what is mounted on `api` from then on take jobs, if the settings name a file for them.

    Raises SettingError.
    """
    if not settings.jobs:
        return
    try:
        store = JobStore(ROOT / settings.jobs, settings.jobs_timeout_s, settings.jobs_keep_s)
    except (OSError, sqlite3.Error) as error:
        words = f'{error}; name a file of its own, in a folder that this user may write to'
        raise SettingError(f'jobs: {settings.jobs!r} cannot be used: {words}') from error
    runner = JobRunner(app, store, settings.max_waiting, settings.max_buffered_bytes)
    app.extensions['jobs'] = runner
    api.around = (*api.around, partial(_taking_jobs, runner))


def mount_jobs(app: Flask, api: Api) -> None:
    """Mount the jobs of each model of `app` that takes any."""
    for model in [each for each in mounted_models(app) if hasattr(each.resource, 'takes_jobs')]:
        store = app.extensions['jobs'].store
        attributes = {'model_name': model.base_name, 'store': store, '__doc__': JobResource.__doc__}
        urls = [f'{url}/jobs/<job_id>' for url in model.urls]
        resource = type('JobResource', (JobResource,), attributes)
        api.add_resource(resource, *urls, endpoint=f'{model.name}.{JOB}')


def unfinished_jobs(app: Flask) -> int:
    """How many jobs this process has yet to finish."""
    runner: JobRunner | None = app.extensions.get('jobs')
    return runner.unfinished if runner else 0


def _taking_jobs(runner: JobRunner, resource: type[Any]) -> type[Any]:
    """The same resource; calls whose clients prefer that become jobs once their bodies are valid."""
    post: Any = getattr(resource, 'post', None)
    # What is around it might refuse the call.
    if not hasattr(post, 'require_valid_body') or post.itself is not post:
        return resource

    def answer_or_accept(view: Callable[[], Any]) -> Any:
        current, preferred = current_request.get(), request.environ.get('HTTP_PREFER')
        if preferred is None or current is None or not PREFERRED.search(QUOTED.sub('', preferred)):
            return view()
        post.require_valid_body()
        return _accept(runner, current)

    taking = with_post(resource, answer_or_accept)
    taking.takes_jobs = True
    return taking


def _accept(runner: JobRunner, current: CurrentRequest) -> Any:
    """The answer to a request whose work is to be a job. Raises Overloaded."""
    body, key_name = request.get_data(), request.environ.get(ADMITTED, '')
    environ = {**with_body(request.environ, body), 'HTTP_X_REQUEST_ID': current.id}
    current.batched, current.payload = True, False  # This is no run of the model; its job has the bodies.
    job = runner.put(current.model, key_name, environ, len(body))
    url = f'{request.root_path}{request.path}/jobs/{job.id}'
    described, status, headers = answer_about(job, url)
    # Some clients take no path alone; a malformed Host gives no more than that.
    location = request.host_url.rstrip('/') + url if request.host else url
    return described, status, {**headers, 'Location': location, 'Preference-Applied': 'respond-async'}
