"""The service without its models: one Flask application with its JSON, errors, log, CORS and pages."""

from flask import Flask

from model_serving.utils.api_utils import JSONApi, handle_errors
from model_serving.utils.app_utils import ServiceApp
from model_serving.utils.client_utils import serve_client
from model_serving.utils.cors_utils import allow_origins
from model_serving.utils.log_utils import log_requests
from model_serving.utils.readiness_utils import Readiness
from model_serving.utils.settings_utils import ServiceSettings


def build_service(settings: ServiceSettings) -> tuple[Flask, JSONApi]:
    """An application that answers as the HTTP contract says, and the API to mount resources on."""
    app = ServiceApp('model_serving', static_folder=None)
    app.timeout_s = settings.timeout_s
    app.url_map.merge_slashes = False  # Else //v1/X is a redirect, whose body is no JSON.
    app.config['MAX_CONTENT_LENGTH'] = settings.max_body_bytes
    log_requests(app, settings.access_log, settings.access_log_health)
    handle_errors(app)
    allow_origins(app, settings.cors_origins)
    serve_client(app)
    app.extensions['readiness'] = Readiness(app, settings.timeout_s)
    return app, JSONApi(app, settings.max_waiting)
