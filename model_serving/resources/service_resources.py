"""What the service has beside its models: each resource, its URLs, and the name of its endpoint."""

from model_serving.resources.index_resource import IndexResource
from model_serving.resources.metrics_resource import MetricsResource
from model_serving.resources.warmup_resource import WarmupResource

SERVICE = [
    (IndexResource, ('/',), 'index'),
    (WarmupResource, ('/_ah/warmup',), 'warmup'),
    (MetricsResource, ('/metrics',), 'metrics'),
]
"""Mounted by create_app, in this order, before the models."""
