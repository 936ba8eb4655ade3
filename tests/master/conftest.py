from pathlib import Path

import pytest

from tests.master.updated import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / 'project')
