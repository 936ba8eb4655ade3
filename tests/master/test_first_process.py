"""Reloads that replace gunicorn's first process, too: its promise is the same."""

import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.linux import linux_only
from tests.master.updated import Clients, Project, until, updated
from tests.raw_http import post
from tests.service_process import running_service

pytestmark = linux_only


NEW_FIRST = {
    'PRELOAD=models': ({'PRELOAD': 'models'}, lambda project: None),
    'gunicorn.conf.py': ({}, lambda project: project.set_in_gunicorn('threads = 4')),
}


@pytest.mark.parametrize('kind', NEW_FIRST)
def test_new_first_process_keeps_the_promise(tmp_path: Path, project: Project, kind: str) -> None:
    environment, change = NEW_FIRST[kind]
    with updated(tmp_path, project, **environment) as service, Clients(service.url) as clients:
        old = service.master
        change(project)
        project.write(2, schema='objekt')
        service.begin()
        assert service.end()[0] == 'failed'
        assert service.master == old
        assert service.call()['version'] == 1
        project.write(2, seconds=1)
        service.begin()
        assert service.end() == ['done', 'all workers are new and ready']
        until(lambda: service.pid_file.exists() and service.master != old)
        assert {service.call()['version'] for _ in range(8)} == {2}
        until(lambda: len(service.workers()) == 2)
    counts, _ = clients.take()
    assert {said[:10] for said in counts} == {'{"version"'}, counts


def test_new_first_process_that_fails_midway_leaves_the_old_whole(tmp_path: Path, project: Project) -> None:
    once = "import pathlib\nflag = pathlib.Path(__file__ + '.once')\nassert not flag.exists()\nflag.touch()\n"
    with updated(tmp_path, project, WORKERS='2') as service:
        old = service.workers()
        project.set_in_gunicorn('threads = 4')
        project.code.write_text(once + project.code.read_text())
        word, text = service.reload()
        assert (word, 'AssertionError' in text) == ('failed', True)
        until(lambda: len(service.workers()) == 2 and service.workers() != old)
        assert service.statuses() == {200}


def test_stop_ends_a_new_first_process_too(tmp_path: Path, project: Project) -> None:
    with updated(tmp_path, project, PRELOAD='models') as service:
        project.write(2, seconds=600)
        service.begin()
        until(lambda: len(service.workers()) == 3)
    assert 'Shutting down: Master' in service.log.read_text()
    with pytest.raises(OSError, match='refused'):
        service.get('/')


def test_new_first_process_that_nobody_would_follow_is_refused(tmp_path: Path, project: Project) -> None:
    """A supervisor that knows the first pid alone would take the service for ended."""
    log = tmp_path / 'log'
    with running_service(log, project.root, MODEL_SERVING_MODELS='VersionModel') as url:
        project.set_in_gunicorn('threads = 4')
        match = re.search(r'Listening at: \S+ \((\d+)\)', log.read_text())
        os.kill(int(match[1]) if match else 0, signal.SIGHUP)
        until(lambda: 'Reload failed: this takes a new first process' in log.read_text())
        assert post(url, '/v1/VersionModel', b'{}').status == 200


def test_systemd_is_told_of_a_new_first_process(tmp_path: Path, project: Project) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / 'notify'))
        systemd.setblocking(False)
        with updated(tmp_path, project, NOTIFY_SOCKET=str(tmp_path / 'notify')) as service:
            old = service.master
            project.set_in_gunicorn('threads = 4')
            assert service.reload()[0] == 'done'
            until(lambda: service.pid_file.exists() and service.master != old)
            said = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    said.append(systemd.recv(4096).decode())
            assert said.index('STATUS=Reload: all workers are new and ready') < said.index(
                f'MAINPID={service.master}'
            )


def test_new_first_process_goes_on_where_the_old_one_is_killed(tmp_path: Path, project: Project) -> None:
    with updated(tmp_path, project) as service:
        old = service.master
        project.set_in_gunicorn('threads = 4')
        project.write(2, seconds=2)
        service.begin()
        until((tmp_path / 'pid.2').exists)
        os.kill(old, signal.SIGKILL)
        until(lambda: service.pid_file.exists() and service.master != old)
        until(lambda: service.call()['version'] == 2)
        until(lambda: len(service.workers()) == 2)
        project.write(3)
        assert service.reload()[0] == 'done'
        assert {service.call()['version'] for _ in range(8)} == {3}
