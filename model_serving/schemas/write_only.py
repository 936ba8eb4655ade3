"""Leaves out of JSON what its schema marks `writeOnly`, such as a password, so that the rest may be kept."""

import functools
from typing import Any

from model_serving.schemas.subschemas import Subschemas, json_pointer

LEFT_OUT = object()
Pointers = tuple[str, ...]


class WriteOnly:
    """Called with a value, it returns what may be kept of it: all of it, if the schema `marks` nothing.

    Else only properties that the schema names are kept, at every depth: where a name is unknown, so is
    whether it is that of a secret. A mark in any schema that could apply, as in `anyOf`, counts. Of a value
    in another form than that of the schema (not `is_own`) nothing is kept, which is LEFT_OUT.
    """

    def __init__(self, schema: dict[str, Any], is_own: bool = True) -> None:
        self._subschemas = Subschemas(schema)
        self._is_own = is_own
        self.marks = any(each.get('writeOnly') for each in self._subschemas.all())
        self._applying = functools.cache(self._find_applying)

    def __call__(self, value: Any) -> Any:
        """What may be kept."""
        if not self.marks:
            return value
        return self._kept(value, ('',)) if self._is_own else LEFT_OUT

    def _kept(self, value: Any, pointers: Pointers) -> Any:
        applying = self._applying(pointers)
        schemas = [self._subschemas.at(each) for each in applying]
        if any(each.get('writeOnly') or '$dynamicRef' in each for each in schemas):
            return LEFT_OUT
        if isinstance(value, list):
            keywords = 'items', 'prefixItems', 'contains', 'unevaluatedItems'
            found = tuple(each for place in applying for each in self._subschemas.below(place, keywords))
            return [kept for item in value if (kept := self._kept(item, found)) is not LEFT_OUT]
        if isinstance(value, dict):
            names = [name for name in value if any(name in each.get('properties', ()) for each in schemas)]
            items = [(name, self._kept(value[name], self._of_property(applying, name))) for name in names]
            return {name: kept for name, kept in items if kept is not LEFT_OUT}
        return value

    def _find_applying(self, pointers: Pointers) -> Pointers:
        """The schemas that apply, or could, to a value to which these do."""
        found = list(pointers)
        for pointer in found:  # Which grows.
            found += dict.fromkeys(each for each in self._subschemas.in_place(pointer) if each not in found)
        return tuple(found)

    def _of_property(self, applying: Pointers, name: str) -> Pointers:
        """The schemas of a property of that name: its own, and those of names that it may be among."""
        found: list[str] = []
        for place in applying:
            is_named = name in self._subschemas.at(place).get('properties', ())
            found += [place + json_pointer(('properties', name))] if is_named else []
            others = () if is_named else ('additionalProperties', 'unevaluatedProperties')
            found += self._subschemas.below(place, ('patternProperties', *others))
        return tuple(found)
