"""Says whether a value fits a schema that lies inside another, which is how the slow validator is spared."""

import functools
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from model_serving.utils.bounds_utils import refers
from model_serving.utils.decider_utils import Decider

FEW = 8
ROOT_URI = 'urn:model-serving:schema'

Path = tuple[str | int, ...]


class Subschemas:
    """The schemas inside `schema`, known by their identity; each is compiled when it is first asked."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._registry = jsonschema_rs.Registry([(ROOT_URI, schema)])
        self._parts = dict(_parts((), schema))
        self._places = {id(part): path for path, part in self._parts.items()}
        # What a reference means then depends on how it was reached, which a place alone does not tell.
        self._depends = any('$dynamicRef' in part for part in self._parts.values()) or any(
            '$id' in part for path, part in self._parts.items() if path
        )
        self.has_patterns = any('patternProperties' in part for part in self._parts.values())
        self._compiled = functools.cache(self._compile)
        self._compiled_lists = functools.cache(self._compile_list)

    def fits(self, subschema: Any, value: Any) -> bool | None:
        """Whether `value` is valid under `subschema`; None where that cannot be told."""
        if isinstance(subschema, bool):
            return subschema
        place = self._places.get(id(subschema))
        if place is None or self._depends:
            return None
        return self._compiled(place)(value)

    def broken(self, subschema: Any, values: list[Any], start: int) -> Iterator[int] | None:
        """The indexes, from `start` on, of the values that break `subschema`; None where that cannot be told.

        Long stretches without any are passed over at once.
        """
        place = self._places.get(id(subschema))
        if place is None or self._depends:
            return None
        return _search(self._compiled_lists(place), self._compiled(place), values, start, len(values))

    def _compile_list(self, place: Path) -> Callable[[Any], bool]:
        """What tells whether all of a list are valid under the schema at `place`."""
        items = self._parts[place]
        if not refers(items):
            return functools.partial(Decider({'type': 'array', 'items': items}).is_valid, many=True)
        one = self._compiled(place)
        return lambda values: all(map(one, values))

    def _compile(self, place: Path) -> Callable[[Any], bool]:
        part = self._parts[place]
        if not refers(part):
            decider = Decider(part)
            return lambda value: decider.is_valid(
                value, many=isinstance(value, list | dict) and len(value) > FEW
            )
        reference = {'$ref': f'{ROOT_URI}#{quote(pointer(place))}'}
        return jsonschema_rs.Draft202012Validator(
            reference, validate_formats=True, offline=True, registry=self._registry
        ).is_valid


def _search(
    all_fit: Callable[[Any], bool], fits: Callable[[Any], bool], values: list[Any], start: int, end: int
) -> Iterator[int]:
    if end - start <= FEW:
        yield from (index for index in range(start, end) if not fits(values[index]))
    elif not all_fit(values[start:end]):
        middle = (start + end) // 2
        yield from _search(all_fit, fits, values, start, middle)
        yield from _search(all_fit, fits, values, middle, end)


def pointer(path: Any) -> str:
    """The steps of `path` as a JSON Pointer (RFC 6901)."""
    return ''.join('/' + str(step).replace('~', '~0').replace('/', '~1') for step in path)


def _parts(path: Path, node: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, item in items:
        yield from _parts((*path, step), item)
