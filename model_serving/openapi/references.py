"""Embeds a JSON Schema in a larger document, in which its references to itself start elsewhere."""

from typing import Any

from model_serving.schemas.subschemas import DATA, MAPS_OF_SCHEMAS


def embedded(schema: Any, name: str, folder: str = '#/components/schemas/') -> Any:
    """`schema` as it reads in a document that has it as `name` in `folder`.

    `#/$defs/x` becomes `#/components/schemas/<name>/$defs/x`; anchors, which must be unique in a document,
    become `<name>-<anchor>`. A part that has an `$id` is a document of its own and stays as it is.
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
    if keyword in MAPS_OF_SCHEMAS:
        return {key: embedded(part, name, folder) for key, part in value.items()}
    return value if keyword in DATA else embedded(value, name, folder)


def _reference(target: str, name: str, folder: str) -> str:
    if not target.startswith('#'):
        return target
    path = target.removeprefix('#')
    return f'{folder}{name}{path}' if path.startswith('/') or not path else f'#{name}-{path}'
