"""A page of docs/guides, followed as a reader does: files are written, commands run, answers compared."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.project_copy import copy_of_project, link_environments
from tests.service_process import ROOT, free_port

FOLDER = ROOT / 'docs' / 'guides'
BLOCK = re.compile(r'^(?P<before>.*?)^```(?P<language>\w+)\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """Code of a page; `file` is the path that the paragraph before it ends with, such as "in `main.py`:"."""

    language: str
    text: str
    file: str | None


def blocks_of(page: str) -> list[Block]:
    """The code of docs/guides/<page>, in order."""
    blocks = []
    for found in BLOCK.finditer((FOLDER / page).read_text('utf-8')):
        paragraph = found['before'].strip().rpartition('\n\n')[2]
        paths = re.findall(r'[Ii]n\s`([\w/]+\.py)`', paragraph) if found['language'] == 'python' else []
        blocks.append(Block(found['language'], found['text'], paths[-1] if paths else None))
    return blocks


def text_of(page: str, language: str) -> str:
    """The one block of that language."""
    [text] = [block.text for block in blocks_of(page) if block.language == language]
    return text


def write_files(page: str, copy: Path) -> list[str]:
    """Write the files of the page; those that `main.py new` does not make are new. Returns their paths."""
    files = {block.file: block.text for block in blocks_of(page) if block.file}
    for path, text in files.items():
        (copy / path).write_text(text, 'utf-8')
    return list(files)


class Followed(NamedTuple):
    """A copy of the project after a page has been followed, and the service that it started."""

    copy: Path
    url: str


@contextlib.contextmanager
def followed(page: str, folder: Path) -> Iterator[Followed]:
    """Follow the page from top to bottom; its service runs until the end."""
    copy, port = copy_of_project(folder), free_port()
    link_environments(copy)
    said = ''
    try:
        for block in blocks_of(page):
            if block.file:
                (copy / block.file).write_text(block.text, 'utf-8')
            elif block.language == 'sh':
                said = shell(block.text, copy, port)
            elif block.language == 'json':
                assert json.loads(said) == alike(json.loads(block.text)), said
            elif block.language == 'text':
                assert said == block.text
        yield Followed(copy, f'http://127.0.0.1:{port}')
    finally:
        shell('bin/stop.sh', copy, port)


def shell(commands: str, copy: Path, port: int) -> str:
    """Run what a page says, in the copy, at another port. Returns the standard output."""
    environment = {
        **os.environ,
        'PORT': str(port),
        'HOST': '127.0.0.1',
        'WORKERS': '1',
        'PYTHON': sys.executable,
    }
    done = subprocess.run(
        ['sh', '-eu', '-c', commands.replace('9999', str(port))],
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f'{commands}\n{done.stdout}\n{done.stderr}'
    return done.stdout


def alike(value: Any) -> Any:
    """`value` with its numbers rounded, as they differ a little between processors."""
    if isinstance(value, dict):
        return {name: alike(item) for name, item in value.items()}
    if isinstance(value, list):
        return [alike(item) for item in value]
    return pytest.approx(value, rel=0.02, abs=0.01) if isinstance(value, float) else value
