"""The service as an OpenAPI 3.1 document: a pure function of what is mounted.

https://spec.openapis.org/oas/v3.1.0
"""

import inspect
import re
from typing import Any

from flask import Flask

from model_serving.access.guard import needs_key
from model_serving.catalogue import JSON, MountedModel, mounted_models
from model_serving.openapi import jobs, request_id
from model_serving.openapi.error_answers import ERROR_SCHEMA, error_references, error_responses
from model_serving.openapi.references import embedded
from model_serving.uploads.body_reader import FORM, BodyReader
from model_serving.uploads.files import OCTETS, FileProperty
from model_serving.version import __version__

ABOUT = (
    'Trained models behind JSON endpoints, each guarded by its JSON Schema. '
    'Every answer that is not 2xx is JSON with `message`. Besides what an operation lists, any request may '
    'be answered with 404, 405, 408, 414 or 431, which `components.responses` describes.'
)
SECURITY_SCHEMES = {
    'bearer': {'type': 'http', 'scheme': 'bearer', 'description': 'The key, as a bearer token.'},
    'apiKey': {'type': 'apiKey', 'in': 'header', 'name': 'X-API-Key', 'description': 'The key, as a header.'},
}
BINARY = {'type': 'string', 'format': 'binary'}
"""A file: what tools understand, as OpenAPI 3.1 itself has no schema for it."""
KEPT_IN_FORMS = 'title', 'description', 'type', 'minItems', 'maxItems'
"""What holds for a file, too, of the schema for its base64."""
TAGS = [
    {'name': 'models', 'description': 'Each takes JSON and answers in JSON.'},
    {'name': 'service', 'description': 'What is served, and how it is.'},
]


def openapi_document(app: Flask, root: str = '/') -> dict[str, Any]:
    """The document of `app`, mounted at the path `root`: its models, and its resources with `answers`."""
    models = mounted_models(app)
    return {
        'openapi': '3.1.0',
        'jsonSchemaDialect': 'https://json-schema.org/draft/2020-12/schema',
        'info': {'title': 'model-serving', 'version': __version__, 'description': _about(models)},
        'servers': [{'url': root}],
        'tags': TAGS,
        'paths': {**_model_paths(app, models), **_service_paths(app)},
        'components': {
            'schemas': {
                'Error': ERROR_SCHEMA,
                **_schemas(models),
                **({'Job': jobs.SCHEMA} if 'jobs' in app.extensions else {}),
            },
            'responses': error_responses(needs_key(app)),
            'headers': {request_id.NAME: request_id.HEADER},
            'parameters': {request_id.NAME: request_id.PARAMETER},
            **({'securitySchemes': SECURITY_SCHEMES} if needs_key(app) else {}),
        },
    }


