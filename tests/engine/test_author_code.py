"""What authors may do around a batched call, as in any server of threads: locks, thread-locals, loops."""

from collections.abc import Iterator

import pytest

from tests.engine.odd_clients import Client, Odd, many, odd
from tests.engine.odd_models import AROUND

CLIENTS = 16
CALLS = 400


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    with odd(tmp_path_factory.mktemp('author') / 'log') as service:
        yield service


@pytest.mark.parametrize('what', sorted(AROUND))
def test_400_of_400_calls_are_right(service: Odd, what: str) -> None:
    def call(client: Client, number: int) -> bool:
        return client.call('Around', what, number) == (200, {'result': 2 * number})

    assert many(service, CLIENTS, CALLS, call) == []
    assert service.is_well()


def test_all_at_once_are_right(service: Odd) -> None:
    kinds = sorted(AROUND)

    def call(client: Client, number: int) -> bool:
        return client.call('Around', kinds[number % len(kinds)], number) == (200, {'result': 2 * number})

    assert many(service, CLIENTS, CALLS, call) == []
    assert 'Traceback' not in service.text()
