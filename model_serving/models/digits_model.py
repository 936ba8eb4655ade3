"""Handwritten digits, in ONNX Runtime."""

import dataclasses
import logging
from pathlib import Path

import numpy
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from model_serving.utils.array_utils import as_array
from model_serving.utils.cpu_utils import numeric_threads
from model_serving.utils.settings_utils import ROOT, load_settings, setting


@dataclasses.dataclass(frozen=True)
class DigitsSettings:
    """`conf/digits_model.conf`, or `MODEL_SERVING_DIGITS_MODEL_<NAME>`."""

    path: Path = ROOT / 'data' / 'digits_model.onnx'
    threads: int = setting(default=0, minimum=0)


class DigitsModel:
    """Reads handwritten digits: a small neural network in ONNX Runtime, made by data/make_digits_model.py."""

    section = 'digits_model'

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing Digits Model ...')
        settings = load_settings(DigitsSettings, self.section)
        threads = settings.threads or numeric_threads()
        self.session = onnxruntime.InferenceSession(settings.path, session_options(threads))

    def predict(self, images: ArrayLike) -> tuple[NDArray[numpy.int64], NDArray[numpy.float32]]:
        """Return labels [n], 0..9, and probabilities [n, 10] of images [n, 64].

        An image is 8x8 cells, row by row, each the number of inked dots, 0..16, of a 4x4 block.
        """
        pixels = as_array(images, numpy.float32)
        labels, probabilities = self.session.run(['label', 'probabilities'], {'pixels': pixels})
        return labels, probabilities


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Make a session of `threads` threads, which sleep between calls, and logs errors only."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    return options
