"""`model-serving start` and `stop`, in this process: what a real service lets them say."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_serving.commands import background, log, program, reload, start, stop
from model_serving.commands.background import command_of, expected_address, started_at, url_of
from model_serving.commands.listeners import listeners
from model_serving.version import __version__
from tests.linux import linux_only
from tests.raw_http import post
from tests.service_process import free_port

pytestmark = [
    linux_only,
    # The service outlives the object that stands for it.
    pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning', 'ignore::ResourceWarning'),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the pid, the address and the log are kept; nothing runs there afterwards."""
    folder = tmp_path / 'tmp'
    for module in (background, log, reload, start, stop):
        for name in {'FOLDER', 'PID_FILE', 'STATE_FILE', 'LOG_FILE'} & vars(module).keys():
            monkeypatch.setattr(module, name, folder / getattr(background, name).name)
        if hasattr(module, 'FOLDER'):
            monkeypatch.setattr(module, 'FOLDER', folder)
    for name, value in {'HOST': '127.0.0.1', 'PORT': str(free_port()), 'WORKERS': '1'}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('MODEL_SERVING_MODELS', 'XXXModel')
    yield folder
    stop.stop()


def call(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, 'argv', ['model-serving', command])
    program.main()


def test_service_starts_once_and_stops(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f'http://127.0.0.1:{os.environ["PORT"]}'
    call(monkeypatch, 'start')
    said = capsys.readouterr().out
    assert said.startswith(f'Serving at {url}/ (pid ')
    assert f'Try:  curl {url}/v1/XXXModel ' in said
    assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
    assert (expected_address(), command_of(background.running_pid() or 0) != '') == (url, True)

    call(monkeypatch, 'start')
    assert capsys.readouterr().out.startswith('Already running: pid ')
    call(monkeypatch, 'stop')
    assert capsys.readouterr().out.startswith('Stopped (pid ')
    call(monkeypatch, 'stop')
    assert capsys.readouterr().out == 'Not running\n'
    assert (folder / 'model-serving.log').is_file()


def test_service_is_found_whose_log_does_not_say_where_it_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, 'LISTENING', re.compile('nowhere'))
    start.start()
    assert capsys.readouterr().out.startswith(f'Serving at http://127.0.0.1:{os.environ["PORT"]}/ ')


def test_process_is_known_whatever_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may change the title of a process, which its command line is then."""
    start.start()
    monkeypatch.setattr(background, 'command_of', lambda pid: 'gunicorn: master [main:app]')
    assert background.running_pid()
    stop.stop()
    assert background.running_pid() is None


def test_service_that_does_not_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_MODELS', 'Foo')
    with pytest.raises(SystemExit, match=r"(?s)did not start; from .*no model is called 'Foo'"):
        start.start()
    assert background.running_pid() is None


def test_log_is_appended_to_and_a_failed_start_reads_its_own_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    earlier = '[CRITICAL] - of an earlier start\n'
    (folder / 'model-serving.log').write_text(earlier)
    monkeypatch.setenv('MODEL_SERVING_MODELS', 'Foo')
    with pytest.raises(SystemExit, match=r"from .*\n.*no model is called 'Foo'"):
        start.start()
    assert (folder / 'model-serving.log').read_text().startswith(earlier)


def test_unix_socket_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('GUNICORN_CMD_ARGS', f'--bind unix:{folder}/socket')
    start.start()
    said = capsys.readouterr().out
    assert f'Serving at unix:{folder}/socket' in said
    assert f'curl --unix-socket {folder}/socket http://localhost/v1/XXXModel ' in said
    reload.reload()
    assert 'Reloaded (pid ' in capsys.readouterr().out


def test_interrupt_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(url: str, timeout_s: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(start, 'answers', interrupt)
    with pytest.raises(SystemExit, match='Interrupted; nothing was left running'):
        start.start()
    assert background.running_pid() is None


def test_service_that_hangs_is_not_called_running(monkeypatch: pytest.MonkeyPatch) -> None:
    start.start()
    pid = background.running_pid()
    monkeypatch.setattr(start, 'answers', lambda url: False)
    with pytest.raises(SystemExit, match=f'pid {pid} runs, but does not answer at http://'):
        start.start()


def test_another_users_process_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.parent.joinpath('tmp').write_text('no folder')
    with pytest.raises(SystemExit, match=r'^model-serving: .*tmp'):
        call(monkeypatch, 'start')
    folder.unlink()


def test_pid_of_another_process_is_not_ours(folder: Path) -> None:
    other = subprocess.Popen(['sleep', '60'])
    try:
        folder.mkdir()
        (folder / 'model-serving.pid').write_text(str(other.pid))
        background.note_state(other.pid, 'http://127.0.0.1:1')
        assert background.is_server(other.pid)
        background.STATE_FILE.write_text(json.dumps({'pid': other.pid, 'started': '1'}))
        assert background.running_pid() is None
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert started_at(other.pid) is None
    assert command_of(other.pid) == ''


def test_listeners_are_named() -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        assert f'\n  pid {os.getpid()}: ' in listeners(port)
    assert listeners(port) == ''


URLS = {
    ('0.0.0.0', '1'): 'http://127.0.0.1:1',
    ('::', '1'): 'http://127.0.0.1:1',
    ('::1', '1'): 'http://[::1]:1',
    ('example.com', '1'): 'http://example.com:1',
}


@pytest.mark.parametrize('place', URLS)
def test_url_is_for_a_client_on_this_machine(place: tuple[str, str]) -> None:
    assert url_of(*place) == URLS[place]


def test_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, '--version')
    assert capsys.readouterr().out == f'{__version__}\n'
