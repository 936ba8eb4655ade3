"""`main.py key <name>`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from model_serving.access.keys import read_keys
from tests.service_process import ROOT


def run(*arguments: str) -> 'subprocess.CompletedProcess[str]':
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize('program', [['main.py'], ['-m', 'model_serving']])
def test_line_is_that_of_the_key_which_is_shown_apart(tmp_path: Path, program: list[str]) -> None:
    made = run(*program, 'key', 'shop')
    assert made.returncode == 0, made.stderr
    path = tmp_path / 'keys.conf'
    path.write_text(made.stdout)
    [shown] = re.findall(r'^  (msk_\S{43})$', made.stderr, re.MULTILINE)
    key = read_keys(path).find(shown)
    assert key
    assert key.name == 'shop'
    assert 'MODEL_SERVING_KEYS=conf/keys.conf' in made.stderr
    assert 'msk_' not in made.stdout


@pytest.mark.parametrize('name', ['anonymous', 'two words', '', 'x' * 65, 'a#b'])
def test_what_is_no_name_is_refused(name: str) -> None:
    made = run('main.py', 'key', name)
    assert made.returncode == 1
    assert made.stdout == ''
    assert 'is no name for a key' in made.stderr
