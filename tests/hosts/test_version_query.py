"""The query of docs/several-hosts.md that compares versions, put to the real Prometheus."""

import re
import time
from pathlib import Path

import pytest

from tests.operating.prometheus_server import prometheus
from tests.raw_http import post
from tests.service_process import ROOT, running_service

SECONDS = 15


def documented_query() -> str:
    page = (ROOT / 'docs' / 'several-hosts.md').read_text()
    [query] = re.findall(r'```promql\n(.*?)```', page, re.DOTALL)
    return query


@pytest.mark.system
def test_errors_of_a_version_are_found(tmp_path: Path) -> None:
    folder = tmp_path / 'prometheus'
    folder.mkdir()
    with (
        running_service(tmp_path / 'log', MODEL_SERVING_VERSION='3f9a1c2') as url,
        prometheus(folder, url) as server,
    ):
        end = time.monotonic() + SECONDS
        found = {}
        while not found and time.monotonic() < end:
            assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
            assert post(url, '/v1/XXXModel', b'{}').status == 400
            time.sleep(0.25)
            series = server.query(documented_query().replace('5m', '5s'))
            found = {
                (each['metric']['version'], each['metric']['reason']): float(each['value'][1])
                for each in series
                if each['metric']['reason'] == 'invalid' and 0 < float(each['value'][1]) < 1
            }
    assert found == {('3f9a1c2', 'invalid'): pytest.approx(0.5, abs=0.3)}
