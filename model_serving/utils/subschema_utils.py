"""Says whether a value fits a schema that lies inside another, which is how the slow validator is spared."""

import functools
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import jsonschema_rs

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

    def fits(self, subschema: Any, value: Any) -> bool | None:
        """Whether `value` is valid under `subschema`; None where that cannot be told."""
        if isinstance(subschema, bool):
            return subschema
        place = self._places.get(id(subschema))
        if place is None or self._depends:
            return None
        return self._compiled(place)(value)

    def _compile(self, place: Path) -> Callable[[Any], bool]:
        reference = {'$ref': f'{ROOT_URI}#{quote(pointer(place))}'}
        return jsonschema_rs.Draft202012Validator(
            reference, validate_formats=True, offline=True, registry=self._registry
        ).is_valid


def pointer(path: Any) -> str:
    """The steps of `path` as a JSON Pointer (RFC 6901)."""
    return ''.join('/' + str(step).replace('~', '~0').replace('/', '~1') for step in path)


def _parts(path: Path, node: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, item in items:
        yield from _parts((*path, step), item)
