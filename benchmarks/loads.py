"""The questions that are asked, with their right answers, and the loads made of them."""

import base64
import functools
import json
from typing import Any, NamedTuple

import numpy

from benchmarks import models


class Question(NamedTuple):
    """What an endpoint is asked, free of any protocol, and the right answer."""

    endpoint: str
    value: Any
    answer: Any


class Load(NamedTuple):
    """A question that many connections ask without pause."""

    question: str
    connections: int


LOADS = {
    'hello-c1': Load('hello', 1),
    'hello': Load('hello', 32),
    'hello-c256': Load('hello', 256),
    'digits-1': Load('digits-1', 32),
    'digits-32': Load('digits-32', 32),
    'digits-512': Load('digits-512', 32),
    'heavy-c1': Load('heavy', 1),
    'heavy-c8': Load('heavy', 8),
    'heavy-c64': Load('heavy', 64),
    'heavy-c256': Load('heavy', 256),
    'image': Load('image', 32),
    'mixed': Load('mixed', 32),
}

DESCRIPTIONS = {
    'hello-c1': 'a greeting, 1 connection',
    'hello': 'a greeting, 32 connections',
    'hello-c256': 'a greeting, 256 connections',
    'digits-1': '1 row of digits, 32 connections',
    'digits-32': '32 rows of digits, 32 connections',
    'digits-512': '512 rows of digits (141 kB), 32 connections',
    'heavy-c1': 'one row of the heavy network, 1 connection',
    'heavy-c8': 'one row of the heavy network, 8 connections',
    'heavy-c64': 'one row of the heavy network, 64 connections',
    'heavy-c256': 'one row of the heavy network, 256 connections',
    'image': 'a base64 image of 200 kB, 32 connections',
    'mixed': '90 % greetings, 10 % 512 rows of digits, 32 connections; latencies of the greetings',
}


FIRST_QUESTION = {
    'hello': 'hello',
    'digits': 'digits-1',
    'heavy': 'heavy',
    'image': 'image',
    'slow': 'slow',
}
"""What each endpoint is asked to see whether it is ready."""


@functools.cache
def questions() -> dict[str, Question]:
    """All questions, by name."""
    rows = models.digit_rows(512)
    pixels = numpy.random.default_rng(0).integers(0, 256, 224 * 224 * 3, numpy.uint8)
    asked = {
        f'digits-{count}': Question('digits', rows[:count].tolist(), models.labels('digits', rows[:count]))
        for count in (1, 32, 512)
    }
    fractions = numpy.random.default_rng(0).uniform(0, 16, (512, 64))
    return {
        **asked,
        'digits-512-long': Question(
            'digits', fractions.tolist(), models.labels('digits', fractions.astype(numpy.float32))
        ),
        'hello': Question('hello', 'Leo', 'Hello, Leo!'),
        'slow': Question('slow', 'Leo', 'Hello, Leo!'),
        'heavy': Question('heavy', rows[:1].tolist(), models.labels('heavy', rows[:1])),
        'image': Question('image', base64.b64encode(pixels.tobytes()).decode(), float(pixels.mean())),
    }


def single_heavy_rows(count: int) -> list[Question]:
    """Different rows for the heavy network, each a question of its own."""
    rows = models.digit_rows(count)
    answers = models.labels('heavy', rows)
    return [Question('heavy', [row.tolist()], [label]) for row, label in zip(rows, answers, strict=True)]


class Plain:
    """Bodies of plain JSON, as most servers' own documentation has them."""

    def body(self, endpoint: str, value: Any) -> Any:
        """The body of a request."""
        return {{'hello': 'name', 'slow': 'name', 'image': 'image'}.get(endpoint, 'instances'): value}

    def answer(self, endpoint: str, document: Any) -> Any:
        """What the body of an answer says."""
        if isinstance(document, list):
            return document
        return document[{'hello': 'result', 'slow': 'result', 'image': 'mean'}.get(endpoint, 'predictions')]


class KServeV1:
    """KServe's and TensorFlow Serving's protocol V1: a list of instances, whatever they are."""

    def body(self, endpoint: str, value: Any) -> Any:
        """The body of a request."""
        return {'instances': [value] if endpoint in ('hello', 'image') else value}

    def answer(self, endpoint: str, document: Any) -> Any:
        """What the body of an answer says."""
        predictions = document['predictions']
        return predictions[0] if endpoint in ('hello', 'image') else predictions


class OpenInference:
    """The Open Inference Protocol V2: tensors, flattened."""

    def body(self, endpoint: str, value: Any) -> Any:
        """The body of a request."""
        if endpoint in ('hello', 'image'):
            name = {'hello': 'name', 'image': 'image'}[endpoint]
            return {'inputs': [{'name': name, 'shape': [1], 'datatype': 'BYTES', 'data': [value]}]}
        shape = [len(value), len(value[0])]
        flat = [number for row in value for number in row]
        return {'inputs': [{'name': 'pixels', 'shape': shape, 'datatype': 'FP32', 'data': flat}]}

    def answer(self, endpoint: str, document: Any) -> Any:
        """What the body of an answer says."""
        data = document['outputs'][0]['data']
        return data[0] if endpoint in ('hello', 'image') else data


Form = Plain | KServeV1 | OpenInference


def dump(document: Any) -> bytes:
    """JSON without spaces, so that it is the same load for all."""
    return json.dumps(document, separators=(',', ':')).encode()


BAD_QUESTIONS: dict[str, tuple[str, Any]] = {
    'a number for a name': ('hello', 5),
    'a row of 3': ('digits', [[1.0] * 3]),
    'words for numbers': ('digits', [['x'] * 64]),
    'a digit of 99': ('digits', [[99.0] * 64]),
    'no base64': ('image', '***'),
}
BAD_BODIES = {'an empty object': b'{}', 'no JSON': b'{nope'}
"""Sent to the endpoint `digits`."""
