"""Clients that take their time disturb nobody, and are not waited for without end."""

from collections.abc import Iterator

import pytest

from tests.engine.slow_clients import CHUNK, STREAM_SECONDS, SlowClients, at_work


@pytest.fixture(scope='module')
def slow_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowClients]:
    """Slow clients of every kind, at work since the first test."""
    with at_work(tmp_path_factory.mktemp('slow') / 'log') as clients:
        yield clients


def test_slow_clients_disturb_nobody(slow_clients: SlowClients) -> None:
    for _, longest in slow_clients.seen('other'):
        assert longest < 2


@pytest.mark.parametrize('kind', ['head', 'body', 'extension of a chunk', 'silent head', 'silent body'])
def test_request_that_takes_too_long_to_arrive_is_given_up(slow_clients: SlowClients, kind: str) -> None:
    for received, seconds in slow_clients.seen(kind):
        assert 14 < seconds < 22
        assert not received or received.startswith((b'HTTP/1.1 408 ', b'HTTP/1.1 400 '))


def test_client_that_drips_on_after_an_error_is_not_waited_for(slow_clients: SlowClients) -> None:
    for received, seconds in slow_clients.seen('after an error'):
        assert received.startswith(b'HTTP/1.1 400 ')
        assert seconds < 22


def test_client_that_reads_nothing_is_given_up(slow_clients: SlowClients) -> None:
    for _, seconds in slow_clients.seen('no reader'):
        assert seconds == 0


def test_client_that_reads_slowly_but_steadily_gets_all(slow_clients: SlowClients) -> None:
    for received, seconds in slow_clients.seen('reader'):
        assert seconds > STREAM_SECONDS - 1
        assert len(received) > 2 * CHUNK
        assert received.endswith(b'\r\n0\r\n\r\n')


def test_nothing_of_it_is_an_error_of_the_service(slow_clients: SlowClients) -> None:
    for kind in slow_clients.of:
        slow_clients.seen(kind)
    assert 'Traceback' not in slow_clients.service.text()
    assert slow_clients.service.answers_quickly()
