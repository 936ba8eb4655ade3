"""What gunicorn's own settings do to the engine, and what becomes of a worker that is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_serving.engine.loop_worker import WITHOUT_EFFECT
from tests.engine.clients import at_once, until
from tests.engine.odd_clients import ODD, Odd, odd
from tests.service_process import ROOT, free_port

CONFIG = ROOT / 'conf' / 'gunicorn.conf.py'


def refused(config: Path, *arguments: str) -> str:
    """What is said of a configuration with which the service does not start."""
    result = subprocess.run(
        [sys.executable, '-m', 'gunicorn', '--config', str(config), *arguments, ODD],
        cwd=ROOT,
        env={**os.environ, 'HOST': '127.0.0.1', 'PORT': str(free_port()), 'WORKERS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
    )
    assert result.returncode != 0
    return result.stdout


@pytest.mark.parametrize(
    'arguments',
    [
        ('--limit-request-line', '100'),
        ('--limit-request-fields', '10'),
        ('--limit-request-field_size', '100'),
        ('--proxy-protocol', 'v1'),
        ('--worker-connections', '10'),
        ('--header-map', 'dangerous'),
    ],
    ids=lambda arguments: arguments[0],
)
def test_setting_that_would_do_nothing_stops_the_start(arguments: tuple[str, ...]) -> None:
    said = refused(CONFIG, *arguments)
    name = arguments[0].removeprefix('--').replace('-', '_')
    assert f'{name}: ' in said
    assert arguments[1] in said
    assert 'no effect' in said
    assert 'Traceback' not in said
    assert name in WITHOUT_EFFECT


def test_hook_that_would_not_be_called_stops_the_start(tmp_path: Path) -> None:
    for hook, arguments in (('pre_request', 'worker, request'), ('worker_abort', 'worker')):
        config = tmp_path / f'{hook}.py'
        config.write_text(f'{CONFIG.read_text()}\n\ndef {hook}({arguments}):\n    pass\n'.replace(
            'Path(__file__).resolve().parent.parent', f'Path({str(ROOT)!r})'
        ))  # fmt: skip
        assert f'{hook}: ' in refused(config)


def test_worker_whose_loop_is_kept_is_ended_with_all_stacks_and_replaced(tmp_path: Path) -> None:
    with odd(tmp_path / 'log', GUNICORN_CMD_ARGS='--timeout 3') as service, at_once() as submit:
        pid = service.state()['pid']
        sleeping = submit(lost, service, 'Sleep', '20', 1)
        until(lambda: service.state()['calls'])
        blocking = submit(lost, service, 'Async', 'block', 3600)
        assert until(lambda: answers(service, pid), 15)
        assert (sleeping.result(), blocking.result()) == (True, True)
        text = service.text()
        assert 'WORKER TIMEOUT' in text
        assert 'Fatal Python error: Aborted' in text
        assert 'in do_block' in text  # Where the loop was,
        assert 'in run_calls' in text  # and a thread of another model.
        assert service.is_well()


def lost(service: Odd, model: str, what: str, n: float) -> bool:
    try:
        service.call(model, what, n)
    except OSError:
        return True
    return False


def answers(service: Odd, before: int) -> bool:
    try:
        return bool(service.state()['pid'] != before)
    except OSError:
        return False
