"""What conf/gunicorn.conf.py makes of PRELOAD and of the cores: real processes, looked at from outside."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from model_serving.cores import available_cores
from tests.linux import linux_only
from tests.project_copy import copy_with_models
from tests.raw_http import post
from tests.service_process import free_port, running_service

pytestmark = linux_only

PREDICT = {
    'XXXModel': (b'{"name": "Leo"}', 'Hello, Leo!'),
    'DigitsModel': (b'{"instances": [[' + b', '.join([b'0'] * 64) + b']]}', '"label"'),
    'IrisModel': (
        b'{"instances": [{"sepal_length": 5, "sepal_width": 3, "petal_length": 1, "petal_width": 0.2}]}',
        'setosa',
    ),
}


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose log says which process writes."""
    copy = copy_with_models(tmp_path_factory.mktemp('preload') / 'project', {})
    conf = copy / 'conf' / 'logging.conf'
    conf.write_text(conf.read_text().replace('format = ', 'format = %(process)d '))
    return copy


class Processes:
    """gunicorn and its workers, as the log of the service tells."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self.log = url, log
        match = re.search(r'Listening at: \S+ \((\d+)\)', log.read_text())
        assert match
        self.master = int(match[1])

    def workers(self) -> list[int]:
        tasks = Path(f'/proc/{self.master}/task').glob('*/children')
        return [int(child) for task in tasks for child in task.read_text().split()]

    def call_all(self, model: str) -> None:
        """Call the model until each worker has answered, as it should."""
        end = time.monotonic() + 60
        while set(self.workers()) - self.answered(model):
            assert time.monotonic() < end, self.log.read_text()
            callers = [threading.Thread(target=self.call, args=[model]) for _ in range(4)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()

    def call(self, model: str) -> None:
        body, expected = PREDICT[model]
        answer = post(self.url, f'/v1/{model}', body)
        assert (answer.status, expected in answer.body.decode()) == (200, True)

    def answered(self, model: str) -> set[int]:
        lines = re.findall(rf'^(\d+) .*POST /v1/{model} (\d+)', self.log.read_text(), re.MULTILINE)
        assert {status for _, status in lines} <= {'200'}
        return {int(pid) for pid, _ in lines}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / 'log'


def kilobytes(pid: int, kind: str) -> int:
    """The memory of this kind: Pss (what is shared, divided by its users) or Private_Dirty (its own)."""
    match = re.search(rf'^{kind}: +(\d+) kB', Path(f'/proc/{pid}/smaps_rollup').read_text(), re.MULTILINE)
    assert match
    return int(match[1])


def test_a_further_worker_costs_less_than_a_third_of_the_first(project: Path, log: Path) -> None:
    with running_service(log, project, WORKERS='2') as url:
        service = Processes(url, log)
        for model in PREDICT:
            service.call_all(model)
        workers = service.workers()
        whole = sum(kilobytes(pid, 'Pss') for pid in [service.master, *workers])
        further = max(kilobytes(pid, 'Private_Dirty') for pid in workers)
        own = [pid for pid in workers if f'{pid} ' in loading_lines(log)]

    assert further < (whole - further) / 3
    assert own == workers


def loading_lines(log: Path) -> str:
    return '\n'.join(line for line in log.read_text().splitlines() if 'Initializing' in line)


def test_without_preload_nothing_is_shared(project: Path, log: Path) -> None:
    with running_service(
        log, project, WORKERS='2', PRELOAD='none', MODEL_SERVING_MODELS='DigitsModel'
    ) as url:
        service = Processes(url, log)
        service.call_all('DigitsModel')

        assert not maps(service.master) & HEAVY
        assert all('onnxruntime' in maps(pid) for pid in service.workers())


def test_lone_worker_shares_nothing(project: Path, log: Path) -> None:
    with running_service(log, project, WORKERS='1', MODEL_SERVING_MODELS='DigitsModel') as url:
        assert not maps(Processes(url, log).master) & HEAVY


HEAVY = {'numpy', 'onnxruntime', 'scipy', 'sklearn', 'torch'}


def maps(pid: int) -> set[str]:
    """The packages that this process has libraries of."""
    return set(re.findall(r'site-packages/(\w+)', Path(f'/proc/{pid}/maps').read_text()))


def test_hello_alone_loads_nothing_heavy(project: Path, log: Path) -> None:
    with running_service(log, project, WORKERS='2', MODEL_SERVING_MODELS='XXXModel') as url:
        service = Processes(url, log)
        service.call_all('XXXModel')

        for pid in [service.master, *service.workers()]:
            assert not maps(pid) & HEAVY


def test_reload_takes_new_code(project: Path, log: Path) -> None:
    model = project / 'model_serving' / 'models' / 'xxx_model.py'
    old = model.read_text()
    with running_service(log, project, WORKERS='2', MODEL_SERVING_MODELS='XXXModel') as url:
        service = Processes(url, log)
        service.call_all('XXXModel')
        before = set(service.workers())
        try:
            model.write_text(old.replace('Hello, {name}!', 'Servus, {name}!'))
            os.kill(service.master, signal.SIGHUP)
            end = time.monotonic() + 60
            while set(service.workers()) & before and time.monotonic() < end:
                time.sleep(0.05)
            answers = {post(url, '/v1/XXXModel', b'{"name": "Leo"}').body for _ in range(8)}
        finally:
            model.write_text(old)

    assert answers == {b'{"result":"Servus, Leo!"}\n'}


BUSY_MAIN = """
import threading
import time
from model_serving.models.xxx_model import XXXModel

