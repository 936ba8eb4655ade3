"""What the service has beside its models: each resource, its URLs, and the name of its endpoint."""

from model_serving.console.index_resource import IndexResource
from model_serving.health.health_resource import LiveResource, ReadyResource, WarmupResource
from model_serving.observability.metrics_resource import MetricsResource
from model_serving.openapi.docs_resource import DOCS_URLS, DocsResource
from model_serving.openapi.openapi_resource import OpenAPIResource
from model_serving.protocols.open_inference_resource import (
    RepositoryIndexResource,
    ServerLiveResource,
    ServerReadyResource,
    ServerResource,
)
from model_serving.protocols.tensorflow_serving_resource import ModelsResource

SERVICE: list[tuple[type, tuple[str, ...], str]] = [
    (IndexResource, ('/',), 'index'),
    (LiveResource, ('/health/live',), 'health_live'),
    (ReadyResource, ('/health/ready', '/health'), 'health_ready'),
    (WarmupResource, ('/_ah/warmup',), 'warmup'),
    (MetricsResource, ('/metrics',), 'metrics'),
    (OpenAPIResource, ('/openapi.json',), 'openapi'),
    (DocsResource, DOCS_URLS, 'docs'),
    (ServerResource, ('/v2', '/v2/'), 'v2'),
    (ServerLiveResource, ('/v2/health/live',), 'v2_live'),
    (ServerReadyResource, ('/v2/health/ready',), 'v2_ready'),
    (RepositoryIndexResource, ('/v2/repository/index',), 'v2_repository'),
    (ModelsResource, ('/v1/models',), 'v1_models'),
]
"""Mounted by create_app, in this order, before the models."""
