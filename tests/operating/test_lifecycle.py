"""The life of a service, in every order: requests, crashes, killed workers, reloads, more and fewer workers.

Whatever has happened: each request is answered as it must be, unless its worker was killed under it, the
service is ready again, and what was counted stays counted.
"""

import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.engine.clients import Service, read_to_end, request_of, served, until
from tests.exposed_metrics import read_metrics
from tests.raw_http import post, read_answer

MOST_WORKERS = 3
READY_SECONDS = 60


def children(pid: int) -> set[int]:
    tasks = Path(f'/proc/{pid}/task').glob('*/children')
    return {int(child) for task in tasks for child in task.read_text().split()}


class Lifecycle(RuleBasedStateMachine):
    """A service under gunicorn, and what has been sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.running: Any = served(Path(self.folder.name, 'log'), WORKERS='2')
        self.service: Service = self.running.__enter__()
        self.master = self.service.master()
        self.workers = 2
        self.answered = 0
        self.kept: list[socket.socket] = []

    def teardown(self) -> None:
        for connection in self.kept:
            connection.close()
        self.running.__exit__(None, None, None)
        self.folder.cleanup()

    def settle(self, old: set[int]) -> None:
        """Wait until as many workers as there should be are ready, none of the `old` ones among them."""

        def settled() -> bool:
            pids = children(self.master)
            return (
                len(pids) == self.workers
                and not pids & old
                and self.service.get('/health/ready').status == 200
            )

        until(settled, READY_SECONDS)
        for connection in self.kept:  # They belong to workers that may have ended.
            connection.close()
        self.kept = []

    @rule(number=st.integers(-5, 5), count=st.integers(1, 12))
    def ask(self, number: int, count: int) -> None:
        for _ in range(count):
            assert self.service.double([0.0, number]).json == {'rows': [[0.0, 2 * number]]}
        self.answered += count

    @rule(body=st.sampled_from([b'', b'{', b'[]', b'{"rows": 1}', b'{"rows": [["a"]]}', b'\xff']))
    def ask_wrongly(self, body: bytes) -> None:
        answer = post(self.service.url, '/v1/Rows', body)
        assert answer.status == 400
        assert answer.json['message']

    @rule()
    def crash(self) -> None:
        assert post(self.service.url, '/v1/Crash', b'{}').status == 500

    @precondition(lambda self: len(self.kept) < 8)
    @rule()
    def connect(self) -> None:
        self.kept.append(self.service.connect())

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.kept))
        connection.sendall(request_of('POST', '/v1/Rows', body=b'{"rows": [[0, 4]]}'))
        assert read_answer(connection).json == {'rows': [[0, 8]]}
        self.answered += 1

    @rule(received=st.integers(0, 200))
    def go_in_the_middle(self, received: int) -> None:
        whole = request_of('POST', '/v1/Rows', body=b'{"rows": [[0, 4]]}')
        with self.service.connect() as connection:
            connection.sendall(whole[: min(received, len(whole) - 1)])

    @rule(count=st.integers(0, 50), taken=st.integers(0, 5))
    def stream(self, count: int, taken: int) -> None:
        with self.service.connect() as connection:
            connection.sendall(request_of('GET', f'/stream?count={count}', 'Connection: close'))
            if taken == 0:
                assert read_to_end(connection).count(b'data: ') == count
            else:
                connection.recv(taken)

    @rule()
    def reload(self) -> None:
        old = children(self.master)
        os.kill(self.master, signal.SIGHUP)
        self.settle(old)

    @rule(data=st.data())
    def kill_a_worker(self, data: st.DataObject) -> None:
        pid = data.draw(st.sampled_from(sorted(children(self.master))), label='which')
        os.kill(pid, signal.SIGKILL)
        self.settle({pid})

    @precondition(lambda self: self.workers < MOST_WORKERS)
    @rule()
    def add_a_worker(self) -> None:
        os.kill(self.master, signal.SIGTTIN)
        self.workers += 1
        self.settle(set())

    @precondition(lambda self: self.workers > 1)
    @rule()
    def take_a_worker(self) -> None:
        os.kill(self.master, signal.SIGTTOU)
        self.workers -= 1
        self.settle(set())

    @invariant()
    def nothing_is_uncounted(self) -> None:
        until(lambda: self.count() >= self.answered)
        assert self.count() == self.answered

    def count(self) -> float:
        return read_metrics(self.service.url).sum('requests_total', model='Rows', reason='ok')


@pytest.mark.elaborate
def test_service_survives_every_order_of_events() -> None:
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=int(os.environ.get('LIFECYCLE_EXAMPLES', '6')),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
