"""A service of tests: what the real one has beside its models, and models of the tests' own."""

from collections.abc import Mapping
from typing import Any

from model_serving.jobs.mount import mount_jobs
from model_serving.observability.access_log import set_up_logging
from model_serving.service.application import build_service
from model_serving.service.resources import SERVICE
from model_serving.service_settings import ServiceSettings
from model_serving.settings import load_settings


def small_service(models: Mapping[str, type]) -> tuple[Any, Any]:
    """The application, and the API to mount more on; each model is at /v1/<its name>."""
    set_up_logging()
    app, api = build_service(load_settings(ServiceSettings, 'model_serving'))
    for resource, urls, endpoint in SERVICE:
        api.add_resource(resource, *urls, endpoint=endpoint)
    for name, model in models.items():
        api.add_resource(model, f'/v1/{name}', endpoint=name)
    mount_jobs(app, api)
    return app, api
