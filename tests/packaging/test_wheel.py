"""The package as its users have it: built, installed, in a project of their own, with the least versions."""

import contextlib
import os
import re
import shlex
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from model_serving.version import __version__
from tests.packaging.environments import LOWEST, build_wheel, make_environment, run
from tests.raw_http import post, send
from tests.service_process import ROOT, free_port, wait_until_it_answers

PROJECT: dict[str, Any] = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']


def pins(file: Path) -> dict[str, str]:
    """The versions that a file of requirements names."""
    found = re.findall(r'^([A-Za-z0-9_.-]+)==(\S+)', file.read_text(), re.MULTILINE)
    return {name.lower().replace('_', '-'): version for name, version in found}


PINNED = {**pins(ROOT / 'requirements-dev.txt'), **pins(ROOT / 'requirements.txt')}


def ranges() -> list[Requirement]:
    """What the package needs, extras included."""
    extras = [each for group in PROJECT['optional-dependencies'].values() for each in group]
    return [Requirement(each) for each in [*PROJECT['dependencies'], *extras]]


@pytest.mark.parametrize('needed', ranges(), ids=str)
def test_both_ends_of_a_range_are_what_is_tested(needed: Requirement) -> None:
    name = needed.name.lower().replace('_', '-')
    assert pins(ROOT / 'requirements.txt')[name] in needed.specifier
    lowest = pins(LOWEST)[name]
    assert lowest in needed.specifier
    (floor,) = [each.version for each in needed.specifier if each.operator == '>=']
    assert lowest == floor or lowest.startswith(f'{floor}.')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp('wheel'))


@pytest.fixture(scope='module')
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and what that needs, and pytest."""
    folder = tmp_path_factory.mktemp('installed') / 'environment'
    return make_environment(folder, [wheel, 'pytest'], PINNED)


def test_wheel_has_the_machinery_and_none_of_our_models(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f'flask_model_serving-{__version__}-py3-none-any.whl'
    ours = ('model_serving/models/', 'model_serving/resources/')
    assert not [name for name in names if name.startswith(ours)]
    assert not [name for name in names if 'digits' in name or 'iris' in name or name.startswith('tests')]
    for needed in ('templates/index.html', 'shipped/client/console/console.js', 'shipped/conf/logging.conf'):
        assert f'model_serving/{needed}' in names
    assert wheel.stat().st_size < 500_000


def test_import_loads_no_model_and_no_framework(programs: Path, tmp_path: Path) -> None:
    code = "import sys, model_serving; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = run(programs / 'python', '-c', code, cwd=tmp_path).split()
    assert 'model_serving' in loaded
    assert not {'flask', 'numpy', 'jsonschema', 'onnxruntime', 'sklearn'} & set(loaded)


@pytest.fixture(scope='module')
def project(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, written with the installed command."""
    folder = tmp_path_factory.mktemp('own') / 'my project'
    said = run(programs / 'model-serving', 'init', folder)
    assert f'cd {shlex.quote(str(folder))}\n' in said
    return folder


def test_project_names_the_package_as_it_was_installed(project: Path, wheel: Path) -> None:
    lines = [line for line in (project / 'requirements.txt').read_text().splitlines() if line[0] != '#']
    assert lines == [f'./vendor/{wheel.name}']
    assert (project / 'vendor' / wheel.name).read_bytes() == wheel.read_bytes()


def test_tests_of_the_project_pass(programs: Path, project: Path) -> None:
    assert ' passed' in run(programs / 'python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', cwd=project)


def test_scripts_of_the_project_install_serve_and_test_it(project: Path) -> None:
    port = str(free_port())
    settings = {**os.environ, 'HOST': '127.0.0.1', 'PORT': port, 'WORKERS': '1'}
    url = f'http://127.0.0.1:{port}'
    try:
        started = run(project / 'bin' / 'start.sh', cwd=Path('/'), **settings)
        assert started.startswith('Installing requirements.txt into .venv ...')
        assert f'Serving at {url}/' in started
        assert '{"result":"Hello, Leo!"}' in run(project / 'bin' / 'request-demo.sh', **settings)
        new = run(project / '.venv' / 'bin' / 'model-serving', 'new', 'SentimentModel', cwd=project)
        assert f'Try:   curl {url}/v1/SentimentModel ' in new
        console = send(url, b'GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n').body.decode()
        for file in re.findall(r'(?:src|href)="(client/[^"]+)"', console):
            assert send(url, f'GET /{file} HTTP/1.1\r\nHost: x\r\n\r\n'.encode()).status == 200, file
    finally:
        run(project / 'bin' / 'stop.sh')
    assert ' passed' in run(project / 'bin' / 'test.sh', '-q', **settings)


@contextlib.contextmanager
def served(programs: Path, folder: Path, *arguments: str) -> Iterator[str]:
    """The URL of gunicorn, as somebody starts it in a folder."""
    port = free_port()
    log = folder / 'log'
    with log.open('w') as output:
        process = subprocess.Popen(
            [programs / 'gunicorn', *arguments],
            cwd=folder,
            env={**os.environ, 'HOST': '127.0.0.1', 'PORT': str(port), 'WORKERS': '1'},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f'http://127.0.0.1:{port}'
        wait_until_it_answers(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_configuration_can_be_the_packages_own(programs: Path, project: Path) -> None:
    with served(programs, project, '--config', 'python:model_serving.gunicorn_conf', 'main:app') as url:
        assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').json == {'result': 'Hello, Leo!'}


def test_what_is_uploaded_to_app_engine_is_served(
    wheel: Path, programs: Path, project: Path, tmp_path: Path
) -> None:
    """By the entrypoint of its app.yaml."""
    listed = ['git', '-c', f'core.excludesFile={project / ".gcloudignore"}', 'ls-files', '--others']
    run('git', 'init', '--quiet', cwd=project)
    files = run(*listed, '--exclude-standard', cwd=project).splitlines()
    assert {'main.py', 'requirements.txt', f'vendor/{wheel.name}', 'models/xxx_model.py'} <= set(files)
    assert not [name for name in files if name.startswith(('tests', 'bin', '.'))]
    for name in files:
        (tmp_path / 'upload' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'upload' / name).write_bytes((project / name).read_bytes())
    with served(programs, tmp_path / 'upload', '--config', 'conf/gunicorn.conf.py') as url:
        assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').json == {'result': 'Hello, Leo!'}


KEPT_WITH_THE_LEAST = [
    'tests/contract/test_answers.py',
    'tests/contract/test_bad_input.py',
    'tests/engine/test_fast_path.py',
    'tests/resources/test_digits_model_resource.py',
]
"""Enough to meet every package that is in a range."""


def test_contract_holds_with_the_least_versions(wheel: Path, tmp_path: Path) -> None:
    packages = [f'{wheel}[onnx,sklearn]', 'pytest', 'hypothesis', 'PyYAML']
    python = make_environment(tmp_path, packages, {**PINNED, **pins(LOWEST)}) / 'python'
    tests = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-m', 'not alone', *KEPT_WITH_THE_LEAST]
    run(python, *tests, cwd=ROOT, timeout=600, **os.environ)
