"""MLServer: custom runtimes, called with the Open Inference Protocol V2."""
# mypy: ignore-errors

import base64
import os
from pathlib import Path
from typing import List  # noqa: UP035  (Its codecs know no list[str].)

import numpy
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import decode_args
from mlserver.errors import InferenceError


class Hello(MLModel):
    """Greets."""

    @decode_args
    async def predict(self, name: List[str]) -> List[str]:  # noqa: UP006
        """Greet each."""
        return [f'Hello, {text}!' for text in name]


class Network(MLModel):
    """Labels rows with the file of its own name."""

    async def load(self) -> bool:
        """Load the network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = Path(os.environ['BENCHMARK_MODELS']) / f'{self.settings.name}.onnx'
        self.session = onnxruntime.InferenceSession(path, options)
        return True

    @decode_args
    async def predict(self, pixels: numpy.ndarray) -> numpy.ndarray:
        """Label rows."""
        if pixels.ndim != 2 or pixels.shape[1] != 64:
            raise InferenceError(f'pixels: not n rows of 64 numbers but {pixels.shape}')
        return self.session.run(['label'], {'pixels': pixels.astype(numpy.float32, copy=False)})[0]


class Image(MLModel):
    """Measures images."""

    @decode_args
    async def predict(self, image: List[str]) -> numpy.ndarray:  # noqa: UP006
        """The mean of each image's bytes."""
        return numpy.array([self.brightness(text) for text in image])

    def brightness(self, text):
        """The mean of the bytes of a base64 image."""
        try:
            content = base64.b64decode(text, validate=True)
            return numpy.frombuffer(content, numpy.uint8).reshape(224, 224, 3).mean()
        except ValueError as error:
            raise InferenceError(f'image: {error}') from error
