"""What a client sends on a connection, in any pieces: the first two bytes decide on these.

The receiver must make the same of the whole and of the pieces. A real worker must answer what it understands,
refuse the rest with a 4xx and close the connection; and it must go on.
"""

import random
import socket
from typing import Any

from hypothesis import strategies as st

from model_serving.engine.http_receiver import HTTPReceiver
from tests.engine.clients import Service

MAX_BODY_BYTES = 100_000
LINES = [
    *(
        b'GET / HTTP/1.1\r\n',
        b'POST /v1/XXXModel HTTP/1.1\r\n',
        b'POST /v1/XXXModel HTTP/1.0\r\n',
        b'GET /%00%ff\x80?a=%',
    ),
    *(
        b'OPTIONS * HTTP/1.1\r\n',
        b'CONNECT a:1 HTTP/1.1\r\n',
        b'GET http://[::1]:99999999/ HTTP/1.1\r\n',
        b'PRI * HTTP/2.0\r\n',
    ),
    *(
        b'GET // HTTP/1.1\r\n',
        b'GET http:// HTTP/1.1\r\n',
        b'HEAD / HTTP/1.1\n',
        b'PUT /a#b HTTP/9.9\r\n',
        b'FOO / HTTP/1.1\r\n',
    ),
    *(
        b'Host: a\r\n',
        b'Host: a\n',
        b'Host: \xff\r\n',
        b'host:b\r\n',
        b'Host : a\r\n',
        b' folded\r\n',
        b'X_Y: a\r\n',
    ),
    *(
        b'Content-Length: 2\r\n',
        b'Content-Length: 0\r\n',
        b'Content-Length: 99999\r\n',
        b'Content-Length: 18446744073709551616\r\n',
    ),
    *(
        b'Content-Length: -1\r\n',
        b'Content-Length: +2\r\n',
        b'Content-Length: 2,2\r\n',
        b'Transfer-Encoding: chunked\r\n',
    ),
    *(
        b'Transfer-Encoding: gzip, chunked\r\n',
        b'Transfer-Encoding: x\r\n',
        b'Content-Type: application/json\r\n',
    ),
    *(
        b'Expect: 100-continue\r\n',
        b'Connection: close\r\n',
        b'Connection: Upgrade, HTTP2-Settings\r\n',
        b'Upgrade: h2c\r\n',
    ),
    *(
        b'Upgrade: websocket\r\n',
        b'X-Request-ID: \x01\r\n',
        b'Accept: text/html\r\n',
        b'Origin: null\r\n',
        b'Cookie: a\r\n',
    ),
    *(
        b'\r\n',
        b'\n',
        b'\r',
        b'{}',
        b'{"name":"Leo"}',
        b'2\r\n{}\r\n',
        b'0\r\n\r\n',
        b'e\r\n{"name":"Leo"}\r\n',
        b'5;a=b\r\n',
    ),
    *(
        b'ffffffffffffffff\r\n',
        b'0\r\nX: y\r\n\r\n',
        b'X: %s\r\n' % (b'a' * 9000),
        b'\0',
        b'\x16\x03\x01\x02\x00',
    ),
]
REQUESTS = [
    b'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    b'POST /v1/XXXModel HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n'
    b'{"name":"Leo"}',
    b'POST /v1/XXXModel HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n' + b'x' * 40_000,
    b'POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}',
]
STRATEGY = st.builds(
    lambda seed, pieces: seed + b''.join(pieces),
    st.binary(min_size=2, max_size=2),
    st.lists(st.sampled_from(LINES) | st.sampled_from(REQUESTS) | st.binary(max_size=6), max_size=14),
)


def received(pieces: list[bytes]) -> list[Any]:
    """The requests that the receiver makes of these pieces, and its refusal."""
    receiver = HTTPReceiver({'REMOTE_ADDR': ''}, {}, MAX_BODY_BYTES)
    found: list[Any] = []
    for piece in pieces:
        receiver.feed(piece)
        found += _taken(receiver)
    receiver.feed_eof()
    found += _taken(receiver)
    if receiver.refused is not None:
        assert 400 <= receiver.refused.status < 500
        found.append((receiver.refused.status, receiver.refused.message))
    assert receiver.ended
    return found


def _taken(receiver: HTTPReceiver) -> list[Any]:
    found = []
    while True:
        while receiver.complete:
            request = receiver.complete.popleft()
            environ = {key: value for key, value in request.environ.items() if isinstance(value, str)}
            found.append((environ, request.body, request.keep_alive))
        before = len(receiver.unparsed)
        receiver.feed(b'')
        if not receiver.complete and len(receiver.unparsed) == before:
            return found


def split(data: bytes) -> list[bytes]:
    """The pieces of the input behind its first two bytes."""
    chance, rest, pieces = random.Random(data[:2]), data[2:], []
    while rest:
        size = chance.choice((1, 2, 3, 7, 50, 1000, 4096, 5000))
        pieces.append(rest[:size])
        rest = rest[size:]
    return pieces


def check(data: bytes) -> None:
    """Compare what becomes of the whole and of the pieces."""
    assert received([data[2:]]) == received(split(data))


def check_service(service: Service, data: bytes) -> None:
    """Send the pieces to a real worker, and see that it answers, closes the connection, and goes on."""
    with service.connect(10) as connection:
        try:
            for piece in split(data)[:200]:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            answer = b''.join(iter(lambda: connection.recv(65536), b''))
        except (BrokenPipeError, ConnectionResetError):
            answer = b''
    for line in answer.split(b'HTTP/1.1 ')[1:]:
        assert line[:1] in b'1234', answer[:500]
