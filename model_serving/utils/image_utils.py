"""Images as arrays; needs Pillow and numpy."""

from model_serving.uploads.images import ImageDecoder as ImageDecoder
