"""The wheel, and environments that have it, made as its users make them."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.project_copy import copy_of_project
from tests.service_process import ROOT

LOWEST = ROOT / 'tests' / 'packaging' / 'lowest.txt'


def run(*command: object, cwd: Path | None = None, timeout: float = 300, **environment: str) -> str:
    """What a command writes; fails with it where the command fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment or None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """The wheel, built from a copy of the project."""
    checkout = copy_of_project(folder)
    run(sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--wheel-dir', folder, checkout)
    shutil.rmtree(checkout)
    (wheel,) = folder.glob('*.whl')
    return wheel


def make_environment(folder: Path, packages: Sequence[object], versions: Mapping[str, str]) -> Path:
    """A virtual environment in `folder` with these packages, in these versions; its programs."""
    run(sys.executable, '-m', 'venv', folder)
    programs, constraints = folder / 'bin', folder / 'constraints.txt'
    constraints.write_text(''.join(f'{name}=={version}\n' for name, version in versions.items()))
    run(programs / 'python', '-m', 'pip', 'install', '--quiet', '--constraint', constraints, *packages)
    return programs
