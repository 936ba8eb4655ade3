"""`main.py new DigitsModel --version=2`, as a person runs it, in a copy of the project."""

import subprocess
from pathlib import Path

import pytest

from model_serving.commands.init import write_project
from model_serving.commands.scaffold import ScaffoldError
from model_serving.commands.version_scaffold import new_version
from tests.project_copy import assert_checks_pass, copy_of_project, run_in
from tests.raw_http import post
from tests.service_process import ROOT, running_service

NAMES = 'DigitsModel', 'IrisModel', 'XXXModel'
FILES = [
    'model_serving/models/digits_model_2.py',
    'model_serving/resources/digits_model_2_resource.py',
    'tests/resources/test_digits_model_2_resource.py',
]


def new(copy: Path, *arguments: str) -> 'subprocess.CompletedProcess[str]':
    return run_in(Path('/'), str(copy / 'main.py'), 'new', *arguments)


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with a second version of each model."""
    copy = copy_of_project(tmp_path_factory.mktemp('version'))
    for name in NAMES:
        written = new(copy, name, '--version=2')
        assert (written.returncode, written.stderr) == (0, '')
    return copy


def test_it_writes_what_may_differ_and_says_what_to_do(tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path)
    said = new(copy, 'DigitsModel', '--version', '2').stdout
    assert said.startswith('Wrote version 2 of DigitsModel, which is as the first so far, and mounted it')
    assert f'Edit its files: {", ".join(FILES)}\n' in said
    assert (
        'Settings: conf/digits_model_2.conf, section [digits_model_2], where DigitsModel reads load_' in said
    )
    assert all((copy / path).is_file() for path in FILES)


def test_mount_is_that_of_the_model_but_for_its_page_and_card(copy: Path) -> None:
    assert (copy / 'main.py').read_text().count("version='2'") == len(NAMES)
    lines = """    Mount(
        'DigitsModel',
        'model_serving.resources.digits_model_2_resource:DigitsModel2Resource',
        packages=('model_serving.models', 'numpy', 'onnxruntime'),
        version='2',
    ),
