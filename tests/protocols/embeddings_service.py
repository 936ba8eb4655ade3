"""A service with models that make embeddings, and some that do it wrongly."""

import time
from typing import Any

import numpy
from flask import Response, request
from flask_restful import Resource

from model_serving import Mount
from model_serving import create_app as create_service
from model_serving.utils.batch_utils import batched
from model_serving.utils.embedding_utils import Embeddings
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.validation_utils import validate_json

TEXTS: dict[str, Any] = {
    'type': 'object',
    'properties': {
        'texts': {
            'type': 'array',
            'items': {'type': 'string', 'maxLength': 100},
            'minItems': 1,
            'maxItems': 2048,
        },
        'dimensions': {'type': 'integer', 'minimum': 1, 'maximum': 4},
    },
    'required': ['texts'],
    'additionalProperties': False,
    'examples': [{'texts': ['one']}],
}
ANSWER: dict[str, Any] = {
    'type': 'object',
    'properties': {'vectors': {'type': 'array'}, 'usage': {'type': 'object'}},
    'required': ['vectors'],
}


class Counter:
    """Counts letters, and takes its time."""

    runs = 0

    @batched(max_batch_size=64)
    def embed(self, texts: list[str]) -> list[list[float]]:
        """How often each text has a, b, c, and how long it is, over 10."""
        self.runs += 1
        time.sleep(0.02)
        return [
            [text.count('a') / 10, text.count('b') / 10, text.count('c') / 10, len(text) / 10]
            for text in texts
        ]


counter = Counter()


class LettersResource(Resource):
    """Counts letters."""

    embeddings = Embeddings(texts='texts', vectors='vectors')

    @validate_json(TEXTS, response=ANSWER)
    def post(self) -> Any:
        """The counts of each text."""
        vectors = counter.embed(request.json['texts'])
        return {'vectors': [vector[: request.json.get('dimensions', 4)] for vector in vectors]}


class RememberedResource(LettersResource):
    """Counts letters, of the same texts once."""

    remember_mib = 1


class CountedResource(Resource):
    """Says how many words it was sent, and how often Letters ran."""

    embeddings = Embeddings(texts='texts', vectors='vectors')

    @validate_json({**TEXTS, 'properties': {'texts': TEXTS['properties']['texts']}})
    def post(self) -> Any:
        """The runs, as a vector."""
        texts = request.json['texts']
        words = sum(len(text.split()) for text in texts)
        return {
            'vectors': [[counter.runs] for _ in texts],
            'usage': {'prompt_tokens': words, 'total_tokens': words},
        }


ANSWERS: dict[str, Any] = {
    'nan': lambda: {'vectors': [[0.5, float('nan')]]},
    'ragged': lambda: {'vectors': [[0.5], [0.5, 1]]},
    'few': lambda: {'vectors': []},
    'none': lambda: {'rows': [[0.5]]},
    'flat': lambda: {'vectors': [0.5]},
    'words': lambda: {'vectors': [['a']]},
    'huge': lambda: {'vectors': [[1e300]]},
    'null': lambda: {'vectors': None},
    'list': lambda: [[0.5]],
    'stream': lambda: Response((word for word in ['one ', 'two']), mimetype='text/plain'),
    'crash': lambda: 1 / 0,
    'array with a nan': lambda: {'vectors': numpy.array([[0.5, numpy.nan]])},
    'array of one dimension': lambda: {'vectors': numpy.array([0.5])},
    'array of three': lambda: {'vectors': numpy.array([[[0.5]]])},
    'array of more rows': lambda: {'vectors': numpy.ones((2, 2))},
    'array of huge numbers': lambda: {'vectors': numpy.array([[1e300]])},
    'array of words': lambda: {'vectors': numpy.array([['a']])},
    'masked array': lambda: {'vectors': numpy.ma.masked_array([[0.5, 1.5]], [[False, True]])},
    'empty array': lambda: {'vectors': numpy.ones((1, 0))},
    'scalar': lambda: {'vectors': numpy.float32(0.5)},
}
"""What the model Wrong answers to these words."""


class WrongResource(Resource):
    """Answers wrongly, as the text says."""

    embeddings = Embeddings(texts='texts', vectors='vectors')

    @validate_json(TEXTS)
    def post(self) -> Any:
        """What is no list of vectors."""
        text = request.json['texts'][0]
        if text.startswith('nap'):
            time.sleep(float(text.removeprefix('nap')))
        if text == 'teapot':
            return Response('short and stout', 418)
        if text == 'odd':
            raise InvalidInput('No odd texts', errors=['odd', {'pointer': 7}], error='odd')
        return ANSWERS.get(text, lambda: {'vectors': [[1.0]] * len(request.json['texts'])})()


ARRAYS: dict[str, Any] = {
    'float32': numpy.array([[0.1, 2], [3, 4]], 'f4'),
    'float64': numpy.array([[0.1, 2], [3, 4]]),
    'int64': numpy.array([[1, 2], [3, 4]]),
    'columns': numpy.asfortranarray(numpy.array([[0.1, 2], [3, 4]], '>f8')),
}
"""What the model Arrays answers to these words and another one."""


class ArraysResource(Resource):
    """Answers with arrays, and a status and headers of its own."""

    embeddings = Embeddings(texts='texts', vectors='vectors')

    @validate_json(TEXTS)
    def post(self) -> Any:
        """The array of the first text, or it as lists."""
        text = request.json['texts'][0]
        vectors = ARRAYS[text.removesuffix(' lists').removesuffix(' with headers')]
        if text.endswith('with headers'):
            return {'vectors': vectors}, 201, {'X-Own': 'yes'}
        return {'vectors': vectors.tolist() if text.endswith('lists') else vectors}


class PlainResource(Resource):
    """Makes no embeddings, but has something of that name."""

    embeddings = 'of its own'

    @validate_json(TEXTS)
    def post(self) -> Any:
        """Nothing."""
        return {}


HERE = 'tests.protocols.embeddings_service'
MODELS = [
    *(
        Mount(name, f'{HERE}:{name}Resource')
        for name in ('Letters', 'Remembered', 'Counted', 'Arrays', 'Wrong', 'Plain')
    ),
    Mount('Broken', 'tests.protocols.broken_embeddings:BrokenResource'),
]


def create_app() -> Any:
    """The service."""
    return create_service(MODELS)
