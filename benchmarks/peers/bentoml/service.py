"""BentoML: one service with two workers; the heavy endpoint is batchable.

It has no setting for the longest wait: `max_latency_ms` is when a request is given up; the wait is learnt.
"""
# mypy: ignore-errors

import base64
import os
from pathlib import Path
from typing import Annotated

import bentoml
import numpy
import onnxruntime
from bentoml.exceptions import InvalidArgument
from bentoml.validators import DType, Shape
from pydantic import BaseModel

Rows = Annotated[numpy.ndarray, Shape((-1, 64)), DType('float32')]


class Greeting(BaseModel):
    """A greeting."""

    result: str


class Brightness(BaseModel):
    """The mean of an image's bytes."""

    mean: float


def session(name):
    """Load a network that computes in the calling thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(Path(os.environ['BENCHMARK_MODELS']) / name, options)


@bentoml.service(workers=2, traffic={'timeout': 60}, logging={'access': {'enabled': False}})
class Peer:
    """All models."""

    def __init__(self):
        self.digits_network = session('digits.onnx')
        self.heavy_network = session('heavy.onnx')

    @bentoml.api
    async def hello(self, name: str) -> Greeting:
        """Greet."""
        return Greeting(result=f'Hello, {name}!')

    @bentoml.api
    async def digits(self, instances: Rows) -> numpy.ndarray:
        """Label rows."""
        return self.digits_network.run(['label'], {'pixels': instances})[0]

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=10000)
    def heavy(self, instances: Rows) -> numpy.ndarray:
        """Label rows, in batches."""
        return self.heavy_network.run(['label'], {'pixels': instances})[0]

    @bentoml.api
    async def image(self, image: str) -> Brightness:
        """Measure an image."""
        try:
            content = base64.b64decode(image, validate=True)
            return Brightness(mean=float(numpy.frombuffer(content, numpy.uint8).reshape(224, 224, 3).mean()))
        except ValueError as error:
            raise InvalidArgument(f'image: {error}') from error
