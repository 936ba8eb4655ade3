"""What is wrong with an invalid body: the errors of `jsonschema_rs`, in the phrases of `jsonschema`."""

import contextlib
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema_rs import ValidationErrorKind as Kind

from model_serving.echo import MAX_ECHO
from model_serving.schemas.hints import hint
from model_serving.schemas.narrowing import Location, Narrowing
from model_serving.schemas.phrases import DOES_NOT_FIT, PHRASES, message_of, phrase, unexpected
from model_serving.schemas.subschemas import Subschemas, json_pointer

MAX_VIOLATIONS = 10
CHECKED_ALONE = PHRASES.keys() - {'anyOf', 'contains', 'maxContains', 'minContains', 'not', 'oneOf'}
"""Keywords that need no other keyword or schema."""


class Violation(NamedTuple):
    """What is wrong (`message`), and where in the body (`pointer`, a JSON Pointer, RFC 6901)."""

    pointer: str
    message: str


class HintedViolation(Violation):
    """One with a `hint`: what is needed and what was found, in JSON's words."""

    hint = ''


class Messages:
    """Says what is wrong with a body that is invalid under the schema of `subschemas`."""

    def __init__(self, subschemas: Subschemas) -> None:
        self._subschemas = subschemas
        self._narrowing = Narrowing(subschemas)

    def violations(self, body: Any) -> list[Violation]:
        """The best match in a small body, then others; the first one found in a larger body."""
        location = self._narrowing.innermost(body)
        errors: list[ValidationError] = []
        if self._narrowing.is_small(location.value):
            found = self._subschemas.validator(location.schema).iter_errors(location.value)
            with contextlib.suppress(LookupError, TypeError, ValueError):  # Paths lack empty keys.
                errors = self._errors(found, location)
        if not errors:
            return [self._violation_of_large(location)]
        best = top = best_match(errors)
        while top.parent is not None:
            top = top.parent
        ordered = [best, *(error for error in errors if error is not top)]
        violations: list[Violation] = []
        for error in ordered[: MAX_VIOLATIONS if location.value is body else 1]:
            violation = HintedViolation(json_pointer((*location.path, *error.absolute_path)), error.message)
            violation.hint = hint(error.validator, error.schema, error.instance)
            violations.append(violation)
        return violations

    def _violation_of_large(self, location: Location) -> Violation:
        """What is wrong with a value that is too large for error objects."""
        keyword, message = self._message_of_large(location)
        found = HintedViolation(json_pointer(location.path), message)
        found.hint = hint(keyword, self._subschemas.at(location.schema), location.value)
        return found

    def _message_of_large(self, location: Location) -> tuple[str, str]:
        """The keyword that such a value breaks, if it is known, and the message."""
        schema, value = self._subschemas.at(location.schema), location.value
        for keyword in filter(CHECKED_ALONE.__contains__, schema):
            if not self._subschemas.keyword_validator(location.schema, keyword).is_valid(value):
                asked = schema[keyword]
                missing = (name for name in asked if name not in value) if keyword == 'required' else ()
                return keyword, phrase(keyword, next(iter(missing), asked), value)
        if isinstance(value, dict) and schema.get('additionalProperties') is False:
            extra = (key for key in value if key not in schema.get('properties', ()))
            shown = list(itertools.islice(extra, MAX_ECHO // 4 + 1))  # More would be cut.
            if shown and 'patternProperties' not in schema:
                return 'additionalProperties', unexpected('Additional properties', shown)
        return '', DOES_NOT_FIT

    def _errors(
        self, errors: Iterable[jsonschema_rs.ValidationError], location: Location, depth: int = 0
    ) -> list[ValidationError]:
        """Errors at `location` as those of `jsonschema`, without duplicates; their paths start at `depth`."""
        converted = (self._error(error, location, depth) for error in errors)
        return list({(*error.path, error.message): error for error in converted}.values())

    def _error(self, error: jsonschema_rs.ValidationError, location: Location, depth: int) -> ValidationError:
        kind: Any = error.kind
        steps, (path, value) = error.schema_path, _follow(error.instance_path, location.value)
        while isinstance(kind, Kind.PropertyNames):
            kind, steps, value = kind.error.kind, kind.error.schema_path, kind.error.instance
        keyword, parent = str(steps[-1]) if steps else '', json_pointer(steps[:-1])
        # A path through a schema with an $id of its own leads on from there.
        schema = {} if self._subschemas.has_embedded_ids else self._subschemas.at(parent)
        if isinstance(kind, Kind.FalseSchema) and keyword == 'items' and keyword in schema:
            path, value = _follow(path[:-1], location.value)
        if isinstance(kind, Kind.Contains) and 'contains' in schema:
            keyword = self._contains_keyword(parent, value)
        branches = kind.context if isinstance(kind, Kind.AnyOf | Kind.OneOfNotValid) else ()
        return ValidationError(
            message_of(kind, keyword, schema, value),
            validator=keyword,
            path=path[depth:],
            context=[each for branch in branches for each in self._errors(branch, location, len(path))],
            instance=value,
            schema=schema,
            type_checker=Draft202012Validator.TYPE_CHECKER,
        )

    def _contains_keyword(self, pointer: str, items: list[Any]) -> str:
        """Which of the keywords about `contains` the items break: jsonschema_rs does not tell."""
        matching = sum(map(self._subschemas.validator(f'{pointer}/contains').is_valid, items))
        if matching > self._subschemas.at(pointer).get('maxContains', matching):
            return 'maxContains'
        return 'minContains' if matching else 'contains'


def _follow(steps: Iterable[str | int], value: Any) -> tuple[list[str | int], Any]:
    """The path of `steps` in `value`, and the value to which it leads."""
    path = []
    for step in steps:
        key = step
        if isinstance(step, int) and isinstance(value, dict):  # jsonschema_rs makes 1 of the key "01".
            key = next(key for key in value if key and key.lstrip('+0') == str(step).lstrip('0'))
        path.append(key)
        value = value[key]
    return path, value
