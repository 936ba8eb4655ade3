import base64
from typing import Any

import pytest

from model_serving.uploads.files import FileProperty, file_properties
from model_serving.utils.bytes_utils import base64_bytes
from model_serving.utils.error_utils import InvalidInput

ALL = bytes(range(256))
TEXT = base64.b64encode(ALL).decode()


@pytest.mark.parametrize(
    'text',
    [
        TEXT,
        base64.encodebytes(ALL).decode(),
        f'  {TEXT}\r\n',
        f'data:image/png;base64,{TEXT}',
        f'data:;base64,{TEXT}\n',
    ],
)
def test_base64_becomes_bytes(text: str) -> None:
    assert base64_bytes(text) == ALL


def test_nothing_is_no_bytes() -> None:
    assert base64_bytes('') == b''


WRONG = {
    'no base64': 'not base64!',
    'no ASCII': 'ä',
    'a lone surrogate': '\ud800',
    'no padding': 'AAAAA',
    'half a padding': 'AA=',
    'more after the padding': 'AA==AAAA',
    'of a URL': '_-__',
    'a data: URL of text': 'data:text/plain,AAAA',
    'a data: URL without an end': f'data:image/png;base64{"x" * 300},AAAA',
}


@pytest.mark.parametrize('text', WRONG.values(), ids=WRONG)
def test_what_is_no_base64_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInput, match='base64') as caught:
        base64_bytes(text, '/image')
    assert caught.value.details == {'errors': [{'pointer': '/image', 'message': caught.value.message}]}
    with pytest.raises(InvalidInput) as caught:
        base64_bytes(text)
    assert caught.value.details == {}


BYTES = {'type': 'string', 'contentEncoding': 'base64'}


@pytest.mark.parametrize(
    ('property_', 'found'),
    [
        (BYTES, FileProperty('a', ['*/*'], False)),
        (
            {**BYTES, 'contentMediaType': 'Image/PNG, image/jpeg'},
            FileProperty('a', ['image/png', 'image/jpeg'], False),
        ),
        ({'type': 'array', 'items': BYTES}, FileProperty('a', ['*/*'], True)),
        ({'type': 'string', 'contentEncoding': 'base32'}, None),
        ({'type': 'string', 'contentMediaType': 'image/png'}, None),
        ({'type': 'array', 'items': True}, None),
        ({'type': 'object', 'properties': {'b': BYTES}}, None),
        (True, None),
    ],
)
def test_standard_words_say_which_properties_are_bytes(property_: Any, found: Any) -> None:
    assert file_properties({'properties': {'a': property_}}).get('a') == found


def test_schema_of_no_object_has_none() -> None:
    assert file_properties({'items': BYTES}) == {}
