"""The bytes of an answer."""

import functools
import time
from email.utils import formatdate
from http import HTTPStatus

SERVER = 'model-serving'
BODILESS = ('204', '304')


class BadAnswer(Exception):
    """The application's answer is no HTTP."""


def answer_head(status: str, headers: list[tuple[str, str]], more: str, keep_alive: bool) -> bytes:
    """The status line and the headers, `more` of them given as lines. Raises BadAnswer."""
    lines = [f'{name}: {value}\r\n' for name, value in headers]
    text = ''.join(lines)
    if text.count('\n') != len(lines) or '\n' in status:
        raise BadAnswer('a line break in a header would begin another header')
    connection = 'keep-alive' if keep_alive else 'close'
    common = common_headers(int(time.time()))
    return f'HTTP/1.1 {status}\r\n{common}Connection: {connection}\r\n{more}{text}\r\n'.encode('latin-1')


@functools.lru_cache(1)
def common_headers(second: int) -> str:
    """The headers that all answers of a second share."""
    return f'Server: {SERVER}\r\nDate: {formatdate(second, usegmt=True)}\r\n'


def error_answer(status: int, body: bytes, request_id: str) -> list[bytes]:
    """An answer that no application gives, of JSON."""
    headers = [
        ('Content-Type', 'application/json'),
        ('Content-Length', str(len(body))),
        ('X-Request-ID', request_id),
    ]
    line = f'{status} {HTTPStatus(status).phrase}'
    return [answer_head(line, headers, '', keep_alive=False) + body]
