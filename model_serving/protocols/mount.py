"""Mounts the protocols of other model servers.

Each model has URL rules of its own for each protocol, and one queue for all of them: a slow model delays only
its own calls. The endpoints are called `<Model>.<protocol>.<what>`;
where the model has versions, `<Model>@<version>.<protocol>.<what>`.
"""

from collections.abc import Sequence
from typing import Any

from flask import Flask
from flask_restful import Api, Resource

from model_serving.catalogue import MountedModel, mounted_models
from model_serving.health.health_resource import ReadyResource
from model_serving.platforms import platform_route
from model_serving.protocols.embeddings_resource import (
    EmbeddingModelsResource,
    EmbeddingsResource,
    makes_embeddings,
)
from model_serving.protocols.mlflow_resource import InvocationsResource, PingResource, VersionResource
from model_serving.protocols.open_inference_resource import (
    InferResource,
    ModelReadyResource,
    ModelResource,
)
from model_serving.protocols.tensor_resource import has_tensors, versions_of
from model_serving.protocols.tensorflow_serving_resource import (
    MetadataResource,
    PredictResource,
    StatusResource,
)
from model_serving.settings import SettingError

Rules = Sequence[tuple[type[Resource], str, str]]

MODEL_RULES: Rules = [
    (ModelResource, '/v2/models/{}', 'v2.metadata'),
    (ModelReadyResource, '/v2/models/{}/ready', 'v2.ready'),
    (InferResource, '/v2/models/{}/infer', 'v2.infer'),
    (StatusResource, '/v1/models/{}', 'v1.status'),
    (MetadataResource, '/v1/models/{}/metadata', 'v1.metadata'),
    (PredictResource, '/v1/models/{}:predict', 'v1.predict'),
]
"""`{}` is the name of a model; a version may follow it, or a label."""

DEFAULT_MODEL_RULES: Rules = [
    (InvocationsResource, '/invocations', 'mlflow.invocations'),
    (PingResource, '/ping', 'mlflow.ping'),
    (VersionResource, '/version', 'mlflow.version'),
]
PLATFORM_HEALTH = 'health_platform'
"""The endpoint of the path where a platform asks whether the service is ready."""


def mount_protocols(app: Flask, api: Api, default: str = '') -> None:
    """Mount the protocols for the models of `app` that have tensors, or make embeddings.

    The model called `default`, or else a single one, also gets the routes that name no model: those of
    MLflow, and one that the platform may have chosen. Raises SettingError where that needs a default model.
    """
    _mount_platform_health(app, api)
    models = mounted_models(app)
    route = platform_route('AIP_PREDICT_ROUTE')
    heads = [model for model in models if model.is_default]
    chosen = [model for model in heads if model.base_name == default or (len(heads) == 1 and not default)]
    if route and not chosen:
        raise SettingError('AIP_PREDICT_ROUTE needs a default model: set MODEL_SERVING_DEFAULT_MODEL')
    for model in models:
        if has_tensors(model):
            _mount(api, model, MODEL_RULES, versions_of(model, models))
    for model in chosen:
        _mount(api, model, DEFAULT_MODEL_RULES)
        if route and not _answers_there(app, model, route):
            _mount(api, model, [(InvocationsResource, route, 'mlflow.platform')])
    if any(map(makes_embeddings, models)):
        api.add_resource(EmbeddingsResource, '/openai/v1/embeddings', endpoint='openai.embeddings')
        urls = '/openai/v1/models', '/openai/v1/models/<name>'
        api.add_resource(EmbeddingModelsResource, *urls, endpoint='openai.models')


def _mount_platform_health(app: Flask, api: Api) -> None:
    """Answer at the path where the platform asks whether the service is ready. Raises SettingError."""
    route = platform_route('AIP_HEALTH_ROUTE')
    taken = [rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == route]
    if route and not taken:
        api.add_resource(ReadyResource, route, endpoint=PLATFORM_HEALTH)
    elif route and not taken[0].startswith('health_'):
        raise SettingError(f'AIP_HEALTH_ROUTE: something else answers at {route!r}; choose another path')


def _answers_there(app: Flask, model: MountedModel, route: str) -> bool:
    """Whether the model takes its own JSON at a path already. Raises SettingError where another does."""
    known = [rule for rule in app.url_map.iter_rules() if rule.rule == route]
    rules = [rule for rule in known if 'POST' in (rule.methods or ())]
    names = {model.name, f'{model.name}.mlflow.invocations'}
    if any(rule.endpoint not in names for rule in rules):
        raise SettingError(f'AIP_PREDICT_ROUTE: something else answers at {route!r}; choose another path')
    return bool(rules)


def _mount(api: Api, model: MountedModel, rules: Rules, versions: Sequence[MountedModel] = ()) -> None:
    for resource, pattern, endpoint in rules:
        attributes = {'model': model, 'versions': versions, '__doc__': resource.__doc__}
        model_resource: Any = type(resource.__name__, (resource,), attributes)
        urls = dict.fromkeys(pattern.format(place) for place in _places(model))
        api.add_resource(model_resource, *urls, endpoint=f'{model.name}.{endpoint}')


def _places(model: MountedModel) -> list[str]:
    """What stands for the model in the paths of the protocols, as in those of its own URLs."""
    places = [url.removeprefix('/v1/') for url in model.urls]
    return places if model.version else [model.name, f'{model.name}/versions/1', *places[1:]]
