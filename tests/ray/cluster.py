"""A cluster of three Ray nodes on this machine, with the models served on it."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kept_environment import kept_environment
from tests.service_process import ROOT, free_port, wait_until_it_answers

HEAD_CPUS = 1
NODE_CPUS = 6
START_SECONDS = 90
SMALL = ['--object-store-memory=80000000', '--min-worker-port=0', '--max-worker-port=0']
QUIET = ['--disable-usage-stats', '--block']


class Node:
    """One node: `ray start --block`, and all that it has started."""

    def __init__(self, cluster: 'Cluster', *options: str) -> None:
        ports = [f'--dashboard-agent-listen-port={free_port()}']
        command = [str(cluster.programs / 'ray'), 'start', *options, *ports, *SMALL, *QUIET]
        self.process = subprocess.Popen(
            command, cwd=cluster.root, env=cluster.environment, stdout=cluster.output, stderr=cluster.output
        )

    def pids(self) -> set[int]:
        return descendants(self.process.pid)

    def kill(self) -> None:
        """End all at once, as when a machine loses its power."""
        doomed = {self.process.pid, *self.pids()}
        for number in (signal.SIGSTOP, signal.SIGKILL):  # So that nothing can start anything meanwhile.
            for pid in doomed | self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait(10)


class Cluster:
    """A head, which serves HTTP and runs the gateway, and two nodes with room for models."""

    def __init__(self, root: Path, log: Path, nodes: int = 2, **environment: str) -> None:
        self.root = root
        self.log = log
        self.output = log.open('w')
        self.programs = kept_environment(ROOT / '.venv-ray', ROOT / 'deploy' / 'requirements-ray.txt')
        self.folder = tempfile.mkdtemp(prefix='ray-', dir='/tmp')  # Its sockets need a short path.
        self.address = f'127.0.0.1:{free_port()}'
        self.url = f'http://127.0.0.1:{free_port()}'
        self.environment = {
            **os.environ,
            'PATH': f'{self.programs}:{os.environ["PATH"]}',
            'PYTHONPATH': str(root),
            'RAY_ADDRESS': self.address,
            'RAY_AUTH_MODE': 'token',
            'RAY_AUTH_TOKEN': secrets.token_hex(32),
            **environment,
        }
        self.head: Node | None = None
        self.nodes: list[Node] = []
        self.wanted = nodes

    def start(self, *options: str) -> None:
        """Start the nodes, and serve the models with these options of deploy/ray_app.py."""
        port = self.address.rpartition(':')[2]
        client = f'--ray-client-server-port={free_port()}'
        self.head = Node(
            self,
            *('--head', '--include-dashboard=false', f'--temp-dir={self.folder}'),
            *(f'--port={port}', client, f'--num-cpus={HEAD_CPUS}'),
        )
        self.run_until_it_works('ray', 'status', '--address', self.address)
        for _ in range(self.wanted):  # Of two that start at once on one machine, one may find no place.
            self.nodes.append(self.join())
            self.wait_for_nodes()
        http = f'--http-port={self.url.rpartition(":")[2]}'
        self.run_until_it_works('serve', 'start', http, '--proxy-location=HeadOnly')
        self.serve('deploy.ray_app:app', *options)
        wait_until_it_answers(f'{self.url}/health/ready', self.head.process, self.log)

    def join(self) -> Node:
        return Node(self, f'--address={self.address}', f'--num-cpus={NODE_CPUS}')

    def wait_for_nodes(self) -> None:
        """Ray gives a node 30 s to start, which a busy machine may exceed; then another one starts."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            status = [str(self.programs / 'ray'), 'status', '--address', self.address]
            said = subprocess.run(status, env=self.environment, capture_output=True, text=True, timeout=60)
            if said.stdout.count(' node_') == 1 + len(self.nodes):
                return
            self.nodes = [node if node.process.poll() is None else self.join() for node in self.nodes]
            time.sleep(0.5)
        raise AssertionError(f'not all nodes have started:\n{self.log.read_text()}')

    def serve(self, *arguments: str) -> None:
        self.run_until_it_works('serve', 'run', '--non-blocking', *arguments)

    def run_until_it_works(self, program: str, *arguments: str) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=self.output,
                timeout=START_SECONDS,
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < end, f'{program} {arguments}:\n{self.log.read_text()}'
            time.sleep(0.5)

    def stop(self) -> None:
        for node in [*self.nodes, *filter(None, [self.head])]:
            node.kill()
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running_cluster(
    root: Path, log: Path, *options: str, nodes: int = 2, **environment: str
) -> Iterator[Cluster]:
    cluster = Cluster(root, log, nodes, **environment)
    try:
        cluster.start(*options)
        yield cluster
    finally:
        cluster.stop()


def descendants(pid: int) -> set[int]:
    """The pids of all that runs below this one."""
    children: dict[int, list[int]] = {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(')')[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = set[int](), [pid]
    while left:
        below = children.get(left.pop(), [])
        found.update(below)
        left.extend(below)
    return found
