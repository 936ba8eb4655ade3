"""Handwritten digits, labels only: what every peer answers."""

import logging
import os
from pathlib import Path

os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

import numpy
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from model_serving.models.digits_model import session_options
from model_serving.utils.array_utils import as_array


class DigitLabelsModel:
    """The shipped digits network, asked for nothing but its labels."""

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing Digit Labels Model ...')
        path = Path(os.environ['BENCHMARK_MODELS']) / 'digits.onnx'
        self.session = onnxruntime.InferenceSession(path, session_options(1))

    def predict(self, images: ArrayLike) -> NDArray[numpy.int64]:
        """Return labels [n], 0..9, of images [n, 64]."""
        labels: NDArray[numpy.int64] = self.session.run(['label'], {'pixels': as_array(images)})[0]
        return labels
