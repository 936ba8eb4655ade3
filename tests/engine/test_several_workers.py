"""Several workers share the clients."""

import collections
import concurrent.futures
import contextlib
from collections.abc import Iterator

import pytest

from tests.engine.clients import Service, request_of, served, until
from tests.raw_http import read_answer


@pytest.fixture(scope='module')
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two workers, both at work."""
    with served(tmp_path_factory.mktemp('pair') / 'log', WORKERS='2') as service:
        until(lambda: len({service.state()['pid'] for _ in range(20)}) == 2)
        yield service


@pytest.mark.alone
def test_bursts_of_connections_are_shared(pair: Service) -> None:
    smaller = sorted(smaller_share_of_a_burst(pair) for _ in range(7))
    assert smaller[3] >= 10  # The median: in some bursts a worker does not get the processor in time.


def smaller_share_of_a_burst(pair: Service) -> int:
    """How many of 32 new connections the worker with fewer of them has."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(pair.connect()) for _ in range(32)]
        for connection in connections:
            connection.sendall(request_of('GET', '/state'))
        shares = collections.Counter(read_answer(connection).json['pid'] for connection in connections)
    return min(shares.values()) if len(shares) == 2 else 0


def test_600_connections_at_once_are_answered(pair: Service) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(pair.connect()) for _ in range(600)]
        for connection in connections:
            connection.sendall(request_of('POST', '/v1/XXXModel', body=b'{"name": "Leo"}'))
        answers = [read_answer(connection) for connection in connections]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"result":"Hello, Leo!"}\n')}


def test_600_short_connections_are_answered(pair: Service) -> None:
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: pair.get('/', 'Connection: close').status, range(600)))
    assert answers == [200] * 600
