"""GET /openapi.json: the service as an OpenAPI document."""

import functools
from typing import Any, ClassVar

from flask import Flask, Response, current_app, request
from flask_restful import Resource

from model_serving.catalogue import mounted_models
from model_serving.json_codec import encode
from model_serving.openapi.document import openapi_document


class OpenAPIResource(Resource):
    """Describes the service in OpenAPI 3.1: this document."""

    access = 'docs'
    answers: ClassVar[dict[str, Any]] = {'application/json': {'type': 'object'}}

    def get(self) -> Response:
        """The document, cached for each state of the models."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        failures = tuple(model.failure for model in mounted_models(app))
        response = Response(_body(app, request.root_path, failures), mimetype='application/json')
        response.cache_control.no_cache = True
        response.add_etag()
        response.make_conditional(request)
        return response


@functools.lru_cache(8)
def _body(app: Flask, root: str, failures: tuple[str | None, ...]) -> bytes:
    """The document as JSON; `failures` are in it, so they are a key of the cache."""
    return encode(openapi_document(app, root or '/'))
