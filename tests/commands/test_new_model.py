"""`main.py new SentimentModel`, as a person runs it, in a copy of the project whose path has a space."""

import subprocess
import time
from pathlib import Path

import pytest

from model_serving.commands.scaffold import files_of, new_model, next_steps, with_mount
from tests.project_copy import assert_checks_pass, copy_of_project, run_in
from tests.raw_http import post, send
from tests.service_process import ROOT, running_service

NAME = 'SentimentModel'
FILES = list(files_of(NAME))
MAIN = (ROOT / 'main.py').read_text()


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with a new model, and another whose name is an acronym."""
    copy = copy_of_project(tmp_path_factory.mktemp('new'))
    for name in (NAME, 'NERModel', 'ARatherLongNameForMeModel'):
        written = new(copy, name)
        assert (written.returncode, written.stderr) == (0, '')
    return copy


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """As much of a copy as the command needs."""
    for path in (*files_of('XXXModel'), 'main.py'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    (tmp_path / 'conf').mkdir()
    package = ROOT / 'model_serving'
    for path in (*package.glob('*.py'), *package.glob('commands/*.py'), *package.glob('service/*.py')):
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(exist_ok=True)
        (tmp_path / path.relative_to(ROOT)).write_text(path.read_text())
    return tmp_path


def new(copy: Path, name: str) -> 'subprocess.CompletedProcess[str]':
    return run_in(Path('/'), str(copy / 'main.py'), 'new', name)


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob('*') if path.is_file() and path.suffix != '.pyc'}


def test_it_says_what_to_edit_and_how_to_try_it(bare: Path) -> None:
    said = new(bare, NAME).stdout
    assert said.startswith(f'Wrote {NAME}, which says hello so far, and mounted it in main.py.')
    assert all(path in said for path in FILES)
    assert all((bare / path).is_file() for path in FILES)


def test_new_model_answers_under_gunicorn(copy: Path, tmp_path: Path) -> None:
    said = new(copy, 'CurledModel').stdout
    body = said.partition(" -d '")[2].partition("'\n")[0]
    chosen = f'{NAME},CurledModel'
    with running_service(tmp_path / 'log', root=copy, MODEL_SERVING_MODELS=chosen) as url:
        assert post(url, f'/v1/{NAME}', body.encode()).json == {'result': 'Hello, Leo!'}
        refused = post(url, f'/v1/{NAME}', b'{}')
        assert (refused.status, refused.json) == (400, {'message': "'name' is a required property"})
        assert post(url, '/v1/CurledModel', body.encode()).json == {'result': 'Hello, Leo!'}
        index = send(url, b'GET / HTTP/1.1\r\nHost: x\r\n\r\n').json
        assert [model['name'] for model in index['models']] == chosen.split(',')
        warmed = send(url, b'GET /_ah/warmup HTTP/1.1\r\nHost: x\r\n\r\n').json
        assert warmed == {'warmed_up': chosen.split(',')}
        described = send(url, b'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n').json
        assert f'/v1/{NAME}' in described['paths']
        page = send(url, b'GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n').body.decode()
        assert f'/v1/{NAME}' in page
        counted = send(url, b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n').body.decode()
        assert f'model="{NAME}"' in counted
        health = send(url, b'GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n')
        assert (health.status, [model['name'] for model in health.json['models']]) == (200, chosen.split(','))
    assert '[SentimentModel] - Initializing Sentiment Model ...' in (tmp_path / 'log').read_text()


def test_generated_tests_pass(copy: Path) -> None:
    tests = [path for name in (NAME, 'NERModel') for path in files_of(name) if path.startswith('tests/')]
    ran = run_in(copy, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *tests)
    assert ran.returncode == 0, ran.stdout
    assert 'Hello' not in ran.stdout


def test_generated_test_of_the_endpoint_holds_after_an_edit(copy: Path) -> None:
    _, resource, _, test = files_of('ARatherLongNameForMeModel')
    code = (copy / resource).read_text()
    for old, new in {
        "'name'": "'texts'",
        "'type': 'string', 'd": "'type': 'array', 'd",
        "'Leo'": '[]',
    }.items():
        assert old in code
        code = code.replace(old, new)
    (copy / resource).write_text(code)
    ran = run_in(copy, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', test)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.elaborate
def test_generated_files_pass_the_checks(copy: Path) -> None:
    assert_checks_pass(copy)


def test_a_second_time_it_changes_nothing(copy: Path) -> None:
    before = {path: path.read_bytes() for path in files_in(copy / 'model_serving') | {copy / 'main.py'}}
    refused = new(copy, NAME)
    assert (refused.returncode, refused.stdout) == (1, '')
    assert refused.stderr.startswith(
        f'main.py new: {NAME} is in MODELS of main.py already; choose another name'
    )
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize('existing', FILES)
def test_nothing_is_written_where_a_file_exists(bare: Path, existing: str) -> None:
    (bare / existing).write_text('mine')
    before = files_in(bare)
    refused = new(bare, NAME)
    assert refused.returncode == 1
    assert refused.stderr == (
        f'main.py new: {NAME} would overwrite {existing}; choose another name, or delete what is there\n'
    )
    assert ((bare / existing).read_text(), (bare / 'main.py').read_text()) == ('mine', MAIN)
    assert files_in(bare) == before


REFUSED = {
    'snake_case': ('sentiment_model', ': model names are CamelCase and end in "Model"; try: main.py new S'),
    'keyword': (
        'class',
        '\'class\': model names are CamelCase and end in "Model"; try: main.py new ClassModel',
    ),
    'path': ('../EvilModel', 'try: main.py new EvilModel'),
    'reference': ('XXXModel', 'XXXModel is in MODELS of main.py already; choose another name, or'),
    'other_case': ('XxxModel', 'XxxModel would overwrite model_serving/models/xxx_model.py, '),
}


@pytest.mark.parametrize(('name', 'message'), REFUSED.values(), ids=REFUSED)
def test_a_name_that_cannot_be_is_refused_in_one_line(bare: Path, name: str, message: str) -> None:
    before = files_in(bare)
    refused = new(bare, name)
    assert (refused.returncode, refused.stdout, refused.stderr.count('\n')) == (1, '', 1)
    assert message in refused.stderr
    assert (files_in(bare), (bare / 'main.py').read_text()) == (before, MAIN)


def test_an_edited_mounting_list_leaves_everything_as_it_was(bare: Path) -> None:
    edited = MAIN.replace('MODELS = [', 'MODELS = (').replace(']\n"""What is served', ')\n"""What is served')
    (bare / 'main.py').write_text(edited)
    before = files_in(bare)
    refused = new(bare, NAME)
    assert refused.returncode == 1
    assert refused.stderr.startswith('main.py new: main.py has no list MODELS = [...]')
    assert (files_in(bare), (bare / 'main.py').read_text()) == (before, edited)


def test_a_main_that_is_no_python_is_named_with_the_line(bare: Path) -> None:
    (bare / 'main.py').write_text('MODELS = [\n')
    before = files_in(bare)
    refused = run_in(bare, '-m', 'model_serving', 'new', NAME)
    assert refused.returncode == 1
    assert refused.stderr == "main.py new: '[' was never closed (main.py, line 1); nothing was changed\n"
    assert files_in(bare) == before


def test_a_reference_that_is_gone_is_named(bare: Path) -> None:
    gone = bare / 'tests' / 'models' / 'test_xxx_model.py'
    gone.unlink()
    before = files_in(bare)
    refused = new(bare, NAME)
    assert refused.returncode == 1
    assert str(gone) in refused.stderr
    assert refused.stderr.endswith('; nothing was changed\n')
    assert files_in(bare) == before


def test_a_write_that_fails_is_undone(bare: Path) -> None:
    """As where the disk is full: the last file cannot be made."""
    (bare / FILES[3]).symlink_to(bare / 'nowhere' / 'x')
    before = files_in(bare)
    with pytest.raises(FileExistsError):
        new_model(NAME, bare)
    assert (files_in(bare), (bare / 'main.py').read_text()) == (before, MAIN)


def test_nothing_is_left_beside_the_new_files(bare: Path) -> None:
    before = files_in(bare)
    assert new_model(NAME, bare) == next_steps(NAME, bare)
    assert files_in(bare) - before == {bare / path for path in FILES}


def test_main_keeps_its_mode_and_gets_one_line(bare: Path) -> None:
    (bare / 'main.py').chmod(0o750)
    new(bare, NAME)
    assert (bare / 'main.py').stat().st_mode & 0o777 == 0o750
    assert (bare / 'main.py').read_text() == with_mount(MAIN, NAME, 'model_serving.')


def test_it_loads_nothing_heavy(bare: Path) -> None:
    run = run_in(bare, '-X', 'importtime', 'main.py', 'new', NAME)
    assert run.returncode == 0
    for package in ('flask', 'numpy', 'jsonschema', 'werkzeug'):
        assert f' {package}\n' not in run.stderr


@pytest.mark.alone
def test_it_is_quick(bare: Path) -> None:
    new(bare, 'FirstModel')
    start = time.perf_counter()
    new(bare, NAME)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    'arguments', [['new'], ['new', NAME, 'More'], ['old', NAME], ['new', NAME, '--debug']]
)
def test_another_wording_shows_the_usage(bare: Path, arguments: list[str]) -> None:
    answer = run_in(bare, 'main.py', *arguments)
    assert answer.returncode == 1
    assert answer.stderr.startswith('Usage:')
