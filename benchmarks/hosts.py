"""Hosts on one machine: network namespaces, each with the real service. Takes root on Linux."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.processes import descendants
from tests.project_copy import END_OF_MODELS, copy_files, project_files
from tests.service_process import ROOT

FOLDER = ROOT / 'tmp' / 'hosts'
MODELS = {
    'DrillModel': 'benchmarks.served.drill_model_resource:DrillModelResource',
    'OnceModel': 'benchmarks.served.once_model_resource:OnceModelResource',
}
PORT = 9999
START_SECONDS = 60
STOP_SECONDS = 60
CPU_GROUPS = Path('/sys/fs/cgroup/cpu')
PERIOD_US = 100_000


def run(*command: str) -> None:
    """Run a program of the system. Raises RuntimeError with what it says where it fails."""
    done = subprocess.run(
        [shutil.which(command[0]) or command[0], *command[1:]], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)}: {done.stderr or done.stdout}')


class Host:
    """A network namespace with an address, and the service in it."""

    def __init__(self, name: str, address: str, project: Path, environment: dict[str, str]) -> None:
        self.name, self.address = name, address
        self.log_file = project.parent / f'{name}.log'
        self.link = f'{name}-0'
        self._project = project
        self._environment = environment
        self._group: Path | None = None

    @property
    def server(self) -> str:
        """Where the service listens."""
        return f'{self.address}:{PORT}'

    def connect(self, bridge: str) -> None:
        """Plug it into the bridge."""
        run('ip', 'netns', 'add', self.name)
        run('ip', 'link', 'add', self.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.name)
        run('ip', 'link', 'set', self.link, 'master', bridge, 'up')
        run('ip', '-n', self.name, 'address', 'add', f'{self.address}/24', 'dev', 'eth0')
        run('ip', '-n', self.name, 'link', 'set', 'eth0', 'up')
        run('ip', '-n', self.name, 'link', 'set', 'lo', 'up')

    def limit_cpu(self, cores: float) -> None:
        """Give what is started from now on so much of the CPU: a control group of version 1."""
        self._group = CPU_GROUPS / self.name
        self._group.mkdir()
        (self._group / 'cpu.cfs_period_us').write_text(str(PERIOD_US))
        (self._group / 'cpu.cfs_quota_us').write_text(str(int(cores * PERIOD_US)))

    def start(self) -> None:
        """Start the service, and return at once."""
        join = f'echo $$ >{self._group}/cgroup.procs; ' if self._group else ''
        enter = f'exec nsenter --net=/run/netns/{self.name} "$@"'
        with self.log_file.open('a') as output:
            self._process = subprocess.Popen(
                ['/bin/sh', '-c', f'{join}{enter}', 'sh', sys.executable, '-m', 'gunicorn', '--config',
                 str(self._project / 'conf' / 'gunicorn.conf.py')],
                cwd=self._project,
                env={**os.environ, **self._environment, 'HOST': self.address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )  # fmt: skip

    def is_ready(self) -> bool:
        """Whether it says that it is."""
        url = f'http://{self.server}/health/ready'
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
        return False

    def wait(self) -> None:
        """Return when it is ready. Raises RuntimeError with its log where it does not become so."""
        end = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if time.monotonic() > end or self.has_ended():
                raise RuntimeError(f'{self.name} does not start:\n{self.log_file.read_text()[-3000:]}')
            time.sleep(0.05)

    def has_ended(self) -> bool:
        """Whether nothing of it serves."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End all its processes by SIGKILL, the first one first, lest it start others."""
        for pid in (self._process.pid, *descendants(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it by SIGTERM, and return when it has."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS)

    def cut_off(self) -> None:
        """Take its link down: packets to it vanish."""
        run('ip', 'link', 'set', self.link, 'down')

    def answered(self) -> int:
        """How many requests to models its log has."""
        return len(re.findall(r'\[access\] - POST /v1/', self.log_file.read_text(errors='replace')))

    def deaths(self) -> int:
        """How many of its workers were killed."""
        return len(re.findall(r'was sent SIGKILL', self.log_file.read_text(errors='replace')))

    def remove(self) -> None:
        """Leave nothing of it."""
        if hasattr(self, '_process') and not self.has_ended():
            self.kill()
        with contextlib.suppress(RuntimeError):
            run('ip', 'link', 'delete', self.link)
        with contextlib.suppress(RuntimeError):
            run('ip', 'netns', 'delete', self.name)
        if self._group:
            end = time.monotonic() + STOP_SECONDS
            while (self._group / 'cgroup.procs').read_text() and time.monotonic() < end:
                time.sleep(0.05)
            self._group.rmdir()


def copy_project(folder: Path) -> Path:
    """The project with the models of the drills."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_files(
        project_files('main.py', 'conf', 'model_serving', 'client', 'data', 'benchmarks/served'), folder
    )
    main = folder / 'main.py'
    mounts = ''.join(f'    Mount({name!r}, {resource!r}),\n' for name, resource in MODELS.items())
    main.write_text(main.read_text().replace(END_OF_MODELS, f'{mounts}{END_OF_MODELS}'))
    return folder


@contextlib.contextmanager
def hosts(
    count: int = 3,
    folder: Path = FOLDER,
    cores: float = 0,
    settings: Mapping[str, str] | None = None,
    slow: Mapping[str, str] | None = None,
) -> Iterator[list[Host]]:
    """So many hosts with running services, which this machine reaches.

    Each has `cores` of the CPU, if that is given. `settings` are for all, `slow` for the second one alone.
    """
    project = copy_project(folder / 'service')
    number = os.getpid()
    bridge, network = f'ms{number}', f'198.18.{number % 256}'  # Of a range that is kept for benchmarks.
    environment = {
        'PORT': str(PORT),
        'WORKERS': '1',
        'MODEL_SERVING_ROOT': str(project),
        'MODEL_SERVING_MODELS': f'XXXModel,{",".join(MODELS)}',
        'FORWARDED_ALLOW_IPS': f'{network}.1',
        **(settings or {}),
    }
    made: list[Host] = []
    run('ip', 'link', 'add', bridge, 'type', 'bridge')
    try:
        run('ip', 'address', 'add', f'{network}.1/24', 'dev', bridge)
        run('ip', 'link', 'set', bridge, 'up')
        for index in range(1, count + 1):
            own = {**environment, **(slow or {})} if index == 2 else environment
            host = Host(f'{bridge}h{index}', f'{network}.{10 + index}', project, own)
            host.log_file.unlink(missing_ok=True)
            made.append(host)
            host.connect(bridge)
            if cores:
                host.limit_cpu(cores)
            host.start()
        for host in made:
            host.wait()
        yield made
    finally:
        for host in made:
            host.remove()
        run('ip', 'link', 'delete', bridge)
