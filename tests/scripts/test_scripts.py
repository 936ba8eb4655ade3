"""The scripts of bin/, run as a person runs them, in a copy of the project whose path has a space."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.project_copy import copy_of_project, link_environments
from tests.service_process import ROOT, free_port


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose virtual environments are made."""
    copy = copy_of_project(tmp_path_factory.mktemp('scripts'))
    link_environments(copy)
    return copy


@pytest.fixture
def bare_checkout(tmp_path: Path, port: str) -> Iterator[Path]:
    """A copy of the project without a virtual environment."""
    copy = copy_of_project(tmp_path)
    yield copy
    run(copy, 'stop.sh', PORT=port)


@pytest.fixture(scope='module')
def port() -> str:
    return str(free_port())


@pytest.fixture(autouse=True)
def stopped(checkout: Path, port: str) -> Iterator[None]:
    """Leave nothing running."""
    yield
    run(checkout, 'stop.sh', PORT=port)


def run(
    checkout: Path, script: str, *arguments: str, **environment: str
) -> 'subprocess.CompletedProcess[str]':
    # From another directory, and through a pipe, which must close although the server goes on.
    return subprocess.run(
        [checkout / 'bin' / script, *arguments],
        cwd='/',
        env={**os.environ, 'PYTHON': sys.executable, 'HOST': '127.0.0.1', 'WORKERS': '1', **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def canonical(pin: str) -> str:
    return pin.lower().replace('_', '-')


@pytest.mark.elaborate
def test_start_demo_stop(bare_checkout: Path, port: str) -> None:
    checkout = bare_checkout
    started = run(checkout, 'start.sh', PORT=port)
    assert started.returncode == 0, started.stderr
    assert f'Serving at http://127.0.0.1:{port}/' in started.stdout
    assert (checkout / '.venv').is_dir()
    tried = next(line for line in started.stdout.splitlines() if line.startswith('Try:'))
    curled = subprocess.run(['sh', '-c', tried.removeprefix('Try:')], capture_output=True, check=True).stdout
    assert json.loads(curled) == {'result': 'Hello, Leo!'}

    freeze = [checkout / '.venv' / 'bin' / 'python', '-m', 'pip', 'freeze']
    installed = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.split()
    pinned = [line for line in (ROOT / 'requirements.txt').read_text().splitlines() if '==' in line]
    assert sorted(map(canonical, installed)) == sorted(map(canonical, pinned))

    demo = run(checkout, 'request-demo.sh', PORT=port)
    assert demo.returncode == 0
    assert [line for line in demo.stdout.splitlines() if not line.startswith('$')] == [
        '{"message":"No JSON object"}',
        'status 400',
        '{"message":"\'name\' is a required property"}',
        'status 400',
        '{"result":"Hello, Leo!"}',
        'status 200',
    ]

    again = run(checkout, 'start.sh', PORT=port)
    assert again.returncode == 0
    assert again.stdout.startswith('Already running: pid ')
    assert f'http://127.0.0.1:{port}' in again.stdout

    stopped = run(checkout, 'stop.sh')
    assert (stopped.returncode, stopped.stdout[:13]) == (0, 'Stopped (pid ')
    with pytest.raises(OSError, match='refused'):
        urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=5)


def test_stop_says_that_nothing_runs(checkout: Path) -> None:
    stopped = run(checkout, 'stop.sh')

    assert (stopped.returncode, stopped.stdout) == (0, 'Not running\n')


def test_demo_says_that_nothing_runs(checkout: Path) -> None:
    demo = run(checkout, 'request-demo.sh', PORT=str(free_port()))

    assert demo.returncode == 1
    assert 'start the service with bin/start.sh' in demo.stderr


@pytest.mark.parametrize('content', ['{dead}', '{other}', 'rubbish', ''])
def test_stale_pid_file_is_recognised(checkout: Path, port: str, content: str) -> None:
    dead = subprocess.run(['sh', '-c', 'echo $$'], capture_output=True, text=True).stdout.strip()
    other = subprocess.Popen(['sleep', '60'])
    try:
        (checkout / 'tmp').mkdir(exist_ok=True)
        (checkout / 'tmp' / 'model-serving.pid').write_text(content.format(dead=dead, other=other.pid))
        assert run(checkout, 'stop.sh').stdout == 'Not running\n'
        (checkout / 'tmp' / 'model-serving.pid').write_text(content.format(dead=dead, other=other.pid))
        assert 'Serving at' in run(checkout, 'start.sh', PORT=port, MODEL_SERVING_MODELS='XXXModel').stdout
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_another_program_that_names_the_configuration_is_left_alone(checkout: Path) -> None:
    config = checkout / 'conf' / 'gunicorn.conf.py'
    other = subprocess.Popen(['tail', '-f', str(config)], stdout=subprocess.DEVNULL)
    try:
        (checkout / 'tmp').mkdir(exist_ok=True)
        (checkout / 'tmp' / 'model-serving.pid').write_text(str(other.pid))
        assert run(checkout, 'stop.sh').stdout == 'Not running\n'
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_address_that_gunicorn_is_given_counts(checkout: Path, port: str) -> None:
    bind = f'--bind 127.0.0.2:{port}'
    started = run(checkout, 'start.sh', GUNICORN_CMD_ARGS=bind, PORT=port, MODEL_SERVING_MODELS='XXXModel')
    assert f'Serving at http://127.0.0.2:{port}/' in started.stdout, started.stderr
    assert f'Try:  curl http://127.0.0.2:{port}/v1/XXXModel ' in started.stdout
    assert run(checkout, 'stop.sh').stdout.startswith('Stopped')


def test_two_starts_at_once_make_one_service(checkout: Path, port: str) -> None:
    command = [checkout / 'bin' / 'start.sh']
    settings = {'HOST': '127.0.0.1', 'PORT': port, 'WORKERS': '1', 'MODEL_SERVING_MODELS': 'XXXModel'}
    starts = [
        subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(start.communicate(timeout=120)[0].split()[0] for start in starts)
    assert said == ['Already', 'Serving']
    assert [start.returncode for start in starts] == [0, 0]


def test_upgrade_of_gunicorn_serves_on(checkout: Path, port: str) -> None:
    """USR2 starts a new master, which takes the place of the old one; bin/stop.sh stops that."""
    pid_file = checkout / 'tmp' / 'model-serving.pid'
    run(checkout, 'start.sh', PORT=port, MODEL_SERVING_MODELS='XXXModel')
    old = int(pid_file.read_text())
    os.kill(old, signal.SIGUSR2)
    wait_for(lambda: pid_file.exists() and int(pid_file.read_text() or old) != old)
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/health/live', timeout=5) as answer:
        assert answer.status == 200
    assert run(checkout, 'stop.sh').stdout.startswith('Stopped')


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_killed_service_starts_again(checkout: Path, port: str) -> None:
    run(checkout, 'start.sh', PORT=port, MODEL_SERVING_MODELS='XXXModel')
    os.kill(int((checkout / 'tmp' / 'model-serving.pid').read_text()), signal.SIGKILL)
    time.sleep(2)  # The worker notices that its parent is gone, and ends.

    assert 'Serving at' in run(checkout, 'start.sh', PORT=port, MODEL_SERVING_MODELS='XXXModel').stdout


FAILURES = {
    'port_is_a_word': ({'PORT': 'abc'}, "PORT: 'abc' is not a number from 1 to 65535"),
    'port_is_too_large': ({'PORT': '99999'}, "PORT: '99999' is not a number from 1 to 65535"),
    'unknown_model': ({'MODEL_SERVING_MODELS': 'Foo'}, "no model is called 'Foo'; known: XXXModel"),
    'wrong_setting': ({'MODEL_SERVING_MAX_BODY_BYTES': '0'}, 'MODEL_SERVING_MAX_BODY_BYTES: 0 is too small'),
    'wrong_workers': ({'WORKERS': 'two'}, "WORKERS: 'two' is not a number from 1 to 65535"),
}


@pytest.mark.parametrize(('environment', 'reason'), FAILURES.values(), ids=FAILURES)
def test_failed_start_says_why(checkout: Path, port: str, environment: dict[str, str], reason: str) -> None:
    started = run(checkout, 'start.sh', **{'PORT': port, **environment})

    assert started.returncode == 1
    assert reason in started.stderr
    assert run(checkout, 'stop.sh').stdout == 'Not running\n'


def test_start_says_which_model_failed(checkout: Path, port: str, tmp_path: Path) -> None:
    (tmp_path / 'no.onnx').write_text('no model')
    started = run(
        checkout,
        'start.sh',
        PORT=port,
        MODEL_SERVING_MODELS='XXXModel,DigitsModel',
        MODEL_SERVING_DIGITS_MODEL_PATH=str(tmp_path / 'no.onnx'),
    )

    assert started.returncode == 0
    assert 'Serving at' in started.stdout
    assert [line for line in started.stderr.splitlines() if line.startswith('DigitsModel failed to load: ')]
    assert 'XXXModel' not in started.stderr


def test_taken_port_is_named(checkout: Path, service: str) -> None:
    started = run(checkout, 'start.sh', PORT=service.rsplit(':', 1)[1])

    assert started.returncode == 1
    assert 'Address already in use; choose others with HOST and PORT' in started.stderr


def test_changed_requirements_are_installed_again(checkout: Path, port: str) -> None:
    once = run(checkout, 'start.sh', PORT=port, MODEL_SERVING_MODELS='XXXModel')
    run(checkout, 'stop.sh')
    requirements = checkout / 'requirements.txt'
    requirements.write_text(requirements.read_text() + '# changed\n')
    changed = run(checkout, 'start.sh', PORT=port, MODEL_SERVING_MODELS='XXXModel')

    assert 'Installing' not in once.stdout
    assert 'Installing requirements.txt' in changed.stdout


def test_test_script_refuses_an_unknown_argument(checkout: Path) -> None:
    answer = run(checkout, 'test.sh', '--fast')

    assert answer.returncode == 1
    assert 'unknown argument --fast; give --all, or paths such as tests/models' in answer.stderr


def test_light_packages_of_tests_are_among_all() -> None:
    light, everything = (
        set((ROOT / f'requirements-{name}.txt').read_text().splitlines()) for name in ('test', 'dev')
    )

    assert {line for line in light if line and not line.startswith('#')} <= everything
