"""A model that takes an image as base64: little arithmetic, a long string."""

import base64
import logging

import numpy

from model_serving.utils.error_utils import InvalidInput

SHAPE = (224, 224, 3)
"""Height, width and colours of an image, one byte each."""


class ImageModel:
    """Says how bright an image is."""

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing Image Model ...')

    def brightness(self, image: str) -> float:
        """The mean, 0..255, of the bytes of a base64 image of `SHAPE`. Raises InvalidInput for others."""
        try:
            pixels = numpy.frombuffer(base64.b64decode(image, validate=True), numpy.uint8).reshape(SHAPE)
        except ValueError as error:
            raise InvalidInput(f'image: send {SHAPE} bytes as base64: {error}') from error
        return float(pixels.mean())
