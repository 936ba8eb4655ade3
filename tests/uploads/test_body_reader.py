import base64
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from model_serving.uploads.form import MAX_PARTS
from tests.uploads.served import create_app

PNG = b'\x89PNG\r\n\x1a\n' + bytes(range(256)) * 3
TEXT = base64.b64encode(PNG).decode()
GIF = b'GIF89a--x\r\n--\r\n'
FORM = 'multipart/form-data; boundary=b'


@pytest.fixture(scope='module')
def client() -> FlaskClient:
    client: FlaskClient = create_app().test_client()
    return client


def part(head: str, data: bytes = b'x', name: str = 'image') -> bytes:
    """A part of a form; what follows the name in its first line, and its further lines."""
    return (
        b'--b\r\n'
        + f'Content-Disposition: form-data; name="{name}"{head}'.encode()
        + b'\r\n\r\n'
        + data
        + b'\r\n'
    )


def form(*parts: bytes) -> bytes:
    return b''.join(parts) + b'--b--\r\n'


FILE = '; filename="a.png"\r\nContent-Type: image/png'
IMAGE = part(FILE, PNG)


def value(name: str, text: str, head: str = '') -> bytes:
    return part(head, text.encode(), name)


TAKEN: dict[str, tuple[str, bytes, Any]] = {
    'a file': (FORM, form(IMAGE), {'image': TEXT}),
    'a whole body': ('image/png', PNG, {'image': TEXT}),
    'a whole body of an unknown type': ('application/octet-stream', PNG, {'image': TEXT}),
    'a whole body with a parameter': ('IMAGE/PNG; name=a', PNG, {'image': TEXT}),
    'a file without a type': (FORM, form(part('; filename="a"', PNG)), {'image': TEXT}),
    'a file without a name': (FORM, form(part('\r\nContent-Type: image/png', PNG)), {'image': TEXT}),
    'a file of an unknown type': (
        FORM,
        form(part('; filename="a"\r\nContent-Type: application/octet-stream', PNG)),
        {'image': TEXT},
    ),
    'an empty file': (FORM, form(part(FILE, b'')), {'image': ''}),
    'a file that is chosen, and one that is not': (
        FORM,
        form(IMAGE, part('; filename=""\r\nContent-Type: application/octet-stream', b'', 'note')),
        {'image': TEXT},
    ),
    'base64 as a value': (FORM, form(value('image', TEXT)), {'image': TEXT}),
    'a data: URL as a value': (FORM, form(value('image', f'data:image/png;base64,{TEXT}')), {'image': TEXT}),
    'a text': (FORM, form(IMAGE, value('name', '12')), {'image': TEXT, 'name': '12'}),
    'a text in JSON': (
        FORM,
        form(IMAGE, value('name', '"Lé"', '\r\nContent-Type: application/json')),
        {'image': TEXT, 'name': 'Lé'},
    ),
    'a text in UTF-8': (
        FORM,
        form(IMAGE, value('name', '你好', '\r\nContent-Type: text/plain; charset=UTF-8')),
        {'image': TEXT, 'name': '你好'},
    ),
    'a choice': (FORM, form(IMAGE, value('size', 'small')), {'image': TEXT, 'size': 'small'}),
    'a choice of numbers': (FORM, form(IMAGE, value('size', '3')), {'image': TEXT, 'size': 3}),
    'a list': (FORM, form(IMAGE, value('rows', '[[1, 2.5]]')), {'image': TEXT, 'rows': [[1, 2.5]]}),
    'a list from a file': (
        FORM,
        form(IMAGE, part('; filename="rows.json"\r\nContent-Type: application/json', b'[[1]]', 'rows')),
        {'image': TEXT, 'rows': [[1]]},
    ),
    'several files': (
        FORM,
        form(IMAGE, part('; filename="1"', GIF, 'more'), part('; filename="2"', PNG, 'more')),
        {'image': TEXT, 'more': [base64.b64encode(GIF).decode(), TEXT]},
    ),
    'several files as JSON': (
        FORM,
        form(IMAGE, value('more', json.dumps([f'data:image/gif;base64,{TEXT}', TEXT]))),
        {'image': TEXT, 'more': [TEXT, TEXT]},
    ),
    'a preamble and an epilogue': (FORM, b'hello\r\n' + form(IMAGE) + b'bye', {'image': TEXT}),
    'JSON': ('application/json', json.dumps({'image': TEXT}).encode(), {'image': TEXT}),
    'JSON of another name': ('application/a+json', json.dumps({'image': TEXT}).encode(), {'image': TEXT}),
    'a data: URL': (
        'application/json',
        json.dumps({'image': f'DATA:image/png;a=b;base64,{TEXT}'}).encode(),
        {'image': TEXT},
    ),
    'a data: URL where the schema has no file': (
        'application/json',
        json.dumps({'image': TEXT, 'name': 'data:,a'}).encode(),
        {'image': TEXT, 'name': 'data:,a'},
    ),
}


