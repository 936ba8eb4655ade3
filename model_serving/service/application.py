"""The service without its models: one Flask application with its JSON, errors, log, CORS and pages."""

from flask import Flask

from model_serving.access.guard import guard_of
from model_serving.console.pages import serve_client
from model_serving.health.readiness import Readiness
from model_serving.jobs.mount import take_jobs
from model_serving.observability.access_log import log_requests
from model_serving.observability.log_formats import log_version
from model_serving.observability.metrics import record_request
from model_serving.payloads.payload_log import log_payloads
from model_serving.payloads.remembered import remembering
from model_serving.platforms import served_version
from model_serving.requests.room import room
from model_serving.service_settings import ServiceSettings
from model_serving.web.api import JSONApi, handle_errors
from model_serving.web.app import ServiceApp
from model_serving.web.cors import allow_origins


def build_service(settings: ServiceSettings) -> tuple[Flask, JSONApi]:
    """An application that answers as the HTTP contract says, and the API to mount resources on."""
    app = ServiceApp('model_serving', static_folder=None)
    app.timeout_s = settings.timeout_s
    app.drain_s = settings.drain_s
    app.max_waiting = settings.max_waiting
    app.max_buffered_bytes = room.size = settings.max_buffered_bytes
    app.fast_path = settings.fast_path
    app.url_map.merge_slashes = False  # Else //v1/X is a redirect, whose body is no JSON.
    app.config['MAX_CONTENT_LENGTH'] = settings.max_body_bytes
    app.config['METRICS'] = settings.metrics
    app.config['VERSION'] = version = served_version(settings.version)
    app.observers = (record_request,)
    log_requests(app, settings.access_log, settings.access_log_health)
    log_version(version)
    handle_errors(app)
    allow_origins(app, settings.cors_origins)
    serve_client(app)
    app.guard = guard_of(app, settings)
    app.extensions['readiness'] = Readiness(app, settings.timeout_s)
    api = JSONApi(app)
    api.around = (remembering,)
    log_payloads(app, api, settings)
    take_jobs(app, api, settings)
    return app, api
