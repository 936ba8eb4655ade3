"""Bodies of JSON, nearly: to every endpoint that reads it. The first byte chooses one."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.services import check_post, several, single

URLS = [
    *('/v1/JSON', '/v1/Schema', '/v1/Tables', '/v2/models/EchoModel/infer', '/v2/models/AnyModel/infer'),
    *('/v1/models/EchoModel:predict', '/v1/models/AnyModel:predict', '/invocations'),
]
KEYS = [
    *('rows', 'name', 'any', 'more', 'x', 'numbers', 'inputs', 'outputs', 'instances', 'parameters', 'id'),
    *(
        'shape',
        'datatype',
        'data',
        'binary_data',
        'binary_data_size',
        'binary_data_output',
        'b64',
        'signature_name',
    ),
    *(
        'dataframe_split',
        'dataframe_records',
        'columns',
        'index',
        'fp32',
        'bytes',
        'texts_bytes',
        'int64',
        '',
    ),
    *('sepal_length', 'sepal_width', 'petal_length', 'petal_width', 'flowers'),
]
MOST_REPEATED = 20_000
"""Characters of JSON."""
VALUES = [
    *(
        'rows',
        'FP32',
        'BYTES',
        'INT64',
        'BOOL',
        'a',
        'YQ==',
        '',
        'texts_bytes',
        '2020-01-01T00:00:00Z',
        '\ud83d\ude00',
    ),
    *(0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 10**25, 1e308, -0.0, 5e-324, 0.5, True, False, None, [], {}),
]


def repeated(value: Any, count: int) -> list[Any]:
    """A list of the same: a short one of what is long, as lists in lists in lists would fill the memory."""
    return [value] * min(count, 1 + MOST_REPEATED // len(json.dumps(value)))


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and objects of what `inner` gives; long lists of the same."""
    return (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
        | st.builds(repeated, inner, st.integers(0, 300))
    )


leaves = st.sampled_from(VALUES) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(leaves, containers, max_leaves=12)
tensor = st.fixed_dictionaries(
    {'name': st.sampled_from(['rows', 'texts_bytes', 'fp32', 'int64', 'bytes', 'bool', 'fp16', 'uint64'])},
    optional={
        'datatype': st.sampled_from(['FP32', 'BYTES', 'INT64', 'BOOL', 'FP16', 'UINT64']),
        'shape': st.lists(st.sampled_from([0, 1, 2, 3, 1000, 2**31, 10**20, -1, 1.0, 1.5]), max_size=4),
        'data': values,
        'parameters': values,
    },
)
requests = st.fixed_dictionaries(
    {},
    optional={
        'inputs': st.lists(tensor, max_size=12) | values,
        'instances': values,
        'dataframe_split': st.fixed_dictionaries({'columns': values, 'data': values}) | values,
        'dataframe_records': values,
        'outputs': values,
        'rows': values,
        'id': values,
    },
)
pieces = st.lists(
    st.sampled_from(
        [
            b'[',
            b']',
            b'{',
            b'}',
            b'"a":',
            b',',
            b'1',
            b'1e400',
            b'-',
            b'NaN',
            b'"\\ud800"',
            b'\xff',
            b'"',
            b'\\u0000',
        ]
    )
    | st.sampled_from(
        [b'[' * 300, b']' * 300, b'{"a":' * 260, b'}' * 260, b'[],' * 5000, b'9' * 5000, b'\xef\xbb\xbf']
    )
    | st.binary(max_size=4),
    max_size=30,
).map(b''.join)


def dumped(value: Any) -> bytes:
    """The JSON of a value, integers of any size included."""
    return json.dumps(value).encode()


def nested(value: bytes, levels: int) -> bytes:
    """A value inside so many lists or objects."""
    start, end = (b'[', b']') if levels % 2 else (b'{"rows":', b'}')
    return start * levels + value + end * levels


bodies = st.one_of(
    (values | requests).map(dumped),
    requests.map(dumped),
    pieces,
    st.builds(nested, values.map(dumped), st.integers(0, 1100)),
)
STRATEGY = st.builds(lambda url, body: bytes([url]) + body, st.integers(0, len(URLS) - 1), bodies)


def check(data: bytes) -> None:
    """Post the body."""
    url = URLS[data[0] % len(URLS)] if data else URLS[0]
    check_post(single() if url == '/invocations' else several(), url, data[1:])
