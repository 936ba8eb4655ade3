"""OpenAI's embeddings: texts in, a vector for each out.

https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
import dataclasses
import math
import struct
from typing import Any

from model_serving.echo import cut, echo
from model_serving.errors import InvalidInput
from model_serving.json_codec import encode
from model_serving.schemas.compiled import BadSchema, CompiledSchema
from model_serving.schemas.validation import require_valid

TEXT = {'type': 'string', 'minLength': 1}
PROPERTIES: dict[str, Any] = {
    'model': {'type': 'string', 'description': 'One that GET /openai/v1/models lists.'},
    'input': {'type': ['string', 'array'], 'minLength': 1, 'minItems': 1, 'items': TEXT},
    'encoding_format': {'enum': ['float', 'base64', None], 'default': 'float'},
    'user': {'description': 'Ignored.'},
}
REQUEST_SCHEMA = {'type': 'object', 'properties': PROPERTIES, 'required': ['model', 'input']}
NO_TOKENS = 'Send texts, not tokens; in LangChain, set check_embedding_ctx_length=False'
NOT_COUNTED = {'prompt_tokens': 0, 'total_tokens': 0}
_compiled = CompiledSchema(REQUEST_SCHEMA)


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """What a resource has as its `embeddings`, if OpenAI's clients may call its model.

    `texts` is the property of its schema that takes a list of texts, `vectors` that of its answer with a list
    of numbers for each. If the answer has OpenAI's `usage`, too, that is passed on.
    """

    texts: str
    vectors: str

    def check(self, resource: Any) -> None:
        """Raise BadSchema if a schema of the resource's `post` lacks a property that is named here."""
        answers = resource.post.response_schema or {'properties': {self.vectors: {}}}
        for name, schema in (self.texts, resource.post.request_schema), (self.vectors, answers):
            if name not in (known := schema.get('properties', {})):
                raise BadSchema(f'embeddings: there is no property {name!r}; the schema has {list(known)}')

    def own_json(self, request: dict[str, Any], schema: dict[str, Any]) -> bytes:
        """The model's own JSON for a valid request; `schema` is that of the model. Raises InvalidInput."""
        others = {name: each for name, each in request.items() if name not in PROPERTIES and each is not None}
        known = schema.get('properties', {}).keys() - {self.texts} if schema else others.keys()
        for name in others.keys() - known:
            raise InvalidInput(f'The model takes no {echo(name)}; leave it out', param=cut(name))
        texts = request['input']
        return encode({**others, self.texts: texts if isinstance(texts, list) else [texts]})

    def answer(self, model: str, own: Any, count: int, is_base64: bool) -> dict[str, Any]:
        """OpenAI's answer, from the model's own to so many texts. Raises what `float32s` raises."""
        rows = own.get(self.vectors) if isinstance(own, dict) else None
        if rows is None or len(packed := float32s(rows)) != count:
            raise TypeError(f'{model} has answered without {self.vectors!r}, a list of {count} vectors')
        vectors = [base64.b64encode(each).decode() for each in packed] if is_base64 else rows
        data = [{'object': 'embedding', 'index': i, 'embedding': each} for i, each in enumerate(vectors)]
        return {'object': 'list', 'data': data, 'model': model, 'usage': own.get('usage', NOT_COUNTED)}


def is_array(rows: Any) -> bool:
    """Whether it is numpy's own array of numbers: JSON has another form of what derives from it."""
    return type(rows).__name__ == 'ndarray' and rows.dtype.kind in 'fiu'


def float32s(rows: Any) -> list[bytes]:
    """Each row as float32s, little-endian, of an array or of lists, in which NaN is None.

    Raises TypeError, ValueError, OverflowError or struct.error unless all are finite, and of one length.
    """
    if is_array(rows):
        array = rows.astype('<f4')
        if array.ndim != 2 or not math.isfinite(abs(array).max()):
            raise ValueError(f'an array of the shape {array.shape} is no vectors, or has a NaN or infinity')
        return [row.tobytes() for row in array]
    pack = struct.Struct(f'<{len(rows[0])}f').pack
    return [pack(*row) for row in rows]


def embeddings_of(resource: Any) -> Embeddings | None:
    """What a resource declares; None where that is nothing."""
    declared = getattr(resource, 'embeddings', None)
    return declared if isinstance(declared, Embeddings) else None


def require_texts(request: Any) -> None:
    """Raise InvalidInput for what is no request that OpenAI documents, and for one of tokens."""
    first = request.get('input') if isinstance(request, dict) else None
    while isinstance(first, list) and first:
        first = first[0]
    if type(first) is int:
        raise InvalidInput(NO_TOKENS, param='input')
    require_valid(_compiled, request, 0)
