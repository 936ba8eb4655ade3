"""FastAPI as its documentation shows it: pydantic checks every number, slow models run in the thread pool."""
# mypy: ignore-errors

import base64
import os
from pathlib import Path
from typing import Annotated

import numpy
import onnxruntime
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

Row = Annotated[list[Annotated[float, Field(ge=0, le=16)]], Field(min_length=64, max_length=64)]


class Name(BaseModel):
    """Whom to greet."""

    name: str


class Greeting(BaseModel):
    """A greeting."""

    result: str


class Instances(BaseModel):
    """Rows for a network."""

    instances: Annotated[list[Row], Field(min_length=1)]


class Predictions(BaseModel):
    """A label for each row."""

    predictions: list[int]


class Image(BaseModel):
    """An image in base64."""

    image: str


class Brightness(BaseModel):
    """The mean of an image's bytes."""

    mean: float


def session(name):
    """Load a network that computes in the calling thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(Path(os.environ['BENCHMARK_MODELS']) / name, options)


def labels(network, rows):
    """The label of each row."""
    return network.run(['label'], {'pixels': rows})[0]


def brightness(image):
    """The mean of the bytes of a base64 image of 224x224 colours."""
    try:
        pixels = numpy.frombuffer(base64.b64decode(image, validate=True), numpy.uint8).reshape(224, 224, 3)
    except ValueError as error:
        raise HTTPException(422, f'image: {error}') from error
    return float(pixels.mean())


digits_network = session('digits.onnx')
heavy_network = session('heavy.onnx')
app = FastAPI()


@app.post('/hello')
async def hello(body: Name) -> Greeting:
    """Greet."""
    return Greeting(result=f'Hello, {body.name}!')


@app.post('/digits')
async def digits(body: Instances) -> Predictions:
    """Read digits: microseconds, so it may run in the event loop."""
    rows = numpy.asarray(body.instances, numpy.float32)
    return Predictions(predictions=labels(digits_network, rows).tolist())


@app.post('/heavy')
def heavy(body: Instances) -> Predictions:
    """Label rows: milliseconds, so it runs in the thread pool."""
    rows = numpy.asarray(body.instances, numpy.float32)
    return Predictions(predictions=labels(heavy_network, rows).tolist())


@app.post('/image')
async def image(body: Image) -> Brightness:
    """Measure an image."""
    return Brightness(mean=brightness(body.image))
