"""LitServe: an API for each model, with two worker processes each, behind two HTTP processes."""
# mypy: ignore-errors

import base64
import os
import sys
from pathlib import Path

import litserve
import numpy
import onnxruntime
from fastapi import HTTPException


class Hello(litserve.LitAPI):
    """Greets."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """Check the name."""
        if not isinstance(request, dict) or not isinstance(request.get('name'), str):
            raise HTTPException(422, 'name: a text is required')
        return request['name']

    def predict(self, x):
        """Greet."""
        return f'Hello, {x}!'

    def encode_response(self, output):
        """Answer."""
        return {'result': output}


class Digits(litserve.LitAPI):
    """Labels rows."""

    file = 'digits.onnx'

    def setup(self, device):
        """Load the network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = Path(os.environ['BENCHMARK_MODELS']) / self.file
        self.session = onnxruntime.InferenceSession(path, options)

    def decode_request(self, request):
        """An array [n, 64]."""
        try:
            rows = numpy.asarray(request['instances'], numpy.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(422, f'instances: {error}') from error
        if rows.ndim != 2 or rows.shape[1] != 64:
            raise HTTPException(422, f'instances: not n rows of 64 numbers but {rows.shape}')
        return rows

    def predict(self, x):
        """The label of each row."""
        return self.session.run(['label'], {'pixels': x})[0]

    def encode_response(self, output):
        """Answer."""
        return {'predictions': output.tolist()}


class Heavy(Digits):
    """Labels the rows of several requests at once."""

    file = 'heavy.onnx'

    def batch(self, inputs):
        """Join requests of several rows each."""
        self.ends = numpy.cumsum([len(rows) for rows in inputs])[:-1]
        return numpy.concatenate(inputs)

    def unbatch(self, output):
        """Split their labels again."""
        return numpy.split(output, self.ends)


class Image(litserve.LitAPI):
    """Measures images."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """The bytes of a base64 image."""
        try:
            content = base64.b64decode(request['image'], validate=True)
            return numpy.frombuffer(content, numpy.uint8).reshape(224, 224, 3)
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(422, f'image: {error}') from error

    def predict(self, x):
        """The mean of its bytes."""
        return float(x.mean())

    def encode_response(self, output):
        """Answer."""
        return {'mean': output}


APIS = {
    'hello': lambda: Hello(api_path='/hello'),
    'digits': lambda: Digits(api_path='/digits'),
    'heavy': lambda: Heavy(api_path='/heavy', max_batch_size=32, batch_timeout=0.005),
    'image': lambda: Image(api_path='/image'),
}

if __name__ == '__main__':
    apis = [APIS[name]() for name in os.environ['BENCHMARK_ENDPOINTS'].split(',')]
    server = litserve.LitServer(apis, accelerator='cpu', workers_per_device=2)
    server.run(
        host='127.0.0.1',
        port=int(sys.argv[1]),
        num_api_servers=2,
        generate_client_file=False,
        log_level='warning',
    )
