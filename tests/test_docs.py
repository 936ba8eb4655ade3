"""The documentation is run: its commands, its code, its tables."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import main
from model_serving import __version__
from model_serving.commands import init
from model_serving.service_settings import ServiceSettings
from tests.project_copy import copy_of_project
from tests.service_process import ROOT, free_port

README = (ROOT / 'README.md').read_text()
GUNICORN = (ROOT / 'model_serving' / 'gunicorn_conf.py').read_text()
SETTINGS = (ROOT / 'docs' / 'settings.md').read_text()
BENCHMARKS = (ROOT / 'docs' / 'benchmarks.md').read_text()
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('data/*.md')])


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', page, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that has followed 'Add your model'."""
    copy = copy_of_project(tmp_path_factory.mktemp('readme'))
    add_model(copy)
    return copy


def add_model(copy: Path) -> None:
    texts = README + (ROOT / 'docs' / 'adding-a-model.md').read_text()
    files = re.findall(r'in\s`([\w/]+/\w+/\w+\.py)`:\n\n```python\n(.*?)^```', texts, re.DOTALL | re.M)
    assert len(files) == 4
    command = blocks('sh')[3]
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


@pytest.mark.elaborate
def test_readme_commands_do_what_it_says(checkout: Path) -> None:
    port = free_port()
    start, test, hello = blocks('sh')[:3]
    assert test == 'bin/test.sh\n'
    try:
        started = sh(checkout, start, port)
        assert started.returncode == 0, started.stderr
        assert f'http://127.0.0.1:{port}/' in started.stdout
        assert sh(checkout, hello, port).stdout == blocks('json')[0]
        assert sh(checkout, 'bin/request-demo.sh', port).stdout.count('status 400') == 2
        index = json.loads(sh(checkout, f'curl -s http://127.0.0.1:{port}/', port).stdout)
        assert 'SentimentModel' in [model['name'] for model in index['models']]
        warmed = json.loads(sh(checkout, f'curl -s http://127.0.0.1:{port}/_ah/warmup', port).stdout)
        assert 'SentimentModel' in warmed['warmed_up']
    finally:
        assert sh(checkout, 'bin/stop.sh', port).stdout.startswith('Stopped')


def test_model_of_the_readme_predicts_and_is_guarded(checkout: Path) -> None:
    script = (
        'from model_serving import create_app\n'
        'import main\n'
        "client = create_app(main.MODELS, only=['SentimentModel']).test_client()\n"
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
    [usage] = blocks('text', SETTINGS)

    assert usage in (main.__doc__ or '')


def test_settings_table_is_complete() -> None:
    rows = re.findall(r'^\| `(MODEL_SERVING_\w+)` \| `(\w+)` \| (.+?) \|', SETTINGS, re.MULTILINE)
    fields = dataclasses.fields(ServiceSettings)

    assert [name for _, name, _ in rows] == [field.name for field in fields]
    assert [variable for variable, _, _ in rows] == [
        f'MODEL_SERVING_{field.name}'.upper() for field in fields
    ]
    assert ('max_body_bytes', f'`{ServiceSettings.max_body_bytes}`') in [row[1:] for row in rows]


def test_environment_of_the_start_is_complete() -> None:
    platforms = (ROOT / 'model_serving' / 'platforms.py').read_text()
    read = re.findall(r"(?:number|one_of|environ\.get)\('([A-Z]+)'", platforms + GUNICORN)

    assert re.findall(r'^\| `([A-Z]+)` \|', SETTINGS, re.MULTILINE) == read


def test_project_of_your_own_is_as_its_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, 'requirement', lambda root: 'flask-model-serving')
    init.write_project(tmp_path)
    page = (ROOT / 'docs' / 'your-own-project.md').read_text()
    [program] = blocks('python', page)
    assert program in (tmp_path / 'main.py').read_text()
    cells = re.findall(r'^\| (`.+?) \| ', page, re.MULTILINE)
    named = {name.rstrip('/') for cell in cells for name in re.findall('`(.+?)`', cell)}
    assert named - {'vendor'} == {path.name for path in tmp_path.iterdir()} - {'requirements-test.txt'}


