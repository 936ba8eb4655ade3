"""The words of a refusal: those of `jsonschema`, at a cost and a length that the body cannot drive up.

`jsonschema` walks only into what `jsonschema_rs` finds broken, so that a refusal costs little more than the
check. Keywords that it decides wrongly, or at a cost that a body can be made for, are decided by
`jsonschema_rs`: see `_own_checks`.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from model_serving.utils.echo_utils import cut, echo, with_short_repr
from model_serving.utils.subschema_utils import Subschemas, pointer

MAX_VIOLATIONS = 10
"""Most violations that one refusal lists."""

MAX_ERRORS = 3000
"""Most errors made for one body, each counted at every level that it passes on its way up."""

MAX_STEPS = 100_000
"""Most steps from a value into a part of it."""

MAX_DEPTH = 25
"""Most levels that are walked down: each costs a check of all that lies below it."""

DECIDED_WORDS = {
    'format': '{} is not a {!r}',
    'multipleOf': '{} is not a multiple of {!r}',
    'pattern': '{} does not match {!r}',
    'uniqueItems': '{} has non-unique elements',
}
"""The words of `jsonschema` for keywords that `jsonschema_rs` decides: of a value, and what is asked of it.

`jsonschema` alone knows fewer formats and errs on multiples of decimals; its uniqueItems compares every
pair; and a pattern that backtracks would hang it on a body made for that.
"""

WALKING_KEYWORDS = {'$ref', '$dynamicRef', 'allOf', 'dependentSchemas', 'if', 'items', 'prefixItems'} | {
    'patternProperties',
    'properties',
    'propertyNames',
}
"""Keywords that only pass on what is wrong further in: their messages repeat nothing themselves."""


@dataclasses.dataclass(frozen=True)
class Violation:
    """What is wrong (`message`), and where in the body (`pointer`, a JSON Pointer, RFC 6901)."""

    pointer: str
    message: str


class UnwordableError(Exception):
    """`jsonschema` has no words for what is wrong, or they would cost too much."""


class TooDeepError(Exception):
    """What is wrong lies more than MAX_DEPTH levels down."""


class Worder:
    """Words what is wrong with a body, as `jsonschema` does."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = _validator_class(Subschemas(schema))(schema)

    def all_violations(self, instance: Any) -> list[Violation]:
        """The best match, then the others. Raises UnwordableError for none, or too many."""
        _work.begin(first=False)
        errors = list(self._validator.iter_errors(instance))
        best = best_match(errors)
        if best is None:
            raise UnwordableError
        top = best
        while top.parent is not None:
            top = top.parent
        others = [error for error in errors[:MAX_VIOLATIONS] if error is not top]
        return [_violation(error) for error in [best, *others][:MAX_VIOLATIONS]]

    def first_violation(self, instance: Any) -> Violation:
        """The first violation met. Raises UnwordableError for none."""
        _work.begin(first=True)
        for error in self._validator.iter_errors(instance):
            return _violation(error)
        raise UnwordableError


class _Work(threading.local):
    """What the wording of one body has cost so far, in this thread."""

    first: bool
    errors: int
    steps: int
    depth: int

    def begin(self, first: bool) -> None:
        self.first, self.errors, self.steps, self.depth = first, 0, 0, 0

    def count_error(self) -> None:
        self.errors += 1
        if self.errors > MAX_ERRORS:
            raise UnwordableError

    def go_down(self) -> None:
        self.steps += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError
        if self.steps > MAX_STEPS:
            raise UnwordableError

    def come_up(self) -> None:
        self.depth -= 1


_work = _Work()

Check = Callable[[Any, Any, Any, Any], Any]


