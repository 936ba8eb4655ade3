import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.errors import InvalidInput
from model_serving.uploads.form import CHUNK, Part, read_form

HEAD = b'--b\r\nContent-Disposition: form-data; name="f"; filename="/etc/passwd"\r\n\r\n'


def test_part_is_read_as_it_is() -> None:
    assert read_form(HEAD + b'x\r\n--b--\r\n', 'b') == [Part('f', '', True, b'x')]


pieces = st.lists(
    st.sampled_from([b'\r\n', b'\n', b'\r', b'--', b'b', b'--b', b'\r\n--', b'\r\n--bx', b'a', b' ', b'\0'])
)


@given(pieces.map(b''.join), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_data_that_looks_like_a_boundary_is_data(data: bytes, shift: int) -> None:
    """Wherever the decoder gets it in two pieces."""
    if b'\n--b' in data.replace(b'\n--bx', b'') or b'\r--b' in data.replace(b'\r--bx', b''):
        return
    data = bytes(CHUNK - len(HEAD) - shift) + data
    assert read_form(HEAD + data + b'\r\n--b--\r\n', 'b') == [Part('f', '', True, data)]


def test_random_data_of_many_sizes_are_read_whole() -> None:
    source = random.Random(1)
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK, 1_000_000):
        data = source.randbytes(size)
        parts = read_form((HEAD + data + b'\r\n') * 3 + b'--b--\r\n', 'b')
        assert [part.data for part in parts] == [data] * 3


def test_form_that_ends_anywhere_else_is_broken() -> None:
    form = HEAD + b'x\r\n\r\n' * 3 + HEAD + b'y\r\n--b--'
    for end in range(len(form)):
        with pytest.raises(InvalidInput, match='The form is not whole'):
            read_form(form[:end], 'b')
    assert len(read_form(form, 'b')) == 2


@pytest.mark.parametrize('boundary', ['b', '-' * 24 + 'abc'])
@pytest.mark.parametrize('end', ['', '\r', '\n', '\r\n', '--'])
def test_no_place_of_a_boundary_changes_the_data_before_it(boundary: str, end: str) -> None:
    """Werkzeug 3.1.9 adds a CR to the data if the boundary comes in two pieces, the first `\\r\\n--b-`."""
    mark = f'--{boundary}'.encode()
    head = HEAD.replace(b'--b', mark, 1)
    for shift in range(150):
        data = bytes(CHUNK - len(head) - shift) + end.encode()
        for rest in (b'--\r\n', head.removeprefix(mark) + b'y\r\n' + mark + b'--'):
            assert read_form(head + data + b'\r\n' + mark + rest, boundary)[0].data == data
