import gzip
import tracemalloc
import zlib

import pytest

from model_serving.errors import BodyTooLarge
from model_serving.protocols.body import decompress

TEXT = b'{"inputs": []}' * 100


@pytest.mark.parametrize(
    ('body', 'encoding'),
    [
        (TEXT, 'identity'),
        (gzip.compress(TEXT), 'gzip'),
        (zlib.compress(TEXT), 'deflate'),
    ],
    ids=['identity', 'gzip', 'deflate'],
)
def test_body_is_what_was_sent(body: bytes, encoding: str) -> None:
    assert decompress(body, encoding, len(TEXT)) == TEXT


def test_bomb_takes_no_more_memory_than_the_limit() -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    tracemalloc.start()
    with pytest.raises(BodyTooLarge, match='100000 bytes'):
        decompress(bomb, 'deflate', 100_000)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
