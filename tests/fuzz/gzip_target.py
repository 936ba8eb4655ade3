"""Compressed bodies. The first byte chooses what the header Content-Encoding says."""

import gzip
import zlib

from hypothesis import strategies as st

from tests.fuzz.services import check_post, several

ENCODINGS = 'gzip', 'deflate', 'identity', 'br', 'gzip, gzip'
VALID = b'{"inputs": {"rows": [[1.0]], "texts_bytes": ["a"]}}'
plain = st.one_of(
    st.just(VALID),
    st.binary(max_size=50),
    st.builds(
        lambda piece, count: b'{"inputs": [' + piece * count,
        st.sampled_from([b'{},', b'[[[]]],', b'0,', b' ']),
        st.integers(0, 2_000_000),
    ),
)
packed = st.one_of(
    plain.map(gzip.compress), plain.map(zlib.compress), plain.map(lambda each: zlib.compress(each)[2:-4])
)


def broken(body: bytes, place: int, piece: bytes, keep: int) -> bytes:
    """`body` with some bytes replaced, and its end cut off or followed by more."""
    place %= len(body) + 1
    body = body[:place] + piece + body[place + len(piece) :]
    return body[: len(body) - keep] if keep > 0 else body + b'x' * -keep


mutated = st.builds(broken, packed, st.integers(0, 2**20), st.binary(max_size=4), st.integers(-5, 5))
STRATEGY = st.builds(
    lambda encoding, body: bytes([encoding]) + body,
    st.integers(0, len(ENCODINGS) - 1),
    packed | mutated | plain,
)


def check(data: bytes) -> None:
    """Post it to two protocols."""
    encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else ENCODINGS[0]
    for url in ('/v1/models/AnyModel:predict', '/v2/models/AnyModel/infer', '/v1/JSON'):
        check_post(several(), url, data[1:], Content_Encoding=encoding)
