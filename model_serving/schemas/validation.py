"""`validate_json`: the decorator that puts a JSON Schema in front of a resource's method."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Request, request

from model_serving.echo import cut
from model_serving.errors import InvalidInput, UnsupportedMediaType
from model_serving.json_codec import invalid_json
from model_serving.json_cost import LARGE_BYTES, TOO_DEEP, is_deep, may_be_deep
from model_serving.requests.room import FREE_BYTES, take_room
from model_serving.schemas.compiled import BadSchema, CompiledSchema
from model_serving.uploads.body_reader import BodyReader
from model_serving.uploads.files import file_properties

View = TypeVar('View', bound=Callable[..., Any])


def validate_json(
    schema: dict[str, Any],
    force: bool = False,
    arrays: bool = False,
    response: dict[str, Any] | None = None,
) -> Callable[[View], View]:
    """Validate the JSON body of a request with `schema` (draft 2020-12) before the view is called.

    The view finds the valid body at `request.json`. `force=True` reads the body as JSON whatever its content
    type. `arrays=True` replaces properties that are lists of numbers by numpy arrays of float64: [n], or [n,
    m] for rows of m numbers each, if `minItems` and `maxItems` fix that. `response` is the schema of the
    answers: it documents them, and is checked in tests and with --debug, not in production. The decorated
    function has both as its `request_schema` and `response_schema`.

    Raises InvalidInput for a request without a body or with `null`, and for a body that is not JSON or breaks
    the schema (then with the list `errors` of pointers and messages, unless the only violation is at the
    top), UnsupportedMediaType for another content type, BodyTooLarge for a body over the limit. Raises
    BadSchema at once, with the place, if the schema itself is wrong.
    """
    if callable(schema):
        raise BadSchema(f'write @validate_json(schema), not @validate_json, above {schema!r}')

    def decorate(view: View) -> View:
        compiled = _compile(schema, 'schema', view, arrays)
        if response is not None:
            _compile(response, 'response schema', view)
        uploads = BodyReader(schema) if file_properties(schema) and not force else None
        read = functools.partial(_read_body, uploads) if uploads else _read_json

        def require_valid_body() -> None:
            current: Request = request._get_current_object()  # type: ignore[attr-defined]
            body = current.get_data()
            instance = read(current, body, force)
            require_valid(compiled, instance, len(body))
            if len(body) > LARGE_BYTES and (arrays or may_be_deep(body)) and is_deep(instance):
                raise invalid_json(body, ValueError(TOO_DEEP))

        @functools.wraps(view)
        def validated(*args: Any, **kwargs: Any) -> Any:
            require_valid_body()
            return view(*args, **kwargs)

        validated.itself = validated  # type: ignore[attr-defined] # What wraps it has this attribute, too.
        validated.compiled_schema = compiled  # type: ignore[attr-defined]
        validated.request_schema = schema  # type: ignore[attr-defined]
        validated.response_schema = response  # type: ignore[attr-defined]
        validated.uploads = uploads  # type: ignore[attr-defined]
        validated.require_valid_body = require_valid_body  # type: ignore[attr-defined]
        return validated  # type: ignore[return-value]

    return decorate


def _compile(
    schema: dict[str, Any], role: str, view: Callable[..., Any], arrays: bool = False
) -> CompiledSchema:
    try:
        return CompiledSchema(schema, arrays)
    except BadSchema as error:
        raise BadSchema(f'The {role} of {view.__qualname__} in {view.__module__}: {error}') from error


def _read_json(current: Request, body: bytes, force: bool) -> Any:
    if not body:
        raise InvalidInput('No JSON object')
    if (encoding := current.environ.get('HTTP_CONTENT_ENCODING', 'identity')) != 'identity':
        raise UnsupportedMediaType(f'Send the body as it is, without the Content-Encoding {cut(encoding)}')
    if not force and current.environ.get('CONTENT_TYPE') != 'application/json':
        _require_json(current)
    if len(body) > FREE_BYTES:
        take_room(body, current.max_content_length or 0)
    instance = current.get_json(force=True)
    if instance is None:
        raise InvalidInput('No JSON object')
    return instance


def _read_body(uploads: BodyReader, current: Request, body: bytes, force: bool) -> Any:
    encoding = current.environ.get('HTTP_CONTENT_ENCODING', 'identity')
    if not body or current.is_json or encoding != 'identity':  # The first and the last of these are refused.
        instance = _read_json(current, body, force)
        uploads.unwrap(instance)
    else:
        instance = uploads.read(current, body)
        current._cached_json = (instance, instance)  # That is what `request.json` returns.
    return instance


def _require_json(current: Request) -> None:
    if not current.is_json:
        sent = cut(current.mimetype or 'none')
        raise UnsupportedMediaType(f'Send the header Content-Type: application/json (the request has {sent})')
    charset = cut(current.mimetype_params.get('charset', 'utf-8'))
    if charset.lower() not in ('utf-8', 'utf8', 'us-ascii'):
        raise UnsupportedMediaType(
            f'Send the body in UTF-8, as Content-Type: application/json (the request says charset={charset})'
        )


def require_valid(compiled: CompiledSchema, instance: Any, body_bytes: int) -> None:
    """Raise InvalidInput, as `validate_json` does, if `instance`, read from so many bytes, is invalid."""
    violations = compiled.validate_body(instance, body_bytes)
    if not violations:
        return
    first = violations[0]
    details: dict[str, Any] = {'hint': words} if (words := getattr(first, 'hint', '')) else {}
    if len(violations) > 1 or first.pointer:
        details['errors'] = [{'pointer': cut(pointer), 'message': message} for pointer, message in violations]
    raise InvalidInput(first.message, **details)
