"""`validate_json`: the decorator that puts a JSON Schema in front of a resource's method."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Request, request

from model_serving.utils.error_utils import InvalidInput, UnsupportedMediaType
from model_serving.utils.schema_utils import BadSchema, CompiledSchema

View = TypeVar('View', bound=Callable[..., Any])


def validate_json(
    schema: dict[str, Any],
    force: bool = False,
    arrays: bool = False,
    response: dict[str, Any] | None = None,
) -> Callable[[View], View]:
    """Let only requests through whose JSON body is valid under `schema` (draft 2020-12).

    What was validated is then at `request.json`. `force=True` reads the body as JSON whatever its
    content type. `arrays=True` turns properties that are lists of numbers into numpy arrays of float64:
    [n], or [n, m] where they are rows of m numbers each, as `minItems` and `maxItems` say. `response` is
    the schema of the answers: it documents them, and is checked in tests and with --debug, not in
    production. Both stay readable, as `request_schema` and `response_schema` of the decorated function.

    The view is not called, and raises, for a request with no body or `null` (InvalidInput), with a
    body that is not JSON or breaks the schema (InvalidInput, with the list `errors` of pointers and
    messages unless the one violation is at the top), of another content type (UnsupportedMediaType) or
    too large (BodyTooLarge). Raises BadSchema at once, with the place, if the schema itself is wrong.
    """
    if callable(schema):
        raise BadSchema(f'write @validate_json(schema), not @validate_json, above {schema!r}')

    def decorate(view: View) -> View:
        compiled = _compile(schema, 'schema', view, arrays)
        if response is not None:
            _compile(response, 'response schema', view)

        @functools.wraps(view)
        def validated(*args: Any, **kwargs: Any) -> Any:
            asked: Request = request._get_current_object()  # type: ignore[attr-defined]
            body = asked.get_data()
            _refuse_violations(compiled, _read_json(asked, body, force), len(body))
            return view(*args, **kwargs)

        validated.request_schema = schema  # type: ignore[attr-defined]
        validated.response_schema = response  # type: ignore[attr-defined]
        return validated  # type: ignore[return-value]

    return decorate


def _compile(
    schema: dict[str, Any], role: str, view: Callable[..., Any], arrays: bool = False
) -> CompiledSchema:
    try:
        return CompiledSchema(schema, arrays)
    except BadSchema as error:
        raise BadSchema(f'The {role} of {view.__qualname__} in {view.__module__}: {error}') from error


def _read_json(asked: Request, body: bytes, force: bool) -> Any:
    if not body:
        raise InvalidInput('No JSON object')
    if (encoding := asked.environ.get('HTTP_CONTENT_ENCODING', 'identity')) != 'identity':
        raise UnsupportedMediaType(f'Send the body as it is, without the Content-Encoding {encoding}')
    if not force and asked.environ.get('CONTENT_TYPE') != 'application/json':
        _require_json(asked)
    instance = asked.get_json(force=True)
    if instance is None:
        raise InvalidInput('No JSON object')
    return instance


def _require_json(asked: Request) -> None:
    if not asked.is_json:
        sent = asked.mimetype or 'none'
        raise UnsupportedMediaType(f'Send the header Content-Type: application/json (the request has {sent})')
    charset = asked.mimetype_params.get('charset', 'utf-8')
    if charset.lower() not in ('utf-8', 'utf8', 'us-ascii'):
        raise UnsupportedMediaType(
            f'Send the body in UTF-8, as Content-Type: application/json (the request says charset={charset})'
        )


def _refuse_violations(compiled: CompiledSchema, instance: Any, size: int) -> None:
    violations = compiled.refusals(instance, size)
    if not violations:
        return
    if len(violations) == 1 and not violations[0].pointer:
        raise InvalidInput(violations[0].message)
    errors = [{'pointer': violation.pointer, 'message': violation.message} for violation in violations]
    raise InvalidInput(violations[0].message, errors=errors)
