"""Clients that go away."""

import socket
import time

from tests.engine.clients import Service, at_once, nap_body, request_of, until
from tests.raw_http import read_answer


def ask(service: Service, model: str, tag: str, seconds: float) -> socket.socket:
    """A connection on which a request has been sent."""
    connection = service.connect()
    connection.sendall(request_of('POST', f'/v1/{model}', body=nap_body(tag, seconds)))
    return connection


def test_client_that_goes_frees_its_place_and_its_call_is_not_made(narrow: Service) -> None:
    running = ask(narrow, 'Nap', 'running', 1.2)
    until(lambda: 'running' in narrow.state()['called'])
    gone = [ask(narrow, 'Nap', 'gone', 0) for _ in range(2)]
    time.sleep(0.2)
    for connection in gone:
        connection.close()
    time.sleep(0.1)
    stays = [ask(narrow, 'Nap', 'stays', 0) for _ in range(2)]
    for connection in [running, *stays]:
        with connection:
            assert read_answer(connection).status == 200
    assert 'gone' not in narrow.state()['called']
    assert_no_trace(narrow)


def test_client_that_resets_its_connection_while_its_call_runs_harms_nobody(narrow: Service) -> None:
    connection = ask(narrow, 'Nap', 'reset', 0.4)
    until(lambda: 'reset' in narrow.state()['called'])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
    connection.close()
    assert narrow.answers_quickly()
    assert narrow.nap('Nap', 'next', 0).status == 200
    assert_no_trace(narrow)


def test_clients_that_go_while_a_batch_gathers_or_runs_harm_nobody(engine: Service) -> None:
    with at_once() as submit:
        bodies = [b'{"rows": [[0.4, %d]]}' % number for number in range(6)]
        connections = [engine.connect() for _ in bodies]
        for connection, body in zip(connections, bodies, strict=True):
            connection.sendall(request_of('POST', '/v1/Rows', body=body))
        time.sleep(0.1)
        staying = submit(engine.double, [0.1, 8])
        for connection in connections[::2]:
            connection.close()
        for number, connection in list(enumerate(connections))[1::2]:
            with connection:
                assert read_answer(connection).json == {'rows': [[0.8, 2 * number]]}
        assert staying.result().json == {'rows': [[0.2, 16]]}
    assert_no_trace(engine)


def test_many_clients_that_go_at_once_leave_nothing_behind(narrow: Service) -> None:
    for _ in range(5):
        for connection in [ask(narrow, 'Other', 'hasty', 0.05) for _ in range(20)]:
            connection.close()
    until(lambda: narrow.nap('Other', 'stays', 0).status == 200)
    assert narrow.answers_quickly()
    assert_no_trace(narrow)


def assert_no_trace(service: Service) -> None:
    """That a client has gone is no fault of the service."""
    assert '/v1/Nap crashed' not in service.text()
    assert '/v1/Rows crashed' not in service.text()
    assert 'ClientGone' not in service.text()
