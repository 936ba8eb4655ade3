"""Forms and whole files, nearly. The first byte chooses the content type."""

import base64

from hypothesis import strategies as st

from tests.fuzz.services import check_post, several

TYPES = [
    *('multipart/form-data; boundary=b', 'multipart/form-data; boundary=--b', 'multipart/form-data'),
    *('image/png', 'application/octet-stream', 'application/json'),
]
PIXEL = base64.b64decode(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4v5QBAARLAaU/Dnq2AAAAAElFTkSuQmCC'
)
NAMES = 'image', 'more', 'name', 'rows', 'x', '', '\u00fc', 'image' * 100
DISPOSITIONS = [
    'form-data; name="{}"; filename="a.png"',
    'form-data; name="{}"',
    'form-data; name="{}"; filename=""',
    "form-data; name*=utf-8''{}",
    'form-data; name="{}\\"; filename="a',
    'attachment; filename="{}"',
    'a=b;' * 900 + '{}',
]
HEADERS = [
    *(
        'Content-Type: image/png',
        'Content-Type: application/json',
        'Content-Type: text/plain; charset=utf-16',
    ),
    *('Content-Transfer-Encoding: base64', 'Content-Type:', ' : ', 'X: ' + 'x' * 5000, 'a:\r\n b', '\0: \0'),
]
ENDS = '\r\n', '\n', '\r', '\r\n\r\n', ''
data = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([PIXEL, base64.b64encode(PIXEL), b'data:image/png;base64,' + base64.b64encode(PIXEL)]),
    st.sampled_from([b'[1, 2]', b'[' * 300, b'NaN', b'\r\n--b', b'\r\n--b--', b'--b\r\n', b'\n' * 9000]),
    st.builds(
        lambda piece, count: piece * count, st.sampled_from([b'[],', b'\r\n', b'x']), st.integers(0, 200_000)
    ),
)


def part(disposition: str, name: str, headers: list[str], end: str, content: bytes) -> bytes:
    lines = ['--b', f'Content-Disposition: {disposition.format(name)}', *headers, '', '']
    return end.join(lines).encode() + content + end.encode()


parts = st.builds(
    part,
    *map(st.sampled_from, (DISPOSITIONS, NAMES)),
    st.lists(st.sampled_from(HEADERS), max_size=3),
    st.sampled_from(ENDS),
    data,
)
forms = st.builds(
    lambda pieces, times, end: b''.join(pieces) * times + end,
    st.lists(parts, max_size=4),
    st.sampled_from([1, 1, 1, 300]),
    st.sampled_from([b'--b--\r\n', b'--b--', b'--b', b'', b'--b--' + b'x' * 9000]),
)
changed = st.builds(
    lambda form, place, piece: (
        form[: place % (len(form) + 1)] + piece + form[place % (len(form) + 1) + len(piece) :]
    ),
    forms,
    st.integers(0, 2**20),
    st.binary(max_size=4),
)
STRATEGY = st.builds(
    lambda kind, body: bytes([kind]) + body,
    st.integers(0, 2 * len(TYPES)).map(lambda kind: kind % len(TYPES)),
    forms | changed | data,
)


def check(data: bytes) -> None:
    """Post it to a model that takes files, and to one that does not."""
    content_type = TYPES[data[0] % len(TYPES)] if data else TYPES[0]
    for url in ('/v1/Files', '/v1/JSON'):
        check_post(several(), url, data[1:], Content_Type=content_type)