def _validator_class(subschemas: Subschemas) -> Any:
    """`jsonschema`'s validator, walking only into what `subschemas` finds broken."""
    checks = {**Draft202012Validator.VALIDATORS, **_own_checks(subschemas)}
    made = extend(
        Draft202012Validator, {keyword: _bounded(keyword, check) for keyword, check in checks.items()}
    )
    whole_descend, whole_is_valid = made.descend, made.is_valid

    def descend(
        self: Any, instance: Any, schema: Any, path: Any = None, **further: Any
    ) -> Iterator[ValidationError]:
        if schema is False:
            yield _not_allowed(instance, path)
        elif not subschemas.fits(schema, instance):
            _work.go_down()
            yield from whole_descend(self, instance, schema, path, **further)
            _work.come_up()

    def is_valid(self: Any, instance: Any) -> bool:
        fits = subschemas.fits(self.schema, instance)
        return bool(whole_is_valid(self, instance)) if fits is None else fits

    def evolve(self: Any, **changes: Any) -> Any:
        # jsonschema's own goes back to a class of its own where a schema has a $schema.
        return attrs.evolve(self, **changes)

    made.descend, made.is_valid, made.evolve = descend, is_valid, evolve
    return made


def _not_allowed(instance: Any, path: Any) -> ValidationError:
    error = ValidationError(
        f'False schema does not allow {echo(instance)}',
        validator=None,
        validator_value=None,
        instance=instance,
        schema=False,
    )
    # jsonschema leaves this step out of the path, by which it chooses the best match: so it stands beside it.
    error.last_step = () if path is None else (path,)
    return error


def _bounded(keyword: str, check: Check) -> Check:
    """`check`, up to so many errors, whose messages repeat little of the value."""

    def bounded(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        shown = instance if keyword in WALKING_KEYWORDS else with_short_repr(instance)
        for error in check(validator, value, shown, schema) or ():
            _work.count_error()
            yield error

    return bounded


@functools.lru_cache(maxsize=1024)
def decides(keyword: str, value: Any) -> Callable[[Any], bool]:
    """The check of a value by `jsonschema_rs` for one of DECIDED_WORDS."""
    schema = {keyword: value}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True).is_valid


def _own_checks(subschemas: Subschemas) -> dict[str, Check]:
    branches = {keyword: _branch_check(keyword, subschemas) for keyword in ('anyOf', 'oneOf')}
    decided = {keyword: _decided_check(keyword) for keyword in DECIDED_WORDS}
    return {
        **branches,
        **decided,
        'items': _items,
        'patternProperties': _pattern_properties,
        'additionalProperties': _additional_properties,
        'unevaluatedProperties': _unevaluated_properties,
    }


def _decided_check(keyword: str) -> Check:
    def check(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if not decides(keyword, value)(instance):
            yield ValidationError(DECIDED_WORDS[keyword].format(repr(instance), value))

    return check


def _branch_check(keyword: str, subschemas: Subschemas) -> Check:
    """`anyOf` or `oneOf`; where one violation is enough, without those of each branch."""
    whole = Draft202012Validator.VALIDATORS[keyword]

    def check(validator: Any, branches: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        fits = [subschemas.fits(branch, instance) for branch in branches]
        if _work.first and not any(fits) and None not in fits:
            yield ValidationError(f'{instance!r} is not valid under any of the given schemas')
        else:
            yield from whole(validator, branches, instance, schema)

    return check


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if items is not False or not isinstance(instance, list):
        yield from Draft202012Validator.VALIDATORS['items'](validator, items, instance, schema)
        return
    allowed = len(schema.get('prefixItems', ()))
    extra = instance[allowed:]
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


def _unevaluated_properties(
    validator: Any, value: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if 'patternProperties' in str(validator.schema):
        raise UnwordableError  # jsonschema would match the patterns with Python's re.
    yield from Draft202012Validator.VALIDATORS['unevaluatedProperties'](validator, value, instance, schema)


def _violation(error: ValidationError) -> Violation:
    message = str(error.message)
    if isinstance(error.instance, str):
        message = message.replace(repr(error.instance), echo(error.instance))
    if error.validator in ('unevaluatedProperties', 'unevaluatedItems'):
        message = cut(message)
    return Violation(pointer((*error.absolute_path, *getattr(error, 'last_step', ()))), message)
