"""What is uploaded to App Engine, found with git alone, and what app.yaml says."""

from typing import Any

import yaml

from tests.project_copy import git, project_files
from tests.service_process import ROOT


def app_yaml() -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((ROOT / 'app.yaml').read_text())
    return settings


def upload_set() -> list[str]:
    """The project's files without those that .gcloudignore names: git reads the same patterns."""
    files = project_files()
    ignore_file = f'core.excludesFile={ROOT / ".gcloudignore"}'
    ignored = git('-c', ignore_file, 'check-ignore', '--no-index', '--stdin', stdin='\n'.join(files))
    return sorted(set(files) - set(ignored.splitlines()))
