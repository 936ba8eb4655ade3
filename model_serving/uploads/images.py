"""Images as arrays, decoded by Pillow, which whoever wants this installs."""

import io
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_serving.uploads.files import base64_bytes, refusal


@dataclass(frozen=True)
class ImageDecoder:
    """Makes arrays of uint8 of images, all in the same way.

    Greys of 16 bits are scaled to 8, what is transparent shows `background`, EXIF data turn it upright, of
    several frames it is the first. `mode` is `RGB` or, for greys, `L`; `size` is the width and height that
    all are scaled to; `formats` are Pillow's. Of `max_pixels`, 20 million take about 200 MB.
    """

    mode: str = 'RGB'
    size: tuple[int, int] | None = None
    background: tuple[int, int, int] = (255, 255, 255)
    max_pixels: int = 20_000_000
    formats: tuple[str, ...] = ('JPEG', 'PNG', 'WEBP')

    def decode(self, source: str | bytes, pointer: str = '') -> NDArray[numpy.uint8]:
        """The image in a file, or in its base64: [height, width, 3] (red, green, blue) or [height, width].

        Raises InvalidInput with its place in the body, `pointer`, if it is of another format or not whole
        and, before it is decoded, if it is too large.
        """
        data = base64_bytes(source, pointer) if isinstance(source, str) else source
        try:
            with Image.open(io.BytesIO(data), formats=self.formats) as image:
                if image.width * image.height > self.max_pixels:
                    raise Image.DecompressionBombError
                if self.size is not None:
                    image.draft(None, (max(self.size),) * 2)  # A JPEG is decoded smaller, which is faster.
                ImageOps.exif_transpose(image, in_place=True)
                flat = self._flat(image)
                return numpy.asarray(flat if self.size is None else flat.resize(self.size))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            words = f'The image has over {self.max_pixels:,} pixels; make it smaller'
            raise refusal(words, pointer) from error
        except MemoryError:
            raise
        except Exception as error:  # Each format has its own for a damaged file.
            raise refusal(f'This is no whole image; send {" or ".join(self.formats)}', pointer) from error

    def _flat(self, image: Image.Image) -> Image.Image:
        """The same in its mode, on the background."""
        if image.mode.startswith('I'):  # Of greys of 16 bits, Pillow makes all white that is over 255.
            deep, key = numpy.asarray(image).clip(0, 65535), image.info.get('transparency')
            image = Image.fromarray((deep >> 8).astype(numpy.uint8))
            if key is not None:
                image.putalpha(Image.fromarray(numpy.uint8(255) * (deep != key)))
        if image.has_transparency_data:
            image, above = Image.new('RGB', image.size, self.background), image.convert('RGBA')
            image.paste(above, mask=above)
        return image if image.mode == self.mode else image.convert(self.mode)
