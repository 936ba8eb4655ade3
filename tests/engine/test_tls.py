"""gunicorn's certfile and keyfile: the service speaks TLS itself."""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import trustme

from tests.engine.clients import SERVED, at_once, nap_body, read_answers, request_of, until
from tests.raw_http import Answer, chunked, read_answer
from tests.service_process import ROOT, running_service

HELLO = request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}')
GREETING = {'result': 'Hello, Leo!'}
LARGE = 20_000_000


class Secure(NamedTuple):
    """A service behind TLS."""

    url: str
    log: Path
    trust: ssl.SSLContext

    def plain(self) -> socket.socket:
        place = urlsplit(self.url)
        return socket.create_connection((place.hostname, place.port), timeout=20)

    def connect(self) -> ssl.SSLSocket:
        return self.trust.wrap_socket(self.plain(), server_hostname='localhost')

    def send(self, request: bytes) -> Answer:
        with self.connect() as connection:
            connection.sendall(request)
            return read_answer(connection)

    def text(self) -> str:
        time.sleep(0.3)
        return self.log.read_text()


@contextlib.contextmanager
def secured(folder: Path, **environment: str) -> Iterator[Secure]:
    authority = trustme.CA()
    certificate = authority.issue_cert('localhost', '127.0.0.1')
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / 'server.pem'))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    files = f'--certfile {folder}/server.pem --keyfile {folder}/server.pem --keep-alive 2'
    log = folder / 'log'
    with running_service(log, ROOT, SERVED, trust, GUNICORN_CMD_ARGS=files, **environment) as url:
        yield Secure(url, log, trust)


@pytest.fixture(scope='module')
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    with secured(tmp_path_factory.mktemp('tls')) as service:
        yield service


def test_client_is_answered_and_its_connection_kept(secure: Secure) -> None:
    place = urlsplit(secure.url)
    connection = http.client.HTTPSConnection('localhost', place.port, timeout=10, context=secure.trust)
    with contextlib.closing(connection):
        for _ in range(20):
            headers = {'Content-Type': 'application/json'}
            connection.request('POST', '/v1/XXXModel', b'{"name": "Leo"}', headers)
            response = connection.getresponse()
            assert (response.status, response.headers['connection']) == (200, 'keep-alive')
            assert b'Hello, Leo!' in response.read()


def test_scheme_is_https(secure: Secure) -> None:
    json = secure.send(request_of('GET', '/environ')).json
    assert json['environ']['wsgi.url_scheme'] == 'https'
    assert json['url'] == 'https://service/environ'


def test_pipelined_requests_are_answered_in_order(secure: Secure) -> None:
    with secure.connect() as connection:
        connection.sendall(
            b''.join(request_of('POST', '/v1/Nap', body=nap_body(f'{number}', 0)) for number in range(50))
        )
        answers = read_answers(connection, 50)
    assert [answer.json['tag'] for answer in answers] == [f'{number}' for number in range(50)]


def test_large_bodies_both_ways(secure: Secure) -> None:
    with secure.connect() as connection:
        body = b'x' * LARGE
        connection.sendall(request_of('POST', '/environ', f'Content-Length: {LARGE}') + body)
        assert read_answer(connection).json['body'] == LARGE
        connection.sendall(request_of('POST', '/environ', 'Transfer-Encoding: chunked') + chunked(body))
        assert read_answer(connection).json['body'] == LARGE
        connection.sendall(request_of('GET', f'/whole?size={LARGE}'))
        assert len(read_answer(connection).body) == LARGE


def test_slow_reader_gets_all_and_holds_nobody_up(secure: Secure) -> None:
    with secure.connect() as connection:
        connection.sendall(request_of('GET', f'/stream?count=20&size={LARGE // 20}', 'Connection: close'))
        size = len(connection.recv(1000))
        time.sleep(0.5)
        assert secure.send(HELLO).json == GREETING
        while piece := connection.recv(1_000_000):
            size += len(piece)
    assert size > LARGE