threading.Thread(target=time.sleep, args=[600], daemon=True).start()

from docopt import docopt
"""


def test_what_main_imports_and_starts_is_the_workers_own(project: Path, tmp_path: Path, log: Path) -> None:
    """So it is reloaded, too, and no thread of it is lost by a fork."""
    copy = tmp_path / 'project'
    shutil.copytree(project, copy)
    main, model = copy / 'main.py', copy / 'model_serving' / 'models' / 'xxx_model.py'
    main.write_text(main.read_text().replace('from docopt import docopt\n', BUSY_MAIN, 1))
    with running_service(log, copy, WORKERS='2', MODEL_SERVING_MODELS='XXXModel') as url:
        service = Processes(url, log)
        service.call_all('XXXModel')
        before = set(service.workers())
        model.write_text(model.read_text().replace('Hello, {name}!', 'Servus, {name}!'))
        os.kill(service.master, signal.SIGHUP)
        end = time.monotonic() + 60
        while set(service.workers()) & before and time.monotonic() < end:
            time.sleep(0.05)
        answers = {post(url, '/v1/XXXModel', b'{"name": "Leo"}').body for _ in range(8)}

    assert answers == {b'{"result":"Servus, Leo!"}\n'}


@pytest.mark.parametrize('hook', ['pre_fork', 'post_fork'])
def test_hook_that_replaces_ours_is_named(project: Path, tmp_path: Path, hook: str) -> None:
    copy = tmp_path / 'project'
    shutil.copytree(project, copy)
    with (copy / 'conf' / 'gunicorn.conf.py').open('a') as conf:
        conf.write(f'\n\ndef {hook}(server, worker):\n    pass\n')
    said = failed_start(copy, MODEL_SERVING_MODELS='XXXModel', WORKERS='1')
    assert f'{hook} in conf/gunicorn.conf.py has to call that of model_serving.gunicorn_conf' in said


def test_models_are_made_once_and_serve_in_each_worker(project: Path, log: Path) -> None:
    with running_service(log, project, WORKERS='3', PRELOAD='models', OMP_NUM_THREADS='1') as url:
        service = Processes(url, log)
        for model in PREDICT:
            service.call_all(model)

    lines = loading_lines(log).splitlines()
    assert len(lines) == len(PREDICT)
    assert all(line.startswith(f'{service.master} ') for line in lines)


def failed_start(project: Path, **environment: str) -> str:
    """What gunicorn writes before it gives up, which it must in a minute."""
    process = subprocess.run(
        [sys.executable, '-m', 'gunicorn', '--config', str(project / 'conf' / 'gunicorn.conf.py')],
        env={**os.environ, 'HOST': '127.0.0.1', 'PORT': str(free_port()), 'WORKERS': '2', **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert process.returncode != 0
    return process.stdout


def test_models_with_threads_of_their_own_are_refused(project: Path) -> None:
    threads = {'MODEL_SERVING_DIGITS_MODEL_THREADS': '2', 'OMP_NUM_THREADS': '1'}

    said = failed_start(project, PRELOAD='models', MODEL_SERVING_MODELS='DigitsModel', **threads)

    assert '[CRITICAL]' in said
    assert (
        'Cannot start: PRELOAD=models started threads (1) that no worker would have; set PRELOAD=imports'
        in said
    )
    assert 'Booting worker' not in said


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A folder whose packages come before the installed ones."""
    (tmp_path / 'stubs').mkdir()
    return tmp_path / 'stubs'


def test_package_that_starts_threads_is_refused(project: Path, stubs: Path) -> None:
    code = 'import threading, time\nthreading.Thread(target=time.sleep, args=[60], daemon=True).start()'
    (stubs / 'onnxruntime.py').write_text(code)

    said = failed_start(project, PYTHONPATH=str(stubs), MODEL_SERVING_MODELS='DigitsModel')

    assert (
        'Cannot start: PRELOAD=imports started threads (1) that no worker would have; set PRELOAD=none'
        in said
    )


