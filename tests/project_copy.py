"""A copy of the project to change: its files, other models in it, links to the environments of the tests."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.service_process import ROOT

END_OF_MODELS = ']\n"""What is served'


def project_files(*folders: str) -> list[str]:
    """Every file, or each in these folders, that is in git or would be after `git add --all`."""
    listed = git('ls-files', '--cached', '--others', '--exclude-standard', '--', *folders).splitlines()
    return sorted(name for name in set(listed) if (ROOT / name).is_file())


def git(*arguments: str, stdin: str = '') -> str:
    """What git says of the project."""
    command = ['git', '-c', 'core.quotePath=off', *arguments]
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60)
    # check-ignore exits with 1 when nothing is ignored.
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def copy_files(names: Iterable[str], target: Path) -> Path:
    """Copy these files of the project to below `target`."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def copy_with_models(place: Path, resources: Mapping[str, str]) -> Path:
    """Copy the project to `place`, with a model for each of these: its name, and the code of its resource.

    That code has to make the class `<name>Resource`.
    """
    copy_files(project_files('conf', 'model_serving', 'client', 'data'), place)
    lines = ''
    for name, code in resources.items():
        module = re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower() + '_resource'
        (place / 'model_serving' / 'resources' / f'{module}.py').write_text(code)
        lines += f"    Mount('{name}', 'model_serving.resources.{module}:{name}Resource'),\n"
    main = (ROOT / 'main.py').read_text()
    assert main.count(END_OF_MODELS) == 1
    (place / 'main.py').write_text(main.replace(END_OF_MODELS, f'{lines}{END_OF_MODELS}'))
    return place


def copy_of_project(folder: Path) -> Path:
    """The project's files below `folder`, in a path with a space."""
    return copy_files(project_files(), folder / 'model serving')


def link_environments(copy: Path) -> None:
    """Give the copy what bin/start.sh and bin/test.sh would have made, without a minute of pip."""
    for name, listed in (('.venv', 'requirements.txt'), ('.venv-test', 'requirements-dev.txt')):
        (copy / name).mkdir()
        for part in ('bin', 'lib', 'pyvenv.cfg'):
            (copy / name / part).symlink_to(Path(sys.prefix) / part)
        wanted = (copy / 'requirements.txt').read_text() + (copy / listed).read_text()
        (copy / name / 'installed-requirements.txt').write_text(wanted)


def run_in(
    copy: Path, *arguments: str, timeout_s: float = 120, **options: Any
) -> 'subprocess.CompletedProcess[str]':
    """Run Python there with these arguments; what it wrote is in the result."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=copy, capture_output=True, text=True, timeout=timeout_s, **options
    )


def assert_checks_pass(copy: Path) -> None:
    """Format, lint, types and the contract of imports hold there."""
    for command in (
        ['ruff', 'format', '--check', '.'],
        ['ruff', 'check', '.'],
        ['mypy', 'main.py', 'model_serving'],
    ):
        ran = run_in(copy, '-m', *command, timeout_s=300)
        assert ran.returncode == 0, ran.stdout
    ran = run_in(copy, '-c', 'from importlinter.cli import lint_imports_command as lint; lint()')
    assert ran.returncode == 0, ran.stdout