def _model_paths(app: Flask, models: list[MountedModel]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for model in models:
        has_key = needs_key(app, model.name)
        for url in model.urls:
            post = paths[url] = {'post': _post(model, url, has_key)}
            if hasattr(model.resource, 'takes_jobs'):
                post['parameters'] = [jobs.PREFER]
                post['post']['responses'] |= jobs.ACCEPTED
                paths[f'{url}/jobs/{{job_id}}'] = _job_path(_id(model, url), has_key)
    return paths


def _job_path(name: str, has_key: bool) -> dict[str, Any]:
    verbs = {'get': ('How far a job is, and its answer', 'Job'), 'delete': ('Cancel a job', 'CancelJob')}
    path: dict[str, Any] = {'parameters': [jobs.ID]}
    for method, (summary, end) in verbs.items():
        operation = {'tags': ['models'], 'operationId': f'{name}{end}', 'summary': summary}
        path[method] = _completed(operation, jobs.CONTENT, has_key)
        path[method]['responses'] |= jobs.RESPONSES
    return path


def _about(models: list[MountedModel]) -> str:
    failed = [f'- {model.name} {_quoted(model.failure)}' for model in models if model.failure]
    return '\n'.join([ABOUT, '', 'Not serving, and answering 503:', '', *failed]) if failed else ABOUT


def _quoted(reason: str) -> str:
    """`reason` as Markdown code, so that it is shown as it is."""
    return f'`{" ".join(reason.split()).replace("`", chr(39))}`'


def _schemas(models: list[MountedModel]) -> dict[str, Any]:
    """The models' schemas, titled by their names: from these, generators make the names of classes.

    The titles that authors give are words for people and need not differ; they describe the bodies.
    """
    schemas: dict[str, Any] = {}
    for model in models:
        schemas |= _titled(f'{_id(model)}Request', model.schema)
        if model.response_schema is not None:
            schemas |= _titled(f'{_id(model)}Response', model.response_schema)
        if (uploads := _uploads(model)) is not None:
            schemas |= _titled(f'{_id(model)}Form', model.schema, uploads.files)
    return schemas


def _titled(
    name: str, schema: dict[str, Any], files: dict[str, FileProperty] | None = None
) -> dict[str, Any]:
    schema = embedded(schema, _reference(name)['$ref'])
    return {name: {**(_form(schema, files) if files else schema), 'title': name}}


def _id(model: MountedModel, url: str = '') -> str:
    """The name of a model, or of another of its URLs, as OpenAPI and generators of code allow it."""
    place = url.removeprefix('/v1/') if url not in ('', model.url) else model.name.replace('@', '_v')
    return re.sub(r'[^A-Za-z0-9._-]', '_', place)


def _post(model: MountedModel, url: str, has_key: bool) -> dict[str, Any]:
    summary, rest = _summary(model.description, model.schema.get('title') or model.name)
    failure = f'Answers 503, because {model.name} {_quoted(model.failure)}' if model.failure else ''
    texts = [failure, model.schema.get('description', ''), rest]
    operation = {
        'tags': ['models'],
        'operationId': _id(model, url),
        'summary': summary,
        'description': '\n\n'.join(filter(None, texts)),
        'requestBody': {
            'description': model.schema.get('title', 'The request.'),
            'required': True,
            'content': _content(model),
        },
        **({} if model.safe_to_retry else {'x-safe-to-retry': False}),
    }
    return _completed(operation, {JSON: _media(f'{_id(model)}Response', model.response_schema)}, has_key)


def _content(model: MountedModel) -> dict[str, Any]:
    """The schemas of what a model takes, by media type."""
    content: dict[str, Any] = {JSON: _media(f'{_id(model)}Request', model.schema)}
    if (uploads := _uploads(model)) is not None:
        files, whole = uploads.files.values(), uploads.whole
        encoding = {file.name: {'contentType': ', '.join(file.media_types)} for file in files}
        content[FORM] = {'schema': _reference(f'{_id(model)}Form'), 'encoding': encoding}
        for media_type in whole.media_types if whole else ():
            content[OCTETS if media_type == '*/*' else media_type] = {'schema': BINARY}
    return content


def _uploads(model: MountedModel) -> BodyReader | None:
    return getattr(model.resource.post, 'uploads', None)


def _form(schema: dict[str, Any], files: dict[str, FileProperty]) -> dict[str, Any]:
    """The same schema for a form, in which `files` are bytes."""
    properties = dict(schema['properties'])
    for name, file in files.items():
        kept = {key: properties[name][key] for key in KEPT_IN_FORMS if key in properties[name]}
        properties[name] = kept | ({'items': BINARY} if file.is_list else BINARY)
    return {key: value for key, value in schema.items() if key != 'examples'} | {'properties': properties}


def _service_paths(app: Flask) -> dict[str, Any]:
    """The resources with `answers`, their schemas by media type: POST, where one `accepts` a body, or GET."""
    paths = {}
    for rule in app.url_map.iter_rules():
        resource = getattr(app.view_functions[rule.endpoint], 'view_class', None)
        answers = getattr(resource, 'answers', None)
        if answers is not None and not rule.arguments:
            method = 'post' if hasattr(resource, 'accepts') else 'get'
            has_key = needs_key(app, rule.endpoint)
            paths[rule.rule] = {method: _service_operation(rule.rule, method, resource, has_key)}
    return paths


def _service_operation(path: str, method: str, resource: Any, has_key: bool) -> dict[str, Any]:
    words = [word.capitalize() for word in re.split(r'[\W_]+', path) if word]
    summary, rest = _summary(inspect.cleandoc(resource.__doc__ or ''), path)
    operation: dict[str, Any] = {
        'tags': ['service'],
        'operationId': f'{method}{"".join(words) or "Index"}',
        'summary': summary,
        'description': rest,
    }
    if method == 'post':
        operation['requestBody'] = {'required': True, 'content': {JSON: {'schema': resource.accepts}}}
    answers = {media_type: {'schema': schema} for media_type, schema in resource.answers.items()}
    return _completed(operation, answers, has_key)


def _completed(operation: dict[str, Any], answers: dict[str, Any], has_key: bool) -> dict[str, Any]:
    """The same with what all have: the request's id, the answers, and what is to be sent with a key."""
    answer = {'description': 'The answer.', 'headers': request_id.HEADERS, 'content': answers}
    errors = error_references('requestBody' in operation, has_key)
    security: dict[str, Any] = {'security': [{name: []} for name in SECURITY_SCHEMES]} if has_key else {}
    shared = {'parameters': request_id.PARAMETERS, 'responses': {'200': answer, **errors}}
    return {**operation, **shared, **security}


def _summary(text: str, default: str) -> tuple[str, str]:
    """The first line of a docstring without its full stop, and the rest of the docstring."""
    first, _, rest = text.strip().partition('\n')
    return first.removesuffix('.') or default, rest.strip()


def _media(name: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    """The body whose schema is `name`, with the first example of that; None allows everything."""
    if schema is None:
        return {'schema': {}}
    example = {'example': schema['examples'][0]} if schema.get('examples') else {}
    return {'schema': _reference(name), **example}


def _reference(name: str) -> dict[str, str]:
    return {'$ref': f'#/components/schemas/{name}'}
