"""What may be mounted, and how a main.py is read for its mounts alone."""

from pathlib import Path
from typing import Any

import pytest

from model_serving import Mount, create_app
from model_serving.console import pages
from model_serving.service.mounts import read_mounts
from model_serving.service.preload import run_in_fork
from model_serving.settings import SettingError

XXX = 'model_serving.resources.xxx_model_resource:XXXModelResource'

WRONG: dict[str, tuple[Any, str]] = {
    'markup': (Mount('<b>', XXX), r"MODELS: '<b>': a name has letters, digits, - and _"),
    'empty': (Mount('', XXX), r"MODELS: '': a name has"),
    'taken': (Mount('metrics', XXX), r"MODELS: 'metrics': the name is taken"),
    'class': (Mount('A', int), r"the resource has the form 'module:Class', not <class 'int'>"),  # type: ignore[arg-type]
    'no_class': (Mount('A', 'module'), r"the resource has the form 'module:Class', not 'module'"),
    'text': (Mount('A', XXX, packages='numpy'), r"a tuple, such as \('numpy',\)"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(('mount', 'message'), WRONG.values(), ids=WRONG)
def test_wrong_mount_is_named(mount: Mount, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        create_app([mount])


def test_same_name_twice_is_named() -> None:
    with pytest.raises(SettingError, match=r"MODELS: 'A': the name is taken"):
        create_app([Mount('A', XXX), Mount('A', XXX)])


def test_page_and_card_are_paths_on_this_service() -> None:
    app = create_app([Mount('A', XXX, page='/client/a.html', card='/client/a.js')])
    (model,) = app.test_client().get('/', headers={'Accept': 'application/json'}).get_json()['models']
    assert (model['page'], model['card']) == ('/client/a.html', '/client/a.js')


PROGRAMS = {
    'plain': 'app = create_app(MODELS)',
    'with_hooks_after_it': 'app = create_app(MODELS)\napp.before_request(print)',
    'caught': 'try:\n    app = create_app(MODELS)\nexcept Exception:\n    raise SystemExit(1)',
}


@pytest.mark.parametrize('program', PROGRAMS.values(), ids=PROGRAMS)
def test_mounts_are_read_from_any_program(tmp_path: Path, program: str) -> None:
    main = tmp_path / 'main.py'
    main.write_text(f'from model_serving import Mount, create_app\nMODELS = [Mount("A", "b:C")]\n{program}\n')
    assert read_mounts(main) == [Mount('A', 'b:C')]


FAILURES = {'error': 'raise ValueError', 'exit': 'import sys; sys.exit(3)', 'nothing': ''}


@pytest.mark.parametrize('program', FAILURES.values(), ids=FAILURES)
def test_program_that_fails_ends_nobody_else(tmp_path: Path, program: str) -> None:
    main = tmp_path / 'main.py'
    main.write_text(program)
    assert run_in_fork(lambda: [mount.name for mount in read_mounts(main)]) == []


def test_long_result_of_a_fork_is_whole() -> None:
    names = [f'package{number}' for number in range(20_000)]
    assert run_in_fork(lambda: names) == names


@pytest.mark.parametrize('name', ['.env', '.git/config', 'a/.secret'])
def test_hidden_files_of_the_client_folder_are_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(pages, 'ROOT', tmp_path)
    for path in (tmp_path / 'client' / name, tmp_path / 'client' / 'page.html'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('text')
    client = create_app([Mount('A', XXX)]).test_client()
    with client.get('/client/page.html') as response:
        assert response.status_code == 200
    assert client.get(f'/client/{name}').status_code == 404
