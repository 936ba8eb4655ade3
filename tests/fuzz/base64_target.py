"""Base64 in tensors of bytes: the input is the text, which may be anything."""

import base64
import json

from hypothesis import strategies as st

from tests.fuzz.services import check_post, several

STRATEGY = st.one_of(
    st.binary(max_size=60).map(base64.b64encode),
    st.text('ABab019+/=_- \n\0é', max_size=30).map(str.encode),
    st.binary(max_size=30),
    st.sampled_from([b'=' * 100_000, b'A' * 99_999, b'QUJD' * 100_000]),
)


def check(data: bytes) -> None:
    """Post it as an element of rows and of columns."""
    element = {'b64': data.decode('utf-8', 'surrogatepass' if data.isascii() else 'replace')}
    bodies = [
        {'inputs': {'rows': [[1.0]], 'texts_bytes': [element]}},
        {'instances': [{'rows': [0.5], 'texts_bytes': element}] * 2},
        {'instances': [element]},
        {'inputs': {'rows': [[1.0]], 'texts_bytes': element}},
    ]
    for body in bodies:
        check_post(several(), '/v1/models/AnyModel:predict', json.dumps(body).encode())
