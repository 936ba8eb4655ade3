"""`main.py plan`, with real services."""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_serving.commands.capacity.processes import family
from tests.linux import linux_only
from tests.project_copy import END_OF_MODELS, copy_with_models
from tests.service_process import ROOT

pytestmark = linux_only

BEGIN = """
import time
from typing import Any
from flask_restful import Resource
from model_serving.utils.validation_utils import validate_json
EXAMPLE: dict[str, Any] = {'type': 'object', 'examples': [{'rows': [1]}]}
"""

RESOURCES = {
    'BurningModel': """
class BurningModelResource(Resource):
    @validate_json(EXAMPLE)
    def post(self):
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return {}
""",
    'WaitingModel': """
class WaitingModelResource(Resource):
    @validate_json(EXAMPLE)
    def post(self):
        time.sleep(0.05)
        return {}
""",
    'BrokenModel': """
class BrokenModelResource(Resource):
    @validate_json(EXAMPLE)
    def post(self):
        raise ValueError('no weights')
""",
    'SilentModel': """
class SilentModelResource(Resource):
    @validate_json({'type': 'object'})
    def post(self):
        return {}
""",
    'PairModel': """
class PairModelResource(Resource):
    @validate_json({**EXAMPLE, 'properties': {'rows': {'maxItems': 2}}})
    def post(self):
        return {}
""",
}


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with models whose cost is known, or that cannot be measured."""
    resources = {name: BEGIN + code for name, code in RESOURCES.items()}
    return copy_with_models(tmp_path_factory.mktemp('plan') / 'project', resources)


def command(root: Path, *arguments: str, program: str = 'main.py') -> tuple[list[str], dict[str, str]]:
    module = ['-m', 'model_serving'] if program == 'model-serving' else ['main.py']
    return [sys.executable, '-P', *module, 'plan', *arguments], {**os.environ, 'PYTHONPATH': str(root)}


def plan(root: Path, *arguments: str, program: str = 'main.py', **environment: str) -> str:
    """What the command prints; of one that fails, the status and what is wrong."""
    line, inherited = command(root, *arguments, program=program)
    done = subprocess.run(
        line, cwd=root, env={**inherited, **environment}, capture_output=True, text=True, timeout=120
    )
    return done.stdout if done.returncode == 0 else f'{done.returncode}: {done.stderr}'


def figure(text: str, row: str) -> float:
    """The number in a row of the plan."""
    found = re.search(rf'^  {re.escape(row)} +([\d,.]+)', text, re.MULTILINE)
    assert found, text
    return float(found[1].replace(',', ''))


def test_cost_of_a_model_that_computes_is_what_it_computes(project: Path) -> None:
    text = plan(project, '--model=BurningModel', '--rate=100', '--busy=50', '--cores=2')

    cpu_ms = max(figure(text, f'CPU time of a request, {clients}') for clients in ('one client', '8 clients'))
    assert 10 <= cpu_ms < 20
    assert figure(text, 'cores that compute, on average') == pytest.approx(cpu_ms / 10, abs=0.01)
    assert figure(text, 'cores') == pytest.approx(cpu_ms / 5, abs=0.01)
    assert figure(text, 'workers') == math.ceil(cpu_ms / 5)
    assert figure(text, 'workers in each (WORKERS)') == 2
    assert figure(text, 'instances') == 2
    assert 'for its cores' in text


def test_model_that_waits_needs_slots_and_hardly_a_core(project: Path) -> None:
    options = ['--model=WaitingModel', '--rate=100', '--busy=50']
    text = plan(project, *options, program='model-serving', THREADS='4')

    slot_ms = figure(text, 'time for which a call holds a slot')
    assert 50 <= slot_ms < 100
    assert figure(text, 'cores') < 1
    # About 5 calls at a time, in 4 slots that are half busy.
    assert figure(text, 'instances') == math.ceil(slot_ms / 20)
    assert 'for its THREADS' in text


def test_shipped_model_is_planned_whatever_the_environment_says_of_its_service(tmp_path: Path) -> None:
    keys = tmp_path / 'keys.conf'
    keys.write_text(f'shop {"0" * 64} *\n')
    prices = {
        'instance-hour': '2',
        'vcpu-second': '0.00001',
        'gib-second': '0.000002',
        'million-requests': '3',
    }
    text = plan(
        ROOT,
        *('--model=DigitsModel', '--rate=50', '--rows=3', '--memory=1024', '--cores=1'),
        *(f'--price-{name}={price}' for name, price in prices.items()),
        MODEL_SERVING_KEYS=str(keys),
        SCRIPT_NAME='/ml',
        GUNICORN_CMD_ARGS='--workers=3 --bind=127.0.0.1:1',
    )

    assert text.startswith('Measuring DigitsModel on this machine, for about ten seconds ...\n')
    assert 'DigitsModel: 50 requests a second, each with its example with --rows=3' in text
    assert 40 < figure(text, 'memory of one worker') < 300
    assert 0 < figure(text, 'memory of each further worker') < figure(text, 'memory of one worker')
    assert 'x 2 = 1,460.00' in text
    assert '2,628,000  x 0.00001 = 26.28' in text
    assert '2,628,000  x 0.000002 = 5.26' in text
    assert figure(text, 'Cloud Run: million requests') == 131
    assert '= 425.74' in text  # 26.28 + 5.256 + 3 x 131.4


def test_version_is_planned_by_its_number_whatever_the_settings_say_of_the_others(tmp_path: Path) -> None:
    root = copy_with_models(tmp_path / 'project', {'WaitingModel': BEGIN + RESOURCES['WaitingModel']})
    resources = root / 'model_serving' / 'resources'
    shutil.copy(resources / 'waiting_model_resource.py', resources / 'waiting_model_2_resource.py')
    module = 'model_serving.resources.waiting_model_2_resource:WaitingModelResource'
    mount = f"    Mount('WaitingModel', '{module}', version='2'),\n"
    main = root / 'main.py'
    main.write_text(main.read_text().replace(END_OF_MODELS, mount + END_OF_MODELS))
    (root / 'conf' / 'model_serving.conf').write_text('[model_serving]\ndefault_versions = WaitingModel=1\n')
    assert 'give --model=WaitingModel@1 or --model=WaitingModel@2' in plan(
        root, '--model=WaitingModel', '--rate=100'
    )
    text = plan(root, '--model=WaitingModel@2', '--rate=100')
    assert 50 <= figure(text, 'time for which a call holds a slot') < 100


WRONG = {
    'rate': (['--model=XXXModel', '--rate=fast'], "plan: --rate: 'fast' is not a number above 0"),
    'rate_is_0': (['--model=XXXModel', '--rate=0'], 'try --rate=50'),
    'rate_is_none': (['--model=XXXModel', '--rate=nan'], 'try --rate=50'),
    'busy': (['--model=XXXModel', '--rate=1', '--busy=101'], 'up to 100; try --busy=60'),
    'rows': (['--model=XXXModel', '--rate=1', '--rows=two'], "plan: --rows: 'two' is not a number from 1"),
    'price': (['--model=XXXModel', '--rate=1', '--price-gib-second=$1'], 'try --price-gib-second=0.05'),
    'model': (['--model=Foo', '--rate=1'], "no model is called 'Foo'; known: XXXModel, IrisModel,"),
    'no_rate': (['--model=XXXModel'], 'Usage:'),
}


@pytest.mark.parametrize(('arguments', 'message'), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize('program', ['main.py', 'model-serving'])
def test_wrong_argument_is_told_before_anything_is_started(
    program: str, arguments: list[str], message: str
) -> None:
    said = plan(ROOT, *arguments, program=program)

    assert said.startswith('1: ')
    assert message in said
    assert 'Measuring' not in said
    assert 'Traceback' not in said


def test_wrong_number_of_threads_is_named() -> None:
    assert "THREADS: 'many'" in plan(ROOT, '--model=XXXModel', '--rate=1', THREADS='many')


UNMEASURED = {
    'broken': ('BrokenModel', 'plan: BrokenModel failed on its own example: ValueError'),
    'silent': ('SilentModel', 'plan: SilentModel has no example; give its schema `examples`'),
}


@pytest.mark.parametrize(('model', 'message'), UNMEASURED.values(), ids=UNMEASURED)
def test_model_that_cannot_be_measured_is_told(project: Path, model: str, message: str) -> None:
    said = plan(project, f'--model={model}', '--rate=1')

    assert message in said
    assert 'Traceback (most recent call last)' not in said


def test_refused_rows_are_told_in_the_words_of_the_service(project: Path) -> None:
    said = plan(project, '--model=PairModel', '--rate=1', '--rows=3')

    assert 'plan: PairModel answered 400' in said
    assert 'too long' in said or 'more than 2' in said


def test_example_without_rows_cannot_have_more() -> None:
    said = plan(ROOT, '--model=XXXModel', '--rate=1', '--rows=3')

    assert 'plan: the example of XXXModel has no list of rows, or several; leave --rows out' in said


def test_service_that_does_not_start_is_told() -> None:
    said = plan(ROOT, '--model=XXXModel', '--rate=1', MODEL_SERVING_MAX_BODY_BYTES='lots')

    assert 'plan: the service did not start:\n' in said
    assert "'lots' is not a whole number" in said


def test_memory_for_not_even_a_worker_is_told_with_what_is_enough() -> None:
    said = plan(ROOT, '--model=XXXModel', '--rate=1', '--memory=32')

    assert 'plan: one worker does not fit into 32 MiB; give --memory=128 or more, or leave it out' in said


def test_folder_without_a_project_is_told(tmp_path: Path) -> None:
    said = plan(tmp_path, '--model=XXXModel', '--rate=1', program='model-serving', PYTHONPATH=str(ROOT))

    assert (
        said
        == f'1: {tmp_path}/conf/gunicorn.conf.py is missing; give this command in the folder of a project\n'
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_plan_leaves_nothing_running(number: signal.Signals) -> None:
    line, environment = command(ROOT, '--model=XXXModel', '--rate=1')
    process = subprocess.Popen(
        line, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 30
    while len(started := list(family(process.pid))) < 3:  # The command, gunicorn, a worker.
        assert time.monotonic() < end
        time.sleep(0.05)

    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert said.endswith('Interrupted; nothing was left running\n')
    assert process.returncode == 1
    assert [pid for pid in started if runs(pid)] == []


def runs(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
