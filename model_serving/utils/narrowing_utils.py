"""Finds one violation in a large body without making an error for each of the others.

From the top down: `jsonschema_rs` tells which part of the body breaks which part of the schema, until a
keyword is met that breaks without its parts; only the words for that one are made. A refusal so costs
about as much as the check itself, where listing the errors of a body made for it would take minutes.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import jsonschema_rs
from jsonschema import Draft202012Validator

from model_serving.utils.schema_parts_utils import Part, Path, parts_of
from model_serving.utils.wording_utils import DECIDED_WORDS, Violation, cut, decides, echo, pointer

ROOT_URI = 'urn:model-serving:schema'

FLAT_KEYWORDS = {
    *('type', 'enum', 'const', 'minLength', 'maxLength'),
    *('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'),
    *('minItems', 'maxItems', 'minProperties', 'maxProperties', 'required', 'dependentRequired'),
}
"""Keywords that `jsonschema` checks and words without walking into the value."""

SINGLE_WORDS = {
    'contains': '{} does not contain items matching the given schema',
    'not': '{} should not be valid under {!r}',
}
"""The words of `jsonschema` for keywords over one schema that say nothing of the parts of the value."""

MAX_STEPS = 5000
"""Most steps from the top; a schema may refer to itself for ever."""


class Narrower:
    """Finds and words one violation of a schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._registry = jsonschema_rs.Registry([(ROOT_URI, schema)])
        self._valid = functools.cache(self._compile)

    def violation(self, instance: Any) -> Violation:
        """One violation of `instance`, which has some."""
        where: Path = ()
        path: Path = ()
        for _ in range(MAX_STEPS):
            schema = _at(self._schema, where)
            if words := self._words(where, schema, instance):
                return Violation(pointer(path), words)
            parts = itertools.chain(parts_of(where, schema, instance), self._branch(where, schema, instance))
            part = next(filter(self._broken, parts), None)
            if part is None:
                return self._last_words(where, path, instance)
            where, step, instance = part
            path += step
        raise RecursionError

    def _compile(self, *places: Path, keyword: str = '$ref') -> Callable[[Any], bool]:
        """The check of a value by the schema at a place, or by `keyword` over the schemas at several."""
        references: list[Any] = [f'{ROOT_URI}#{_fragment(place)}' for place in places]
        schema: dict[str, Any] = {'$ref': references[0]}
        if keyword != '$ref':
            branches = [{'$ref': reference} for reference in references]
            schema = {keyword: branches if keyword in ('anyOf', 'oneOf') else branches[0]}
        return self._validator(schema).is_valid

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, offline=True, registry=self._registry
        )

    def _broken(self, part: Part) -> bool:
        where, _, instance = part
        return not self._valid(where)(instance)

    def _words(self, where: Path, schema: Any, instance: Any) -> str | None:
        """What `jsonschema` says of a keyword that breaks here; None if all that break are further in."""
        if schema is False:
            return f'False schema does not allow {echo(instance)}'
        for keyword, value in schema.items() if isinstance(schema, dict) else ():
            if words := self._keyword_words(where, keyword, value, schema, instance):
                return words
        return None

    def _keyword_words(self, where: Path, keyword: str, value: Any, schema: Any, instance: Any) -> str | None:
        if keyword in DECIDED_WORDS:
            broken = not decides(keyword, value)(instance)
            return DECIDED_WORDS[keyword].format(echo(instance), value) if broken else None
        if keyword in FLAT_KEYWORDS or (keyword == 'additionalProperties' and value is False):
            return _flat_words(keyword, value, schema, instance)
        if keyword in ('anyOf', 'oneOf'):
            return self._branch_words((*where, keyword), value, instance)
        if keyword in SINGLE_WORDS and not schema.keys() & {'minContains', 'maxContains'}:
            broken = not self._valid((*where, keyword), keyword=keyword)(instance)
            return SINGLE_WORDS[keyword].format(echo(instance), value) if broken else None
        return None

    def _branch_words(self, where: Path, branches: list[Any], instance: Any) -> str | None:
        places = [(*where, index) for index in range(len(branches))]
        if self._valid(*places, keyword=str(where[-1]))(instance):
            return None
        fitting = [
            branch for branch, place in zip(branches, places, strict=True) if self._valid(place)(instance)
        ]
        if not fitting:
            return f'{echo(instance)} is not valid under any of the given schemas'
        each = ', '.join(repr(branch) for branch in [*fitting[1:], fitting[0]])
        return f'{echo(instance)} is valid under each of {each}'

    def _branch(self, where: Path, schema: Any, instance: Any) -> Iterator[Part]:
        """The part of an `if` schema that counts for this value."""
        if isinstance(schema, dict) and 'if' in schema:
            branch = 'then' if self._valid((*where, 'if'))(instance) else 'else'
            if branch in schema:
                yield (*where, branch), (), instance

    def _last_words(self, where: Path, path: Path, instance: Any) -> Violation:
        """In the words of `jsonschema_rs`, for keywords that are neither flat nor made of parts."""
        try:
            self._validator({'$ref': f'{ROOT_URI}#{_fragment(where)}'}).validate(instance)
        except jsonschema_rs.ValidationError as error:
            return Violation(pointer((*path, *error.instance_path)), cut(error.message))
        raise LookupError


def _at(schema: Any, where: Path) -> Any:
    for step in where:
        schema = schema[step]
    return schema


def _fragment(where: Path) -> str:
    return quote(pointer(where))


def _flat_words(keyword: str, value: Any, schema: dict[str, Any], instance: Any) -> str | None:
    check = Draft202012Validator.VALIDATORS[keyword]
    for error in check(_FLAT, value, _brief(instance), schema) or ():
        return cut(error.message) if keyword == 'additionalProperties' else str(error.message)
    return None


_FLAT = Draft202012Validator({})


def _brief(value: Any) -> Any:
    """`value`, with a `repr` that is `echo`: what `jsonschema` puts into a message stays short."""
    kind = _BRIEF_KINDS.get(type(value))
    return value if kind is None else kind(value)


_BRIEF_KINDS: dict[type, Callable[[Any], Any]] = {
    kind: type(kind.__name__, (kind,), {'__repr__': echo}) for kind in (dict, list, str)
}
