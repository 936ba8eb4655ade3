"""The image that the tests run: built once of a copy of the project, as anybody would build it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import images, tools
from tests.project_copy import copy_of_project

IMAGE = 'localhost/model-serving:test'

LITTER = ['.env', 'client/.DS_Store', 'conf/model_serving.conf~', 'data/.cache/weights', 'notes.txt']
"""What lies about in folders of projects, and is nobody else's business."""


@pytest.fixture(scope='session')
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, to build from and to change, with what may lie about in one."""
    copy = copy_of_project(tmp_path_factory.mktemp('context'))
    for name in LITTER:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text('secret')
    return copy


@pytest.fixture(scope='session')
def image(context: Path) -> Iterator[str]:
    """The name of the service's image."""
    tools.require()
    with tools.in_use():
        with images.alone():
            images.make_base()
            images.build(context, IMAGE)
        yield IMAGE
