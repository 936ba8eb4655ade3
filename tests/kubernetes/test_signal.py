"""What the autoscalers follow rises with the load and falls again: a real service, a real Prometheus."""

from pathlib import Path

import pytest

from tests.engine.clients import at_once, served, until
from tests.kubernetes.queries import adapter_query
from tests.operating.prometheus_server import prometheus

pytestmark = pytest.mark.system

CALLS, SECONDS = 6, 4


def test_signal_rises_with_the_load_and_falls_again(tmp_path: Path) -> None:
    query = adapter_query('job="model-serving",model="Nap"', 'instance')
    assert '[1m]' in query
    query = query.replace('[1m]', '[2s]')  # Prometheus asks every 250 ms here, not every 15 s.
    counter = query.replace('model_serving_requests_in_flight', 'model_serving_requests_total')
    with (
        served(tmp_path / 'service.log', THREADS='3') as service,
        prometheus(tmp_path, service.url) as server,
        at_once(CALLS) as submit,
    ):
        assert server.value(query) == 0
        # Three run at a time; the others wait, and count.
        calls = [submit(service.nap, 'Nap', str(number), SECONDS) for number in range(CALLS)]
        until(lambda: server.value(query) == CALLS)
        assert [call.result().status for call in calls] == [200] * CALLS
        until(lambda: server.value(query) == 0)
        until(lambda: server.value(counter) == CALLS)  # It never falls.
