"""bin/reload.sh under eight clients: each call is answered, and fast, whatever is wrong with what is new."""

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.linux import linux_only
from tests.master.updated import Clients, Project, run
from tests.service_process import free_port

pytestmark = [linux_only, pytest.mark.alone]
SLOW_SECONDS = 5

UPDATES: dict[str, tuple[Callable[[Project], object], str]] = {
    'new code': (lambda project: project.write(2), ''),
    'a new model file': (lambda project: project.weight.write_text('2'), ''),
    'a model that loads for long': (lambda project: project.write(3, SLOW_SECONDS), ''),
    'a missing package': (
        lambda project: project.code.write_text('import a_package_that_is_missing'),
        "line 1, in <module>\n    import a_package_that_is_missing\nModuleNotFoundError: No module named 'a_",
    ),
    'no Python': (lambda project: project.main.write_text('def ('), 'main.py", line 1\n    def (\n'),
    'a broken model file': (
        lambda project: (project.mend(), project.write(4), project.weight.write_text('x')),
        "\nValueError: invalid literal for int() with base 10: 'x'",
    ),
    'a good version': (lambda project: project.weight.write_text('3'), ''),
}
"""In this order: how the project is changed, and what bin/reload.sh says where it cannot be served."""

ANSWERS = {
    'new code': (2, 1),
    'a new model file': (2, 2),
    'a model that loads for long': (3, 2),
    'a missing package': (3, 2),
    'no Python': (3, 2),
    'a broken model file': (3, 2),
    'a good version': (4, 3),
}
"""The version and the weight that are served afterwards."""


class Update(NamedTuple):
    ran: 'subprocess.CompletedProcess[str]'
    during: Counter[str]
    slowest_s: float
    afterwards: Counter[str]


@pytest.fixture(scope='module')
def updates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Update]]:
    """Each of these updates, one after the other, of one service."""
    project = Project(tmp_path_factory.mktemp('updates') / 'project')
    project.add_scripts()
    port, done = str(free_port()), {}
    settings = {'HOST': '127.0.0.1', 'PORT': port, 'WORKERS': '2', 'MODEL_SERVING_MODELS': 'VersionModel'}
    started = run(project.root, 'start.sh', **settings)
    assert 'Serving at' in started.stdout, started
    try:
        with Clients(f'http://127.0.0.1:{port}') as clients:
            for name, (change, _) in UPDATES.items():
                change(project)
                clients.take()
                ran = run(project.root, 'reload.sh')
                during, slowest_s = clients.take()
                clients.stopping.wait(0.5)
                done[name] = Update(ran, during, slowest_s, clients.take()[0])
        yield done
    finally:
        run(project.root, 'stop.sh')


@pytest.mark.parametrize('name', UPDATES)
def test_every_call_is_answered_and_fast(updates: dict[str, Update], name: str) -> None:
    update = updates[name]
    assert {said[:10] for said in update.during + update.afterwards} == {'{"version"'}, update
    assert update.during.total() > 50
    assert update.slowest_s < 1


@pytest.mark.parametrize('name', UPDATES)
def test_afterwards_what_is_new_is_served_or_what_is_old(updates: dict[str, Update], name: str) -> None:
    version, weight = ANSWERS[name]
    assert set(updates[name].afterwards) == {f'{{"version":{version},"weight":{weight}}}'}


@pytest.mark.parametrize('name', UPDATES)
def test_script_says_what_became_of_it(updates: dict[str, Update], name: str) -> None:
    ran, reason = updates[name].ran, UPDATES[name][1]
    if not reason:
        assert (ran.returncode, ran.stderr) == (0, '')
        assert re.findall(r'Worker (.) of 2 is new and ready', ran.stdout) == ['1', '2']
        assert 'Reloaded (pid ' in ran.stdout
    else:
        assert ran.returncode == 1
        assert ran.stderr.startswith('Not reloaded: ')
        assert reason in ran.stderr
        assert 'What served before serves on' in ran.stderr
