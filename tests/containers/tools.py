"""The programs that make, build and run containers here: no daemon, and a store of images of their own."""

import contextlib
import fcntl
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator

from tests.service_process import ROOT

FOLDER = ROOT / 'tmp' / 'containers'
"""What takes long to make is kept here from one run of the tests to the next."""

PROGRAMS = 'debootstrap', 'buildah', 'podman', 'runc'
PATH = f'{os.environ["PATH"]}:/usr/sbin'

STORAGE = f"""
[storage]
driver = "overlay"
graphroot = "{FOLDER}/store"
runroot = "{FOLDER}/run"
"""

CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""Neither systemd nor crun is needed. Without limits of ours podman raises those it has, which is not allowed
everywhere."""

MOST_FILES = 4096
MOST_PROCESSES = 4096


def require() -> None:
    """Fail unless the tools are there and may do their work; else prepare what they read."""
    missing = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    assert not missing, f'containers cannot be tested: install {" ".join(missing)} (Debian packages)'
    assert os.geteuid() == 0, (
        'containers cannot be tested: debootstrap, buildah and runc have to run as root here'
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    limits = {
        'files': min(MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        'processes': MOST_PROCESSES,
    }
    (FOLDER / 'storage.conf').write_text(STORAGE)
    (FOLDER / 'containers.conf').write_text(CONTAINERS.format(**limits))


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Meanwhile there may be containers. The last process to be done leaves none, and nothing mounted."""
    with (FOLDER / 'users').open('w') as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            attempt('podman', 'rm', '--all', '--force', '--time=0')
            attempt('umount', '--recursive', f'{FOLDER}/store/overlay')


def attempt(*command: str, timeout_s: float = 60) -> 'subprocess.CompletedProcess[str]':
    """What became of this command; what it wrote is its `stdout`."""
    configuration = {
        'CONTAINERS_STORAGE_CONF': f'{FOLDER}/storage.conf',
        'CONTAINERS_CONF': f'{FOLDER}/containers.conf',
    }
    return subprocess.run(
        command,
        env={**os.environ, 'PATH': PATH, **configuration},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def run(*command: str, timeout_s: float = 60) -> str:
    """What this command writes; it has to succeed."""
    done = attempt(*command, timeout_s=timeout_s)
    assert done.returncode == 0, f'{" ".join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout.strip()
