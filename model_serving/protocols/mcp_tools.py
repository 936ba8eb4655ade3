"""Models as tools of the Model Context Protocol, and their answers as results of tools."""

import base64
from collections.abc import Iterable
from typing import Any

from flask import Response
from orjson import Fragment

from model_serving.catalogue import JSON, MountedModel
from model_serving.echo import MAX_WORDS, cut
from model_serving.errors import InvalidInput
from model_serving.json_codec import decode


def by_tool_name(models: Iterable[MountedModel]) -> dict[str, MountedModel]:
    """The models that take an object, as the arguments of a tool are, and those that failed to load.

    The default version of a model has the name of that; many clients take no @ in the name of another.
    """
    tools = [model for model in models if model.schema.get('type') == 'object' or not model.schema]
    named = {model.base_name if model.is_default else model.name.replace('@', '_'): model for model in tools}
    return named | {model.base_name: model for model in tools if model.is_default}  # No number hides a name.


def tool(name: str, model: MountedModel) -> dict[str, Any]:
    """The tool that a model is."""
    texts = [model.description.partition('\n\n')[0], model.schema.get('description', '')]
    answer = model.response_schema or {}
    return {
        'name': name,
        'title': model.title,
        'description': '\n\n'.join(dict.fromkeys(filter(None, texts))),
        'inputSchema': model.schema,
        **({'outputSchema': answer} if answer.get('type') == 'object' else {}),
        'annotations': {'readOnlyHint': model.safe_to_retry, 'idempotentHint': model.safe_to_retry},
    }


def tool_result(response: Response) -> dict[str, Any]:
    """The result of a tool, from the response of its model."""
    body, value = response.get_data(), _json_of(response)
    text = body.decode(errors='replace').rstrip('\n')
    if response.status_code >= 400:
        details = value if isinstance(value, dict) else {'message': cut(text, MAX_WORDS)}
        return failure(details, response.headers.get('Retry-After'))
    mimetype = response.mimetype or ''
    kind = mimetype.partition('/')[0]
    if kind in ('image', 'audio'):
        data = base64.b64encode(body).decode()
        return {'content': [{'type': kind, 'data': data, 'mimeType': mimetype}]}
    result: dict[str, Any] = {'content': [{'type': 'text', 'text': text}]}
    if isinstance(value, dict):  # As it was written: `value` has fewer digits of an integer of over 64 bits.
        result['structuredContent'] = Fragment(body.rstrip())
    return result


def _json_of(response: Response) -> Any:
    """What a response says in JSON; None if it says nothing so."""
    try:
        return decode(response.get_data()) if response.mimetype == JSON else None
    except InvalidInput:
        return None


def failure(details: dict[str, Any], retry_after_s: Any = None) -> dict[str, Any]:
    """The result of a tool that has failed, in words that say what to do; `details` are those of an error."""
    errors = details.get('errors')
    known = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    places = [f'{each.get("pointer") or "At the top"}: {each.get("message")}' for each in known]
    is_said = not retry_after_s or 'try again in' in str(details.get('message'))
    wait = '' if is_said else f'Try again in {retry_after_s} s.'
    lines = filter(None, [details.get('message'), details.get('hint'), *places, wait])
    return {'content': [{'type': 'text', 'text': '\n'.join(map(str, lines))}], 'isError': True}
