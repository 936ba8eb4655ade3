"""Thousands of idle connections cost their worker next to nothing."""

import contextlib
import os
import resource
import time
from pathlib import Path

from tests.engine.clients import request_of, served
from tests.linux import linux_only
from tests.raw_http import read_answer

CONNECTIONS = 3000
SECONDS = 3


def cpu_seconds(pid: int) -> float:
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


@linux_only
def test_idle_connections_take_no_cpu(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with served(tmp_path / 'log') as service, contextlib.ExitStack() as stack:
        pid = service.state()['pid']
        clients = [stack.enter_context(service.connect()) for _ in range(CONNECTIONS)]
        for client in clients[::100]:
            client.sendall(request_of('GET', '/health/live'))
            assert read_answer(client).status == 200
        before = cpu_seconds(pid)
        time.sleep(SECONDS)
        assert cpu_seconds(pid) - before < 0.05 * SECONDS
        assert service.answers_quickly()
