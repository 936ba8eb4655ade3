"""The parts that decide about a reload, each by itself."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from model_serving.master.loaded_files import LoadedFiles
from model_serving.master.standing import BOOTED, BOOTING, MAX_MODELS, SERVICE, Standing
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
