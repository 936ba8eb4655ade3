"""Reads the body of a request, which may be compressed in the protocols of other model servers."""

import zlib
from typing import Any

from flask import Request, request

from model_serving.errors import BodyTooLarge, InvalidInput, UnsupportedMediaType
from model_serving.json_codec import decode

GZIP_OR_ZLIB = 47
"""zlib's number for either format, recognised by the first bytes."""


def json_body() -> Any:
    """The JSON value in the body, whatever its content type. Raises InvalidInput without a body, too."""
    body = plain_body()
    if not body:
        raise InvalidInput('No JSON object')
    return decode(body)


def plain_body() -> bytes:
    """The body of the request, decompressed. Raises what `decompress` and `get_data` raise."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]
    body = current.get_data()
    encoding = current.environ.get('HTTP_CONTENT_ENCODING')
    return decompress(body, encoding, current.max_content_length or 0) if encoding else body


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """`body` without its Content-Encoding `encoding`, gzip or deflate.

    Raises UnsupportedMediaType for another encoding, InvalidInput for a body that is not in this one, and
    BodyTooLarge as soon as the result exceeds `max_bytes`.
    """
    if encoding == 'identity':
        return body
    if encoding not in ('gzip', 'deflate'):
        raise UnsupportedMediaType('Send the body as it is, or with the Content-Encoding gzip or deflate')
    decompressor = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(f'The body is not {encoding}: {error}') from error
    if len(plain) > max_bytes:
        raise BodyTooLarge(
            f'The body is larger, decompressed, than the limit of {max_bytes} bytes; send smaller parts'
        )
    if not decompressor.eof or decompressor.unused_data:
        raise InvalidInput(f'The body is not one whole {encoding} stream')
    return plain
