"""Whole doubles where a schema has `integer`: 1.0 and 1e3 are valid there, and a model gets 1 and 1000."""

from collections.abc import Sequence
from typing import Any

from model_serving.schemas.subschemas import Subschemas, json_pointer

OF_ITEMS = 'items', 'prefixItems', 'unevaluatedItems'
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


def integer_places(subschemas: Subschemas) -> list[Place]:
    """The place of the body, for `make_integers`; none if its schema has no `integer`."""
    places: dict[str, Place] = {}
    root = _place(subschemas, '', places)
    kept: set[Place] = set()
    while more := [each for each in places.values() if each not in kept and _leads(each, kept)]:
        kept.update(more)
    for place in places.values():
        place.prune(kept)
    return [root] if root in kept else []


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


def make_integers(places: Sequence[Place], value: Any) -> Any:
    """`value`, valid at these places, with integers for whole doubles; lists and objects are changed."""
    kind = type(value)
    if kind is float:
        is_integer = any(place.is_integer for place in places) and value.is_integer()
        return int(value) if is_integer else value
    if kind is dict:
        for place in places:
            for name, inner in place.properties.items():
                if name in value:
                    value[name] = make_integers(inner, value[name])
            for name in value if place.values else ():
                value[name] = make_integers(place.values, value[name])
    elif kind is list:
        inner = [each for place in places for each in place.items]
        if inner and not {float, dict, list}.isdisjoint(map(type, value)):
            value[:] = [make_integers(inner, item) for item in value]
    return value
