"""Compressed bodies, which other protocols allow; decompressed they are no larger than a plain one may be."""

import zlib

from model_serving.utils.error_utils import BodyTooLarge, InvalidInput, UnsupportedMediaType

GZIP_OR_ZLIB = 47
"""zlib's number for: either form, told apart by its first bytes."""


def decompressed(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """The body that was sent as `body` with the Content-Encoding `encoding`, gzip or deflate.

    Raises UnsupportedMediaType for another encoding, BodyTooLarge as soon as it is over `most_bytes`,
    InvalidInput for a broken one.
    """
    if encoding == 'identity':
        return body
    if encoding not in ('gzip', 'deflate'):
        raise UnsupportedMediaType('Send the body as it is, or with the Content-Encoding gzip or deflate')
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(f'The body is not {encoding}: {error}') from error
    if len(plain) > most_bytes:
        raise BodyTooLarge(
            f'The body is larger, decompressed, than the limit of {most_bytes} bytes; send smaller parts'
        )
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidInput(f'The body is not one whole {encoding} stream')
    return plain
