"""One JSON Schema, compiled once: `jsonschema_rs` decides, `jsonschema` words the refusal.

`jsonschema_rs` checks 665 kB of numbers in 0.3 ms, `jsonschema` in 351 ms; but the messages of
`jsonschema` are the contract. So the slow one runs only on what was refused, and over a whole body
only while that is small: over a large one it words the single violation that the fast one found.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend

WHOLE_BODY_BYTES = 64 * 1024
"""Up to this size `jsonschema` looks at the whole body for its best match."""

MAX_ECHO = 1000
"""Most characters of the body that one message repeats."""

MAX_VIOLATIONS = 10
"""Most violations that one refusal lists."""

WORDS = {
    'anyOf': '{} is not valid under any of the given schemas',
    'contains': '{} does not contain items matching the given schema',
    'format': '{} is not a {!r}',
    'multipleOf': '{} is not a multiple of {!r}',
    'pattern': '{} does not match {!r}',
    'uniqueItems': '{} has non-unique elements',
}
"""What `jsonschema` says where `jsonschema_rs` has decided: of a value, and of what the keyword asks."""

FLAT_KEYWORDS = {
    *('type', 'enum', 'const', 'minLength', 'maxLength'),
    *('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'),
    *('minItems', 'maxItems', 'minProperties', 'maxProperties'),
    *('required', 'dependentRequired', 'additionalProperties'),
}
"""Keywords that `jsonschema` can check and word without walking into the value."""


class BadSchema(Exception):
    """A schema is wrong; the message names the place in it."""


@dataclasses.dataclass(frozen=True)
class Violation:
    """What is wrong (`message`), and where in the body (`pointer`, a JSON Pointer, RFC 6901)."""

    pointer: str
    message: str


class CompiledSchema:
    """A JSON Schema of draft 2020-12, with `format` asserted.

    Raises BadSchema, with the place of the mistake, for a schema (or an example in it) that is wrong.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(schema, format_checker=None)
            self._decider = _compile(schema)
            self._locator = _compile(schema, mask=_MASK)
        except SchemaError as error:
            raise BadSchema(f'{error.message} (at {_pointer(error.absolute_path) or "the top"})') from error
        except jsonschema_rs.ValidationError as error:
            place = _pointer(error.instance_path) or 'the top'
            raise BadSchema(f'{error.message} (at {place})') from error
        except (TypeError, ValueError, jsonschema_rs.ReferencingError) as error:
            raise BadSchema(str(error)) from error
        self._schema = schema
        self._worder = _Worder(schema)
        self._check_examples()

    def violations(self, instance: Any, body_bytes: int = 0) -> list[Violation]:
        """What is wrong with `instance`, the best match first; an empty list when it is valid.

        `body_bytes` is the size of the body that `instance` was read from.
        """
        if self._decider.is_valid(instance):
            return []
        try:
            whole = body_bytes <= WHOLE_BODY_BYTES
            found = self._all_violations(instance) if whole else [self._first_violation(instance)]
        except Exception:  # jsonschema cannot word it: re.error, RecursionError, an unknown $ref, ...
            found = []
        return found or [self._plain_violation(instance)]

    def _check_examples(self) -> None:
        for index, example in enumerate(self._schema.get('examples', [])):
            for violation in self.violations(example):
                place = f'/examples/{index}{violation.pointer}'
                raise BadSchema(f'{violation.message} (at {place}: the example breaks the schema)')

    def _all_violations(self, instance: Any) -> list[Violation]:
        errors = list(self._worder.iter_errors(instance))
        best = best_match(errors)
        if best is None:
            return []
        top = best
        while top.parent is not None:
            top = top.parent
        others = [error for error in errors[:MAX_VIOLATIONS] if error is not top]
        listed = [best, *others][:MAX_VIOLATIONS]
        return [Violation(_pointer(error.absolute_path), _message(error)) for error in listed]

    def _first_violation(self, instance: Any) -> Violation:
        """The first violation that `jsonschema_rs` meets, worded by `jsonschema` where it lies."""
        refusal = _refusal(self._locator, instance)
        pointer, place = _locate(instance, refusal.instance_path)
        message = self._reworded(refusal.schema_path, place) or refusal.message.replace(_MASK, echo(place))
        return Violation(pointer, message)

    def _reworded(self, schema_path: Sequence[str | int], place: Any) -> str | None:
        (_, parent), keyword = _locate(self._schema, schema_path[:-1]), schema_path[-1]
        if keyword in WORDS:
            return WORDS[str(keyword)].format(echo(place), parent[keyword])
        if keyword not in FLAT_KEYWORDS:
            return None
        check = self._worder.VALIDATORS[keyword]
        for error in check(self._worder, parent[keyword], _brief(place), parent):
            return str(_cut(error.message))
        return None

    def _plain_violation(self, instance: Any) -> Violation:
        """The first violation in the words of `jsonschema_rs`, which too deep a body leaves speechless."""
        try:
            refusal = _refusal(self._locator, instance)
            pointer, place = _locate(instance, refusal.instance_path)
        except (LookupError, ValueError):
            return Violation('', 'The body breaks the schema, but is nested too deeply to say where')
        return Violation(pointer, refusal.message.replace(_MASK, echo(place)))


