"""A corpus of requests, valid and not, through the receiver: whole, cut anywhere, and mutated."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from model_serving.engine.http_receiver import HTTPReceiver

MOST_BODY_BYTES = 100_000
MUTATIONS = 30_000
BASE = {'wsgi.url_scheme': 'http'}
SMUGGLED = b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
LAST = b'GET /last HTTP/1.1\r\nHost: x\r\n\r\n'


def made(start: str, *headers: str, body: bytes = b'') -> bytes:
    return '\r\n'.join([start, 'Host: x', *headers, '', '']).encode('latin-1') + body


def posted(*headers: str, body: bytes = b'') -> bytes:
    return made('POST /a HTTP/1.1', *headers, body=body)


CHUNKED = 'Transfer-Encoding: chunked'
UPGRADE = ('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMA')
IN_BODY = b'%x\r\n%s\r\n0\r\n\r\n' % (len(SMUGGLED), SMUGGLED)

VALID = {
    'get': made('GET /a?b=c HTTP/1.1'),
    'head': made('HEAD / HTTP/1.1'),
    'options': made('OPTIONS * HTTP/1.1'),
    'absolute': made('GET http://x/a HTTP/1.1'),
    'http_1_0': made('GET / HTTP/1.0', 'Connection: keep-alive'),
    'no_host_in_1_0': b'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    'empty_host': b'GET / HTTP/1.1\r\nHost:\r\n\r\n',
    'host_with_port': b'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n',
    'blank_lines': b'\r\n\r\n' + made('GET / HTTP/1.1'),
    'length': posted('Content-Length: 5', body=b'hello'),
    'zero': posted('Content-Length: 0'),
    'zeros': posted('Content-Length: 0005', body=b'hello'),
    'spaces': posted('Content-Length:   5 \t', body=b'hello'),
    'body_is_a_request': posted(f'Content-Length: {len(SMUGGLED)}', body=SMUGGLED),
    'large': posted('Content-Length: 70000', body=(SMUGGLED * 2000)[:70_000]),
    'chunks': posted(CHUNKED, body=b'5\r\nhello\r\n006;a=b\r\n world\r\n0\r\n\r\n'),
    'coding_in_capitals': posted('transfer-encoding: CHUNKED', body=b'1\r\nx\r\n0\r\n\r\n'),
    'chunk_is_a_request': posted(CHUNKED, body=IN_BODY),
    'trailers': posted(CHUNKED, body=b'1\r\nx\r\n0\r\nX-T: 1\r\nHost: y\r\n\r\n'),
    'upgrade': made('GET / HTTP/1.1', *UPGRADE),
    'upgrade_with_length': posted(*UPGRADE, f'Content-Length: {len(SMUGGLED)}', body=SMUGGLED),
    'upgrade_with_chunks': posted(*UPGRADE, CHUNKED, body=IN_BODY),
    'upgrade_with_trailers': posted(*UPGRADE, CHUNKED, body=b'1\r\nx\r\n0\r\nX-T: 1\r\n\r\n'),
    'upgrade_large': posted(*UPGRADE, 'Content-Length: 50000', body=b'x' * 50_000),
    'expect': posted('Expect: 100-continue', 'Content-Length: 1', body=b'x'),
    'underscores': posted('Content_Length: 9', 'Transfer_Encoding: chunked'),
    'latin': made('GET /a HTTP/1.1', 'X-Name: \xe9'),
}
INVALID = {
    'two_lengths': posted('Content-Length: 5', 'Content-Length: 6', body=b'hello'),
    'equal_lengths': posted('Content-Length: 5', 'Content-Length: 5', body=b'hello'),
    'list_of_lengths': posted('Content-Length: 5, 5', body=b'hello'),
    'sign': posted('Content-Length: +5', body=b'hello'),
    'minus': posted('Content-Length: -5', body=b'hello'),
    'hex': posted('Content-Length: 0x5', body=b'hello'),
    'underscore': posted('Content-Length: 1_0', body=b'helloworld'),
    'no_digits': posted('Content-Length:', body=b'hello'),
    'inner_space': posted('Content-Length: 5 5', body=b'hello'),
    'huge': posted('Content-Length: 18446744073709551621', body=b'hello'),
    'too_large': posted('Content-Length: 100001', body=b'hello'),
    'length_and_chunks': posted('Content-Length: 5', CHUNKED, body=IN_BODY),
    'chunks_and_length': posted(CHUNKED, 'Content-Length: 5', body=IN_BODY),
    'upgrade_length_and_chunks': posted(*UPGRADE, 'Content-Length: 5', CHUNKED, body=IN_BODY),
    'upgrade_chunks_and_length': posted(*UPGRADE, CHUNKED, 'Content-Length: 5', body=IN_BODY),
    'coding': posted('Transfer-Encoding: gzip', body=IN_BODY),
    'codings': posted('Transfer-Encoding: gzip, chunked', body=IN_BODY),
    'chunked_first': posted('Transfer-Encoding: chunked, identity', body=IN_BODY),
    'chunked_twice': posted(CHUNKED, CHUNKED, body=IN_BODY),
    'two_codings': posted(CHUNKED, 'Transfer-Encoding: identity', body=IN_BODY),
    'quoted_coding': posted('Transfer-Encoding: "chunked"', body=IN_BODY),
    'odd_space_in_coding': posted('Transfer-Encoding: \xa0chunked', body=IN_BODY),
    'vertical_tab_in_coding': posted('Transfer-Encoding: \x0bchunked', body=IN_BODY),
    'no_coding': posted('Transfer-Encoding:', body=IN_BODY),
    'upgrade_coding': posted(*UPGRADE, 'Transfer-Encoding: gzip', body=IN_BODY),
    'upgrade_codings': posted(*UPGRADE, 'Transfer-Encoding: chunked, gzip', body=IN_BODY),
    'upgrade_no_coding': posted(*UPGRADE, 'Transfer-Encoding:', body=IN_BODY),
    'chunks_in_1_0': made('POST /a HTTP/1.0', CHUNKED, 'Connection: keep-alive', body=IN_BODY),
    'upgrade_chunks_in_1_0': made('POST /a HTTP/1.0', *UPGRADE, CHUNKED, body=IN_BODY),
    'chunk_sign': posted(CHUNKED, body=b'+5\r\nhello\r\n0\r\n\r\n'),
    'chunk_minus': posted(CHUNKED, body=b'-5\r\nhello\r\n0\r\n\r\n'),
    'chunk_prefix': posted(CHUNKED, body=b'0x5\r\nhello\r\n0\r\n\r\n'),
    'chunk_underscore': posted(CHUNKED, body=b'0_5\r\nhello\r\n0\r\n\r\n'),
    'chunk_space_before': posted(CHUNKED, body=b' 5\r\nhello\r\n0\r\n\r\n'),
    'chunk_no_size': posted(CHUNKED, body=b'\r\nhello\r\n0\r\n\r\n'),
    'chunk_overflow': posted(CHUNKED, body=b'10000000000000005\r\nhello\r\n0\r\n\r\n'),
    'chunk_too_large': posted(CHUNKED, body=b'fffffff\r\nhello\r\n0\r\n\r\n' + b'x' * MOST_BODY_BYTES),
    'chunk_bare_lf': posted(CHUNKED, body=b'5\nhello\r\n0\r\n\r\n'),
    'chunk_bare_cr': posted(CHUNKED, body=b'5\rhello\r\n0\r\n\r\n'),
    'chunk_longer': posted(CHUNKED, body=b'5\r\nhello!\r\n0\r\n\r\n'),
    'chunk_lf_in_extension': posted(CHUNKED, body=b'5;a\nhello\r\n0\r\n\r\n'),
    'chunk_end_bare_lf': posted(CHUNKED, body=b'5\r\nhello\n0\r\n\r\n'),
    'upgrade_broken_chunk': posted(*UPGRADE, CHUNKED, body=b'z\r\nhello\r\n0\r\n\r\n'),
    'bare_lf': b'GET / HTTP/1.1\nHost: x\n\n',
    'bare_cr': b'GET / HTTP/1.1\rHost: x\r\r',
    'cr_in_value': made('GET / HTTP/1.1', 'X-A: a\rX-B: b'),
    'lf_in_value': made('GET / HTTP/1.1', 'X-A: a\nContent-Length: 9'),
    'zero_in_value': made('GET / HTTP/1.1', 'X-A: a\0b'),
    'folded': made('GET / HTTP/1.1', 'X-A: a', ' b'),
    'folded_coding': posted('Transfer-Encoding:', ' chunked', body=IN_BODY),
    'folded_first': b'GET / HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n',
    'space_before_colon': posted('Content-Length : 5', body=b'hello'),
    'space_in_name': made('GET / HTTP/1.1', 'X A: b'),
    'no_colon': made('GET / HTTP/1.1', 'X-A'),
    'no_name': made('GET / HTTP/1.1', ': b'),
    'two_hosts': made('GET / HTTP/1.1', 'Host: y'),
    'no_host': b'GET / HTTP/1.1\r\n\r\n',
    'host_of_two': b'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
    'host_with_slash': b'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
    'host_with_user': b'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n',
    'version': made('GET / HTTP/1.2'),
    'version_2': made('GET / HTTP/2.0'),
    'version_0_9': b'GET /\r\n\r\n',
    'method': made('GE(T / HTTP/1.1'),
    'connect': made('CONNECT x:443 HTTP/1.1'),
    'target': made('GET a HTTP/1.1'),
    'target_with_space': made('GET /a b HTTP/1.1'),
    'long_target': made(f'GET /{"x" * 9000} HTTP/1.1'),
    'many_headers': made('GET / HTTP/1.1', *[f'X-{number}: x' for number in range(101)]),
    'long_name': made('GET / HTTP/1.1', f'X-{"x" * 300}: x'),
    'long_value': made('GET / HTTP/1.1', f'X-A: {"x" * 70_000}'),
    'long_extension': posted(CHUNKED, body=b'5;' + b'x' * 90_000 + b'\r\nhello\r\n0\r\n\r\n'),
    'long_trailer': posted(CHUNKED, body=b'0\r\nX-T: ' + b'x' * 90_000 + b'\r\n\r\n'),
    'tls': bytes.fromhex('16030100c8010000c40303') + bytes(range(189)),
    'garbage': b'\xff\xfe\x00\x01\r\n\r\n',
}


class Seen(NamedTuple):
    """The requests, in their order, and the status with which the rest was refused."""

    requests: list[tuple[str, str, bytes, bool]]
    refused: int | None


def seen(pieces: Iterator[bytes] | list[bytes], ends: bool = False) -> Seen:
    """What a connection does with these pieces."""
    receiver = HTTPReceiver(BASE, {}, MOST_BODY_BYTES)
    requests: list[Any] = []

    def advance() -> None:
        while receiver.complete or (receiver.unparsed and not receiver.ended):
            while receiver.complete:
                request = receiver.complete.popleft()
                environ = request.environ
                assert environ['wsgi.input'].read() == request.body
                text = repr(sorted((key, value) for key, value in environ.items() if isinstance(value, str)))
                requests.append((environ['PATH_INFO'], text, request.body, request.keep_alive))
            receiver.feed(b'')

    for piece in pieces:
        if receiver.ended:
            break
        receiver.feed(piece)
        advance()
    if ends:
        receiver.feed_eof()
        advance()
    return Seen(requests, receiver.refused.status if receiver.refused else None)


def cuts(data: bytes, numbers: random.Random, most: int = 8) -> list[bytes]:
    places = sorted(numbers.randrange(len(data) + 1) for _ in range(numbers.randrange(1, most)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize('data', VALID.values(), ids=VALID)
def test_valid_request_is_seen_and_so_is_the_one_behind_it(data: bytes) -> None:
    found = seen([data + LAST])
    assert [path for path, *_ in found.requests][1:] == ['/last']
    assert found.refused is None


@pytest.mark.parametrize('data', INVALID.values(), ids=INVALID)
def test_invalid_request_is_refused_and_nothing_behind_it_is_seen(data: bytes) -> None:
    found = seen([LAST + data + SMUGGLED], ends=True)
    assert [path for path, *_ in found.requests] == ['/last']
    assert found.refused in {400, 413, 414, 431}


def test_it_does_not_matter_where_the_bytes_are_cut() -> None:
    numbers = random.Random(0)
    for name, data in {**VALID, **INVALID}.items():
        whole = data + LAST + SMUGGLED
        expected = seen([whole])
        if len(whole) < 3000:
            for place in range(len(whole)):
                assert seen([whole[:place], whole[place:]]) == expected, (name, place)
            assert seen([bytes([byte]) for byte in whole]) == expected, name
        for _ in range(20):
            assert seen(cuts(whole, numbers)) == expected, name


def test_requests_that_follow_each_other_are_those_that_were_sent() -> None:
    numbers = random.Random(1)
    valid = list(VALID.values())
    alone = {data: seen([data]).requests for data in valid}
    for _ in range(300):
        chosen = numbers.choices(valid, k=6)
        expected = [request for data in chosen for request in alone[data]]
        assert seen(cuts(b''.join(chosen), numbers, 20), ends=True) == Seen(expected, None)


TOKENS = (
    b'\r\n', b'\n', b'\r', b'\0', b' ', b'\t', b':', b',', b';', b'0', b'5', b'ffffffffffffffff',
    b'chunked', b'-1',
    b'Content-Length: 3\r\n', b'Transfer-Encoding: chunked\r\n', b'Upgrade: h2c\r\nConnection: upgrade\r\n',
    b'\xff', b'0\r\n\r\n', b'HTTP/1.0', b'CONNECT', b'Host: y\r\n', b'Expect: 100-continue\r\n', SMUGGLED,
)  # fmt: skip


def mutated(data: bytes, numbers: random.Random) -> bytes:
    for _ in range(numbers.randrange(1, 4)):
        place = numbers.randrange(len(data) + 1)
        end = min(place + numbers.choice((0, 0, 1, 1, 2, 10)), len(data))
        data = data[:place] + numbers.choice((*TOKENS, b'', bytes([numbers.randrange(256)]))) + data[end:]
    return data


def test_mutated_requests_raise_nothing_and_are_seen_alike_however_they_are_cut() -> None:
    numbers = random.Random(2)
    corpus = [data for data in [*VALID.values()] * 4 + [*INVALID.values()] if len(data) < 500]
    for _ in range(MUTATIONS):
        data = mutated(numbers.choice(corpus), numbers) + LAST
        whole = seen([data], ends=True)
        assert seen(cuts(data, numbers), ends=True) == whole, data
        bytewise = seen([bytes([byte]) for byte in data], ends=True)
        # Of two reasons to refuse, another may be met first.
        assert bytewise.requests == whole.requests, data
        assert (bytewise.refused is None) == (whole.refused is None), data
