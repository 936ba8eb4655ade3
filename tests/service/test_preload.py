import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_serving.service import preload as preload_utils
from tests.service_process import ROOT

SHIPPED = {
    'XXXModel': (set(), {'numpy', 'onnxruntime', 'sklearn', 'skops', 'scipy', 'torch'}),
    'DigitsModel': ({'numpy', 'onnxruntime'}, {'sklearn', 'skops', 'scipy', 'torch'}),
    'IrisModel': ({'numpy', 'sklearn', 'skops'}, {'onnxruntime'}),
}


def python(script: str, *arguments: object, **environment: str) -> str:
    """What a new process prints; a minute is far more than any of these take, unless one hangs."""
    return subprocess.run(
        [sys.executable, '-c', script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.parametrize('name', SHIPPED)
def test_packages_of_the_chosen_model_are_imported(name: str) -> None:
    script = (
        'import sys\n'
        'from pathlib import Path\n'
        'from model_serving.service.mounts import choose, read_mounts\n'
        'from model_serving.service.preload import PACKAGES, import_packages\n'
        "mount, = choose(read_mounts(Path('main.py')), [sys.argv[1]])\n"
        'import_packages([*PACKAGES, *mount.packages])\n'
        "print(*(name for name in sys.modules if '.' not in name))\n"
    )
    imported = set(python(script, name).split())
    needed, needless = SHIPPED[name]

    assert {'flask', 'flask_restful', 'jsonschema_rs', *needed} <= imported
    assert not needless & imported


def test_worker_finds_everything_imported() -> None:
    """Else add what is missing to PACKAGES, or to the packages of a model in main.py."""
    script = (
        'import sys\n'
        'from pathlib import Path\n'
        'from model_serving.service.mounts import choose, read_mounts\n'
        'from model_serving.service.preload import PACKAGES, import_packages\n'
        "chosen = choose(read_mounts(Path('main.py')), ())\n"
        'packages = [package for mount in chosen for package in mount.packages]\n'
        'import_packages([*PACKAGES, *packages])\n'
        'before = set(sys.modules)\n'
        "assert not {name for name in before if name.startswith('model_serving.models.')}\n"
        "assert not {name for name in before if name.startswith('model_serving.resources')}\n"
        'import main\n'
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        'print(*sorted(new - sys.stdlib_module_names))\n'
    )
    printed = python(script, MODEL_SERVING_MODELS='XXXModel,IrisModel,DigitsModel').splitlines()[-1]

    assert printed == 'main model_serving'


def test_package_that_cannot_be_imported_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'modules', dict(sys.modules))
    (tmp_path / 'broken.py').write_text('this is no Python')
    (tmp_path / 'preloaded.py').write_text('')

    preload_utils.import_packages(['no_such_package', 'broken', 'preloaded'])

    assert 'preloaded' in sys.modules


FORK = """
import os, sys, numpy
from model_serving.service.preload import threads_lost_by_a_fork
def onnxruntime():
    from model_serving.models.digits_model import DigitsModel
    digits = DigitsModel()
    images = numpy.random.rand(512, 64)
    return lambda: digits.predict(images)[1]
def scikit_learn():
    from model_serving.models.iris_model import IrisModel
    iris = IrisModel()
    flowers = numpy.random.rand(512, 4)
    return lambda: iris.predict(flowers)[1]
def openmp():
    from sklearn.ensemble import HistGradientBoostingClassifier
    rows = numpy.random.rand(512, 4)
    trees = HistGradientBoostingClassifier(max_iter=3).fit(rows, rows[:, 0] > 0.5)
    return lambda: trees.predict_proba(rows)
def openblas():
    matrix = numpy.random.rand(500, 500)
    return lambda: matrix @ matrix
def torch():
    from model_serving.models.co2_model import CO2Model
    co2 = CO2Model()
    histories = (400 + numpy.random.rand(512, 36)).tolist()
    return lambda: co2.predict(histories)
predict = globals()[sys.argv[1]]()
before = predict() if sys.argv[2] == 'used' else None
lost = threads_lost_by_a_fork()
print('lost' if lost else 'kept', flush=True)
if not lost:
    child = os.fork()
    if child == 0:
        after = predict()
        os._exit(0 if before is None or numpy.allclose(before, after) else 1)
    print(os.waitpid(child, 0)[1])
"""

FRAMEWORKS = [
    ('onnxruntime', 'loaded', 1, 'safe'),
    ('onnxruntime', 'used', 1, 'safe'),
    ('onnxruntime', 'loaded', 2, 'refused'),
    ('onnxruntime', 'used', 2, 'refused'),
    ('scikit_learn', 'used', 1, 'safe'),
    ('scikit_learn', 'used', 2, 'safe'),
    ('openblas', 'used', 2, 'safe'),
    ('openmp', 'used', 1, 'safe'),
    ('openmp', 'used', 2, 'refused'),
    pytest.param('torch', 'loaded', 1, 'safe', marks=pytest.mark.torch),
    pytest.param('torch', 'used', 1, 'safe', marks=pytest.mark.torch),
    pytest.param('torch', 'loaded', 2, 'refused', marks=pytest.mark.torch),
    pytest.param('torch', 'used', 2, 'refused', marks=pytest.mark.torch),
]


@pytest.mark.parametrize(('framework', 'state', 'threads', 'verdict'), FRAMEWORKS)
def test_model_predicts_the_same_after_a_fork_or_is_refused(
    framework: str, state: str, threads: int, verdict: str
) -> None:
    printed = python(FORK, framework, state, OMP_NUM_THREADS=str(threads)).split()

    assert printed == (['kept', '0'] if verdict == 'safe' else ['lost'])
