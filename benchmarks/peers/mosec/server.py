"""mosec: a Rust front, and processes for each route; the checks are those written here."""
# mypy: ignore-errors

import base64
import os
from pathlib import Path

import numpy
import onnxruntime
import orjson
from mosec import Runtime, Server, ValidationError, Worker


class JSONWorker(Worker):
    """Reads and writes JSON with orjson."""

    def deserialize(self, data):
        """Parse a body."""
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise ValidationError(str(error)) from error
        if not isinstance(document, dict):
            raise ValidationError('not an object')
        return document

    def serialize(self, data):
        """Write an answer."""
        return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


class Hello(JSONWorker):
    """Greets."""

    def forward(self, data):
        """Greet."""
        if not isinstance(data.get('name'), str):
            raise ValidationError("'name' is a required property")
        return {'result': f'Hello, {data["name"]}!'}


class Digits(JSONWorker):
    """Labels the rows of one request."""

    file = 'digits.onnx'

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = Path(os.environ['BENCHMARK_MODELS']) / self.file
        self.session = onnxruntime.InferenceSession(path, options)

    def deserialize(self, data):
        """Parse a body into an array [n, 64]."""
        try:
            rows = numpy.asarray(super().deserialize(data)['instances'], numpy.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(f'instances: {error}') from error
        if rows.ndim != 2 or rows.shape[1] != 64:
            raise ValidationError(f'instances: not n rows of 64 numbers but {rows.shape}')
        return rows

    def labels(self, rows):
        """The label of each row."""
        return self.session.run(['label'], {'pixels': rows})[0]

    def forward(self, data):
        """Label rows."""
        return {'predictions': self.labels(data)}


class Heavy(Digits):
    """Labels the rows of several requests at once."""

    file = 'heavy.onnx'

    def forward(self, data):
        """Label the rows of each request."""
        labels = self.labels(numpy.concatenate(data))
        ends = numpy.cumsum([len(rows) for rows in data])[:-1]
        return [{'predictions': part} for part in numpy.split(labels, ends)]


class Image(JSONWorker):
    """Measures images."""

    def forward(self, data):
        """The mean of the bytes of a base64 image."""
        try:
            content = base64.b64decode(data['image'], validate=True)
            return {'mean': float(numpy.frombuffer(content, numpy.uint8).reshape(224, 224, 3).mean())}
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(f'image: {error}') from error


RUNTIMES = {
    'hello': (Hello, {}),
    'digits': (Digits, {}),
    'heavy': (Heavy, {'max_batch_size': 32, 'max_wait_time': 5}),
    'image': (Image, {}),
}

if __name__ == '__main__':
    server = Server()
    chosen = {f'/{name}': RUNTIMES[name] for name in os.environ['BENCHMARK_ENDPOINTS'].split(',')}
    server.register_runtime(
        {path: [Runtime(worker, num=2, **batching)] for path, (worker, batching) in chosen.items()}
    )
    server.run()
