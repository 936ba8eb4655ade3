"""Binary tensors: the first two bytes are the length of the JSON for the header, all else is the body."""

import json
import struct
from typing import Any

from hypothesis import strategies as st

from model_serving.protocols.signature import DTYPES
from tests.fuzz.services import check_post, several

sizes = st.sampled_from([0, 1, 2, 3, 4, 7, 8, 16, 2**31, 2**63, -1])
inputs = st.lists(
    st.fixed_dictionaries(
        {
            'name': st.sampled_from(['rows', 'texts_bytes']),
            'datatype': st.sampled_from(['FP32', 'BYTES']),
            'shape': st.lists(sizes, min_size=1, max_size=2),
            'parameters': st.fixed_dictionaries({'binary_data_size': sizes}),
        }
    ),
    max_size=3,
) | st.sampled_from(
    [
        [
            {
                'name': 'rows',
                'datatype': 'FP32',
                'shape': [rows, 1],
                'parameters': {'binary_data_size': 4 * rows},
            },
            {'name': 'texts_bytes', 'datatype': 'BYTES', 'shape': [1], 'parameters': {'binary_data_size': 8}},
        ]
        for rows in (0, 1, 2, 600)
    ]
)
all_inputs = st.just(
    [
        {'name': name.lower(), 'datatype': name, 'shape': [1, 2], 'parameters': {'binary_data_size': 8}}
        for name in DTYPES
    ]
)
outputs = st.sampled_from(
    [{}, {'parameters': {'binary_data_output': True}}, {'outputs': [{'name': 'rows'}]}, {'outputs': 1}]
)
tails = st.lists(
    st.binary(max_size=12) | st.floats(width=32).map(lambda each: struct.pack('<f', each)), max_size=8
).map(b''.join) | st.sampled_from([bytes(2408), b'\x04\x00\x00\x00\xff\xfe\xfd\xfc', b'\xff' * 40])


def body(inputs: Any, outputs: dict[str, Any], tail: bytes, off_by: int) -> bytes:
    """The length, which may be wrong, the JSON and the data."""
    head = json.dumps({'inputs': inputs, **outputs}).encode()
    return struct.pack('<H', max(0, len(head) + off_by) % 2**16) + head + tail


def consistent(columns: int, numbers: bytes, texts: list[bytes], *rest: Any) -> bytes:
    """A body for AnyModel whose data has the sizes that its JSON says."""
    rows = len(texts)
    size = 4 * rows * columns
    data = [(numbers * (size + 1))[:size].ljust(size, b'\0')]
    data.append(b''.join(struct.pack('<I', len(text)) + text for text in texts))
    given = [
        {'name': name, 'datatype': datatype, 'shape': shape, 'parameters': {'binary_data_size': len(each)}}
        for name, datatype, shape, each in zip(
            *(('rows', 'texts_bytes'), ('FP32', 'BYTES'), ([rows, columns], [len(texts)]), data), strict=True
        )
    ]
    return body(given, rest[0], b''.join(data), rest[1])


STRATEGY = st.one_of(
    st.builds(
        consistent,
        st.integers(0, 40),
        st.sampled_from([b'\0\0\0\x3f', b'\0\0\xc0\x7f', b'\0\0\x80\x7f', b'']) | st.binary(max_size=40),
        st.lists(st.sampled_from([b'', b'a', b'\xff', b'a' * 70_000]) | st.binary(max_size=4), max_size=40),
        outputs,
        st.just(0) | st.integers(-3, 3),
    ),
    st.builds(body, inputs | all_inputs, outputs, tails, st.just(0)),
    st.builds(body, inputs | all_inputs, outputs, tails, st.integers(-300, 300)),
)


def check(data: bytes) -> None:
    """Post the body to two models."""
    length = str(int.from_bytes(data[:2], 'little'))
    for model in ('AnyModel', 'EchoModel'):
        url = f'/v2/models/{model}/infer'
        check_post(several(), url, data[2:], Inference_Header_Content_Length=length)
