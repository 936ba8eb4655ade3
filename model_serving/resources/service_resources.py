"""What the service has beside its models: each resource, its URLs, and the name of its endpoint."""

from model_serving.resources.health_resource import LiveResource, ReadyResource
from model_serving.resources.index_resource import IndexResource
from model_serving.resources.warmup_resource import WarmupResource

SERVICE: list[tuple[type, tuple[str, ...], str]] = [
    (IndexResource, ('/',), 'index'),
    (LiveResource, ('/health/live',), 'health_live'),
    (ReadyResource, ('/health/ready',), 'health_ready'),
    (WarmupResource, ('/_ah/warmup',), 'warmup'),
]
"""Mounted by create_app, in this order, before the models."""