def test_threads_from_before_are_left_alone(project: Path, stubs: Path, log: Path) -> None:
    """A profiler's, say."""
    code = 'import threading, time\nthreading.Thread(target=time.sleep, args=[600], daemon=True).start()'
    (stubs / 'sitecustomize.py').write_text(code)
    environment = {'PYTHONPATH': str(stubs), 'MODEL_SERVING_MODELS': 'XXXModel', 'PRELOAD': 'imports'}
    with running_service(log, project, **environment) as url:
        Processes(url, log).call('XXXModel')


WORDS = {
    'wrong_value': ({'PRELOAD': 'all'}, "PRELOAD: 'all' is not one of imports, models, none"),
    'unknown_model': (
        {'MODEL_SERVING_MODELS': 'Foo'},
        "Cannot start: SettingError: models: no model is called 'Foo'; known: XXXModel",
    ),
    'missing_package': (
        {'MODEL_SERVING_MODELS': 'DigitsModel'},
        "Cannot start: SettingError: models: DigitsModel needs the package 'onnxruntime', which is not",
    ),
}


@pytest.mark.parametrize('preload', ['imports', 'models', 'none'])
@pytest.mark.parametrize('case', WORDS)
def test_failed_start_says_the_same_with_every_preload(
    project: Path, stubs: Path, case: str, preload: str
) -> None:
    (stubs / 'onnxruntime.py').write_text(
        "raise ModuleNotFoundError('No module named onnxruntime', name='onnxruntime')"
    )
    environment, words = WORDS[case]

    said = failed_start(project, **{'PYTHONPATH': str(stubs), 'PRELOAD': preload, **environment})

    assert words in said


@pytest.fixture
def eight_cores(stubs: Path) -> str:
    """The PYTHONPATH under which a process takes this machine for one with eight cores."""
    (stubs / 'sitecustomize.py').write_text('import os\nos.sched_getaffinity = lambda pid: set(range(8))')
    return str(stubs)


THREADS_MODEL = """
import os
import sklearn.linear_model
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from threadpoolctl import threadpool_info
from model_serving.models.digits_model import DigitsModel

class ThreadsModel:
    def __init__(self):
        before = len(os.listdir('/proc/self/task'))
        self.digits = DigitsModel()
        self.started = len(os.listdir('/proc/self/task')) - before

    def report(self):
        pools = {pool['user_api']: pool['num_threads'] for pool in threadpool_info()}
        return {**pools, 'onnxruntime': 1 + self.started}
"""

THREADS_RESOURCE = """
from flask_restful import Resource
from model_serving.models.threads_model import ThreadsModel
from model_serving.schemas.validation import validate_json

threads_model_instance = ThreadsModel()

class ThreadsModelResource(Resource):
    @validate_json({})
    def post(self):
        return threads_model_instance.report()
"""


@pytest.fixture
def project_with_threads_model(project: Path, tmp_path: Path) -> Path:
    """A project with a model that says how many threads it and its libraries have."""
    copy = tmp_path / 'project'
    shutil.copytree(project, copy)
    (copy / 'model_serving' / 'models' / 'threads_model.py').write_text(THREADS_MODEL)
    (copy / 'model_serving' / 'resources' / 'threads_model_resource.py').write_text(THREADS_RESOURCE)
    main = (copy / 'main.py').read_text()
    mount = "Mount('ThreadsModel', 'model_serving.resources.threads_model_resource:ThreadsModelResource'),"
    (copy / 'main.py').write_text(main.replace('MODELS = [', f'MODELS = [{mount}'))
    return copy


SHARES = {
    'of_two': ({'WORKERS': '2'}, 4),
    'of_four_each_on_its_own': ({'WORKERS': '4', 'PRELOAD': 'none'}, 2),
    'of_more_than_there_are_cores': ({'WORKERS': '9'}, 1),
    'that_the_user_chose': ({'WORKERS': '2', 'OMP_NUM_THREADS': '3'}, 3),
}


@pytest.mark.alone
@pytest.mark.parametrize(('settings', 'share'), SHARES.values(), ids=SHARES)
def test_worker_gets_its_share_of_eight_cores(
    project_with_threads_model: Path, log: Path, eight_cores: str, settings: dict[str, str], share: int
) -> None:
    environment = {'PYTHONPATH': eight_cores, 'MODEL_SERVING_MODELS': 'ThreadsModel', **settings}
    with running_service(log, project_with_threads_model, **environment) as url:
        report = post(url, '/v1/ThreadsModel', b'{}').json

    # OpenBLAS knows how many cores there really are.
    assert report == {'onnxruntime': share, 'openmp': share, 'blas': min(share, available_cores())}
