"""The service without its models: one Flask application with its JSON, errors, log, CORS and pages."""

from flask import Flask
from flask_cors import CORS

from model_serving.utils.api_utils import JSONApi, handle_errors
from model_serving.utils.client_utils import serve_client
from model_serving.utils.json_utils import OrjsonProvider
from model_serving.utils.log_utils import log_requests
from model_serving.utils.request_utils import ServiceRequest
from model_serving.utils.settings_utils import ServiceSettings


def build_service(settings: ServiceSettings) -> tuple[Flask, JSONApi]:
    """An application that answers as the HTTP contract says, and the API to mount resources on."""
    app = Flask('model_serving', static_folder=None)
    app.request_class = ServiceRequest
    app.json = OrjsonProvider(app)
    app.url_map.merge_slashes = False  # Else //v1/X is a redirect, whose body is no JSON.
    app.config['MAX_CONTENT_LENGTH'] = settings.max_body_bytes
    log_requests(app)
    handle_errors(app)
    CORS(app, origins=list(settings.cors_origins), max_age=3600)
    serve_client(app)
    return app, JSONApi(app)
