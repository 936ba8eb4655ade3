import gzip
import tracemalloc
import zlib

import pytest

from model_serving.errors import BodyTooLarge
from model_serving.protocols.body import decompress, plain_bytes

TEXT = b'{"inputs": []}' * 100


@pytest.mark.parametrize(
    ('body', 'encoding'),
    [
        (TEXT, 'identity'),
        (gzip.compress(TEXT), 'gzip'),
        (gzip.compress(TEXT), 'GZIP'),
        (gzip.compress(TEXT), 'x-gzip'),
        (zlib.compress(TEXT), 'deflate'),
    ],
    ids=['identity', 'gzip', 'capitals', 'x-gzip', 'deflate'],
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


@pytest.mark.parametrize('encoding', ['gzip', 'deflate'])
def test_body_may_become_a_hundred_times_as_large(encoding: str) -> None:
    compress = {'gzip': gzip.compress, 'deflate': zlib.compress}[encoding]
    plain = bytes(3_000_000)
    assert len(plain) > 500 * len(compress(plain))
    with pytest.raises(BodyTooLarge, match='over 100 times larger'):
        decompress(compress(plain), encoding, 2**25)
    assert decompress(compress(plain[:1_000_000]), encoding, 2**25) == plain[:1_000_000]
    text = b''.join(b'%d,' % (number * number) for number in range(300_000))
    assert decompress(compress(text), encoding, 2**25) == text


def test_gzip_says_what_it_becomes() -> None:
    body = gzip.compress(TEXT)
    assert plain_bytes(body, 'gzip') == len(TEXT)
    assert plain_bytes(TEXT, 'identity') == len(TEXT)
    assert plain_bytes(zlib.compress(TEXT), 'deflate') >= len(TEXT)


def test_gzip_that_becomes_more_than_it_says_is_refused() -> None:
    body = gzip.compress(TEXT)[:-4] + (10).to_bytes(4, 'little')
    with pytest.raises(BodyTooLarge, match='larger than it says'):
        decompress(body, 'gzip', 2**25)