@pytest.mark.parametrize(('content_type', 'body', 'received'), TAKEN.values(), ids=TAKEN)
def test_view_gets_what_json_would_have_given(
    client: FlaskClient, content_type: str, body: bytes, received: Any
) -> None:
    answer = client.post('/v1/FileModel', data=body, content_type=content_type)
    assert (answer.status_code, answer.json) == (200, {'received': received})


WRONG: dict[str, tuple[str, bytes, int, str]] = {
    'no body': ('image/png', b'', 400, 'No JSON object'),
    'no boundary': ('multipart/form-data', form(IMAGE), 400, 'The form is not whole'),
    'an empty boundary': ('multipart/form-data; boundary=""', form(IMAGE), 400, 'The form is not whole'),
    'a boundary that is no ASCII': (
        'multipart/form-data; boundary="ü"',
        form(IMAGE),
        400,
        'The form is not whole',
    ),
    'another boundary': ('multipart/form-data; boundary=c', form(IMAGE), 400, 'The form is not whole'),
    'no parts': (FORM, b'--b--\r\n', 400, "'image' is a required property"),
    'no form': (FORM, b'{"image": ""}', 400, 'The form is not whole'),
    'cut off': (FORM, form(IMAGE)[:-7], 400, 'The form is not whole'),
    'cut off in a head': (FORM, form(IMAGE)[:30], 400, 'The form is not whole'),
    'a large preamble': (
        FORM,
        b'x' * 9000 + form(IMAGE),
        400,
        'The form has over 4096 bytes that are no data',
    ),
    'a large epilogue': (
        FORM,
        form(IMAGE) + b'x' * 9000,
        400,
        'The form has over 4096 bytes that are no data',
    ),
    'a large head': (
        FORM,
        form(part(f'\r\nX: {"x" * 9000}')),
        400,
        'The form has over 4096 bytes that are no data',
    ),
    'many headers': (FORM, form(part('\r\na:' * 3000)), 400, 'The form has over 4096 bytes that are no data'),
    'many parts': (FORM, form(*[value('name', 'x')] * (MAX_PARTS + 1)), 413, 'The form has over 256 parts'),
    'no disposition': (FORM, b'--b\r\nA: b\r\n\r\nx\r\n--b--', 400, 'The form is not whole'),
    'no name': (
        FORM,
        b'--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--',
        400,
        'Each part of a form needs',
    ),
    'an empty name': (FORM, form(value('', 'x')), 400, 'Each part of a form needs a name'),
    'a name that is no UTF-8': (
        FORM,
        form(IMAGE).replace(b'"image"', b'"\xff"'),
        400,
        'The form is not whole',
    ),
    'base64 within': (
        FORM,
        form(part(f'{FILE}\r\nContent-Transfer-Encoding: base64')),
        400,
        'Each part of a form needs a name, its data',
    ),
    'another charset': (
        FORM,
        form(IMAGE, value('name', 'x', '\r\nContent-Type: text/plain; charset=gbk')),
        400,
        'Each part of a form needs a name, its data as they are, and its text in UTF-8',
    ),
    'no UTF-8': (
        FORM,
        form(IMAGE, part('', b'\xff', 'name')),
        400,
        "The body is not UTF-8: byte 0 is wrong (invalid start byte) (in the part 'name' of the form)",
    ),
    'no JSON': (FORM, form(IMAGE, value('rows', '[[1')), 400, "'[[1' is not of type 'array'"),
    'no JSON, as it says': (
        FORM,
        form(IMAGE, value('rows', '[[1', '\r\nContent-Type: application/json')),
        400,
        'The body is not JSON: ',
    ),
    'a NaN': (FORM, form(IMAGE, value('rows', 'NaN')), 400, "'NaN' is not of type 'array'"),
    'a part twice': (FORM, form(IMAGE, IMAGE), 400, "The form has 'image' twice"),
    'a text twice': (
        FORM,
        form(IMAGE, value('name', 'a'), value('name', 'b')),
        400,
        "The form has 'name' twice",
    ),
    'a list, then a file': (
        FORM,
        form(IMAGE, value('more', 'a'), part(FILE, PNG, 'more')),
        400,
        "The form has 'more' twice",
    ),
    'an unknown part': (FORM, form(IMAGE, value('x', '1')), 400, 'Additional properties are not allowed'),
    'an unknown file': (
        FORM,
        form(IMAGE, part(FILE, b'x', 'y')),
        400,
        'Additional properties are not allowed',
    ),
    'a file that is no text': (
        FORM,
        form(IMAGE, part(FILE, b'\xff', 'name')),
        400,
        'The body is not UTF-8: ',
    ),
    'a number too large': (
        FORM,
        form(IMAGE, value('rows', '[[10]]')),
        400,
        '10 is greater than the maximum of 9',
    ),
    'too long': (FORM, form(part(FILE, bytes(750_001))), 400, "'AAAA"),
    'too long a body': ('image/png', bytes(750_001), 400, "'AAAA"),
    'another file': (
        FORM,
        form(part('; filename="a"\r\nContent-Type: text/html')),
        415,
        "Send 'image' as image/* (the request has text/html)",
    ),
    'another file in a list': (
        FORM,
        form(IMAGE, part('; filename="a"\r\nContent-Type: image/webp', b'x', 'more')),
        415,
        "Send 'more' as image/png or image/gif (the request has image/webp)",
    ),
    'another body': (
        'text/plain',
        PNG,
        415,
        'Send the header Content-Type: application/json or multipart/form-data or image/* (the'
        ' request has text/plain)',
    ),
    'a body of no type': (
        '',
        PNG,
        415,
        'Send the header Content-Type: application/json or multipart/form-data or image/*',
    ),
    'another kind of form': (
        'application/x-www-form-urlencoded',
        b'image=a',
        415,
        'Send the header Content-Type: ',
    ),
    'parts of another kind': (
        'multipart/mixed; boundary=b',
        form(IMAGE),
        415,
        'Send the header Content-Type: ',
    ),
    'a data: URL without base64': (
        'application/json',
        b'{"image": "data:image/svg+xml,a"}',
        400,
        'A data: URL needs its data in base64',
    ),
    'a data: URL without a comma': (
        'application/json',
        b'{"image": "data:image/png;base64"}',
        400,
        'A data: URL needs its data in base64',
    ),
    'a data: URL of another type': (
        'application/json',
        b'{"image": "data:text/html;base64,eA=="}',
        415,
        "Send 'image' as image/* (the request has text/html)",
    ),
    'a data: URL of no type': (
        'application/json',
        b'{"image": "data:;base64,eA=="}',
        415,
        "Send 'image' as image/* (the request has text/plain)",
    ),
    'a list in JSON': ('application/json', b'[1]', 400, "[1] is not of type 'object'"),
    'numbers in JSON': ('application/json', b'{"image": 1, "more": [2]}', 400, "1 is not of type 'string'"),
}


