"""Files under gunicorn: with the fast path and without, sent by curl, requests and a browser's rules."""

import base64
import io
import json
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.engine.clients import Service, at_once
from tests.engine.test_memory import megabytes
from tests.linux import linux_only
from tests.raw_http import chunked, post, send
from tests.service_process import ROOT, WAYS, running_service

APPLICATION = 'tests.uploads.served:app'
ORIGIN = 'https://pages.example'
PNG = b'\x89PNG\r\n\x1a\n' + bytes(range(256))
TEXT = base64.b64encode(PNG).decode()


@pytest.fixture(scope='module', params=WAYS)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('uploads') / 'log'
    settings = {'MODEL_SERVING_CORS_ORIGINS': ORIGIN, **WAYS[request.param]}
    with running_service(log, ROOT, APPLICATION, **settings) as url:
        yield Service(url, log)


def curl(service: Service, path: str, *options: str, folder: Path) -> Any:
    command = ['curl', '--silent', f'{service.url}{path}', *options]
    return json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)


def test_curl_sends_files(service: Service, tmp_path: Path) -> None:
    (tmp_path / 'a photo.png').write_bytes(PNG)
    (tmp_path / 'rows.json').write_text('[[1, 2]]')
    sent = ('-F', 'image=@"a photo.png"', '-F', 'more=@a photo.png', '-F', 'more=@a photo.png;type=image/gif')
    more = ('-F', 'name=Leo', '-F', 'rows=<rows.json', '--form-string', 'size=small')
    assert curl(service, '/v1/FileModel', *sent, *more, folder=tmp_path) == {
        'received': {'image': TEXT, 'more': [TEXT, TEXT], 'name': 'Leo', 'rows': [[1, 2]], 'size': 'small'}
    }
    whole = ('-H', 'Content-Type: image/png', '--data-binary', '@a photo.png')
    assert curl(service, '/v1/FileModel', *whole, folder=tmp_path) == {'received': {'image': TEXT}}
    wrong = ('-F', 'image=@rows.json;type=text/html')
    assert curl(service, '/v1/FileModel', *wrong, folder=tmp_path) == {
        'message': "Send 'image' as image/* (the request has text/html)"
    }


def test_requests_sends_files(service: Service) -> None:
    files = {'image': io.BytesIO(PNG), 'rows': (None, '[[1]]', 'application/json')}
    answer = requests.post(f'{service.url}/v1/FileModel', files=files, data={'name': 'Leo'}, timeout=30)
    assert answer.json() == {'received': {'image': TEXT, 'rows': [[1]], 'name': 'Leo'}}


def test_form_in_chunks_is_read(service: Service) -> None:
    form = requests.Request('POST', service.url, files={'image': ('a.png', PNG, 'image/png')}).prepare()
    head = (
        'POST /v1/FileModel HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n'
        f'Content-Type: {form.headers["Content-Type"]}\r\n\r\n'
    )
    answer = send(service.url, head.encode() + chunked(form.body, 7))  # type: ignore[arg-type]
    assert answer.json == {'received': {'image': TEXT}}


def test_pages_of_other_origins_send_no_forms(service: Service) -> None:
    """A browser asks nobody before it sends a form, so the service has to look at its origin."""
    for origin, status in ((ORIGIN, 200), ('https://evil.example', 403), ('null', 403)):
        headers, url = {'Origin': origin}, f'{service.url}/v1/FileModel'
        sent = requests.post(url, files={'image': io.BytesIO(PNG)}, headers=headers, timeout=30)
        whole = requests.post(url, data=PNG, headers={**headers, 'Content-Type': 'image/png'}, timeout=30)
        text = requests.post(url, data=PNG, headers={**headers, 'Content-Type': 'text/plain'}, timeout=30)
        assert [sent.status_code, whole.status_code] == [status, status]
        assert text.status_code == (415 if status == 200 else 403)


def test_large_files_come_whole_from_many_at_once(service: Service) -> None:
    files = [random.Random(number).randbytes(3_000_000) for number in range(6)]

    def call(data: bytes) -> Any:
        return requests.post(f'{service.url}/v1/SizeModel', files={'file': ('a', data)}, timeout=60).json()

    with at_once(6) as submit:
        answers = [submit(call, data) for data in files]
        for data, answer in zip(files, answers, strict=True):
            assert (answer.result()['bytes'], answer.result()['crc']) == (len(data), zlib.crc32(data))


