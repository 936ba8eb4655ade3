"""Mistakes that JSON Schema itself lets pass, because it ignores what it does not know."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from jsonschema_specifications import REGISTRY

from model_serving.schemas.subschemas import MAPS_OF_SCHEMAS, json_pointer

SCHEMAS = {
    *('additionalProperties', 'allOf', 'anyOf', 'contains', 'contentSchema', 'else', 'if', 'items', 'not'),
    *('oneOf', 'prefixItems', 'propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'),
}
"""Keywords whose value is a schema, or a list of them."""

VOCABULARIES = [REGISTRY.contents(uri) for uri in REGISTRY if '/draft/2020-12/meta/' in uri]
KEYWORDS = {keyword for vocabulary in VOCABULARIES for keyword in vocabulary['properties']}
"""Those of draft 2020-12."""

ANNOTATIONS = {
    *('definitions', 'discriminator', 'example', 'externalDocs', 'xml'),
    *('anchor', 'comment', 'container', 'contentType', 'descriptions', 'note', 'schema', 'titles', 'tsType'),
    'typeof',
}
"""Keywords of older drafts, of OpenAPI and of other tools that nobody writes by mistake."""

OWN_ANNOTATION = re.compile('x-|(title|description|required|properties)[A-Z_]')
"""How annotations begin, as `titleDe`, `description_de`, `requiredIf` and `propertiesOrder`."""

FOREIGN = {
    'additionalItems': "'items' beside 'prefixItems'",
    'dependencies': "'dependentRequired' or 'dependentSchemas'",
    'divisibleBy': "'multipleOf'",
    'id': "'$id'",
    'nullable': "'type': [..., 'null']",
    '$recursiveRef': "'$dynamicRef'",
}
"""Keywords of other dialects that restrict nothing here, and what to write instead."""

FORMATS = [
    *('date', 'date-time', 'duration', 'email', 'hostname', 'idn-email', 'idn-hostname', 'ipv4', 'ipv6'),
    *('iri', 'iri-reference', 'json-pointer', 'regex', 'relative-json-pointer', 'time', 'uri'),
    *('uri-reference', 'uri-template', 'uuid'),
]
"""Those that are checked."""

LABELS = {
    *(f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)),
    *('base64url', 'binary', 'byte', 'char', 'commonmark', 'decimal', 'decimal128', 'double', 'double-int'),
    *('float', 'html', 'http-date', 'media-range', 'password'),
    *('sf-binary', 'sf-boolean', 'sf-decimal', 'sf-integer', 'sf-string', 'sf-token'),
}
"""Formats of OpenAPI's registry, which restrict nothing."""

TYPES = {
    **{name: name for name in ('array', 'boolean', 'integer', 'null', 'number', 'object', 'string')},
    **{'bool': 'boolean', 'dict': 'object', 'double': 'number', 'float': 'number', 'int': 'integer'},
    **{'list': 'array', 'None': 'null', 'none': 'null', 'str': 'string', 'text': 'string', 'tuple': 'array'},
}
"""The types, and what others may be meant for."""


def mistakes(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """What is wrong in a schema, with what to write instead and the place as a JSON Pointer."""
    if isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from mistakes(item, (*path, index))
    for keyword, value in node.items() if isinstance(node, dict) else ():
        place = (*path, keyword)
        if words := _of_keyword(keyword) or _of_value(keyword, value):
            yield f'{words} (at {json_pointer(place)})'
        if keyword in SCHEMAS:
            yield from mistakes(value, place)
        for name, inner in value.items() if keyword in MAPS_OF_SCHEMAS and isinstance(value, dict) else ():
            yield from mistakes(inner, (*place, name))


def _of_keyword(keyword: Any) -> str | None:
    if keyword in KEYWORDS | ANNOTATIONS or not isinstance(keyword, str) or OWN_ANNOTATION.match(keyword):
        return None
    if keyword in FOREIGN:
        return f'JSON Schema has no keyword {keyword!r}; write {FOREIGN[keyword]}'
    near = [each for each in KEYWORDS if sorted(each) == sorted(keyword)]  # difflib misses tpye.
    near += difflib.get_close_matches(keyword, sorted(KEYWORDS), n=1, cutoff=0.8)
    return f'there is no keyword {keyword!r}; write {near[0]!r}, or begin your own with x-' if near else None


def _of_value(keyword: str, value: Any) -> str | None:
    if keyword == 'format' and isinstance(value, str) and value not in (*FORMATS, *LABELS):
        near = difflib.get_close_matches(value, FORMATS, n=1, cutoff=0.7)
        advice = f'write {near[0]!r}' if near else f'it can be {", ".join(FORMATS)}; or write a pattern'
        return f'there is no format {value!r}, so nothing would be checked; {advice}'
    for name in (value if isinstance(value, list | tuple) else [value]) if keyword == 'type' else ():
        text = name.__name__ if isinstance(name, type) else str(name)
        if name not in TYPES.values():
            near = [TYPES[each] for each in difflib.get_close_matches(text, TYPES, n=1)]
            return f'there is no type {text!r}; write {repr(near[0]) if near else "one of the seven of JSON"}'
    return None


def cycle(node: Any, path: tuple[str | int, ...] = (), outer: tuple[int, ...] = ()) -> str | None:
    """Where a dict or a list contains itself; None if none does."""
    if id(node) in outer:
        return json_pointer(path)
    steps: Any = enumerate(node) if isinstance(node, list | tuple) else getattr(node, 'items', tuple)()
    inner = (cycle(item, (*path, step), (*outer, id(node))) for step, item in steps)
    return next((found for found in inner if found is not None), None)
