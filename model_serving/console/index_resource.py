"""GET /: what is served here, as JSON for a program and as a console for a browser."""

import json
import shlex
from typing import Any, ClassVar

from flask import Response, current_app, make_response, render_template, request
from flask_restful import Resource

from model_serving.access.guard import needs_key
from model_serving.catalogue import MountedModel, json_object, mounted_models
from model_serving.version import __version__

CONSOLE_HEADERS = {
    'Vary': 'Accept',
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    ),
}
"""The console runs no script and loads nothing but the files of the client folder."""


class IndexResource(Resource):
    """Lists the mounted models."""

    access = 'console'
    answers: ClassVar[dict[str, Any]] = {
        **json_object(
            name={'type': 'string'},
            version={'type': 'string'},
            models={
                'type': 'array',
                'items': {'type': 'object', 'required': ['name', 'method', 'url', 'schema']},
            },
        ),
        'text/html': {'type': 'string'},
    }

    def get(self) -> Any:
        """The models, their URLs, schemas, examples and pages."""
        models = mounted_models(current_app)
        if request.accept_mimetypes.best_match(['application/json', 'text/html']) == 'text/html':
            return _page(models)
        described = [_describe(model) for model in models]
        return {'name': 'model-serving', 'version': __version__, 'models': described}, 200, {'Vary': 'Accept'}


def _describe(model: MountedModel) -> dict[str, Any]:
    described: dict[str, Any] = {
        'name': model.name,
        'description': model.description,
        'method': 'POST',
        'url': model.url,
        'schema': model.schema,
    }
    if model.version:
        described |= {'version': model.version, 'urls': model.urls}
    if model.failure is not None:
        described['failure'] = model.failure
    if hasattr(model.resource, 'takes_jobs'):
        described['takes_jobs'] = True
    if not model.safe_to_retry:
        described['safe_to_retry'] = False
    if model.page:
        described['page'] = f'/{model.page}'
    if model.card:
        described['card'] = f'/{model.card}'
    return described


def _page(models: list[MountedModel]) -> Response:
    has_keys = needs_key(current_app)
    curls = {model.name: _curl(model, has_keys) for model in models}
    page = render_template(
        'index.html',
        models=models,
        curls=curls,
        version=__version__,
        has_keys=has_keys,
        root=request.root_path,
        url_root=request.url_root,
        mcp=_mcp_servers(has_keys),
    )
    response = make_response(page)
    response.headers.update(CONSOLE_HEADERS)
    return response


def _mcp_servers(has_keys: bool) -> str:
    """What clients of MCP are configured with, in JSON; empty where they may not call."""
    access = current_app.extensions.get('mcp')
    if access is None or not access.is_for(request.environ):
        return ''
    headers = {'headers': {'Authorization': 'Bearer KEY'}} if has_keys else {}
    server = {'type': 'http', 'url': f'{request.url_root}mcp', **headers}
    return json.dumps({'mcpServers': {'models': server}})


def _curl(model: MountedModel, has_keys: bool) -> str:
    url = request.url_root.rstrip('/') + model.url
    body = shlex.quote(json.dumps(model.example))
    key = ' -H "Authorization: Bearer $KEY"' if has_keys else ''
    return f"curl {shlex.quote(url)}{key} -H 'Content-Type: application/json' -d {body}"
