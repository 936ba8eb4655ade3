"""Jobs in OpenAPI: what makes one of a call, and what is asked for it."""

from typing import Any

from model_serving.catalogue import JSON
from model_serving.openapi import request_id
from model_serving.openapi.error_answers import error_references

STATUSES = 'queued', 'running', 'succeeded', 'failed', 'canceled'
TIME = {'type': 'string', 'format': 'date-time'}
TEXT = {'type': 'string'}
SCHEMA: dict[str, Any] = {
    'title': 'Job',
    'description': 'A call whose answer is fetched later.',
    'type': 'object',
    'properties': {
        **{'id': TEXT, 'url': TEXT, 'model': TEXT, 'status': {'enum': STATUSES}},
        **{'created': TIME, 'ended': TIME},
        'code': {'description': 'The HTTP status of the answer, once there is one.', 'type': 'integer'},
        'answer': {'description': 'What the call would have been answered, if it has succeeded.'},
        'error': {'description': 'The same, if it has failed.'},
    },
    'required': ['id', 'url', 'model', 'status', 'created'],
}
PREFER = {
    **{'name': 'Prefer', 'in': 'header', 'schema': TEXT},
    'description': 'With respond-async, the call becomes a job.',
}
JOB_ID = {'name': 'job_id', 'in': 'path', 'required': True, 'schema': TEXT}
RETRY_AFTER = {'description': 'Seconds after which to ask for it again.', 'schema': {'type': 'integer'}}
LOCATION = {'description': 'The URL of the job.', 'schema': TEXT}


def accepted() -> dict[str, Any]:
    """The response to a call that has become a job, by its status."""
    return {'202': _response('The job.', {'Retry-After': RETRY_AFTER, 'Location': LOCATION})}


def job_path(operation_id: str, security: dict[str, Any]) -> dict[str, Any]:
    """The path of the jobs of a model, the operation of which is called `operation_id`."""
    verbs = {'get': ('How far a job is, and its answer', 'Job'), 'delete': ('Cancel a job', 'CancelJob')}
    return {'parameters': [JOB_ID, *request_id.PARAMETERS]} | {
        method: {
            'tags': ['models'],
            'operationId': f'{operation_id}{name}',
            'summary': summary,
            'responses': {
                '200': _response('It has ended.', {}),
                '202': _response('It has not ended yet.', {'Retry-After': RETRY_AFTER}),
                '404': {'$ref': '#/components/responses/404'},
                **error_references(has_body=False, needs_key=bool(security)),
            },
            **security,
        }
        for method, (summary, name) in verbs.items()
    }


def _response(description: str, headers: dict[str, Any]) -> dict[str, Any]:
    content = {JSON: {'schema': {'$ref': '#/components/schemas/Job'}}}
    return {'description': description, 'headers': {**request_id.HEADERS, **headers}, 'content': content}
