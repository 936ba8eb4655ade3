"""What the rooms of the package have for each other: the docstring of each room lists it."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service_process import ROOT

PACKAGE = ROOT / 'model_serving'
AUTHORS = {'models', 'resources', 'utils'}
"""No part of the machinery: the author's kit has a table in docs/adding-a-model.md."""

ROOMS = sorted(path.parent.name for path in PACKAGE.glob('*/__init__.py') if path.parent.name not in AUTHORS)
NAMED_IN_TEXT = re.compile(r'\bmodel_serving\.(\w+)\.(\w+\.\w+)')


def room_of(file: Path) -> str:
    """The room that a file is in; empty for one beside the rooms."""
    inside = file.relative_to(PACKAGE).parts if file.is_relative_to(PACKAGE) else ()
    return inside[0] if len(inside) > 1 else ''


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Each name that a file imports from a room, and the room."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('model_serving.'):
            _, room, *module = (node.module or '').split('.')
            for alias in node.names:
                yield room, '.'.join([*module, alias.name])


def used() -> dict[str, set[str]]:
    """What other rooms, the files beside them, and the configuration use of each room."""
    names: dict[str, set[str]] = {room: set() for room in ROOMS}
    files = [*PACKAGE.rglob('*.py'), ROOT / 'main.py', *ROOT.glob('conf/*.py')]
    for file in files:
        for room, name in imported(file):
            if room in names and room != room_of(file):
                names[room].add(name)
    for line in (PACKAGE / 'gunicorn_conf.py').read_text().splitlines():
        for room, name in NAMED_IN_TEXT.findall(line if 'import' not in line else ''):
            names[room].add(name)
    return names


USED = used()


@pytest.mark.parametrize('room', ROOMS)
def test_docstring_of_a_room_lists_what_others_use(room: str) -> None:
    text = importlib.import_module(f'model_serving.{room}').__doc__ or ''
    assert set(re.findall(r'^- `([\w.]+)`: \S', text, re.MULTILINE)) == USED[room]


@pytest.mark.parametrize('room', ROOMS)
def test_room_has_a_few_doors(room: str) -> None:
    assert len(USED[room]) <= 20


@pytest.mark.parametrize('room', ['', *ROOMS, *sorted(AUTHORS)])
def test_files_are_short(room: str) -> None:
    for file in (PACKAGE / room).glob('*.py'):
        assert len(file.read_text().splitlines()) <= 250, file
