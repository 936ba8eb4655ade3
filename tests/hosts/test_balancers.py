"""Three hosts behind the real nginx and HAProxy, with the configurations of deploy/."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.balancers import BALANCERS, DEPLOY, balancing
from benchmarks.drill_service import HELLO, drill
from benchmarks.host_events import kill, restart
from benchmarks.hosts import Host, hosts
from benchmarks.traffic import Tally, Traffic, post
from model_serving.service_settings import ServiceSettings
from tests.programs import program
from tests.raw_http import send
from tests.service_process import LOG_SECONDS, free_port

pytestmark = [pytest.mark.system, pytest.mark.alone]

CLIENTS = 8
DRAIN_S = 3  # HAProxy takes two to see it.
SLEEP = drill('sleep', 0.01)


class Balanced(NamedTuple):
    """Three hosts, and the balancer in front of them, with its port."""

    name: str
    hosts: list[Host]
    port: int


@pytest.fixture(scope='module')
def three_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    folder = tmp_path_factory.mktemp('hosts')
    settings = {'MODEL_SERVING_DRAIN_S': str(DRAIN_S), 'THREADS': '4', 'MODEL_SERVING_MAX_WAITING': '4'}
    with hosts(folder=folder, settings=settings) as three:
        yield three


@pytest.fixture(params=BALANCERS)
def balanced(request: pytest.FixtureRequest, three_hosts: list[Host], tmp_path: Path) -> Iterator[Balanced]:
    for host in three_hosts:
        if host.has_ended():  # The test before has killed it.
            host.start()
        host.wait()
    port = free_port()
    with balancing(request.param, [host.server for host in three_hosts], tmp_path, port):
        yield Balanced(request.param, three_hosts, port)


def tally_while(port: int, requests: list[bytes], happen: Callable[[], Awaitable[object]]) -> Tally:
    """What becomes of requests while something happens. Tests with a browser keep a loop in this thread."""

    async def observe() -> Tally:
        async with Traffic(port).flowing(requests, CLIENTS) as tally:
            await asyncio.sleep(0.5)
            await happen()
            await asyncio.sleep(1.5)
        return tally

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, observe()).result()


@pytest.mark.parametrize(
    ('happen', 'requests'),
    [
        (kill, [HELLO, SLEEP]),
        (restart, [HELLO, SLEEP, post('/v1/OnceModel', {'what': 'sleep', 'seconds': 0})]),
    ],
    ids=['kill', 'drain'],
)
def test_no_request_is_lost(
    balanced: Balanced, happen: Callable[[Host], Awaitable[None]], requests: list[bytes]
) -> None:
    second = balanced.hosts[1]
    before = [host.answered() for host in balanced.hosts]
    tally = tally_while(balanced.port, requests, lambda: happen(second))
    assert tally.sent > 200
    assert (dict(tally.statuses()), dict(tally.lost), tally.no_connection) == ({200: tally.sent}, {}, 0)
    assert all(host.answered() > count for host, count in zip(balanced.hosts, before, strict=True))


def deaths_by(balanced: Balanced, model: str, padding: int) -> int:
    """How many workers end by a request that ends its worker, and has so many bytes more than it needs."""
    before = sum(host.deaths() for host in balanced.hosts)
    body = {'what': 'be killed', 'seconds': 0, 'padding': 'x' * padding}
    assert send(f'http://127.0.0.1:{balanced.port}', post(f'/v1/{model}', body)).status == 502
    time.sleep(1)
    for host in balanced.hosts:
        host.wait()
    return sum(host.deaths() for host in balanced.hosts) - before


@pytest.mark.parametrize(
    ('model', 'padding', 'deaths'),
    [
        ('DrillModel', 0, {'nginx': 2, 'HAProxy': 2}),
        ('DrillModel', 100_000, {'nginx': 2, 'HAProxy': 1}),  # It keeps no more than tune.bufsize.
        ('OnceModel', 0, {'nginx': 1, 'HAProxy': 1}),
    ],
)
def test_a_request_goes_to_one_more_host_only_where_that_is_safe(
    balanced: Balanced, model: str, padding: int, deaths: dict[str, int]
) -> None:
    assert deaths_by(balanced, model, padding) == deaths[balanced.name]


def test_hosts_that_are_full_say_when_to_come_again(balanced: Balanced) -> None:
    """And none counts as dead: not a single answer is the balancer's own."""

    async def ask_all() -> Tally:
        traffic = Traffic(balanced.port)
        await asyncio.gather(*(traffic.ask(drill('sleep', 1), keeps=False) for _ in range(60)))
        await asyncio.gather(*(traffic.ask(HELLO, keeps=False) for _ in range(9)))
        return traffic.tally

    with ThreadPoolExecutor(1) as thread:
        tally = thread.submit(asyncio.run, ask_all()).result()
    statuses = tally.statuses()
    assert statuses.keys() == {200, 503}
    assert statuses[200] >= 3 * 4 + 9
    assert all(answer.retry_after_s for answer in tally.answered if answer.status == 503)


