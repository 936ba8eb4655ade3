"""What is uploaded to App Engine, found with git alone, and what app.yaml says."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.service_process import ROOT


def app_yaml() -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((ROOT / 'app.yaml').read_text())
    return settings


def project_files() -> list[str]:
    """Every file that is in git, or would be after `git add --all`."""
    listed = _git('ls-files', '--cached', '--others', '--exclude-standard').splitlines()
    return sorted(name for name in set(listed) if (ROOT / name).is_file())


def upload_set() -> list[str]:
    """The project's files without those that .gcloudignore names: git reads the same patterns."""
    files = project_files()
    ignore_file = f'core.excludesFile={ROOT / ".gcloudignore"}'
    ignored = _git('-c', ignore_file, 'check-ignore', '--no-index', '--stdin', stdin='\n'.join(files))
    return sorted(set(files) - set(ignored.splitlines()))


def copy(files: Iterable[str], target: Path) -> Path:
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def _git(*arguments: str, stdin: str = '') -> str:
    command = ['git', '-c', 'core.quotePath=off', *arguments]
    done = subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    # check-ignore exits with 1 when nothing is ignored.
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
