"""The documentation is run: its commands, its code, its tables."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import main
from model_serving import __version__
from model_serving.utils.settings_utils import ServiceSettings
from tests.service_process import ROOT, free_port

README = (ROOT / 'README.md').read_text()
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('data/*.md')])


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that has followed 'Add your model'."""
    copy = tmp_path_factory.mktemp('readme') / 'project'
    left_out = shutil.ignore_patterns('.git', '.venv*', 'tmp', '__pycache__', '.*_cache', '.hypothesis')
    shutil.copytree(ROOT, copy, ignore=left_out)
    add_model(copy)
    return copy


def add_model(copy: Path) -> None:
    texts = README + (ROOT / 'docs' / 'adding-a-model.md').read_text()
    files = re.findall(r'in `([\w/]+/\w+/\w+\.py)`:\n\n```python\n(.*?)^```', texts, re.DOTALL | re.M)
    assert len(files) == 4
    command = blocks('sh')[4]
    assert command == '.venv/bin/python main.py new SentimentModel\n'
    if (
        "Mount('SentimentModel'" not in (copy / 'main.py').read_text()
    ):  # Who tries it in the project itself has it.
        subprocess.run([sys.executable, *command.split()[1:]], cwd=copy, check=True, timeout=60)
    for name, code in files:
        (copy / name).write_text(code)


def sh(checkout: Path, command: str, port: int) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        ['sh', '-c', command.replace('9999', str(port))],
        cwd=checkout,
        env={**os.environ, 'PORT': str(port), 'HOST': '127.0.0.1', 'WORKERS': '1', 'PYTHON': sys.executable},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_readme_commands_do_what_it_says(checkout: Path) -> None:
    port = free_port()
    start, test, hello, iris = blocks('sh')[:4]
    assert test == 'bin/test.sh\n'
    try:
        started = sh(checkout, start, port)
        assert started.returncode == 0, started.stderr
        assert f'http://127.0.0.1:{port}/' in started.stdout
        assert sh(checkout, hello, port).stdout == blocks('json')[0]
        assert json.loads(sh(checkout, iris, port).stdout)['predictions'][0]['label'] == 'setosa'
        assert sh(checkout, 'bin/request-demo.sh', port).stdout.count('status 400') == 2
        index = json.loads(sh(checkout, f'curl -s http://127.0.0.1:{port}/', port).stdout)
        assert 'SentimentModel' in [model['name'] for model in index['models']]
        warmed = json.loads(sh(checkout, f'curl -s http://127.0.0.1:{port}/_ah/warmup', port).stdout)
        assert 'SentimentModel' in warmed['warmed_up']
    finally:
        assert sh(checkout, 'bin/stop.sh', port).stdout.startswith('Stopped')


def test_model_of_the_readme_predicts_and_is_guarded(checkout: Path) -> None:
    script = (
        'import main\n'
        "client = main.create_app(['SentimentModel']).test_client()\n"
        "good = client.post('/v1/SentimentModel', json={'instances': ['I love this', 'I hate that']})\n"
        "assert good.json == {'predictions': [1.0, -1.0]}, good.json\n"
        "bad = client.post('/v1/SentimentModel', json={'instances': []})\n"
        "assert bad.json['message'] == '[] should be non-empty', bad.json\n"
    )
    environment = {**os.environ, 'MODEL_SERVING_MODELS': 'SentimentModel'}
    subprocess.run([sys.executable, '-c', script], cwd=checkout, env=environment, check=True, timeout=60)


def test_tests_of_the_model_of_the_readme_pass(checkout: Path) -> None:
    tests = ['tests/models/test_sentiment_model.py', 'tests/resources/test_sentiment_model_resource.py']
    ran = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *tests],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout
    assert '3 passed' in ran.stdout


def test_code_of_the_readme_passes_the_checks(checkout: Path) -> None:
    for command in (['ruff', 'format', '--check'], ['ruff', 'check']):
        subprocess.run([sys.executable, '-m', *command, '.'], cwd=checkout, check=True)


def test_usage_is_that_of_main() -> None:
    usage = next(block for block in blocks('text') if block.startswith('Usage:'))

    assert usage in (main.__doc__ or '')


def test_settings_table_is_complete() -> None:
    rows = re.findall(r'^\| `(MODEL_SERVING_\w+)` \| `(\w+)` \| (.+?) \|', README, re.MULTILINE)
    fields = dataclasses.fields(ServiceSettings)

    assert [name for _, name, _ in rows] == [field.name for field in fields]
    assert [variable for variable, _, _ in rows] == [
        f'MODEL_SERVING_{field.name}'.upper() for field in fields
    ]
    assert rows[2][2] == f'`{ServiceSettings.max_body_bytes}`'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r'\]\(([^)#:]+)\)', text):
        assert (page.parent / link).exists(), link
    if page.parent.name == 'guides':
        return  # Their files are written by following them.
    for name in re.findall(r'`((?:bin|conf|client|data|docs|model_serving|tests)/[\w./-]*)`', text):
        assert (ROOT / name).exists() or 'sentiment' in name, name


def test_changelog_begins_with_this_version() -> None:
    versions = re.findall(r'^## \[([\d.]+)\]', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)

    assert versions[0] == __version__
