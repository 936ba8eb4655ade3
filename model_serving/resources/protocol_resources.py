"""What is mounted for the protocols of other model servers.

Each model has rules, and so gates, of its own for each protocol: a slow model makes only its own calls wait.
The endpoints are called `<Model>.<protocol>.<what>`.
"""

from collections.abc import Sequence
from typing import Any

from flask import Flask
from flask_restful import Api, Resource

from model_serving.resources.mlflow_resource import InvocationsResource, PingResource, VersionResource
from model_serving.resources.open_inference_resource import (
    InferResource,
    ModelReadyResource,
    ModelResource,
)
from model_serving.resources.tensor_resource import has_tensors
from model_serving.resources.tensorflow_serving_resource import (
    MetadataResource,
    PredictResource,
    StatusResource,
)
from model_serving.utils.catalogue_utils import MountedModel, mounted_models

Mounts = Sequence[tuple[type[Resource], Sequence[str], str]]

OF_MODEL: Mounts = [
    (ModelResource, ['/v2/models/{}', '/v2/models/{}/versions/1'], 'v2.metadata'),
    (ModelReadyResource, ['/v2/models/{}/ready', '/v2/models/{}/versions/1/ready'], 'v2.ready'),
    (InferResource, ['/v2/models/{}/infer', '/v2/models/{}/versions/1/infer'], 'v2.infer'),
    (StatusResource, ['/v1/models/{}', '/v1/models/{}/versions/1'], 'v1.status'),
    (MetadataResource, ['/v1/models/{}/metadata', '/v1/models/{}/versions/1/metadata'], 'v1.metadata'),
    (PredictResource, ['/v1/models/{}:predict', '/v1/models/{}/versions/1:predict'], 'v1.predict'),
]

OF_ONLY_MODEL: Mounts = [
    (InvocationsResource, ['/invocations'], 'mlflow.invocations'),
    (PingResource, ['/ping'], 'mlflow.ping'),
    (VersionResource, ['/version'], 'mlflow.version'),
]


def mount_protocols(app: Flask, api: Api) -> None:
    """Mount them for the models of `app` that have tensors; a single model gets MLflow's, too."""
    models = mounted_models(app)
    for model in models:
        if has_tensors(model):
            _mount(api, model, OF_MODEL)
            _mount(api, model, OF_ONLY_MODEL if len(models) == 1 else [])


def _mount(api: Api, model: MountedModel, mounts: Mounts) -> None:
    for resource, urls, endpoint in mounts:
        of_model: Any = type(resource.__name__, (resource,), {'model': model, '__doc__': resource.__doc__})
        api.add_resource(
            of_model, *[url.format(model.name) for url in urls], endpoint=f'{model.name}.{endpoint}'
        )