def test_figures_of_the_readme_are_those_of_the_benchmark() -> None:
    command = re.search(r'^Written by `(.+?)`', BENCHMARKS, re.MULTILINE)
    assert command
    assert command[1] in README
    rows = re.findall(r'^\| (.+?) \| ([\d,]+) \| (.+?) \| (.+?) \| (.+?) \|$', README, re.MULTILINE)
    assert len(rows) == 8
    assert rows == [measured(load) for load, *_ in rows]


def measured(load: str) -> tuple[str, ...]:
    """The row of the README for a load, from the benchmark's page."""
    table = re.split(rf'^### [\w-]+: {re.escape(load)}$', BENCHMARKS, flags=re.MULTILINE)[1]
    cells = dict(
        re.findall(r'^\| (ours|ours, as it ships|fastapi-tuned|mosec) \| (.+?) \|', table, re.MULTILINE)[:4]
    )
    others = [multiple(cells[name]) for name in ('ours, as it ships', 'fastapi-tuned', 'mosec')]
    return load, cells['ours'], *others


def multiple(cell: str) -> str:
    """A multiple such as 1.24x, in parentheses where its range over the rounds includes 1."""
    found = re.fullmatch(r'[\d,]+, ([\d.]+x) \(([\d.]+)-([\d.]+)\)', cell)
    assert found
    shown, least, most = found.groups()
    return f'({shown})' if float(least) <= 1 <= float(most) else shown


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r'(?:\]\(|src=")([^)#:"]+)[)"#]', text):
        assert (page.parent / link).exists(), link
    for link, anchor in re.findall(r'\]\(([^)#:]*)#([^)]+)\)', text):
        assert anchor in anchors(page.parent / link if link else page), (link, anchor)
    if page.parent.name == 'guides':
        return  # Their files are written by following them.
    for name in re.findall(r'`((?:bin|conf|client|data|docs|model_serving|tests)/[\w./-]*)`', text):
        assert (ROOT / name).exists() or 'sentiment' in name, name


def anchors(page: Path) -> list[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    return [re.sub(r'[^\w -]', '', heading).lower().replace(' ', '-') for heading in headings]


def test_changelog_begins_with_this_version() -> None:
    versions = re.findall(r'^## \[([\d.]+)\]', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)

    assert versions[0] == __version__


def test_each_room_stands_in_the_table_and_in_the_picture_in_its_layer() -> None:
    configured = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    layers = configured['tool']['importlinter']['contracts'][0]['layers']
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    picture, table = text.partition('```text')[2].split('```', 1)
    left = [line[:43] for line in picture.splitlines() if 'main.py' not in line]
    drawn = [set(re.findall(r'\w+', line)) for line in left if re.search(r'\w', line)]
    [author] = [room for room in drawn if 'utils' in room]
    drawn.remove(author)
    assert drawn == [set(layer.split(' | ')) for layer in layers if layer not in author]
    rooms = {room for layer in layers for room in layer.split(' | ')}
    assert set(re.findall(r'^\| `(\w+)` \|', table, re.MULTILINE)) == rooms


def test_names_of_the_kit_are_those_of_its_table() -> None:
    text = (ROOT / 'docs' / 'adding-a-model.md').read_text().partition("## The author's kit")[2]
    table = dict(re.findall(r'^\| `(\w+_utils)` \| (.+) \|$', text, re.MULTILINE))
    modules = {path.stem for path in (ROOT / 'model_serving' / 'utils').glob('*_utils.py')}
    assert table.keys() == modules
    for module, names in table.items():
        kit = vars(importlib.import_module(f'model_serving.utils.{module}'))
        given = {name for name in kit if not name.startswith('__')}
        assert given == set(re.findall(r'`(\w+)`', names))
