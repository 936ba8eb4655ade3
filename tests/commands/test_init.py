"""`model-serving init`: the project that it writes, with this checkout as the package."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_serving.commands import init as module
from model_serving.commands.init import init, with_the_reference_alone, write_project
from model_serving.commands.scaffold import new_model
from tests.raw_http import post
from tests.service_process import ROOT, running_service

FILES = [
    '.gcloudignore',
    '.gitignore',
    'LICENSE',
    'README.md',
    'app.yaml',
    'main.py',
    'pytest.ini',
    'requirements.txt',
    'requirements-test.txt',
    'bin/common.sh',
    'bin/request-demo.sh',
    'bin/start.sh',
    'bin/stop.sh',
    'bin/test.sh',
    'client/xxx-model-ajax-client.html',
    'conf/gunicorn.conf.py',
    'conf/model_serving.conf',
    'data/README.md',
    'models/__init__.py',
    'models/xxx_model.py',
    'resources/__init__.py',
    'resources/xxx_model_resource.py',
    'tests/models/test_xxx_model.py',
    'tests/resources/test_xxx_model_resource.py',
]


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a model of its own."""
    folder = tmp_path_factory.mktemp('init') / 'my project'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'requirement', lambda vendor: 'flask-model-serving')
        write_project(folder)
    return folder


def run_in(project: Path, *arguments: str) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_files_are_those_of_a_project(project: Path) -> None:
    assert {str(path.relative_to(project)) for path in project.rglob('*') if path.is_file()} >= set(FILES)
    assert not (project / 'model_serving').exists()
    scripts = {path.name for path in project.glob('bin/*') if os.access(path, os.X_OK)}
    assert scripts == {'start.sh', 'reload.sh', 'stop.sh', 'test.sh', 'request-demo.sh'}


def test_nothing_names_a_package_that_is_not_there(project: Path) -> None:
    for path in [*project.rglob('*.py'), project / '.gcloudignore']:
        text = path.read_text()
        assert 'model_serving.models' not in text, path
        assert 'model_serving.resources' not in text, path
        assert 'DigitsModel' not in text, path


def test_tests_of_the_project_pass_and_those_of_a_new_model(project: Path) -> None:
    said = new_model('SentimentModel', project)
    assert 'models/sentiment_model.py ' in said
    assert 'model_serving/' not in said
    ran = run_in(project, '-m', 'pytest', '-q', '-p', 'no:cacheprovider')
    assert ran.returncode == 0, ran.stdout
    assert "Mount('SentimentModel', 'resources.sentiment_model_resource:SentimentModelResource')," in (
        (project / 'main.py').read_text()
    )


def test_reference_that_is_gone_is_that_of_the_package(project: Path) -> None:
    (project / 'models' / 'xxx_model.py').rename(project / 'models' / 'kept.txt')
    try:
        new_model('SecondModel', project)
    finally:
        (project / 'models' / 'kept.txt').rename(project / 'models' / 'xxx_model.py')
    assert 'class SecondModel:' in (project / 'models' / 'second_model.py').read_text()


def test_project_is_served_from_its_own_folder(project: Path, tmp_path: Path) -> None:
    with running_service(
        tmp_path / 'log', project, PYTHONPATH=str(ROOT), MODEL_SERVING_MODELS='XXXModel', WORKERS='2'
    ) as url:
        assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').json == {'result': 'Hello, Leo!'}
        assert not (project / 'conf' / 'logging.conf').exists()
    assert '[XXXModel] - Initializing XXX Model ...' in (tmp_path / 'log').read_text()


def test_a_setting_of_gunicorn_in_the_project_wins(project: Path, tmp_path: Path) -> None:
    config = project / 'conf' / 'gunicorn.conf.py'
    before = config.read_text()
    config.write_text(f'{before}\nworkers = 3\n')
    try:
        with running_service(tmp_path / 'log', project, PYTHONPATH=str(ROOT), WORKERS='1'):
            pass
    finally:
        config.write_text(before)
    assert (tmp_path / 'log').read_text().count('Booting worker') == 3


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'mine').write_text('mine')
    with pytest.raises(SystemExit, match=r'^model-serving init: .* is not empty; choose a new folder$'):
        init(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ['mine']


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(SystemExit, match=r'model-serving init: .*/proc/nowhere'):
        init('/proc/nowhere')


def test_main_keeps_the_first_model_alone() -> None:
    text = with_the_reference_alone((ROOT / 'main.py').read_text())
    ast.parse(text)
    assert text.count('Mount(') == 1
    assert 'XXXModel' in text
    assert text.endswith('    app = create_app(MODELS)\n')
