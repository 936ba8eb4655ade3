"""Jobs in OpenAPI: what makes one of a call, and what is answered about it."""

from typing import Any

from model_serving.catalogue import JSON
from model_serving.openapi import request_id

TEXT: dict[str, Any] = {'type': 'string'}
TIME = {'type': 'string', 'format': 'date-time'}
SCHEMA: dict[str, Any] = {
    'title': 'Job',
    'description': 'A call whose answer is fetched later.',
    'type': 'object',
    'properties': {
        **{'id': TEXT, 'url': TEXT, 'model': TEXT},
        'status': {'enum': ['queued', 'running', 'succeeded', 'failed', 'canceled']},
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
ID = {'name': 'job_id', 'in': 'path', 'required': True, 'schema': TEXT}
CONTENT = {JSON: {'schema': {'$ref': '#/components/schemas/Job'}}}
HEADERS = {
    **request_id.HEADERS,
    'Retry-After': {'description': 'Seconds after which to ask for it.', 'schema': {'type': 'integer'}},
}
LOCATION = {'Location': {'description': 'The URL of the job.', 'schema': TEXT}}
ACCEPTED = {'202': {'description': 'A job.', 'headers': {**HEADERS, **LOCATION}, 'content': CONTENT}}
"""The further response of a call."""
RESPONSES = {
    '202': {'description': 'It has not ended yet.', 'headers': HEADERS, 'content': CONTENT},
    '404': {'$ref': '#/components/responses/404'},
}
"""The further ones of a job."""