"""
    assert lines in (copy / 'main.py').read_text()


def test_what_stays_the_same_is_not_copied(copy: Path) -> None:
    resource = (copy / FILES[1]).read_text()
    assert 'import digits_model_response, digits_model_schema\n' in resource
    assert 'HANDWRITTEN' not in resource
    assert 'minItems' not in resource
    model = (copy / FILES[0]).read_text()
    assert 'class DigitsModel2(DigitsModel):' in model
    assert len(model.splitlines()) == 9


def test_generated_tests_pass(copy: Path) -> None:
    tests = [f'tests/resources/test_{each}_model_2_resource.py' for each in ('digits', 'iris', 'xxx')]
    ran = run_in(copy, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *tests)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.elaborate
def test_generated_files_pass_the_checks(copy: Path) -> None:
    assert_checks_pass(copy)


def test_version_has_settings_of_its_own(copy: Path, tmp_path: Path) -> None:
    wrong = {'MODEL_SERVING_DIGITS_MODEL_2_PATH': 'data/iris_model.skops'}
    with running_service(tmp_path / 'log', root=copy, MODEL_SERVING_MODELS='DigitsModel', **wrong) as url:
        body = b'{"instances": [[%s]]}' % b','.join([b'1'] * 64)
        assert post(url, '/v1/DigitsModel', body).status == 200
        refused = post(url, '/v1/DigitsModel/versions/2', body)
        assert (refused.status, refused.json['message'][:29]) == (503, 'DigitsModel@2 failed to load:')


def test_project_of_ones_own_gets_versions_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('model_serving.commands.init.requirement', lambda vendor: 'flask-model-serving')
    write_project(tmp_path / 'mine')
    said = new_version('XXXModel', '2', tmp_path / 'mine')
    assert 'models/xxx_model_2.py, resources/xxx_model_2_resource.py' in said
    assert 'Settings' not in said
    test = 'tests/resources/test_xxx_model_2_resource.py'
    environment = {'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'}
    ran = run_in(tmp_path / 'mine', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', test, env=environment)
    assert ran.returncode == 0, ran.stdout


REFUSED = {
    'again': (
        ('DigitsModel', '--version=2'),
        'DigitsModel has a version 2 in main.py already',
    ),
    'first': (
        ('DigitsModel', '--version=1'),
        'DigitsModel has a version 1 in main.py already',
    ),
    'zero': (
        ('DigitsModel', '--version=0'),
        "'0' is no version; give a number: main.py new Dig",
    ),
    'word': (('DigitsModel@two',), "'two' is no version"),
    'path': (('DigitsModel', '--version=../3'), "'../3' is no version"),
    'nothing': (('DigitsModel@',), "'' is no version"),
    'unknown': (
        ('FooModel', '--version=2'),
        "main.py mounts no 'FooModel', or does not run; main.py new FooModel writes",
    ),
    'no_name': (("x'y", '--version=2'), 'main.py mounts no "x\'y"'),
}


@pytest.mark.parametrize(('arguments', 'message'), REFUSED.values(), ids=REFUSED)
def test_version_that_cannot_be_is_refused_in_one_line(
    copy: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = {path: path.read_bytes() for path in copy.rglob('*.py')}
    refused = new(copy, *arguments)
    assert (refused.returncode, refused.stdout, refused.stderr.count('\n')) == (1, '', 1)
    assert refused.stderr.startswith(f'main.py new: {message}')
    assert {path: path.read_bytes() for path in copy.rglob('*.py')} == before


def test_model_of_another_shape_is_left_to_its_author(tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path)
    resource = copy / 'model_serving' / 'resources' / 'iris_model_resource.py'
    resource.write_text(resource.read_text().replace('iris_model_instance = IrisModel()', 'x = IrisModel()'))
    before = (copy / 'main.py').read_text()
    with pytest.raises(ScaffoldError, match='not the shape of XXXModel; write the version as in docs/vers'):
        new_version('IrisModel', '2', copy)
    assert (copy / 'main.py').read_text() == before
    assert not (copy / 'model_serving' / 'models' / 'iris_model_2.py').exists()


FIRST = '''"""POST /v1/XXXModel."""

import math

from flask import (
    current_app,
    request,
)
from flask_restful import Resource

from model_serving.models.xxx_model import LIMIT, MOST, XXXModel
from model_serving.utils.validation_utils import validate_json

xxx_model_instance = XXXModel()
ROUND = math.tau
xxx_model_schema = {'description': f'{ROUND} {MOST} {current_app}'}
START, END = 1, LIMIT


def cut(text):
    return text[START:END]


# Cuts the name.
class XXXModelResource(Resource):
    @validate_json(xxx_model_schema)
    def post(self):
        return xxx_model_instance.hello(cut(request.json['name'])[:LIMIT])
'''
SECOND = '''"""POST /v1/XXXModel/versions/2: what differs from the first."""

from flask import request
from flask_restful import Resource

from model_serving.models.xxx_model import LIMIT
from model_serving.models.xxx_model_2 import XXXModel2
from model_serving.resources.xxx_model_resource import cut, xxx_model_schema
from model_serving.utils.validation_utils import validate_json

xxx_model_2_instance = XXXModel2()


# Cuts the name.
class XXXModel2Resource(Resource):
    @validate_json(xxx_model_schema)
    def post(self):
        return xxx_model_2_instance.hello(cut(request.json['name'])[:LIMIT])
'''


def test_resource_imports_what_its_class_uses_and_nothing_else(tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path)
    resources = copy / 'model_serving' / 'resources'
    (resources / 'xxx_model_resource.py').write_text(FIRST)
    new_version('XXXModel', '2', copy)
    assert (resources / 'xxx_model_2_resource.py').read_text() == SECOND


@pytest.mark.parametrize('argument', ['-v', '--version'])
def test_version_of_the_service_is_still_printed(copy: Path, argument: str) -> None:
    assert run_in(copy, 'main.py', argument).stdout.strip().count('.') == 2
