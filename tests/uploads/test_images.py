"""Images of every kind, made by Pillow, decoded to what is seen."""

import base64
import contextlib
import io
import struct
import zlib
from typing import Any

import numpy
import pytest
from PIL import Image

from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.image_utils import ImageDecoder

RAMP = numpy.arange(256, dtype='u1').reshape(16, 16)
GREY = ImageDecoder(mode='L')
COLOUR = ImageDecoder()


def file_of(image: Image.Image, kind: str = 'PNG', **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def coloured(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (3, 2), colour)


def palette(*colours: int) -> Image.Image:
    image = coloured('P', 1)
    image.putpalette(colours)
    return image


FILES: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    'RGB': (file_of(coloured('RGB', (1, 2, 3))), (1, 2, 3)),
    'a grey': (file_of(coloured('L', 7)), (7, 7, 7)),
    'black or white': (file_of(coloured('1', 1)), (255, 255, 255)),
    'a palette': (file_of(palette(0, 0, 0, 4, 5, 6)), (4, 5, 6)),
    'a grey of 16 bits': (file_of(coloured('I;16', 0x7FFF)), (127, 127, 127)),
    'a dark grey of 16 bits': (file_of(coloured('I;16', 256)), (1, 1, 1)),
    'nothing, transparent': (file_of(coloured('RGBA', (0, 0, 0, 0))), (255, 255, 255)),
    'half transparent': (file_of(coloured('RGBA', (0, 100, 200, 128))), (127, 177, 227)),
    'a grey, half transparent': (file_of(coloured('LA', (0, 128))), (127, 127, 127)),
    'a transparent colour': (file_of(coloured('RGB', (1, 2, 3)), transparency=(1, 2, 3)), (255, 255, 255)),
    'a transparent grey': (file_of(coloured('L', 7), transparency=7), (255, 255, 255)),
    'a transparent grey of 16 bits': (file_of(coloured('I;16', 300), transparency=300), (255, 255, 255)),
    'a grey of 16 bits that is not the transparent one': (
        file_of(coloured('I;16', 301), transparency=300),
        (1, 1, 1),
    ),
    'a palette with a transparent colour': (
        file_of(palette(0, 0, 0, 4, 5, 6), transparency=1),
        (255, 255, 255),
    ),
    'a palette half transparent': (
        file_of(palette(0, 0, 0, 0, 0, 0), transparency=bytes([255, 128])),
        (127, 127, 127),
    ),
    'JPEG': (file_of(coloured('RGB', (255, 0, 0)), 'JPEG'), (254, 0, 0)),
    'a grey JPEG': (file_of(coloured('L', 7), 'JPEG'), (7, 7, 7)),
    'a JPEG of CMYK': (file_of(coloured('CMYK', (0, 255, 255, 0)), 'JPEG'), (255, 0, 0)),
    'WebP': (file_of(coloured('RGBA', (0, 0, 0, 0)), 'WEBP', lossless=True), (255, 255, 255)),
    'a WebP that moves': (
        file_of(
            coloured('RGB', 'red'),
            'WEBP',
            save_all=True,
            append_images=[coloured('RGB', 'blue')],
            lossless=True,
        ),
        (255, 0, 0),
    ),
}


@pytest.mark.parametrize(('data', 'colour'), FILES.values(), ids=FILES)
def test_every_kind_of_image_is_decoded_to_what_is_seen(data: bytes, colour: tuple[int, int, int]) -> None:
    for source in (
        data,
        base64.b64encode(data).decode(),
        f'data:image/x;base64,{base64.b64encode(data).decode()}',
    ):
        array = COLOUR.decode(source)
        assert (array.dtype, array.shape) == (numpy.uint8, (2, 3, 3))
        assert numpy.abs(array.astype(int) - colour).max() <= 1
    grey = GREY.decode(data)
    assert grey.shape == (2, 3)
    assert abs(int(grey[0, 0]) - (299 * colour[0] + 587 * colour[1] + 114 * colour[2]) / 1000) <= 1.5