@pytest.mark.parametrize(('content_type', 'body', 'status', 'message'), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_in_words(
    client: FlaskClient, content_type: str, body: bytes, status: int, message: str
) -> None:
    answer = client.post('/v1/FileModel', data=body, content_type=content_type)
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json['message'].startswith(message)
    assert len(answer.data) < 3000


def test_place_of_a_bad_data_url_is_named(client: FlaskClient) -> None:
    answer = client.post('/v1/FileModel', json={'image': TEXT, 'more': ['', 'data:,x']})
    assert answer.json is not None
    assert answer.json['errors'] == [{'pointer': '/more/1', 'message': answer.json['message']}]


def test_compressed_form_is_refused(client: FlaskClient) -> None:
    answer = client.post(
        '/v1/FileModel', data=form(IMAGE), content_type=FORM, headers={'Content-Encoding': 'gzip'}
    )
    assert answer.status_code == 415
    assert answer.json == {'message': 'Send the body as it is, without the Content-Encoding gzip'}


def test_body_is_one_file_only_where_nothing_else_is_required(client: FlaskClient) -> None:
    answer = client.post('/v1/PairModel', data=PNG, content_type='image/png')
    assert answer.status_code == 415
    types = 'application/json or multipart/form-data'
    assert answer.json == {'message': f'Send the header Content-Type: {types} (the request has image/png)'}
    answer = client.post('/v1/PairModel', data={'image': (io.BytesIO(PNG), 'a.png'), 'name': 'Leo'})
    assert answer.json == {'received': {'image': TEXT, 'name': 'Leo'}}


def test_bytes_of_no_media_type_may_be_of_any(client: FlaskClient) -> None:
    for content_type in ('image/png', 'text/csv', 'application/octet-stream'):
        answer = client.post('/v1/AnyFileModel', data=PNG, content_type=content_type)
        assert answer.json == {'characters': len(TEXT)}


def test_model_without_files_takes_json_alone(client: FlaskClient) -> None:
    for content_type, body in ((FORM, form(IMAGE)), ('image/png', PNG)):
        answer = client.post('/v1/PlainModel', data=body, content_type=content_type)
        media_type = content_type.partition(';')[0]
        message = f'Send the header Content-Type: application/json (the request has {media_type})'
        assert (answer.status_code, answer.json) == (415, {'message': message})


def test_what_is_read_as_json_whatever_it_says_it_is_takes_no_form(client: FlaskClient) -> None:
    answer = client.post('/v1/ForcedModel', data=form(IMAGE), content_type=FORM)
    assert answer.status_code == 400
    body = json.dumps({'image': TEXT})
    assert client.post('/v1/ForcedModel', data=body, content_type=FORM).json == {'received': {'image': TEXT}}


def test_long_names_are_cut(client: FlaskClient) -> None:
    twice = value('n' * 3000, 'x') * 2
    answer = client.post('/v1/FileModel', data=form(twice), content_type=FORM)
    assert answer.status_code == 400
    assert len(answer.data) < 500
