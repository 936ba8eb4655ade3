"""What models start keeps nothing of the server's and ends with it; what ends a worker ends that alone."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import joblib
import pytest

from model_serving.engine import children
from model_serving.engine.children import end_children, end_group, end_processes, isolate_children
from tests.engine.clients import Service, at_once, until
from tests.linux import linux_only
from tests.raw_http import Answer, post
from tests.service_process import ROOT, free_port, running_service

pytestmark = linux_only

FORKING = 'tests.engine.forking_service:app'
forking = multiprocessing.get_context('fork')


# What a process does that plays a worker: each of these is run in an interpreter of its own.


class PlayedWorker:
    """Handlers of signals, a pipe that they write to, a socket that listens, one of a client."""

    def __init__(self) -> None:
        self.caught: list[int] = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.client = socket.create_connection(self.listener.getsockname())
        self.waking, self.written = socket.socketpair()
        self.written.setblocking(False)
        signal.set_wakeup_fd(self.written.fileno())
        for number in children.SIGNALS:
            signal.signal(number, lambda number, frame: self.caught.append(number))
        self.files = [each.fileno() for each in (self.listener, self.client, self.waking, self.written)]
        isolate_children(lambda: [*self.files, 12345, -1])

    def woken(self) -> bool:
        self.waking.setblocking(False)
        try:
            return bool(set(self.waking.recv(100)) - {signal.SIGCHLD})
        except BlockingIOError:
            return False


def fork(task: Callable[[], Any]) -> int:
    """The status of a child that does this; 9 where it raises."""
    child = os.fork()
    if not child:
        try:
            task()
            os._exit(0)
        finally:
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_a_thread(task: Callable[[], Any]) -> Any:
    """What it gives, called in a thread that holds all signals, as threads of servers do."""
    given = []

    def call() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, children.SIGNALS)
        given.append(task())

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return given[0]


def open_files(pid: int) -> list[str]:
    return [os.readlink(each) for each in Path(f'/proc/{pid}/fd').iterdir() if each.is_symlink()]


def child_has_no_socket() -> None:
    worker = PlayedWorker()

    def look() -> None:
        links = [os.readlink(f'/proc/self/fd/{file}') for file in worker.files]
        assert links == ['/dev/null'] * 4
        worker.listener.close()
        file = os.open('/dev/zero', os.O_RDONLY)
        del worker.client, worker.waking
        assert os.read(file, 1) == b'\0'

    assert fork(look) == 0
    assert in_a_thread(lambda: fork(look)) == 0
    worker.listener.accept()[0].close()


def child_is_ended_by_each_signal() -> None:
    PlayedWorker()
    mortal = [each for each in children.SIGNALS if each not in (signal.SIGWINCH, signal.SIGCHLD)]
    for number in mortal:
        for within in (lambda task: task(), in_a_thread):
            status = within(lambda number=number: fork(lambda: os.kill(os.getpid(), number)))
            assert status == -number, (number, status)


def child_told_at_once_ends_and_its_parent_hears_nothing() -> None:
    worker = PlayedWorker()
    for _ in range(100):
        process = forking.Process(target=time.sleep, args=[60])
        process.start()
        process.terminate()
        process.join(10)
        assert process.exitcode == -signal.SIGTERM
    assert set(worker.caught) <= {signal.SIGCHLD}
    assert not worker.woken()


def parent_keeps_its_signals() -> None:
    worker = PlayedWorker()
    fork(lambda: None)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
    os.kill(os.getpid(), signal.SIGTERM)
    assert signal.SIGTERM in worker.caught
    assert worker.woken()


def files_of_a_child_stay_in_its_own_child() -> None:
    worker = PlayedWorker()

    def begin_anew() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for each in (worker.listener, worker.client, worker.waking):
            each.close()
        mine = [os.open('/dev/zero', os.O_RDONLY) for _ in range(4)]
        assert set(mine) & set(worker.files)

        def look() -> None:
            assert all(os.read(file, 1) == b'\0' for file in mine)
            os.kill(os.getpid(), signal.SIGTERM)

        assert fork(look) == 0

    assert fork(begin_anew) == 0


def what_fails_in_files_keeps_nobody_from_forking() -> None:
    PlayedWorker()
    isolate_children(lambda: [1 // 0])
    assert fork(lambda: os.kill(os.getpid(), signal.SIGTERM)) == -signal.SIGTERM


def end_worker() -> None:
    """As a worker ends: what is left of its group is for its parent."""
    begin = time.monotonic()
    end_children(1, os.getppid())
    assert time.monotonic() - begin < 2


def everybody_ends() -> None:
    PlayedWorker()
    daemon = forking.Process(target=time.sleep, args=[60], daemon=True)
    daemon.start()
    pool = forking.Pool(2)
    assert pool.map(abs, [-1]) == [1]
    spawned = multiprocessing.get_context('spawn').Pool(1)
    assert spawned.map(abs, [-1]) == [1]
    orphan = "(trap '' TERM; exec sleep 60) & echo; wait"
    shell = subprocess.Popen(['sh', '-c', orphan], stdout=subprocess.PIPE)
    assert shell.stdout
    shell.stdout.readline()
    assert len(multiprocessing.active_children()) == 4
    end_worker()
    assert not multiprocessing.active_children()
    assert daemon.exitcode == shell.wait(1) == -signal.SIGTERM


def executors_end() -> None:
    PlayedWorker()
    executor = ProcessPoolExecutor(2, mp_context=forking)
    assert executor.submit(abs, -1).result() == 1
    for _ in range(4):
        executor.submit(time.sleep, 60)
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-number) for number in range(4)) == [0, 1, 2, 3]
    end_worker()
    until(lambda: not multiprocessing.active_children())


def stubborn_child_is_not_waited_for() -> None:
    """The end of the interpreter waits for one that is no daemon."""
    PlayedWorker()
    ready = forking.Event()

    def be_stubborn() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready.set()
        time.sleep(60)

    child = forking.Process(target=be_stubborn)
    child.start()
    ready.wait(10)
    end_worker()
    child.join(5)
    assert child.exitcode == -signal.SIGKILL


def pool_with_a_dead_lock_is_left() -> None:
    PlayedWorker()
    pool = forking.Pool(1)
    pool.apply(abs, [1])
    holder = multiprocessing.active_children()[0]
    holder.kill()
    until(
        lambda: (
            (active := multiprocessing.active_children()) and holder.pid not in {each.pid for each in active}
        )
    )
    end_worker()
    until(lambda: not multiprocessing.active_children())


def shared_memory_is_cleared_away() -> None:
    """By its tracker, which ends after the worker."""
    PlayedWorker()
    SharedMemory('children_test', create=True, size=100)
    end_worker()
    os._exit(0)


def worker_without_a_parent_leaves_nobody() -> None:
    PlayedWorker()
    subprocess.Popen(['sh', '-c', "trap '' TERM; exec sleep 60"])
    end_children(1, parent=0)


def children_of_the_parent_are_not_the_workers() -> None:
    daemon = forking.Process(target=time.sleep, args=[60], daemon=True)
    daemon.start()

    def work() -> None:
        isolate_children(lambda: [])
        end_processes(1)
        multiprocessing.util._exit_function()

    assert fork(work) == 0
    assert daemon.is_alive()


def nobody_else_ends() -> None:
    """A sister, and one that has no parent here any more since long."""
    begin = time.monotonic()
    end_children(5, os.getppid())
    assert time.monotonic() - begin < 1


STORIES = [
    child_has_no_socket,
    child_is_ended_by_each_signal,
    child_told_at_once_ends_and_its_parent_hears_nothing,
    parent_keeps_its_signals,
    files_of_a_child_stay_in_its_own_child,
    what_fails_in_files_keeps_nobody_from_forking,
    everybody_ends,
    executors_end,
    stubborn_child_is_not_waited_for,
    pool_with_a_dead_lock_is_left,
    shared_memory_is_cleared_away,
    worker_without_a_parent_leaves_nobody,
    children_of_the_parent_are_not_the_workers,
    nobody_else_ends,
]


@pytest.mark.parametrize('story', STORIES, ids=lambda story: story.__name__)
def test_played_worker(story: Callable[[], None]) -> None:
    sister = subprocess.Popen(['sleep', '60'])
    code = f'from tests.engine.test_children import {story.__name__} as story; story()'
    worker = subprocess.Popen(
        [sys.executable, '-c', code], cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0
    )
    try:
        assert worker.stderr
        with worker.stderr:
            status = worker.wait(30)
            assert status == 0, worker.stderr.read()
        if story is not worker_without_a_parent_leaves_nobody:
            end_group(worker.pid, 1)
        until(lambda: not members(worker.pid), 1)
        assert not Path('/dev/shm/children_test').exists()
        assert sister.poll() is None
    finally:
        sister.kill()
        sister.wait()


def members(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    lines = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            lines.append(stat.read_text(errors='replace'))
    fields = [(line, line.rpartition(')')[2].split()) for line in lines]
    return [line for line, (state, _, its, *_) in fields if int(its) == group and state != 'Z']


# The real engine.


def call(service: Service, model: str, what: str = '', n: int = 0) -> Answer:
    return post(service.url, f'/v1/{model}', json.dumps({'what': what, 'n': n}).encode())


def start(service: Service, what: str) -> int:
    return int(call(service, 'Start', what).json['result'])


def serving(log: Path, **environment: str) -> Any:
    return running_service(log, ROOT, FORKING, **environment)


@pytest.fixture(scope='module')
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp('forks') / 'log'
    with serving(log) as url:
        yield Service(url, log)


def test_60_pools_6_at_a_time(forks: Service) -> None:
    with at_once(6) as submit:
        answers = [submit(call, forks, 'Pool', 'pool', number) for number in range(60)]
        assert [answer.result().json for answer in answers] == [{'result': n * n} for n in range(60)]
    assert forks.answers_quickly()


@pytest.mark.parametrize('what', ['loaded', 'daemon', 'grandchild', 'idle pool'])
def test_child_holds_nothing_of_the_servers(forks: Service, what: str) -> None:
    with forks.connect():
        servers = sockets_of(forks.state()['pid'])
        assert len(servers) > 2
        child = start(forks, what)
        until(lambda: not servers & sockets_of(child))  # It may have been forked this moment.
        assert 'anon_inode:[eventpoll]' not in open_files(child)


def sockets_of(pid: int) -> set[str]:
    return {each for each in open_files(pid) if each.startswith('socket:')}


def test_child_told_at_once_ends_and_the_service_goes_on(forks: Service) -> None:
    assert [start(forks, 'terminated') for _ in range(10)] == [signal.SIGTERM] * 10
    assert forks.answers_quickly()


KINDS = ('loaded', 'daemon', 'grandchild', 'stubborn', 'idle pool')


def test_all_children_end_with_the_service(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with serving(log) as url:
        service = Service(url, log)
        started = [start(service, what) for what in KINDS]
        assert all(is_there(pid) for pid in started)
        begin = time.monotonic()
    assert time.monotonic() - begin < 8
    assert [pid for pid in started if is_there(pid)] == []
    socket.create_server(('127.0.0.1', int(url.rsplit(':', 1)[1]))).close()


def is_there(pid: int) -> bool:
    try:
        return 'Z' not in Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:
        return False


def pids(service: Service, count: int) -> set[int]:
    """The workers, once there are so many that answer."""
    found: set[int] = set()

    def enough() -> bool:
        found.update(service.get('/state', 'Connection: close').json['pid'] for _ in range(8))
        found.intersection_update(pid for pid in set(found) if is_there(pid))
        return len(found) == count

    until(enough, 20)
    return found


@pytest.mark.parametrize('what', ['os._exit', "C's exit"])
@pytest.mark.parametrize('preload', ['none', 'models'])
def test_exit_of_a_model_ends_its_worker_alone(tmp_path: Path, what: str, preload: str) -> None:
    log = tmp_path / 'log'
    with serving(log, PRELOAD=preload) as url:
        service = Service(url, log)
        for status in (3, 4):
            before = service.state()['pid']
            orphans = [start(service, 'daemon'), start(service, 'stubborn')]
            with pytest.raises(ConnectionError):
                call(service, 'Exit', what, status)
            assert pids(service, 1) != {before}
            until(lambda orphans=orphans: not any(map(is_there, orphans)))
        loaded = start(service, 'loaded')
        assert 'failed to boot' not in service.text()
    assert not is_there(loaded)


def test_worker_that_its_model_breaks_says_which_model_and_is_replaced(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with serving(log) as url:
        service = Service(url, log)
        for what, number in (('null pointer', 0), ('signal', signal.SIGABRT), ('signal', signal.SIGKILL)):
            with pytest.raises(ConnectionError):
                call(service, 'Exit', what, number)
            assert until(lambda: pids(service, 1))
        text = service.text()
    for said in (
        'Fatal Python error: Segmentation fault',
        'Fatal Python error: Aborted',
        'forking_service.py',
    ):
        assert said in text
    for said in ('was sent SIGSEGV', 'was sent SIGABRT', 'was sent SIGKILL! Perhaps out of memory?'):
        assert said in text
    named = re.findall(r'ended with unanswered requests to Exit: 1; .* took \d+ MiB', text)
    assert len(named) == 3


def test_all_children_end_when_gunicorn_is_killed(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with serving(log) as url:
        service = Service(url, log)
        started = [start(service, what) for what in KINDS]
        os.kill(service.master(), signal.SIGKILL)
        until(lambda: not any(map(is_there, started)))


def test_worker_that_ends_leaves_what_the_preloaded_models_have_started(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with serving(log, PRELOAD='models') as url:
        service = Service(url, log)
        loaded, before = start(service, 'loaded'), pids(service, 1)
        os.kill(min(before), signal.SIGTERM)
        until(lambda: not pids(service, 1) & before)
        assert 'Worker exiting' in service.text()
        assert is_there(loaded)
        assert 'Traceback' not in service.text()
    assert not is_there(loaded)


def test_exit_after_a_reload_and_of_a_further_worker(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with serving(log) as url:
        service = Service(url, log)
        before = pids(service, 1)
        os.kill(service.master(), signal.SIGHUP)
        until(lambda: not pids(service, 1) & before)
        os.kill(service.master(), signal.SIGTTIN)
        for _ in range(2):
            pids(service, 2)
            with pytest.raises(ConnectionError):
                call(service, 'Exit', 'os._exit', 3)
        assert len(pids(service, 2)) == 2


def test_worker_that_replaces_another_and_fails_leaves_the_others(tmp_path: Path) -> None:
    log, fail = tmp_path / 'log', tmp_path / 'fail'
    with serving(log, WORKERS='2', FAIL_TO_BOOT=str(fail)) as url:
        service = Service(url, log)
        pids(service, 2)
        fail.touch()
        with pytest.raises(ConnectionError):
            call(service, 'Exit', 'os._exit', 1)
        until(lambda: 'this worker does not boot' in service.text())
        assert len(pids(service, 1)) == 1
        fail.unlink()
        assert len(pids(service, 2)) == 2


@pytest.mark.parametrize('preload', ['none', 'models'])
def test_start_that_fails_ends_gunicorn(tmp_path: Path, preload: str) -> None:
    """As bin/start.sh expects it."""
    fail = tmp_path / 'fail'
    fail.touch()
    settings = {'PORT': str(free_port()), 'WORKERS': '2', 'FAIL_TO_BOOT': str(fail), 'PRELOAD': preload}
    ran = subprocess.run(
        [sys.executable, '-m', 'gunicorn', '--config', str(ROOT / 'conf' / 'gunicorn.conf.py'), FORKING],
        env={**os.environ, 'HOST': '127.0.0.1', **settings},
        capture_output=True,
        timeout=30,
    )
    assert ran.returncode in (1, 3)