def test_file_over_the_limit_is_413(service: Service) -> None:
    try:
        answer = requests.post(f'{service.url}/v1/SizeModel', files={'file': bytes(33_600_000)}, timeout=60)
    except requests.ConnectionError:
        return  # The service answers before it has all, and closes the connection; see tests/contract.
    assert answer.status_code == 413
    assert answer.json()['message'].startswith('The body is larger than the limit of 33554432 bytes')


def form_of(*parts: tuple[str, bytes]) -> tuple[bytes, str]:
    pieces = [
        b'--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n' % (head.encode(), data)
        for head, data in parts
    ]
    return b''.join(pieces) + b'--b--\r\n', 'multipart/form-data; boundary=b'


MB = 2**20
FILE = 'name="file"; filename="a"'
NUMBERS = b'[' + b'0,' * (2 * MB) + b'0]'
COSTLY: dict[str, tuple[bytes, str, int]] = {
    'a file': (*form_of((FILE, random.Random(0).randbytes(8 * MB))), 7),
    'a file of line ends': (*form_of((FILE, b'\r\n' * (4 * MB))), 7),
    'a file of brackets': (*form_of((FILE, b'[{' * (4 * MB))), 7),
    'a file of commas': (*form_of((FILE, b',' * (8 * MB))), 7),
    'a whole body': (random.Random(0).randbytes(8 * MB), 'application/octet-stream', 7),
    'numbers': (*form_of((FILE, b'a'), ('name="rows"', NUMBERS)), 17),
}
"""Bodies, and how many times their bytes they may take. The numbers take 14 times that in JSON."""


@linux_only
@pytest.mark.parametrize(('body', 'content_type', 'most'), COSTLY.values(), ids=COSTLY)
def test_large_form_costs_a_small_multiple_of_its_size(
    tmp_path: Path, body: bytes, content_type: str, most: int
) -> None:
    with running_service(tmp_path / 'log', ROOT, APPLICATION) as url:
        small, small_type = form_of((FILE, b'a'))
        pid = post(url, '/v1/SizeModel', small, small_type).json['pid']
        before = megabytes(pid, 'VmRSS')
        answer = post(url, '/v1/SizeModel', body, content_type)
        assert answer.status == 200, answer.body
        assert megabytes(pid, 'VmHWM') - before < most * len(body) / MB


@pytest.mark.parametrize('piece', [b'[],', b'{"":0},', b'[[[]]],'])
def test_form_of_many_lists_is_refused(service: Service, piece: bytes) -> None:
    """In several parts, each of which would be allowed."""
    lists = b'[' + piece * (3_400_000 // len(piece)) + b'0]'
    body, content_type = form_of(
        ('name="file"; filename="a"', b'a'),
        ('name="rows"', lists),
        *[(f'name="x{number}"', lists) for number in range(8)],
    )
    answer = requests.post(
        f'{service.url}/v1/SizeModel', data=body, headers={'Content-Type': content_type}, timeout=60
    )
    assert answer.status_code == 413
    assert 'objects and lists' in answer.json()['message']


WRITES = """
import io, sys
opened, looking = [], []
sys.addaudithook(lambda event, given: event == 'open' and looking and opened.append(given[:2]))
from tests.uploads.served import app
client = app.test_client()
head = b'--b\\r\\nContent-Disposition: form-data; name="file"; filename="a"\\r\\n\\r\\n'
form = head + bytes(5000000) + b'\\r\\n--b--\\r\\n'
for _ in range(2):  # What is imported late is opened the first time.
    opened.clear()
    looking.append(1)
    for content_type in ('multipart/form-data; boundary=b', 'application/octet-stream'):
        headers = {'Content-Length': str(len(form)), 'Content-Type': content_type}
        answer = client.post('/v1/AnyFileModel', input_stream=io.BytesIO(form), headers=headers)
        assert answer.status_code == 200, answer.data
    looking.clear()
print(opened)
"""


def test_nothing_is_written_to_disk() -> None:
    command = [sys.executable, '-c', WRITES]
    told = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True)
    assert told.stdout == '[]\n'
