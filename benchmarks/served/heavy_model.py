"""A network heavy enough that fuller batches pay: 64-2048-2048-10."""

import logging
import os
from pathlib import Path

os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

import numpy
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from model_serving.models.digits_model import session_options
from model_serving.utils.array_utils import as_array
from model_serving.utils.batch_utils import batched


class HeavyModel:
    """About 1.5 ms for one row, a tenth of that for a row among 32."""

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing Heavy Model ...')
        path = Path(os.environ['BENCHMARK_MODELS']) / 'heavy.onnx'
        self.session = onnxruntime.InferenceSession(path, session_options(1))

    @batched(max_batch_size=32, max_wait_ms=5)
    def predict(self, rows: ArrayLike) -> NDArray[numpy.int64]:
        """Return labels [n], 0..9, of rows [n, 64]."""
        labels: NDArray[numpy.int64] = self.session.run(['label'], {'pixels': as_array(rows)})[0]
        return labels
