"""A JSON Schema inside a larger document, where its references to itself have another beginning."""

from typing import Any

MAPS = {'properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions'}
"""Keywords whose value gives schemas by names, which are no keywords."""

DATA = {'examples', 'default', 'const', 'enum'}
"""Keywords whose value is no schema, whatever it looks like."""


def embedded(schema: Any, name: str, folder: str = '#/components/schemas/') -> Any:
    """`schema` as it has to read where it stands as `name` in the `folder` of a document.

    `#/$defs/x` becomes `#/components/schemas/<name>/$defs/x`; anchors, which must differ in a document, are
    called `<name>-<anchor>`. A part that has an `$id` is a document of its own and stays as it is.
    """
    if isinstance(schema, list):
        return [embedded(part, name, folder) for part in schema]
    if not isinstance(schema, dict) or '$id' in schema:
        return schema
    return {keyword: _value(keyword, value, name, folder) for keyword, value in schema.items()}


def _value(keyword: str, value: Any, name: str, folder: str) -> Any:
    if keyword in {'$ref', '$dynamicRef'}:
        return _reference(value, name, folder)
    if keyword in {'$anchor', '$dynamicAnchor'}:
        return f'{name}-{value}'
    if keyword in MAPS:
        return {key: embedded(part, name, folder) for key, part in value.items()}
    return value if keyword in DATA else embedded(value, name, folder)


def _reference(target: str, name: str, folder: str) -> str:
    if not target.startswith('#'):
        return target
    path = target.removeprefix('#')
    return f'{folder}{name}{path}' if path.startswith('/') or not path else f'#{name}-{path}'
