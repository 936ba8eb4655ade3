"""Whole doubles where a schema has `integer`: 1.0 and 1e3 are valid there, and a model gets 1 and 1000."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from model_serving.schemas.subschemas import Subschemas, json_pointer

OF_ITEMS = 'contains', 'items', 'prefixItems', 'unevaluatedItems'
OF_VALUES = 'additionalProperties', 'patternProperties', 'unevaluatedProperties'
"""Keywords whose schemas apply to what is inside; one of some items or values is taken for one of all, as an
integer is valid wherever the same double is."""


class Place:
    """What the schemas that apply to a value say of integers in it, and of what is inside."""

    def __init__(self) -> None:
        self.is_integer = False
        self.properties: dict[str, list[Place]] = {}
        self.items: list[Place] = []
        self.values: list[Place] = []

    def inside(self) -> list['Place']:
        """The places in it."""
        return [*self.items, *self.values, *(each for found in self.properties.values() for each in found)]

    def prune(self, kept: set['Place']) -> None:
        """Forget all places in it but those `kept`."""
        self.items, self.values = (
            [each for each in group if each in kept] for group in (self.items, self.values)
        )
        found = {name: [each for each in group if each in kept] for name, group in self.properties.items()}
        self.properties = {name: group for name, group in found.items() if group}


class Places:
    """The places of one value, as one: each place inside is there once, however many of them lead to it.

    Without that, each level of a recursive schema would multiply them.
    """

    def __init__(self, places: frozenset[Place], known: dict[frozenset[Place], 'Places']) -> None:
        self._places, self._known = places, known
        self.is_integer = any(place.is_integer for place in places)

    @cached_property
    def items(self) -> 'Places | None':
        """Those of each item."""
        return self._merged(each for place in self._places for each in place.items)

    @cached_property
    def others(self) -> 'Places | None':
        """Those of each value whose name is not in `named`."""
        return self._merged(each for place in self._places for each in place.values)

    @cached_property
    def named(self) -> 'dict[str, Places | None]':
        """Those of the values with these names."""
        found: dict[str, set[Place]] = {}
        for place in self._places:
            for name, group in place.properties.items():
                found.setdefault(name, set()).update(group)
        values = [each for place in self._places for each in place.values]
        return {name: self._merged([*group, *values]) for name, group in found.items()}

    def _merged(self, places: Iterable[Place]) -> 'Places | None':
        if key := frozenset(places):
            return self._known.setdefault(key, Places(key, self._known))
        return None


def integer_places(subschemas: Subschemas) -> Places | None:
    """The places of the body, for `make_integers`; None if its schema has no `integer`."""
    places: dict[str, Place] = {}
    root = _place(subschemas, '', places)
    kept: set[Place] = set()
    while more := [each for each in places.values() if each not in kept and _leads(each, kept)]:
        kept.update(more)
    for place in places.values():
        place.prune(kept)
    return Places(frozenset([root]), {}) if root in kept else None


def _leads(place: Place, kept: set[Place]) -> bool:
    return place.is_integer or any(each in kept for each in place.inside())


def _place(subschemas: Subschemas, pointer: str, places: dict[str, Place]) -> Place:
    if pointer in places:
        return places[pointer]
    place = places[pointer] = Place()
    applying = [pointer]
    for each in applying:  # It grows meanwhile.
        applying += [other for other in subschemas.in_place(each) if other not in applying]
    for each in applying:
        schema = subschemas.at(each)
        place.is_integer |= 'integer' in (schema.get('type') or ())
        for name in schema.get('properties', {}):
            below = _place(subschemas, each + json_pointer(('properties', name)), places)
            place.properties.setdefault(name, []).append(below)
        place.items += [_place(subschemas, inner, places) for inner in subschemas.below(each, OF_ITEMS)]
        place.values += [_place(subschemas, inner, places) for inner in subschemas.below(each, OF_VALUES)]
    return place


CHANGED = frozenset({float, dict, list})
"""The types of the values that may change."""


def make_integers(places: Places | None, value: Any) -> Any:
    """`value`, valid at these places, with integers for whole doubles; lists and objects are changed."""
    kind = type(value)
    if places is None:
        return value
    if kind is float:
        return int(value) if places.is_integer and value.is_integer() else value
    if kind is dict and (others := places.others):
        for name, item in value.items():
            if type(item) in CHANGED:  # A call for each value would cost more than validation.
                value[name] = make_integers(places.named.get(name, others), item)
    elif kind is dict:
        for name, inner in places.named.items():
            if type(item := value.get(name)) in CHANGED:
                value[name] = make_integers(inner, item)
    elif kind is list and (inner := places.items):
        for index, item in enumerate(value):
            if type(item) in CHANGED:
                value[index] = make_integers(inner, item)
    return value
