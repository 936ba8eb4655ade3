"""Keywords of JSON Schema that are decided by `jsonschema_rs`, in the words of `jsonschema`.

`jsonschema` alone decides these wrongly, or at a cost that a body can be made for: it matches with Python's
regular expressions, compares every pair of items, and lists the errors of every branch.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from model_serving.utils.echo_utils import cut, echo
from model_serving.utils.effort_utils import UnwordableError, effort
from model_serving.utils.subschema_utils import Subschemas

Check = Callable[[Any, Any, Any, Any], Any]

WHOLE = Draft202012Validator.VALIDATORS
"""The checks of `jsonschema`, by keyword."""

DECIDED_WORDS = {
    'format': '{} is not a {!r}',
    'multipleOf': '{} is not a multiple of {!r}',
    'pattern': '{} does not match {!r}',
    'uniqueItems': '{} has non-unique elements',
}
"""The words of `jsonschema` for a value, and what is asked of it."""


@functools.lru_cache(maxsize=1024)
def decides(keyword: str, value: Any) -> Callable[[Any], bool]:
    """The check of a value by `jsonschema_rs` for one of DECIDED_WORDS."""
    schema = {keyword: value}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True).is_valid


def own_checks(subschemas: Subschemas) -> dict[str, Check]:
    """The checks, by keyword, to use in place of those of `jsonschema`."""
    branches = {keyword: _branch_check(keyword, subschemas) for keyword in ('anyOf', 'oneOf')}
    decided = {keyword: _decided_check(keyword) for keyword in DECIDED_WORDS}
    return {
        **branches,
        **decided,
        'items': _items_check(subschemas),
        'patternProperties': _pattern_properties,
        'additionalProperties': _additional_properties,
        'unevaluatedProperties': _unwordable if subschemas.has_patterns else WHOLE['unevaluatedProperties'],
    }


def _decided_check(keyword: str) -> Check:
    def check(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if not decides(keyword, value)(instance):
            yield ValidationError(DECIDED_WORDS[keyword].format(repr(instance), value))

    return check


def _branch_check(keyword: str, subschemas: Subschemas) -> Check:
    """`anyOf` or `oneOf`; where one violation is enough, without those of each branch."""

    def check(validator: Any, branches: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if effort.first and all(subschemas.fits(branch, instance) is False for branch in branches):
            yield ValidationError(f'{instance!r} is not valid under any of the given schemas')
        else:
            yield from WHOLE[keyword](validator, branches, instance, schema)

    return check


def _items_check(subschemas: Subschemas) -> Check:
    """`items`; of a long list, only those that are broken are looked at."""

    def check(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        start = len(schema.get('prefixItems', ()))
        if not isinstance(instance, list):
            return
        if items is False:
            yield from _too_many_items(instance[start:], start)
            return
        broken = subschemas.broken(items, instance, start)
        for index in range(start, len(instance)) if broken is None else broken:
            yield from validator.descend(instance=instance[index], schema=items, path=index)

    return check


def _too_many_items(extra: list[Any], allowed: int) -> Iterator[ValidationError]:
    if extra:
        shown, noun = echo(extra if len(extra) > 1 else extra[0]), 'item' if allowed == 1 else 'items'
        yield ValidationError(f'Expected at most {allowed} {noun} but found {len(extra)} extra: {shown}')


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, schema in patterns.items():
            for key in filter(decides('pattern', pattern), instance):
                yield from validator.descend(instance[key], schema, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    patterns = schema.get('patternProperties', {})
    extra = sorted(
        key
        for key in instance.keys() - schema.get('properties', {}).keys()
        if not any(decides('pattern', pattern)(key) for pattern in patterns)
    )
    if isinstance(allowed, dict):
        for key in extra:
            yield from validator.descend(instance[key], allowed, path=key)
    elif extra and not allowed:
        yield ValidationError(_extra_words(extra, sorted(patterns), 'patternProperties' in schema))


def _extra_words(extra: list[str], patterns: list[str], has_patterns: bool) -> str:
    keys, one = cut(', '.join(map(repr, extra))), len(extra) == 1
    if has_patterns:
        verb = 'does' if one else 'do'
        return f'{keys} {verb} not match any of the regexes: {", ".join(map(repr, patterns))}'
    return f'Additional properties are not allowed ({keys} {"was" if one else "were"} unexpected)'


def _unwordable(*_arguments: Any) -> None:
    """`unevaluatedProperties` beside patterns, which `jsonschema` would match with Python's re."""
    raise UnwordableError
