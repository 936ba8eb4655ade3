"""Species of iris, in scikit-learn."""

import dataclasses
import logging
from pathlib import Path

import numpy
import skops.io
from numpy.typing import ArrayLike, NDArray

from model_serving.utils.settings_utils import ROOT, load_settings

MEASUREMENTS = ('sepal_length', 'sepal_width', 'petal_length', 'petal_width')
"""The columns that the model was trained on, in this order, in cm."""


@dataclasses.dataclass(frozen=True)
class IrisSettings:
    """`conf/iris_model.conf`, or `MODEL_SERVING_IRIS_MODEL_<NAME>`."""

    path: Path = ROOT / 'data' / 'iris_model.skops'


class IrisModel:
    """Tells three species of iris apart: a scikit-learn pipeline, made by data/make_iris_model.py."""

    section = 'iris_model'

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing Iris Model ...')
        settings = load_settings(IrisSettings, self.section)
        # Unlike a pickle, a skops file cannot run code: a type that skops does not trust is refused.
        self.pipeline = skops.io.load(settings.path, trusted=[])
        self.species: list[str] = self.pipeline.classes_.tolist()

    def predict(self, flowers: ArrayLike) -> tuple[list[str], NDArray[numpy.float64]]:
        """Return species [n] and probabilities [n, 3], columns as in `species`, of flowers [n, 4].

        A flower is its MEASUREMENTS.
        """
        probabilities = self.pipeline.predict_proba(flowers)
        labels = [self.species[column] for column in probabilities.argmax(1)]
        return labels, probabilities
