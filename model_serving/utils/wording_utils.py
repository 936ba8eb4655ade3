"""The words of a refusal: those of `jsonschema`, at a cost and a length that the body cannot drive up."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

MAX_ECHO = 1000
"""Most characters of the body that one message repeats."""

MAX_VIOLATIONS = 10
"""Most violations that one refusal lists."""

MAX_WORDED = 3000
"""Most violations worded in one body, each counted once for every level that it lies deep."""

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


@dataclasses.dataclass(frozen=True)
class Violation:
    """What is wrong (`message`), and where in the body (`pointer`, a JSON Pointer, RFC 6901)."""

    pointer: str
    message: str


class Worder:
    """Words everything that is wrong with a small body, as `jsonschema` does."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = _BoundedValidator(schema)

    def violations(self, instance: Any) -> list[Violation]:
        """The best match, then the others; an empty list for none, or for too many to word."""
        _budget.errors = MAX_WORDED
        try:
            errors = list(self._validator.iter_errors(instance))
        except _TooManyError:
            return []
        best = best_match(errors)
        if best is None:
            return []
        top = best
        while top.parent is not None:
            top = top.parent
        others = [error for error in errors[:MAX_VIOLATIONS] if error is not top]
        listed = [best, *others][:MAX_VIOLATIONS]
        return [Violation(pointer(error.absolute_path), _message(error)) for error in listed]


@functools.lru_cache(maxsize=1024)
def decides(keyword: str, value: Any) -> Callable[[Any], bool]:
    """The check of a value by `jsonschema_rs` for one of DECIDED_WORDS."""
    schema = {keyword: value}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True).is_valid


def pointer(path: Iterable[str | int]) -> str:
    """`path` as a JSON Pointer."""
    return ''.join('/' + str(step).replace('~', '~0').replace('/', '~1') for step in path)


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
    return cut(text)


def cut(text: str) -> str:
    """`text`, cut after MAX_ECHO characters."""
    return text if len(text) <= MAX_ECHO else f'{text[: MAX_ECHO - 3]}...'


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield '{'
        for index, (key, item) in enumerate(value.items()):
            yield f'{", " if index else ""}{cut(repr(key[:MAX_ECHO]))}: '
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


def _message(error: ValidationError) -> str:
    whole = repr(error.instance)
    message = str(error.message)
    if len(whole) > MAX_ECHO:
        message = message.replace(whole, echo(error.instance))
    names_keys = error.validator in ('additionalProperties', 'unevaluatedProperties', 'unevaluatedItems')
    return cut(message) if names_keys else message


class _TooManyError(Exception):
    """A body has more violations than it is worth to word."""


_budget = threading.local()


def _counted(check: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
    """`check`, up to so many errors: 60 kB can hold 80,000, which would take seconds to make."""

    def counted(*arguments: Any) -> Iterator[ValidationError]:
        for error in check(*arguments) or ():
            _budget.errors -= 1
            if _budget.errors < 0:
                raise _TooManyError
            yield error

    return counted


def _as_decided(keyword: str) -> Callable[..., Iterator[ValidationError]]:
    """`keyword` as `jsonschema_rs` decides it, in the words of `jsonschema`."""

    def check(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        if not decides(keyword, value)(instance):
            yield ValidationError(DECIDED_WORDS[keyword].format(repr(instance), value))

    return check


_CHECKS = {**Draft202012Validator.VALIDATORS, **{keyword: _as_decided(keyword) for keyword in DECIDED_WORDS}}
_BoundedValidator = extend(
    Draft202012Validator, {keyword: _counted(check) for keyword, check in _CHECKS.items()}
)
