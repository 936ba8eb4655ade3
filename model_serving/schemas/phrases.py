"""The phrases of `jsonschema` for the errors of `jsonschema_rs`."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from jsonschema_rs import ValidationErrorKind as Kind

from model_serving.echo import MAX_WORDS, cut, echo

# The phrases for a value that breaks a keyword; `asked` is what the schema has at that keyword.
PHRASES = {
    'anyOf': '{value} is not valid under any of the given schemas',
    'const': '{asked} was expected',
    'contains': '{value} does not contain items matching the given schema',
    'enum': '{value} is not one of {asked}',
    'exclusiveMaximum': '{value} is greater than or equal to the maximum of {asked}',
    'exclusiveMinimum': '{value} is less than or equal to the minimum of {asked}',
    'format': '{value} is not a {asked}',
    'maxContains': 'Too many items match the given schema (expected at most {asked})',
    'maxItems': '{value} is too long',
    'maxLength': '{value} is too long',
    'maxProperties': '{value} has too many properties',
    'maximum': '{value} is greater than the maximum of {asked}',
    'minContains': 'Too few items match the given schema (expected at least {asked})',
    'minItems': '{value} is too short',
    'minLength': '{value} is too short',
    'minProperties': '{value} does not have enough properties',
    'minimum': '{value} is less than the minimum of {asked}',
    'multipleOf': '{value} is not a multiple of {asked}',
    'not': '{value} should not be valid under {asked}',
    'oneOf': '{value} is not valid under any of the given schemas',
    'pattern': '{value} does not match {asked}',
    'required': '{asked} is a required property',
    'type': '{value} is not of type {asked}',
    'uniqueItems': '{value} has non-unique elements',
}

EMPTY = {'minItems': 1, 'minLength': 1, 'minProperties': 1, 'maxItems': 0, 'maxLength': 0, 'maxProperties': 0}
"""What keywords ask for when they ask for something, or nothing, to be there."""

DOES_NOT_FIT = 'The value at this place does not fit its schema'


def message_of(kind: Any, keyword: str, schema: dict[str, Any], value: Any) -> str:
    """The message for `value`, which breaks `keyword` of `schema` with an error of this `kind`."""
    match kind:
        case Kind.FalseSchema():
            message = _false_schema(keyword, schema, value)
        case Kind.AdditionalProperties() if 'patternProperties' in schema:
            verb = 'does' if len(kind.unexpected) == 1 else 'do'
            patterns = cut(', '.join(map(repr, sorted(schema['patternProperties']))), MAX_WORDS)
            message = f'{_listed(kind.unexpected)} {verb} not match any of the regexes: {patterns}'
        case Kind.AdditionalProperties():
            message = unexpected('Additional properties', sorted(kind.unexpected))
        case Kind.UnevaluatedProperties():
            message = unexpected('Unevaluated properties', sorted(kind.unexpected))
        case Kind.UnevaluatedItems():
            message = unexpected('Unevaluated items', [json.loads(str(text)) for text in kind.unexpected])
        case Kind.OneOfMultipleValid():
            branches = zip(schema.get(keyword, kind.value), kind.context, strict=True)
            first, *others = [repr(branch) for branch, errors in branches if not errors]
            valid = cut(', '.join([*others, first]), MAX_WORDS) if schema else 'several schemas'
            message = f'{echo(value)} is valid under each of {valid}'
        case Kind.Required() if keyword == 'dependentRequired':
            dependencies = schema.get(keyword, {}).items()
            needing = [name for name, needed in dependencies if name in value and kind.property in needed]
            dependent = repr(needing[0]) if needing else 'another property'
            message = f'{kind.property!r} is a dependency of {dependent}'
        case Kind.Required():
            message = phrase(keyword, kind.property, value)
        case _:
            message = phrase(keyword, schema.get(keyword, kind.value), value)
    return message


def phrase(keyword: str, asked: Any, value: Any) -> str:
    """The message for `value`, which breaks a keyword that asks for `asked`."""
    if keyword in EMPTY and asked == EMPTY[keyword]:
        return f'{echo(value)} {"should be non-empty" if asked else "is expected to be empty"}'
    template = PHRASES.get(keyword, DOES_NOT_FIT)
    if '{asked}' in template and asked is None and keyword != 'const':
        return DOES_NOT_FIT
    types = [asked] if isinstance(asked, str) else asked
    shown = ', '.join(map(repr, types)) if keyword == 'type' else echo(asked, MAX_WORDS)
    return template.format(value=echo(value), asked=shown)


def unexpected(what: str, extra: Sequence[Any]) -> str:
    """The message for `extra` keys or items, which are not allowed."""
    return f'{what} are not allowed ({_listed(extra)} {"was" if len(extra) == 1 else "were"} unexpected)'


def _false_schema(keyword: str, schema: dict[str, Any], value: Any) -> str:
    """The message for `value`, for which `keyword` of `schema` has False, or something else."""
    if keyword == 'additionalProperties' and keyword in schema:
        return unexpected('Additional properties', sorted(value))
    if keyword == 'items' and keyword in schema:
        start = len(schema.get('prefixItems', ()))
        extra, noun = value[start:], 'item' if start == 1 else 'items'
        shown = echo(extra if len(extra) > 1 else value[-1])
        return f'Expected at most {start} {noun} but found {len(extra)} extra: {shown}'
    return f'False schema does not allow {echo(value)}'


def _listed(values: Iterable[Any]) -> str:
    return cut(', '.join(map(echo, values)))