def test_the_service_learns_of_the_client(balanced: Balanced) -> None:
    answer = send(f'http://127.0.0.1:{balanced.port}', HELLO)
    time.sleep(LOG_SECONDS)
    logged = ''.join(host.log_file.read_text() for host in balanced.hosts).splitlines()
    [line] = [line for line in logged if answer.headers['x-request-id'] in line]
    assert line.endswith('127.0.0.1')


@pytest.mark.parametrize(
    ('path', 'header'),
    [
        ('/metrics', ''),
        ('//metrics', ''),
        ('/%6Detrics', ''),
        ('/metrics?a', ''),
        ('/x/metrics', 'X-Forwarded-Prefix: /x\r\n'),
    ],
)
def test_metrics_are_for_nobody_outside(balanced: Balanced, path: str, header: str) -> None:
    head = f'GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n'
    answer = send(f'http://127.0.0.1:{balanced.port}', head.encode())
    assert answer.status == (404 if header else 403)


def test_a_body_over_the_limit_is_refused_by_its_head(balanced: Balanced) -> None:
    size = ServiceSettings().max_body_bytes + 1
    head = f'POST /v1/XXXModel HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n'
    answer = send(f'http://127.0.0.1:{balanced.port}', head.encode())
    limit = f'The body is larger than the limit of {size - 1} bytes; send it in smaller parts'
    assert (answer.status, answer.headers['content-type']) == (413, 'application/json')
    assert answer.json == {'message': limit}


@pytest.mark.parametrize(('name', 'status'), [('nginx', 502), ('HAProxy', 503)])
@pytest.mark.parametrize('model', ['XXXModel', 'OnceModel'])
def test_without_a_host_the_balancer_answers_as_the_service_would(
    tmp_path: Path, name: str, status: int, model: str
) -> None:
    port, nobody = free_port(), [f'127.0.0.1:{number}' for number in (7, 9, 13)]
    with balancing(name, nobody, tmp_path, port):
        answer = send(f'http://127.0.0.1:{port}', post(f'/v1/{model}', {}))
    assert (answer.status, answer.json) == (status, {'message': 'No host has answered'})


def test_shipped_configurations_are_valid(tmp_path: Path) -> None:
    (tmp_path / 'nginx.conf').write_text(
        f'events {{}}\nhttp {{ include {DEPLOY}/nginx/model-serving.conf; }}\n'
    )
    for command in (
        [program('nginx'), '-t', '-e', 'stderr', '-c', str(tmp_path / 'nginx.conf')],
        [program('haproxy'), '-c', '-f', str(DEPLOY / 'haproxy' / 'haproxy.cfg')],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert 'WARNING' not in done.stderr


@pytest.mark.parametrize('file', ['nginx/model-serving.conf', 'haproxy/haproxy.cfg'])
def test_limits_are_those_of_the_service(file: str) -> None:
    text, settings = (DEPLOY / file).read_text(), ServiceSettings()
    assert f' {settings.max_body_bytes}' in text
    assert f' {settings.timeout_s + 5:.0f}s;' in text or f' {settings.timeout_s + 5:.0f}s ' in text