def echo(value: Any) -> str:
    """`repr(value)`, cut after MAX_ECHO characters without making the rest."""
    text = ''
    try:
        for piece in _pieces(value):
            text += piece
            if len(text) > MAX_ECHO:
                break
    except RecursionError:
        text += '...'
    return _cut(text)


def _compile(schema: dict[str, Any], mask: str | None = None) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True, mask=mask)


def _refusal(validator: jsonschema_rs.Draft202012Validator, instance: Any) -> jsonschema_rs.ValidationError:
    try:
        validator.validate(instance)
    except jsonschema_rs.ValidationError as error:
        return error
    raise AssertionError('is_valid and validate disagree')


_MASK = '\N{REPLACEMENT CHARACTER}'
"""Stands for the value in messages of the locator: to render a large one costs more than the check."""


def _message(error: ValidationError) -> str:
    whole = repr(error.instance)
    message = str(error.message)
    if len(whole) > MAX_ECHO:
        message = message.replace(whole, echo(error.instance))
    names_keys = error.validator in ('additionalProperties', 'unevaluatedProperties', 'unevaluatedItems')
    return _cut(message) if names_keys else message


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ECHO else f'{text[: MAX_ECHO - 3]}...'


def _pointer(path: Sequence[str | int]) -> str:
    return ''.join('/' + str(step).replace('~', '~0').replace('/', '~1') for step in path)


def _locate(value: Any, path: Sequence[str | int]) -> tuple[str, Any]:
    """The JSON Pointer of `path` in `value`, and what lies there. Raises LookupError where nothing does."""
    keys = []
    for step in path:
        keys.append(_key(value, step) if isinstance(value, dict) else step)
        value = value[keys[-1]]
    return _pointer(keys), value


def _key(members: dict[str, Any], step: str | int) -> str:
    """The key that `jsonschema_rs` means: it gives '00' and '+0' as the number 0."""
    if str(step) in members:
        return str(step)
    return next((key for key in members if key.isascii() and key.isdigit() and int(key) == step), '')


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield '{'
        for index, (key, item) in enumerate(value.items()):
            yield f'{", " if index else ""}{_cut(repr(key[:MAX_ECHO]))}: '
            yield from _pieces(item)
        yield '}'
    elif isinstance(value, list):
        yield '['
        for index, item in enumerate(value):
            yield ', ' if index else ''
            yield from _pieces(item)
        yield ']'
    else:
        yield repr(value[: MAX_ECHO + 1] if isinstance(value, str) else value)


def _brief(value: Any) -> Any:
    """`value`, with a `repr` that is `echo`: what `jsonschema` puts into a message stays short."""
    kind = _BRIEF_KINDS.get(type(value))
    return value if kind is None else kind(value)


_BRIEF_KINDS: dict[type, Callable[[Any], Any]] = {
    kind: type(kind.__name__, (kind,), {'__repr__': echo}) for kind in (dict, list, str)
}


@functools.lru_cache(maxsize=1024)
def _keyword_decider(keyword: str, value: Any) -> jsonschema_rs.Draft202012Validator:
    return _compile({keyword: value})


def _as_decided(keyword: str) -> Callable[..., Iterator[ValidationError]]:
    """`keyword` as `jsonschema_rs` decides it, in the words of `jsonschema`."""

    def check(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if not _keyword_decider(keyword, value).is_valid(instance):
            yield ValidationError(WORDS[keyword].format(repr(instance), value))

    return check


# jsonschema alone knows fewer formats and errs on multiples of decimals; its uniqueItems compares every
# pair; and a pattern that backtracks would hang it on a body made for that.
_Worder = extend(
    Draft202012Validator,
    {keyword: _as_decided(keyword) for keyword in ('format', 'multipleOf', 'pattern', 'uniqueItems')},
)
