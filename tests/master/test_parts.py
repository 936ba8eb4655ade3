"""The parts that decide about a reload, each by itself."""

import logging
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from model_serving.master.crew import Crew
from model_serving.master.loaded_files import LoadedFiles
from model_serving.master.standing import BOOTED, BOOTING, MAX_MODELS, SERVICE, TRIED, Standing
from model_serving.master.worker import FailedService


def test_standing_is_shared_with_a_forked_process() -> None:
    standing = Standing(is_open=False)
    assert (standing.state, standing.is_open, standing.failures) == (BOOTING, False, {})
    child = os.fork()
    if child == 0:
        standing.failures = {'Model': 'fails “so”'}
        standing.state = BOOTED
        os._exit(0)
    os.waitpid(child, 0)
    assert (standing.state, standing.failures) == (BOOTED, {'Model': 'fails “so”'})
    standing.failures = {}
    assert (standing.state, standing.failures) == (BOOTED, {})
    assert not standing.is_serving
    standing.is_open = True
    assert standing.is_serving


def test_standing_has_room_for_the_failures_of_many_models() -> None:
    standing = Standing(is_open=True)
    standing.failures = {f'Model{number}': '”' * 10_000 for number in range(1000)}
    assert len(standing.failures) == MAX_MODELS


def test_failures_leave_alone_what_the_first_process_says(monkeypatch: pytest.MonkeyPatch) -> None:
    standing = Standing(is_open=True)

    def dumps(*_: object, **__: object) -> str:
        standing.is_open = False  # As from the other process, in the middle of it.
        return '{}'

    monkeypatch.setattr('model_serving.master.standing.json.dumps', dumps)
    standing.failures = {'Model': 'fails'}
    assert not standing.is_open


def crew_of(*standings: tuple[bool, dict[str, str]]) -> Crew:
    """Workers by whether they serve, and what they have failed."""
    workers = {}
    for number, (is_open, failures) in enumerate(standings):
        standing = Standing(is_open)
        standing.state, standing.failures = TRIED, failures
        workers[number] = SimpleNamespace(pid=number, age=number, standing=standing)
    log = logging.getLogger('crew')
    return Crew(SimpleNamespace(WORKERS=workers, num_workers=len(workers), log=log), None)


DOWN = {SERVICE: 'cannot be loaded'}
WORSE = {
    'same': ([{'A': 'x'}], {'A': 'y'}, set()),
    'one_more': ([{'A': 'x'}], {'A': 'x', 'B': 'y'}, {'B'}),
    'all_down': ([DOWN], {'A': 'x'}, set()),
    'down_as_before': ([DOWN], DOWN, {SERVICE}),
    'one_of_two_down': ([DOWN, {}], {'A': 'x'}, {'A'}),
}
"""What those that serve have failed, what a new worker has, and what is worse in it."""


@pytest.mark.parametrize(('serving', 'new', 'worse'), WORSE.values(), ids=WORSE)
def test_new_worker_is_worse_by_what_others_answer_for(
    serving: list[dict[str, str]], new: dict[str, str], worse: set[str]
) -> None:
    crew = crew_of(*[(True, failures) for failures in serving], (False, new))
    assert set(crew.worse(crew.all()[-1])) == worse


def test_worker_that_does_not_serve_leaves_first() -> None:
    crew = crew_of((True, {}), (False, {}), (True, {}))
    assert crew.dispensable(crew.all()).age == 1


def test_new_worker_waits_for_one_that_has_loaded_and_is_about_to_serve() -> None:
    crew, new = crew_of((False, {})), SimpleNamespace()
    crew.all()[0].standing.state = BOOTED
    crew.prepare(new, in_turn=False)
    assert not new.standing.is_open


LONE = {
    'loaded': ([(BOOTED, {}), (BOOTING, {})], [True, False]),
    'better': ([(TRIED, {'A': 'x', 'B': 'y'}), (TRIED, {'A': 'x'})], [False, True]),
    'only_one': ([(TRIED, {'A': 'x'})], [True]),
    'all_load': ([(BOOTING, {}), (BOOTING, {})], [True, True]),
}
"""How far workers have come, with their failures, where nobody serves; and who is let in."""


@pytest.mark.parametrize(('workers', 'let_in'), LONE.values(), ids=LONE)
def test_best_that_has_loaded_is_let_in_where_nobody_serves(
    workers: list[tuple[int, dict[str, str]]], let_in: list[bool]
) -> None:
    crew = crew_of(*[(False, failures) for _, failures in workers])
    for worker, (state, _) in zip(crew.all(), workers, strict=True):
        worker.standing.state = state
    crew.admit_replacements(None, others_serve=False)
    assert [worker.standing.is_open for worker in crew.all()] == let_in


def test_changed_file_of_a_loaded_module_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, other, absent = (tmp_path / name for name in ('loaded.py', 'other', 'absent'))
    loaded.write_text('1')
    module = ModuleType('loaded_for_this_test')
    module.__file__ = str(loaded)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    files = LoadedFiles([str(other), str(absent), None])
    assert files.changed() is None
    other.write_text('new')
    assert files.changed() == str(other)
    other.unlink()
    assert files.changed() is None
    loaded.unlink()
    assert files.changed() == str(loaded)


@pytest.mark.parametrize(
    ('path', 'status'), [('/health/live', '200 OK'), ('/health/ready', '503 Service Unavailable')]
)
def test_service_that_cannot_be_loaded_is_alive_and_says_nothing_of_why(path: str, status: str) -> None:
    answered: list[object] = []
    service = FailedService(f'{SERVICE}: postgresql://user:password@host')
    body = b''.join(service({'PATH_INFO': path}, lambda *start: answered.append(start[0])))
    assert answered == [status]
    assert b'password' not in body
