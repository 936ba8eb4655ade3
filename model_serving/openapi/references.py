"""Embeds a JSON Schema in a larger document, in which its references to itself start elsewhere."""

from typing import Any
from urllib.parse import quote

from model_serving.schemas.subschemas import Subschemas, json_pointer

LEFT_OUT = {'$id', '$anchor', '$dynamicAnchor', '$dynamicRef'}
"""No reference needs the first three any longer; a JSON Pointer cannot say what the last means."""


def embedded(schema: dict[str, Any], place: str) -> Any:
    """`schema` as it reads at `place` in a document, such as `#/components/schemas/Tree`.

    What it refers to inside itself, by pointers, anchors or ids, it refers to by pointers: few tools that
    read the document know the others.
    """
    return _embedded(Subschemas(schema), '', schema, place)


def _embedded(schemas: Subschemas, pointer: str, node: Any, place: str) -> Any:
    if isinstance(node, list):
        return [_embedded(schemas, f'{pointer}/{index}', each, place) for index, each in enumerate(node)]
    if not isinstance(node, dict):
        return node
    copy = {key: _embedded(schemas, pointer + json_pointer([key]), each, place) for key, each in node.items()}
    if schemas.at(pointer):
        copy = {keyword: value for keyword, value in copy.items() if keyword not in LEFT_OUT}
        for target in schemas.target(pointer):
            copy['$ref'] = place + quote(target, safe='/$')
    return copy
