"""What becomes of requests while a replica or a node is killed: a client that tries again loses none."""

import os
import signal
import time
from collections.abc import Callable

from tests.engine.clients import until
from tests.ray.clients import TRIES, Clients, asking
from tests.ray.cluster import Cluster

BEFORE_SECONDS = 3
AFTER_SECONDS = 8
FULL_SECONDS = 60


def lost_by_kill(cluster: Cluster, kill: Callable[[Clients], None], what: str) -> int:
    """Kill under load, and return what clients lose that do not try again. Shows the table with -s."""
    with asking(cluster.url) as clients:
        time.sleep(BEFORE_SECONDS)
        until(lambda: len(clients.pids) == 2, FULL_SECONDS)
        kill(clients)
        time.sleep(AFTER_SECONDS)
    print(f'\n{what} killed\n{clients.table()}')
    once, retried = clients.counts[1], clients.counts[TRIES]
    assert retried['answered'] == retried['sent'] > 50
    return once['sent'] - once['answered']


def wait_for_two_replicas(cluster: Cluster) -> None:
    """Ray has made a replica instead of the lost one."""

    end = time.monotonic() + FULL_SECONDS
    while time.monotonic() < end:
        with asking(cluster.url) as clients:
            time.sleep(1)
        if len(clients.pids) == 2:
            return
    raise AssertionError('there is only one replica left')


def test_replica_killed(ray_cluster: Cluster) -> None:
    def kill(clients: Clients) -> None:
        os.kill(min(clients.pids), signal.SIGKILL)

    assert lost_by_kill(ray_cluster, kill, 'a replica') <= 8
    wait_for_two_replicas(ray_cluster)


def test_node_killed(ray_cluster: Cluster) -> None:
    wait_for_two_replicas(ray_cluster)

    def kill(clients: Clients) -> None:
        node = next(node for node in ray_cluster.nodes if node.pids() & clients.pids)
        node.kill()

    lost_by_kill(ray_cluster, kill, 'a node')
    wait_for_two_replicas(ray_cluster)
