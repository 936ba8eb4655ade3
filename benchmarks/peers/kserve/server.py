"""KServe's Python server with custom predictors, in its protocol V1.

V1, whose bodies are plain JSON, costs less than V2. The SDK has no batching: that is a container beside it.
"""
# mypy: ignore-errors

import argparse
import base64
import os
from pathlib import Path

import numpy
import onnxruntime
from kserve import Model, ModelServer, logging, model_server
from kserve.errors import InvalidInput


class Hello(Model):
    """Greets."""

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """Greet each."""
        names = payload['instances']
        if not all(isinstance(name, str) for name in names):
            raise InvalidInput('instances: not names')
        return {'predictions': [f'Hello, {name}!' for name in names]}


class Network(Model):
    """Labels rows with the file of its own name."""

    def __init__(self, name):
        super().__init__(name)
        self.load()

    def load(self):
        """Load the network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = Path(os.environ['BENCHMARK_MODELS']) / f'{self.name}.onnx'
        self.session = onnxruntime.InferenceSession(path, options)
        self.ready = True
        return True

    def __getstate__(self):
        """What is pickled: --workers=2 sends the model to each, and a session cannot be sent."""
        return {name: value for name, value in self.__dict__.items() if name != 'session'}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.load()

    async def predict(self, payload, headers=None, response_headers=None):
        """Label rows."""
        try:
            rows = numpy.asarray(payload['instances'], numpy.float32)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f'instances: {error}') from error
        if rows.ndim != 2 or rows.shape[1] != 64:
            raise InvalidInput(f'instances: not n rows of 64 numbers but {rows.shape}')
        return {'predictions': self.session.run(['label'], {'pixels': rows})[0].tolist()}


class Image(Model):
    """Measures images."""

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """The mean of each image's bytes."""
        return {'predictions': [self.brightness(image) for image in payload['instances']]}

    def brightness(self, image):
        """The mean of the bytes of a base64 image."""
        try:
            content = base64.b64decode(image, validate=True)
            return float(numpy.frombuffer(content, numpy.uint8).reshape(224, 224, 3).mean())
        except (TypeError, ValueError) as error:
            raise InvalidInput(f'image: {error}') from error


# No line for each request; every worker process imports this module before it sets its log up.
for name in ('kserve.trace', 'uvicorn.access'):
    logging.KSERVE_LOG_CONFIG['loggers'][name]['level'] = 'WARNING'

arguments = argparse.ArgumentParser(parents=[model_server.parser]).parse_known_args()[0]

if __name__ == '__main__':
    ModelServer(
        http_port=arguments.http_port,
        workers=arguments.workers,
        enable_grpc=False,
        enable_latency_logging=False,
    ).start([Hello('hello'), Network('digits'), Network('heavy'), Image('image')])