def test_greys_of_16_bits_keep_their_order() -> None:
    deep = RAMP.astype('u2') * 257
    assert (GREY.decode(file_of(Image.fromarray(deep))) == RAMP).all()


def test_background_is_that_which_was_asked_for() -> None:
    clear = file_of(coloured('RGBA', (0, 0, 0, 0)))
    assert ImageDecoder(background=(9, 8, 7)).decode(clear)[0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
@pytest.mark.parametrize('mode', ['RGB', 'L', 'I;16', 'RGBA'])
def test_image_stands_as_it_was_taken(kind: str, mode: str) -> None:
    if kind != 'PNG' and mode != 'RGB':
        mode = 'RGB'
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned by a quarter.
    image = Image.new(mode, (40, 20))
    assert COLOUR.decode(file_of(image, kind, exif=exif)).shape == (40, 20, 3)
    assert ImageDecoder(size=(5, 8)).decode(file_of(image, kind, exif=exif)).shape == (8, 5, 3)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_image_is_scaled(kind: str) -> None:
    image = Image.new('RGB', (900, 600), (200, 100, 50))
    image.paste((0, 0, 0), (0, 0, 450, 600))
    array = ImageDecoder(size=(90, 60)).decode(file_of(image, kind))
    assert array.shape == (60, 90, 3)
    assert numpy.abs(array[:, 55:].astype(int) - (200, 100, 50)).max() <= 4
    assert array[:, :35].max() <= 4


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', head)
        + chunk(b'IDAT', zlib.compress(bytes(100)))
        + chunk(b'IEND', b'')
    )


@pytest.mark.parametrize('size', [(5000, 4001), (20_000, 5_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_image_of_too_many_pixels_is_not_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match='The image has over 20,000,000 pixels; make it smaller'):
        COLOUR.decode(bomb(*size), '/image')


def test_as_many_pixels_as_may_be_are_decoded() -> None:
    assert ImageDecoder(max_pixels=6).decode(file_of(coloured('L', 0))).shape == (2, 3, 3)
    with pytest.raises(InvalidInput, match='over 5 pixels'):
        ImageDecoder(max_pixels=5).decode(file_of(coloured('L', 0)))


NOISE = Image.effect_noise((64, 64), 50)
NO_IMAGE = 'This is no whole image; send JPEG or PNG or WEBP'
WRONG: dict[str, tuple[bytes | str, str]] = {
    'nothing': (b'', NO_IMAGE),
    'a text': (b'a text', NO_IMAGE),
    'another kind': (file_of(coloured('L', 0), 'GIF'), NO_IMAGE),
    'a PNG cut off': (file_of(NOISE)[:800], NO_IMAGE),
    'a JPEG cut off': (file_of(NOISE, 'JPEG')[:700], NO_IMAGE),
    'a WebP cut off': (file_of(NOISE, 'WEBP')[:700], NO_IMAGE),
    'no base64': ('not base64!', 'This is not base64'),
    'no image in base64': ('aGVsbG8=', NO_IMAGE),
    'too few data': (bomb(1000, 1000), NO_IMAGE),
}


@pytest.mark.parametrize(('source', 'message'), WRONG.values(), ids=WRONG)
def test_what_is_no_image_is_refused_with_its_place(source: bytes | str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        COLOUR.decode(source, '/images/1')
    assert caught.value.details['errors'] == [{'pointer': '/images/1', 'message': caught.value.message}]


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP'])
def test_no_byte_that_is_changed_makes_more_than_a_refusal(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_of(Image.fromarray(RAMP), kind, exif=exif)
    for place in range(len(data)):
        for octet in (0, 255, data[place] ^ 1):
            changed = data[:place] + bytes([octet]) + data[place + 1 :]
            with contextlib.suppress(InvalidInput):
                COLOUR.decode(changed)


def test_other_formats_are_taken_where_they_are_named() -> None:
    gif = file_of(coloured('P', 0), 'GIF')
    assert ImageDecoder(formats=('GIF',)).decode(gif).shape == (2, 3, 3)
    with pytest.raises(InvalidInput, match='send GIF'):
        ImageDecoder(formats=('GIF',)).decode(file_of(coloured('L', 0)))
