"""A copy of the project to change: its files, and environments that are links to the one of the tests."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.service_process import ROOT

LEFT_OUT = ('.git', '.venv*', 'tmp', '__pycache__', '.*_cache', '.hypothesis', 'benchmarks')


def copy_of_project(folder: Path) -> Path:
    """The project's files below `folder`, in a path with a space."""
    copy = folder / 'model serving'
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return copy


def link_environments(copy: Path) -> None:
    """Give the copy what bin/start.sh and bin/test.sh would have made, without a minute of pip."""
    for name, listed in (('.venv', 'requirements.txt'), ('.venv-test', 'requirements-dev.txt')):
        (copy / name).mkdir()
        for part in ('bin', 'lib', 'pyvenv.cfg'):
            (copy / name / part).symlink_to(Path(sys.prefix) / part)
        wanted = (copy / 'requirements.txt').read_text() + (copy / listed).read_text()
        (copy / name / 'installed-requirements.txt').write_text(wanted)


def run_in(
    copy: Path, *arguments: str, timeout_s: float = 120, **options: object
) -> 'subprocess.CompletedProcess[str]':
    """Run Python there with these arguments; what it wrote is in the result."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, capture_output=True, text=True, timeout=timeout_s, **options
    )  # type: ignore[call-overload, no-any-return]