@pytest.mark.alone
def test_stream_comes_bit_by_bit(secure: Secure) -> None:
    with secure.connect() as connection:
        begin = time.monotonic()
        connection.sendall(request_of('GET', '/stream?count=3&pause=0.3'))
        received = b''
        while b'data: 0' not in received:
            received += connection.recv(65536)
        assert time.monotonic() - begin < 0.25
        while not received.endswith(b'0\r\n\r\n'):
            received += connection.recv(65536)


def test_too_large_body_is_413_while_it_is_sent(secure: Secure) -> None:
    with secure.connect() as connection:
        connection.sendall(request_of('POST', '/environ', 'Content-Length: 99000000'))
        with contextlib.suppress(OSError):
            connection.sendall(b'x' * 1_000_000)
        assert read_answer(connection).status == 413


def test_client_that_goes_ends_its_stream(secure: Secure) -> None:
    with secure.connect() as connection:
        connection.sendall(request_of('GET', '/stream?count=1000&pause=0.05&tag=gone'))
        connection.recv(1000)
    until(lambda: 'gone' in secure.send(request_of('GET', '/state')).json['ended'], 3)


@pytest.mark.parametrize(
    'data', [b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'\x16\x03\x01\x00\xff' + b'x' * 300, b'\x00' * 1000, b'']
)
def test_client_without_tls_harms_nobody(secure: Secure, data: bytes) -> None:
    for _ in range(5):
        with secure.plain() as connection:
            connection.sendall(data)
            if data:
                connection.settimeout(5)
                with contextlib.suppress(ConnectionError):
                    while connection.recv(1000):
                        pass
    assert secure.send(HELLO).json == GREETING


def test_client_that_does_not_trust_us_harms_nobody(secure: Secure) -> None:
    with pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(secure.plain(), server_hostname='localhost')
    with contextlib.ExitStack() as stack:
        for _ in range(50):  # They say nothing.
            stack.enter_context(secure.plain())
        assert secure.send(HELLO).json == GREETING


def test_many_clients_at_once(secure: Secure) -> None:
    with at_once() as submit:
        assert {str(submit(secure.send, HELLO).result().json) for _ in range(100)} == {str(GREETING)}


def test_idle_clients_are_closed_and_deadlines_go_on(tmp_path: Path) -> None:
    with secured(tmp_path, MODEL_SERVING_TIMEOUT_S='2') as service, contextlib.ExitStack() as stack:
        for _ in range(5):
            idle = stack.enter_context(service.connect())
            idle.sendall(HELLO)
            assert read_answer(idle).status == 200
        time.sleep(3)  # They do not say goodbye in their turn.
        assert service.send(request_of('POST', '/v1/Nap', body=nap_body('late', 3))).status == 504
        assert idle.recv(100) == b''
        assert 'Traceback' not in service.text()


def test_nothing_of_it_is_in_the_log(secure: Secure) -> None:
    text = secure.text()
    for word in ('Traceback', '[ERROR]', '[WARNING]', 'eof_received', 'Fatal', 'SSL'):
        assert word not in text, text[text.index(word) - 200 :][:1000]


def test_stop_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    with secured(tmp_path) as service, service.connect() as connection, service.connect() as idle:
        idle.sendall(HELLO)
        assert read_answer(idle).status == 200
        connection.sendall(request_of('POST', '/v1/Nap', body=nap_body('slow', 1)))
        time.sleep(0.3)
        pid = service.send(request_of('GET', '/state')).json['pid']
        begin = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        answer = read_answer(connection)
        assert (answer.status, answer.headers['connection']) == (200, 'close')
        until(lambda: not Path(f'/proc/{pid}').exists(), 8)
        assert time.monotonic() - begin < 6
        assert service.send(HELLO).json == GREETING
    assert 'Traceback' not in service.text()
