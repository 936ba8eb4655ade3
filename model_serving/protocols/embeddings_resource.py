"""/openai/v1: the models that make embeddings, for the clients of OpenAI."""

import re
from typing import Any, ClassVar

from flask import Response, current_app
from flask_restful import Resource

from model_serving.catalogue import JSON, MountedModel, json_object, mounted_models
from model_serving.echo import echo
from model_serving.errors import ServingError, openai_error
from model_serving.json_codec import encode
from model_serving.protocols.body import json_body
from model_serving.protocols.embeddings import (
    REQUEST_SCHEMA,
    Embeddings,
    embeddings_of,
    is_array,
    require_texts,
)
from model_serving.protocols.forward import forward

UNKNOWN = Embeddings('', '')
"""What a model that has not loaded declares: it answers 503 to anything."""


class NoSuchModel(ServingError):
    """No model of this name makes embeddings: 404."""

    status = 404


class EmbeddingsResource(Resource):
    """Turns texts into vectors, by the model that the body names.

    With `encoding_format` base64, a vector is its float32s, little-endian. Further members are passed on to
    the model if its schema has them, and else refused.
    """

    access = 'listing'
    accepts = REQUEST_SCHEMA
    answers: ClassVar[dict[str, Any]] = json_object(object={}, data={'type': 'array'}, model={}, usage={})

    def post(self) -> Any:
        """The vector of each text, by the model's own URL."""
        request = json_body()
        require_texts(request)
        model, texts = _model(request['model']), request['input']
        count = len(texts) if isinstance(texts, list) else 1
        is_base64 = request.get('encoding_format') == 'base64'
        embeddings = embeddings_of(model.resource) or UNKNOWN
        body = embeddings.own_json(request, model.schema)
        del request, texts  # They are not to take memory while they wait.
        response = forward(model, body)
        if response.status_code >= 400:
            return _refusal(response, embeddings.texts)
        own = getattr(response, 'own', None)
        if not isinstance(own, dict) or not is_array(own.get(embeddings.vectors)):
            own = _json(response)  # An array is best left one: its numbers take 30 bytes each otherwise.
        return embeddings.answer(model.name, own, count, is_base64)


class EmbeddingModelsResource(Resource):
    """Lists the models that make embeddings, or describes one."""

    access = 'listing'
    answers: ClassVar[dict[str, Any]] = json_object(object={}, data={'type': 'array'})

    def get(self, name: str | None = None) -> Any:
        """What OpenAI says of models; when they were made is unknown."""
        about = {'object': 'model', 'created': 0, 'owned_by': 'model-serving'}
        if name is not None:
            return {'id': _model(name).name, **about}
        names = [name for name, model in _models().items() if embeddings_of(model.resource)]
        return {'object': 'list', 'data': [{'id': name, **about} for name in names]}


def makes_embeddings(model: MountedModel) -> bool:
    """Whether a model does, or has not loaded, so that this is unknown."""
    return hasattr(model.resource, 'load_failure') or embeddings_of(model.resource) is not None


def _models() -> dict[str, MountedModel]:
    """By their names; the default version of a model has the name of that, too."""
    models = [model for model in mounted_models(current_app) if makes_embeddings(model)]
    defaults = {model.base_name: model for model in models if model.is_default}
    return defaults | {model.name: model for model in models}


def _model(name: str) -> MountedModel:
    if (model := _models().get(name)) is None:
        words = f'No embedding model is called {echo(name)}; GET /openai/v1/models lists them'
        raise NoSuchModel(words, param='model', code='model_not_found')
    return model


def _json(response: Response) -> Any:
    return response.get_json(force=True, silent=True)


def _refusal(response: Response, texts: str) -> Response:
    """A model's own error in OpenAI's form; its pointers into `texts` become those into `input`."""
    pointer = b'("pointer":"/)%b(?=[/"])' % re.escape(texts).encode()
    response.set_data(re.sub(pointer, rb'\1input', response.get_data()))
    own = _json(response)
    own = {'message': response.status, **(own if isinstance(own, dict) else {})}
    error = openai_error(own['message'], response.status_code, {})
    kept = {name: value for name, value in response.headers if name in ('Retry-After', 'WWW-Authenticate')}
    return Response(encode({**own, 'error': error}), response.status, kept, mimetype=JSON)
