import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_serving.utils import preload_utils
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
        'import runpy, sys\n'
        'from model_serving.utils.preload_utils import import_packages\n'
        "main = runpy.run_path('main.py', run_name='gunicorn.conf')\n"
        "mount, = main['choose']([sys.argv[1]])\n"
        "import_packages([mount.resource.partition(':')[0]])\n"
        "print(*(name for name in sys.modules if '.' not in name))\n"
    )
    imported = set(python(script, name).split())
    needed, needless = SHIPPED[name]

    assert {'flask', 'flask_restful', 'jsonschema_rs', *needed} <= imported
    assert not needless & imported


def test_worker_finds_everything_imported() -> None:
    script = (
        'import sys\n'
        'from model_serving.utils.preload_utils import import_packages\n'
        "models = ['xxx_model', 'iris_model', 'digits_model']\n"
        "import_packages(['model_serving.utils.service_utils',\n"
        "                 *(f'model_serving.resources.{model}_resource' for model in models)])\n"
        'before = set(sys.modules)\n'
        "assert not {name for name in before if name.startswith('model_serving.models')}\n"
        "assert not {name for name in before if name.startswith('model_serving.resources')}\n"
        'import main\n'
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        'print(*sorted(new - sys.stdlib_module_names))\n'
    )
    printed = python(script, MODEL_SERVING_MODELS='XXXModel,IrisModel,DigitsModel').splitlines()[-1]

    assert printed == 'main model_serving'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project; packages from outside of it can be put into the folder `outside` beside it."""
    monkeypatch.setattr(preload_utils, 'ROOT', tmp_path / 'project')
    monkeypatch.syspath_prepend(tmp_path / 'outside')
    monkeypatch.setattr(sys, 'modules', dict(sys.modules))
    (tmp_path / 'project' / 'ours').mkdir(parents=True)
    (tmp_path / 'outside').mkdir()
    (tmp_path / 'outside' / 'preloaded.py').write_text('import os\nseen = os.environ.get("PRELOADED_SEES")\n')
    return tmp_path / 'project'


HEADS = {
    'import': 'import preloaded',
    'from': 'from preloaded import seen',
    'in_a_module_of_ours': 'from ours.behind import X',
    'in_a_module_named_relatively': 'from .behind import X',
    'in_a_module_named_from_its_package': 'from ours import behind',
    'in_a_package_of_ours': 'import ours.inner',
    'after_a_mistake_elsewhere': 'import ours.broken\nimport preloaded',
    'after_a_round': 'import ours.start\nimport preloaded',
    'after_an_attempt': 'try:\n  import no_such_package\nexcept ImportError:\n  pass\nimport preloaded',
}


@pytest.mark.parametrize('code', HEADS.values(), ids=HEADS)
def test_package_is_imported_however_it_is_reached(project: Path, code: str) -> None:
    (project / 'ours' / 'inner').mkdir()
    (project / 'ours' / 'inner' / '__init__.py').write_text('from ..behind import X')
    (project / 'ours' / 'behind.py').write_text('import preloaded\nX = 1')
    (project / 'ours' / 'broken.py').write_text('import no_such_package\nthis is no Python')
    (project / 'ours' / 'start.py').write_text(code)

    preload_utils.import_packages(['ours.start'])

    assert 'preloaded' in sys.modules
    assert not [name for name in sys.modules if name.partition('.')[0] == 'ours']


LEFT_OUT = {
    'in_a_function': 'import os\ndef load():\n  import preloaded',
    'below_what_needs_ours': 'from ours.behind import X\nX()\nimport preloaded',
    'below_what_is_missing': 'import no_such_package\nimport preloaded',
    'no_python': 'import preloaded (',
    'no_imports': 'preloaded = 1',
}


@pytest.mark.parametrize('code', LEFT_OUT.values(), ids=LEFT_OUT)
def test_package_is_left_to_the_worker(project: Path, code: str) -> None:
    (project / 'ours' / 'start.py').write_text(code)
    (project / 'ours' / 'behind.py').write_text('X = None')

    preload_utils.import_packages(['ours.start', 'ours.no_such_module', 'no_such_package'])

    assert 'preloaded' not in sys.modules


def test_package_sees_the_environment_that_its_importer_sets(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PRELOADED_SEES', 'nothing')
    code = 'import os\nos.environ["PRELOADED_SEES"] = "this"\nimport preloaded'
    (project / 'ours' / 'start.py').write_text(code)

    preload_utils.import_packages(['ours.start'])

    assert sys.modules['preloaded'].seen == 'this'


def test_code_below_the_imports_does_not_run(project: Path) -> None:
    mark = project / 'mark'
    (project / 'ours' / 'start.py').write_text(f'import preloaded\nopen({str(mark)!r}, "w")')

    preload_utils.import_packages(['ours.start'])

    assert 'preloaded' in sys.modules
    assert not mark.exists()


FORK = """
import os, sys, numpy
from model_serving.utils.preload_utils import threads_lost_by_a_fork
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
