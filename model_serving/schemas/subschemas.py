"""The schemas inside a schema: where they stand, what they refer to, and each compiled on its own."""

import functools
import graphlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote, urljoin

import jsonschema_rs

MAPS_OF_SCHEMAS = {'properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'}
"""Keywords whose value gives schemas by names, which are not keywords."""

DATA = {'enum', 'const', 'default', 'examples'}
"""Keywords whose value is not a schema, whatever it looks like."""

IN_PLACE = 'allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas'
"""Keywords whose schemas apply to the value itself."""

REFERENCES = {'$ref', '$dynamicRef'}
ROOT_URI = 'json-schema:///model-serving'


def compile_schema(schema: Any, **options: Any) -> jsonschema_rs.Draft202012Validator:
    """A validator of draft 2020-12 that asserts `format`. Raises the errors of jsonschema_rs."""
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True, **options)


class Subschemas:
    """The schemas inside `schema`, and itself, by JSON Pointer. Raises what `compile_schema` raises."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._root = compile_schema(schema)
        # Whatever `$schema` says: it is draft 2020-12 that decides.
        self._registry = jsonschema_rs.Registry([(ROOT_URI, schema)], draft=jsonschema_rs.Draft202012)
        self._schemas = dict(_walk('', schema))
        self._locate()
        self._referring = [pointer for pointer, each in self._schemas.items() if REFERENCES & each.keys()]
        self.has_references = bool(self._referring)
        # What such a reference means depends on how it was reached, which a pointer does not tell.
        self.has_dynamic_references = any('$dynamicRef' in each for each in self.all())
        self.has_embedded_ids = any('$id' in each for pointer, each in self._schemas.items() if pointer)
        self.validator = functools.cache(self._compile)
        self.keyword_validator = functools.cache(self._compile_keyword)

    def all(self) -> Iterable[dict[str, Any]]:
        """All of them."""
        return self._schemas.values()

    def at(self, pointer: str) -> dict[str, Any]:
        """The schema at `pointer`; an empty one if there is none."""
        return self._schemas.get(pointer, {})

    def target(self, pointer: str) -> list[str]:
        """Where the `$ref` of the schema at `pointer` leads, if that is into this schema."""
        if '$ref' not in (schema := self.at(pointer)):
            return []
        base, reference = self._bases[pointer], str(schema['$ref'])
        uri, _, fragment = (base + reference if reference[:1] == '#' else urljoin(base, reference)).partition(
            '#'
        )
        if not fragment or fragment.startswith('/'):
            target = self._places.get(uri, '?') + unquote(fragment)
        else:
            target = self._places.get(f'{uri}#{fragment}', '?')
        return [target] if target in self._schemas else []

    def _locate(self) -> None:
        """Find the base URI of each schema, and the schemas that URIs and anchors name."""
        self._bases: dict[str, str] = {}
        self._places: dict[str, str] = {'': ''}
        for pointer, schema in self._schemas.items():  # Those outside come first.
            outer = pointer
            while outer and outer not in self._bases:
                outer = outer.rpartition('/')[0]
            base = self._bases[pointer] = self._bases.get(outer, '')
            if '$id' in schema:
                base = self._bases[pointer] = urljoin(base, str(schema['$id'])).rstrip('#')
                self._places[base] = pointer
            for anchor in {'$anchor', '$dynamicAnchor'} & schema.keys():
                self._places[f'{base}#{schema[anchor]}'] = pointer

    def below(self, pointer: str, keywords: Iterable[str]) -> Iterator[str]:
        """The pointers to the schemas, or to those in the lists and maps of schemas, at these keywords."""
        schema = self.at(pointer)
        for keyword in filter(schema.__contains__, keywords):
            value = schema[keyword]
            steps: Any = [()]
            if keyword in MAPS_OF_SCHEMAS or isinstance(value, list):
                steps = [(step,) for step in (value if isinstance(value, dict) else range(len(value)))]
            for step in steps:
                yield pointer + json_pointer((keyword, *step))

    def in_place(self, pointer: str) -> list[str]:
        """The pointers to the schemas that the one at `pointer` applies to the same value."""
        return [*self.target(pointer), *self.below(pointer, IN_PLACE)]

    def endless_reference(self) -> str | None:
        """A schema whose `$ref` leads back to it without a step into the value; None without one."""
        try:
            graphlib.TopologicalSorter({each: self.in_place(each) for each in self._schemas}).prepare()
        except graphlib.CycleError as error:
            return str(next(each for each in error.args[1] if '$ref' in self.at(each)))
        return None

    def may_recurse(self) -> bool:
        """Whether a reference leads to a schema that contains it, or to an unknown one."""
        targets = {pointer: self.target(pointer) for pointer in self._referring}
        inside = {
            pointer: [each for each in self._referring if f'{each}/'.startswith(f'{target}/')]
            for pointer, found in targets.items()
            for target in found
        }
        try:
            graphlib.TopologicalSorter(inside).prepare()
        except graphlib.CycleError:
            return True
        return not all(targets.values())

    def _compile(self, pointer: str, of_items: bool = False) -> jsonschema_rs.Draft202012Validator:
        if not pointer:
            return self._root
        schema = {'$ref': f'{ROOT_URI}#{quote(pointer)}'}
        try:
            return compile_schema({'items': schema} if of_items else schema, registry=self._registry)
        except ValueError:  # It has an $id, or a $ref relative to one: no value counts as invalid.
            return compile_schema(True)

    def _compile_keyword(self, pointer: str, keyword: str) -> jsonschema_rs.Draft202012Validator:
        return compile_schema({keyword: self.at(pointer)[keyword]})


def json_pointer(path: Iterable[str | int]) -> str:
    """`path` as a JSON Pointer (RFC 6901)."""
    return ''.join('/' + str(step).replace('~', '~0').replace('/', '~1') for step in path)


def _walk(pointer: str, node: Any, is_map: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas in `node`, which is at `pointer`; a map gives schemas by names."""
    if isinstance(node, dict) and not is_map:
        yield pointer, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, item in items:
        if is_map or step not in DATA:
            yield from _walk(pointer + json_pointer([step]), item, not is_map and step in MAPS_OF_SCHEMAS)
