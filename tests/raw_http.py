"""Requests written byte by byte, for what no HTTP client would send."""

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(url: str, request: bytes, timeout: float = 60) -> Answer:
    """Send the bytes of one request to the service at `url` and read its answer."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=timeout) as connection:
        connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def post(url: str, path: str, body: bytes, content_type: str | None = 'application/json') -> Answer:
    """An ordinary POST of `body`."""
    head = [f'POST {path} HTTP/1.1', 'Host: service', f'Content-Length: {len(body)}']
    if content_type is not None:
        head.append(f'Content-Type: {content_type}')
    return send(url, '\r\n'.join([*head, '', '']).encode() + body)


def post_chunks(url: str, path: str, chunks: bytes) -> Answer:
    """A POST whose chunked framing is given as it is."""
    head = f'POST {path} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n'
    return send(url, f'{head}Transfer-Encoding: chunked\r\n\r\n'.encode() + chunks)


def chunked(body: bytes, size: int = 65536) -> bytes:
    """`body` in chunks of at most `size` bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b''.join(b'%x\r\n%s\r\n' % (len(piece), piece) for piece in pieces) + b'0\r\n\r\n'
