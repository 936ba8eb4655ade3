"""Images, made here without a download of any: the base by debootstrap, the service's by buildah."""

import contextlib
import fcntl
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.containers.tools import FOLDER, attempt, run

RELEASE = 'bookworm'
BASE = f'localhost/base:{RELEASE}'
PACKAGES = 'python3,python3-venv,ca-certificates'
LEFT_OUT = (
    './var/cache/apt/archives/*.deb',
    './var/lib/apt/lists/*',
    './usr/share/doc/*',
    './usr/share/locale/*',
)

WAYS_TO_THE_INDEX = 'index-url', 'trusted-host', 'proxy', 'cert'
"""The options of pip that say how its index is reached."""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other processes with tests from building the same at the same time."""
    with (FOLDER / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_base() -> None:
    """Make the base image, unless it is there: Debian's smallest system, and its Python."""
    if attempt('buildah', 'inspect', '--type', 'image', BASE).returncode == 0:
        return
    archive = FOLDER / f'base-{RELEASE}.tar'
    if not archive.exists():
        root = FOLDER / 'base'
        shutil.rmtree(root, ignore_errors=True)
        options = ['--variant=minbase', f'--include={PACKAGES}']
        run('debootstrap', *options, RELEASE, str(root), timeout_s=300)
        left_out = [f'--exclude={name}' for name in LEFT_OUT]
        run('tar', '-C', str(root), *left_out, '-cf', f'{archive}.part', '.')
        archive.with_name(f'{archive.name}.part').rename(archive)
        shutil.rmtree(root)
    run('podman', 'import', str(archive), BASE)


def build(project: Path, name: str, **arguments: str) -> None:
    """Build the image `name` of this copy of the project, with these build arguments."""
    given = [f'--build-arg={key}={value}' for key, value in {'BASE': BASE, **arguments}.items()]
    # Only Docker's own format of images has a HEALTHCHECK.
    options = ['--isolation=chroot', '--format=docker', '--layers', '--pull-never', *pip_access()]
    run('buildah', 'build', *options, *given, '--tag', name, str(project), timeout_s=300)


def pip_access() -> list[str]:
    """Options that let pip reach its index in a build as it does on this machine."""
    listed = subprocess.check_output([sys.executable, '-m', 'pip', 'config', 'list'], text=True)
    found = dict(re.findall(r"^[^=]*\.([a-z-]+)='(.*)'$", listed, re.MULTILINE))
    ways = {name: value for name, value in found.items() if name in WAYS_TO_THE_INDEX}
    configuration = FOLDER / 'pip.conf'
    configuration.write_text(
        '\n'.join(['[global]', *(f'{name} = {value}' for name, value in ways.items()), ''])
    )
    mounts = [f'{configuration}:/etc/pip.conf:ro']
    if certificates := ways.get('cert'):
        mounts.append(f'{certificates}:{certificates}:ro')
    return [f'--volume={mount}' for mount in mounts]


def layers(name: str) -> list[str]:
    """The layers of an image, those of its base first."""
    found: list[str] = json.loads(run('podman', 'inspect', '--type=image', name))[0]['RootFS']['Layers']
    return found


def size_mb(name: str) -> float:
    """The size of an image, unpacked, with its base."""
    return float(json.loads(run('podman', 'inspect', '--type=image', name))[0]['Size'] / 1e6)
