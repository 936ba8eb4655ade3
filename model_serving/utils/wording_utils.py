"""The words of a refusal: those of `jsonschema`, at a cost and a length that the body cannot drive up.

`jsonschema` walks only into what `jsonschema_rs` finds broken, so that a refusal costs little more than the
check.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import attrs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from model_serving.utils.echo_utils import cut, echo, with_short_repr
from model_serving.utils.effort_utils import UnwordableError, effort
from model_serving.utils.keyword_utils import Check, own_checks
from model_serving.utils.subschema_utils import Subschemas, pointer

MAX_VIOLATIONS = 10
"""Most violations that one refusal lists."""

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


class Worder:
    """Words what is wrong with a body, as `jsonschema` does."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = _validator_class(Subschemas(schema))(schema)

    def all_violations(self, instance: Any) -> list[Violation]:
        """The best match, then the others. Raises UnwordableError for none, or too many."""
        effort.begin(first=False)
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
        effort.begin(first=True)
        for error in self._validator.iter_errors(instance):
            return _violation(error)
        raise UnwordableError


def _validator_class(subschemas: Subschemas) -> Any:
    """`jsonschema`'s validator, walking only into what `subschemas` finds broken."""
    checks = {**Draft202012Validator.VALIDATORS, **own_checks(subschemas)}
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
            effort.go_down()
            try:
                yield from whole_descend(self, instance, schema, path, **further)
            finally:
                effort.come_up()

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
            effort.count_error()
            yield error

    return bounded


def _violation(error: ValidationError) -> Violation:
    message = str(error.message)
    if isinstance(error.instance, str):
        message = message.replace(repr(error.instance), echo(error.instance))
    if error.validator in ('unevaluatedProperties', 'unevaluatedItems'):
        message = cut(message)
    return Violation(pointer((*error.absolute_path, *getattr(error, 'last_step', ()))), message)
