"""Reads the body of a request, which may be compressed in the protocols of other model servers."""

import zlib
from typing import Any

from flask import Request, request

from model_serving.errors import BodyTooLarge, InvalidInput, UnsupportedMediaType
from model_serving.json_codec import decode
from model_serving.requests.room import FREE_BYTES, room, take_room

GZIP_OR_ZLIB = 47
"""zlib's number for either format, recognised by the first bytes."""
COMPRESSIONS = 'gzip', 'x-gzip', 'deflate'
GZIP = b'\x1f\x8b'
MAX_RATIO = 100
FREE_RATIO_BYTES = 1024 * 1024
"""Up to this size, what a body becomes may be any multiple of its own size."""
ROOM_PER_BYTE = 32
"""The most memory that a byte of data becomes, be it of a table or of a tensor that is validated as JSON."""


def json_body() -> Any:
    """The JSON value in the body, whatever its content type. Raises InvalidInput without a body, too."""
    body = plain_body()
    if not body:
        raise InvalidInput('No JSON object')
    return json_value(body)


def json_value(body: bytes) -> Any:
    """The value of a body of JSON, or of the part of one.

    Raises InvalidInput, BodyTooLarge and Overloaded.
    """
    take_room(body, request.max_content_length or 0)
    return decode(body)


def plain_body() -> bytes:
    """The body of the request, decompressed.

    Raises what `decompress` and `get_data` raise, and Overloaded.
    """
    current: Request = request._get_current_object()  # type: ignore[attr-defined]
    body = current.get_data()
    encoding = current.environ.get('HTTP_CONTENT_ENCODING')
    if not encoding:
        return body
    take_room_for_data(plain_bytes(body, encoding))  # All at once: two might wait for what the other has.
    return decompress(body, encoding, current.max_content_length or 0)


def take_room_for_data(size: int) -> None:
    """Take what so many bytes become. Raises Overloaded."""
    if size > FREE_BYTES:
        room.take(ROOM_PER_BYTE * size)


def plain_bytes(body: bytes, encoding: str) -> int:
    """The most bytes that `decompress` makes of `body`: gzip says so itself, in its last four bytes."""
    if encoding.lower() not in COMPRESSIONS:
        return len(body)
    most = MAX_RATIO * len(body) + FREE_RATIO_BYTES
    return min(most, int.from_bytes(body[-4:], 'little')) if body.startswith(GZIP) else most


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """`body` without its Content-Encoding `encoding`, gzip or deflate.

    Raises UnsupportedMediaType for another encoding, InvalidInput for a body that is not in this one, and
    BodyTooLarge as soon as the result exceeds `max_bytes`, or is far larger than `body`.
    """
    encoding = encoding.lower()
    if encoding == 'identity':
        return body
    if encoding not in COMPRESSIONS:
        raise UnsupportedMediaType('Send the body as it is, or with the Content-Encoding gzip or deflate')
    most = min(max_bytes, plain_bytes(body, encoding))
    decompressor = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = decompressor.decompress(body, most + 1)
    except zlib.error as error:
        raise InvalidInput(f'The body is not {encoding}: {error}') from error
    if len(plain) > max_bytes:
        raise BodyTooLarge(
            f'The body is larger, decompressed, than the limit of {max_bytes} bytes; send smaller parts'
        )
    if len(plain) > most:
        raise BodyTooLarge(
            f'The body is over {MAX_RATIO} times larger, decompressed, or larger than it says;'
            ' send it as it is'
        )
    if not decompressor.eof or decompressor.unused_data:
        raise InvalidInput(f'The body is not one whole {encoding} stream')
    return plain
